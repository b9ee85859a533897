"""``EdgeGym/InferenceBatching-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.inference_batching.system import InferenceBatchingSystem


class InferenceBatchingEnv(CandidateEnv):
    """Which queue an accelerator serves, in how large a batch and by which variant of its model; or whether to wait.

    ## Description
    Requests for inference arrive in queues, each with a deadline (its SLO) and some variants of a model that can answer
    it, faster or more accurately. One accelerator serves one batch at a time. Whenever it is free and requests wait, a
    decision is pending. Batch times and energies are those of the device card for the variant's model card (outside the
    batches that the card was measured with they are extrapolated), and deterministic, as in Clockwork (A. Gujarati et
    al., OSDI 2020). Memory may be too small for all variants: one that is not loaded is loaded first, in place of the
    least recently used ones, and the accelerator waits for its weights.

    A batch takes the oldest requests of its queue. With ``drop="late"`` it takes the oldest that it answers in time,
    and those before them are dropped (early drop: H. Shen et al., Nexus, SOSP 2019).

    With mean latency as the only aim, affine batch times and Poisson arrivals, serving all that waits is optimal to
    1e-5 (the preset ``smdp``; :mod:`edgegym.queueing.batching_smdp`). Deadlines, several queues, variants and memory
    are what there is to decide about.

    An episode is a number of requests: drawn from the workload seed, or read from a trace. From then on the system is a
    deterministic function of the actions.

    ## Action Space
    ``Discrete(1 + variants x batches)``. Action 0 waits for the next arrival or ``wait_s``, and is always allowed; what
    no arrival and no timer will end gives up all that waits. Action 1 + v len(batches) + i serves up to ``batches[i]``
    requests by variant v, counted over all queues. It is forbidden if it would answer nobody (in time, with
    ``drop="late"``), or if a smaller size takes all that waits too; it then counts as 0 and in ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(1 + variants x batches, 28)`` and ``context`` ``(9,)``, float32 in [0, 1], and ``mask``
    int8. With ``observation="flat"`` one ``Box`` of the same numbers in this order. "x against y" means x / (x + y),
    "log" means log2(1 + x) / 16. "Queue" is the candidate's, "scale" its SLO (1 s without one), and "worth" is weight
    times accuracy. Nothing tells of later arrivals but the rates of earlier ones: counts that decay with half-lives of
    .5 (short) and 5 scales (long), over the time since the start, which decays likewise.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``wait``: candidate 0, of which ``time``, ``endangered``, ``net``, ``backlog``, ``spare`` are not 0 | 0 | 1 |
    | 1 | ``batch``: size of the batch, log | 0 | 1 |
    | 2 | ``fill``: the batch as a share of the queue | 0 | 1 |
    | 3 | ``passed``: older requests that it drops, as a share of the queue | 0 | 1 |
    | 4 | ``met``: share of the batch that is answered in time | 0 | 1 |
    | 5 | ``time``: seconds for loading and serving (waiting: the timer), against the scale | 0 | 1 |
    | 6 | ``load``: share of that time for loading | 0 | 1 |
    | 7 | ``energy``: joules per request, against 1 J | 0 | 1 |
    | 8 | ``accuracy``: of the variant | 0 | 1 |
    | 9 | ``accuracy_rank``: the same over that of the queue's best variant | 0 | 1 |
    | 10 | ``weight``: of the queue, against 1 | 0 | 1 |
    | 11 | ``margin``: time to spare at the answer for the batch's oldest request, in scales, cut to [0, 1] | 0 | 1 |
    | 12 | ``slack``: time to the deadline of the queue's oldest request, in scales, cut to [0, 1] | 0 | 1 |
    | 13 | ``age``: time that the queue's oldest request has waited, against the scale | 0 | 1 |
    | 14 | ``waiting``: length of the queue, log | 0 | 1 |
    | 15 | ``urgent``: the queue has the earliest deadline | 0 | 1 |
    | 16 | ``longest``: the queue is the longest | 0 | 1 |
    | 17 | ``endangered``: worth of the requests dropped, or too late for any answer afterwards, log | 0 | 1 |
    | 18 | ``net``: .5 + .5 (worth answered in time - endangered) / (their sum) | 0 | 1 |
    | 19 | ``rate``: worth answered in time per second, over that of the best candidate | 0 | 1 |
    | 20 | ``best_rate``: it is the best | 0 | 1 |
    | 21 | ``demand``: arrivals expected during the batch (short rate), against its size | 0 | 1 |
    | 22 | ``arriving``: the same arrivals, log | 0 | 1 |
    | 23 | ``backlog``: seconds of work left afterwards by the quickest variants, against the shortest scale | 0 | 1 |
    | 24 | ``spare``: least time to spare of those left afterwards if answered next, in scales, cut to [0, 1] | 0 | 1 |
    | 25 | ``utilisation_short``: as ``load_short``, but with this variant for its queue, against 1 | 0 | 1 |
    | 26 | ``utilisation_long``: likewise as ``load_long`` | 0 | 1 |
    | 27 | ``drain``: seconds of loading and waiting work, by this variant for its queue, against the scale | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``waiting_all``: requests that wait in all queues, log | 0 | 1 |
    | 1 | ``backlog_now``: seconds of work that wait, by the quickest variants, against the shortest scale | 0 | 1 |
    | 2 | ``load_short``: load that arrives, by the quickest variants and the short rates, against 1 | 0 | 1 |
    | 3 | ``load_long``: the same by the long rates | 0 | 1 |
    | 4 | ``trend``: the former against the latter | 0 | 1 |
    | 5 | ``silence``: time since the last arrival, against a tenth of the shortest scale | 0 | 1 |
    | 6 | ``least_slack``: time to the earliest deadline, in scales, cut to [0, 1] | 0 | 1 |
    | 7 | ``queues_waiting``: share of the queues that are not empty | 0 | 1 |
    | 8 | ``memory_free``: share of the memory | 0 | 1 |

    ## Rewards
    Each decision pays the weighted terms of ``reward`` for the requests that it answers and drops: ``goodput`` (1 per
    request in time, times the queue's weight and the variant's accuracy, the default), minus ``shortfall`` (what each
    request falls short of its queue's best accuracy, times the weight: goodput less a constant), minus ``latency`` (per
    second from arrival to answer), minus ``energy`` (per joule), minus ``drop`` (per request dropped or late). With
    ``reward={"signal": "advantage"}`` a decision instead pays what it earns more than the reference rule's decision, if
    the reference rule (:mod:`edgegym.envs.inference_batching.reference`) went on with the true arrivals; with
    ``reference`` that rule keeps to some variants. That signal knows the future: it is for training, and evaluation
    does not use it.

    ## Starting State
    Empty queues; variants are loaded in their order as long as they fit.

    ## Episode End
    Terminated when all requests are handled; ``info["metrics"]`` then holds ``goodput_accuracy`` (accuracy of the
    answers in time, 0 for all other requests, weighted mean), ``slo_attainment``, ``goodput_per_s``, ``accuracy``,
    ``drop_rate``, ``late_rate``, ``mean_latency_s``, ``p50_latency_s``, ``p95_latency_s``, ``p99_latency_s`` (of all
    answers), ``energy_j`` (per answer, while batches run), ``mean_batch``, ``utilisation``, ``loads`` and
    ``invalid_actions``. The final observation is zero and allows action 0 only. Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"smdp"``: one queue, affine batch times, no deadlines, latency alone |
    | ``device`` | ``"rtx_3090"`` | device card of the accelerator |
    | ``queues`` | two | ``[{"variants": [...], "slo_s": 0.1, "share": 1, "weight": 1}, ...]``: see below |
    | ``workload`` | Poisson, 1500/s | ``{"arrivals": {"kind": ...}, "requests": 2000, "speed": 1.0}``: see below |
    | ``batches`` | ``(1, 2, 4, 8, 16, 32)`` | sizes to choose from |
    | ``drop`` | ``"late"`` | ``"never"``, ``"expired"`` (past the deadline), ``"late"`` (sure to miss it) |
    | ``wait_s`` | 0.005 | longest wait; ``None`` for the next arrival alone |
    | ``memory_bytes`` | 128e6 | for the weights of loaded variants; ``None`` for the device card's memory |
    | ``load_bytes_per_s`` | 12e9 | at which weights are loaded |
    | ``reward`` | ``{"goodput": 1.0}`` | weights of the terms, ``signal``, ``reference``, ``horizon_s`` |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    A variant is the name of a model card, or a mapping of ``setup_s``, ``per_item_s``, ``accuracy``, ``active_w`` and
    ``bytes``. The default queues classify images: MobileNetV2 (half and full width) and EfficientNet-B0 within 50 ms,
    ResNet-18 and ResNet-50 within 100 ms. ``arrivals`` is any stream of :mod:`edgegym.workload.arrivals`, for a trace a
    window of ``requests`` at a random place of its ``part``; ``speed`` (a number, or a range that episodes draw from)
    multiplies its rate. Each request is dealt to a queue by the ``share`` of the queues.

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.inference_batching.workload.Episode` of requests to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/InferenceBatching-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = InferenceBatchingSystem


class InferenceBatchingVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`InferenceBatchingEnv`: one kernel call steps all rows."""

    env_class = InferenceBatchingEnv
