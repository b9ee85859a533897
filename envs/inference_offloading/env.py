"""``EdgeGym/InferenceOffloading-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem


class InferenceOffloadingEnv(CandidateEnv):
    """By which plan a device answers an inference task: where, how split, how compressed, at what accuracy.

    ## Description
    Users' devices produce tasks: frames, commands, sensor windows. A task can be answered on the device, on an edge
    server, in the cloud, or by a network that is cut between them. Each is an execution plan: a network (of several, in
    a number format), up to two cut points, what is sent (the raw input, or features in 32, 8 or 4 bits), early exits,
    helper devices, noise or secure inference for private tasks, a server's earlier results. Plans are counted once from
    cards: times from device cards and the counted work of model cards, transfers from link cards. Plans that another
    one dominates are left out, and the most useful of the others become the candidates.

    Each task raises a decision when it arrives. The device computes and the uplink sends in the order of decisions; raw
    input need not wait for the processor. Upload time is the integral of the uplink's throughput, which is drawn from a
    link card or replayed from a trace. A job joins its server's queue when it arrives there. A free server takes the
    job at the head, and up to its largest batch the jobs behind it that run the same part of the same network. The
    cloud never queues. An upload that takes longer than ``timeout_s`` fails.

    An episode draws arrivals, throughput, round trips and noise from the workload seed; from then on it is a
    deterministic function of the actions.

    ## Action Space
    ``Discrete(candidates)``, at most the setting ``candidates``. Action 0, the first network whole on the device, is
    always allowed. The mask forbids plans that are less accurate than demanded, that could not meet the deadline with
    empty queues on the fastest uplink, or that would show a private input. Where nothing but the fallback is left, not
    even the fallback may meet the demands: the task counts in ``hopeless_ratio``. A forbidden action counts as 0 and
    in ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(candidates, 25)`` and ``context`` ``(18,)``, float32 in [0, 1], and ``mask``
    ``(candidates,)`` int8. With ``observation="flat"`` one ``Box`` of the same numbers in this order. Times are shown
    as t / (t + .1 s), energies as x / (x + 1 J), rates on a logarithmic scale from 10 kbit/s (0) to 10 Gbit/s (1).
    Predictions use medians and what is known at the arrival: throughput of seconds that are over, announced queues.
    "At last" sends at the rate of the last second, "at mean" at the harmonic mean of the last five. "Cost" is the sum
    of the reward's terms.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``device_time``: computing on the device | 0 | 1 |
    | 1 | ``server_time``: computing on edge server and cloud | 0 | 1 |
    | 2 | ``bytes``: sent over the access link, log2(1 + x) / 40 | 0 | 1 |
    | 3 | ``energy``: of the device, sending at last | 0 | 1 |
    | 4 | ``accuracy``: of the result | 0 | 1 |
    | 5 | ``leave_share``: share of the tasks that an early exit on the device answers | 0 | 1 |
    | 6 | ``workers``: helper devices / 8 | 0 | 1 |
    | 7 | ``on_device``: nothing is sent | 0 | 1 |
    | 8 | ``on_edge``: an edge server takes part | 0 | 1 |
    | 9 | ``on_cloud``: the cloud takes part | 0 | 1 |
    | 10 | ``split``: the network is cut | 0 | 1 |
    | 11 | ``hides_input``: no server sees raw input or plain features | 0 | 1 |
    | 12 | ``upload_at_last``: sending what waits and this | 0 | 1 |
    | 13 | ``server_wait``: in the server's queue, at the arrival there | 0 | 1 |
    | 14 | ``server_load``: share of the last 10 s or so that the server computed | 0 | 1 |
    | 15 | ``hit_chance``: that an earlier result serves | 0 | 1 |
    | 16 | ``latency_at_last``: from arrival to result | 0 | 1 |
    | 17 | ``latency_at_mean``: the same | 0 | 1 |
    | 18 | ``slack``: deadline / (deadline + latency at last); 1 without a deadline | 0 | 1 |
    | 19 | ``in_time``: latency at last meets the deadline | 0 | 1 |
    | 20 | ``cost_at_last``: in excess of the least, x / (x + .1) | 0 | 1 |
    | 21 | ``cost_at_mean``: the same | 0 | 1 |
    | 22 | ``gain_at_last``: cost below that of the fallback, x: .5 + .5 x / (abs(x) + .1) | 0 | 1 |
    | 23 | ``best_at_last``: least cost at last | 0 | 1 |
    | 24 | ``best_at_mean``: least cost at mean | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``rate_1``: uplink in the last second | 0 | 1 |
    | 1 | ``rate_2``: in the one before it | 0 | 1 |
    | 2 | ``rate_3``: in the third last | 0 | 1 |
    | 3 | ``rate_4``: in the fourth last | 0 | 1 |
    | 4 | ``rate_5``: in the fifth last | 0 | 1 |
    | 5 | ``rate_mean_5``: harmonic mean of the last 5 seconds | 0 | 1 |
    | 6 | ``rate_mean_20``: mean of the logarithm over 20 seconds | 0 | 1 |
    | 7 | ``rate_least_20``: lowest in 20 seconds | 0 | 1 |
    | 8 | ``rate_spread_20``: 4 times the standard deviation of the logarithm over 20 seconds | 0 | 1 |
    | 9 | ``second``: how much of the present second is over | 0 | 1 |
    | 10 | ``device_wait``: until the device has done what it has begun or queued | 0 | 1 |
    | 11 | ``unsent``: sending what waits at the rate of the last second | 0 | 1 |
    | 12 | ``deadline``: 1 without one | 0 | 1 |
    | 13 | ``private``: the task is private | 0 | 1 |
    | 14 | ``battery``: share that is left; 1 on mains | 0 | 1 |
    | 15 | ``task_rate``: mean tasks per second of the user, x / (x + 10) | 0 | 1 |
    | 16 | ``server_wait_mean``: wait at an edge server now, mean over them | 0 | 1 |
    | 17 | ``server_load_mean``: load, mean over them | 0 | 1 |

    ## Rewards
    A finished task pays minus the weighted terms of ``reward``: ``latency`` (per second, the default), ``miss`` (per
    late or failed result), ``energy`` (per joule of the device), ``accuracy`` (per unit that is missing to 1),
    ``megabyte`` (sent over the access link), ``server`` (per second of a server's time). What no queue can change any
    more is paid with the decision, the rest when a server takes the job up; the last decision brings all that is left.
    With ``reward={"signal": "regret"}`` a decision instead pays minus its cost in excess of the best plan's, future
    throughput known and the delay of later tasks priced. That signal is for training; evaluation does not use it.

    ## Starting State
    Empty queues, full batteries, 20 seconds of throughput seen.

    ## Episode End
    Terminated after the last task; ``info["metrics"]`` then holds ``mean_latency_s``, ``p95_latency_s``,
    ``p99_latency_s``, ``deadline_miss_ratio``, ``failure_ratio``, ``hopeless_ratio``, ``energy_j``, ``accuracy``,
    ``uplink_mbyte``, ``server_s``, ``device_utilisation``, ``link_utilisation``, ``server_utilisation``,
    ``battery_life_h``, ``frames_per_s`` (frame rate held), ``motion_to_photon_s``, ``offloaded_share``,
    ``reused_share`` and ``invalid_actions``. Tasks of a device whose battery is empty are lost without a decision; each
    costs as much as a failed result after ``timeout_s``. The
    final observation is zero and allows action 0 only. Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"camera"``, ``"voice"``, ``"iot"``, ``"ar"``, ``"phone_5g"``, ``"shared_server"`` |
    | ``seconds`` | 60 | length of an episode |
    | ``users`` | one | groups: ``count``, ``device`` card, ``application``, ``battery_j`` |
    | ``access`` | ``5g_driving`` | ``{"kind": "card", ...}`` draws, ``{"kind": "trace", "path": ...}`` replays |
    | ``servers`` | ``jetson_agx_orin_gpu`` | edge servers: ``card``, ``largest_batch``, ``link`` |
    | ``cloud`` | ``rtx_4090`` | ``card`` and ``link``; ``None``: there is none |
    | ``plans`` | cuts, 32 and 8 bits | which kinds of plans there are; see below |
    | ``candidates`` | 32 | most plans a decision chooses from |
    | ``timeout_s`` | 10 | an upload that takes longer fails |
    | ``reward`` | ``{"latency": 1.0}`` | weights of the terms, ``signal``, ``externality`` |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    An ``application`` has ``models`` (model cards), ``arrivals`` (see :mod:`edgegym.workload.arrivals`),
    ``deadline_s``, ``min_accuracy``, ``private_share``, ``private_hides`` and ``compression``. ``plans`` has ``edge``,
    ``cloud``, ``cuts``, ``tiers`` (cuts at two places), ``formats``, ``feature_bits``, ``exits``, ``noise``,
    ``spare``, ``change_detection``, ``secure``, ``peers`` and ``reuse``.

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.inference_offloading.workload.Episode` to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/InferenceOffloading-v0", num_envs=n)`` gives the native one: row i seeded s equals the
    single environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = InferenceOffloadingSystem


class InferenceOffloadingVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`InferenceOffloadingEnv`: one kernel call steps all rows."""

    env_class = InferenceOffloadingEnv
