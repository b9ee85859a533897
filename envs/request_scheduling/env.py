"""``EdgeGym/RequestScheduling-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem


class RequestSchedulingEnv(CandidateEnv):
    """Which server answers a request, and with which variant of the model.

    ## Description
    Inference requests reach an edge site, or a few sites joined by links. Each belongs to a stream, which says its
    task, origin, priority class, deadline and payload. When it arrives it is sent to a server, for one of the variants
    that its task may use; or it is rejected, or held back at its source and decided on again.

    A server is a device card: a call takes as long as the card says for the model card's work and the batch, times the
    mean size of the requests, and times 1 + ``per_co_runner`` for each batch that runs beside it when it starts. It
    has memory for some models; a model that is not there is loaded first, and those used least recently make room. Its
    discipline orders the queue and forms batches of one model. A plain server works off ``rate`` of size a second. On
    its way a request takes half a round trip and the transfer of its payload; its answer takes half a round trip.

    An episode is a number of requests: drawn from the workload seed, or windows of arrival traces. From then on the
    system is an exact simulation of events and a deterministic function of the actions.

    The preset ``park_load_balance`` is the load balancing of Park (H. Mao et al., NeurIPS 2019): ten servers of rates
    .15, .25, ..., 1.05, first come, first served; 1000 jobs of Pareto sizes, the same draws for the same seed. What
    differs: Park's observed load adds waiting *size* to remaining *time*; here all is in time. Sizes, gaps and service
    times are truncated to integers as there; the columns show the service time before truncation, as the published
    shortest-expected-delay rule uses it. Park's time has no unit and stands as seconds.

    ## Action Space
    ``Discrete``: action 0 rejects and is always allowed; then come the pairs of server and variant, server by server;
    with ``hold`` the last one holds the request back. With ``reject=False`` there is no rejecting, and action 0 is the
    first pair. A pair is forbidden if the task has no such variant, the model does not fit into the server's memory,
    or the server's queue is full. An action that the mask forbids counts as 0 and in ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(actions, 18)`` and ``context`` ``(11,)``, float32 in [0, 1], and ``mask`` ``(actions,)``
    int8. With ``observation="flat"`` one ``Box`` of the same numbers in this order. "oct" means .5 + log2(x) / 40 with
    at least 1e-6 for x. Expected times are exact for one slot, first come, first served, without batches and ways;
    else they are estimates from the server's backlog.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``finish``: expected seconds until the answer is back, oct | 0 | 1 |
    | 1 | ``next_finish``: the least of another such request of typical size that came right after, oct | 0 | 1 |
    | 2 | ``wait``: expected seconds in the server's queue, oct | 0 | 1 |
    | 3 | ``service``: seconds of a call with this request alone, oct | 0 | 1 |
    | 4 | ``network``: seconds to the server and back, oct | 0 | 1 |
    | 5 | ``swap``: seconds to load the model if it is not in memory, oct | 0 | 1 |
    | 6 | ``energy``: joules of such a call, oct | 0 | 1 |
    | 7 | ``queue``: 1 + requests that are sent there and not finished, oct | 0 | 1 |
    | 8 | ``relative_finish``: least ``finish`` of all over this one | 0 | 1 |
    | 9 | ``relative_next``: what ``next_finish`` is if this one goes nowhere, over ``next_finish`` | 0 | 1 |
    | 10 | ``speed``: least ``service`` of all over this one | 0 | 1 |
    | 11 | ``forming``: waiting requests of this model modulo the largest batch, as a share of it | 0 | 1 |
    | 12 | ``slack``: .5 + half the share of the deadline that is left at the finish; 1 without one | 0 | 1 |
    | 13 | ``feasible``: expected to be in time | 0 | 1 |
    | 14 | ``accuracy``: of the variant | 0 | 1 |
    | 15 | ``quickest``: the least ``finish``, the first of equals | 0 | 1 |
    | 16 | ``reject``: this rejects | 0 | 1 |
    | 17 | ``hold``: this holds back | 0 | 1 |

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``size``: of the request, oct | 0 | 1 |
    | 1 | ``relative_size``: over the typical size, a moving geometric mean, oct | 0 | 1 |
    | 2 | ``priority``: 1 high, .5 normal, 0 low | 0 | 1 |
    | 3 | ``deadline``: seconds until it, oct; 1 without one | 0 | 1 |
    | 4 | ``held``: times that it was held back, as a share of the most | 0 | 1 |
    | 5 | ``gap``: moving mean of the seconds between arrivals, oct | 0 | 1 |
    | 6 | ``in_system``: 1 + requests that have arrived and not left, oct | 0 | 1 |
    | 7 | ``idle``: servers with a free slot, as a share of all | 0 | 1 |
    | 8 | ``in_time``: moving mean of the share of requests that left in time | 0 | 1 |
    | 9 | ``best_finish``: least ``finish``, oct | 0 | 1 |
    | 10 | ``best_wait``: least ``wait``, oct | 0 | 1 |

    ## Rewards
    What happened since the last action pays the weighted terms of ``reward``: ``goodput`` (accuracy times class weight
    of an answer in time, the default), ``slo`` (1 for each), minus ``latency`` (per second and request in the system;
    the default of Park's preset, whose return is minus the sum of the sojourn times), minus ``tail`` (per second that
    an answer takes longer than ``tail_s``), minus ``energy`` (per joule), minus ``reject`` (class weight of a request
    rejected or dropped). With ``reward={"signal": "regret"}`` a decision instead pays what it is worth against the
    choice of a rule (``base``: accuracy scaling, without parameters the greedy one) if all later requests follow that
    rule. That signal knows the requests to come: it is for training, and evaluation does not use it.

    ## Starting State
    Idle servers, with their ``resident`` models in memory.

    ## Episode End
    Terminated when every request has left; ``info["metrics"]`` then holds ``mean_sojourn``, ``p50_sojourn``,
    ``p95_sojourn`` and ``p99_sojourn`` (from arrival to answer, of all answers, and with ``_high``, ``_normal`` and
    ``_low`` by class), ``slo_attainment``, ``goodput``, ``accurate_goodput`` (accuracy times class weight of the
    answers in time, as a share of all weight), ``accuracy``, ``utilisation``, ``energy_j``, ``fairness``, ``rejected``,
    ``dropped``, ``held``, ``loads`` and ``invalid_actions``. The final observation is zero and allows action 0 only.
    Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"edge_site"`` (the defaults) or ``"park_load_balance"`` |
    | ``workload`` | bursty streams | ``{"kind": "streams", ...}`` or ``{"kind": "park", ...}``: see below |
    | ``tasks`` | image classes | task to model cards, its variants |
    | ``servers`` | five boards | each with ``device`` or ``rate``, ``site``, ``slots``, ``memory_bytes`` and so on |
    | ``topology`` | two edge nodes | ``{"builder": ...}``: edge nodes, cloud (its origin) and links |
    | ``access_link`` | ``"5g_first_hop"`` | link card between users and their edge node |
    | ``discipline`` | FCFS | ``order``, ``max_batch``, ``window_s``, ``drop_late``, ``most_queued`` |
    | ``reject`` | ``True`` | whether action 0 rejects |
    | ``hold`` | ``None`` | ``{"step_s": ..., "most": ...}`` adds the action that holds back |
    | ``priority_weights`` | ``(4, 2, 1)`` | of the classes high, normal and low |
    | ``reward`` | ``{"goodput": 1.0}`` | weights of the terms, ``signal`` with ``base``, ``horizon``, ``clip`` |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    Streams have ``task``, ``arrivals`` (a process or a trace: :mod:`edgegym.workload.arrivals`), ``size``, ``origin``,
    ``priority``, ``deadline_s`` and ``payload_bytes``; the workload has ``seconds``, ``part`` (which part of
    all traces is used) and ``speed`` (how much faster all streams arrive; a pair draws one for each episode). Orders
    of service are ``"fcfs"``, ``"edf"``, ``"strict_priority"`` and ``"weighted_priority"``.

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode) and ``episode`` (an
    :class:`~edgegym.envs.request_scheduling.workload.Episode` to serve instead).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/RequestScheduling-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = RequestSchedulingSystem


class RequestSchedulingVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`RequestSchedulingEnv`: one kernel call steps all rows."""

    env_class = RequestSchedulingEnv
