"""``EdgeGym/ContentCaching-v0``: the single and the native vector environment."""

from __future__ import annotations

from edgegym.decision.single import CandidateEnv
from edgegym.decision.vector import CandidateVectorEnv
from edgegym.envs.caching.system import CachingSystem


class ContentCachingEnv(CandidateEnv):
    """Whom to evict for a missing content, or to admit nothing.

    ## Description
    Users request contents from edge nodes. Each node has a cache of limited capacity; behind them stand the other nodes
    and an origin, over a topology whose links are link cards. A request is served from the node's own cache, else from
    the nearest node that holds a copy, else from the origin. A content that was missing and fits into the free room is
    admitted. One that does not fit raises a decision: evict one of the nominated residents, or admit nothing. Decisions
    repeat until the content fits or is refused; evicted contents are gone either way. Contents larger than the cache
    are never admitted. A copy of a content that a neighbour holds is a decision of the same kind.

    An episode is a request trace: drawn from the workload seed, or read from a file. From then on the system is a
    deterministic function of the actions; the seed otherwise only chooses which residents are sampled.

    ## Action Space
    ``Discrete(candidates + 1)``. Action 0 admits nothing and is always allowed. Action k evicts nominated resident k.
    Among the nominated are the victims that LRU, FIFO, LFU (ties: least recently used) and GDSF would choose; the rest
    is a uniform sample of the residents without repetition. An action that the mask forbids counts as 0 and in
    ``invalid_actions``.

    ## Observation Space
    A dict of ``candidates`` ``(candidates + 1, 17)`` and ``context`` ``(8,)``, float32 in [0, 1], and ``mask``
    ``(candidates + 1,)`` int8. With ``observation="flat"`` one ``Box`` of the same numbers in this order. Ages and gaps
    are in requests that reached the node. "log" means log2(x) / 24: 1 gives 0, 16.8 million gives 1.

    | Num | Candidate column | Min | Max |
    |-----|------------------|-----|-----|
    | 0 | ``age``: requests since the last use + 1, log | 0 | 1 |
    | 1 | ``gap``: requests between the last two uses, log; 1 if used once | 0 | 1 |
    | 2 | ``gap_age``: gap + age, log; 1 if used once | 0 | 1 |
    | 3 | ``mean_gap``: requests since the first use per use, log | 0 | 1 |
    | 4 | ``count``: uses so far (also before an eviction), log | 0 | 1 |
    | 5 | ``frequency``: uses since the insertion, log | 0 | 1 |
    | 6 | ``residence``: requests since the insertion + 1, log | 0 | 1 |
    | 7 | ``size``: KiB, log | 0 | 1 |
    | 8 | ``rate_short``: .5 + log2(uses, decayed with a half-life of 2 cache capacities of requests) / 40 | 0 | 1 |
    | 9 | ``rate_long``: the same with 20 capacities | 0 | 1 |
    | 10 | ``retrieval_cost``: 1 + milliseconds to fetch it from the nearest other holder or the origin, log | 0 | 1 |
    | 11 | ``neighbour_copy``: another node holds a copy | 0 | 1 |
    | 12 | ``admit_nothing``: this is candidate 0, the waiting content itself | 0 | 1 |
    | 13 | ``lru_victim``: LRU would evict it | 0 | 1 |
    | 14 | ``fifo_victim``: FIFO would evict it | 0 | 1 |
    | 15 | ``lfu_victim``: LFU would evict it | 0 | 1 |
    | 16 | ``gdsf_victim``: GDSF would evict it | 0 | 1 |

    With ``forecaster=FOLDER`` (``edgegym forecast`` fits one) there is one more, the last: ``forecast`` in [0, 1], .5 +
    log2(requests that the forecaster expects at the node in the next window) / 40. Fit it for the capacity at hand.

    | Num | Context entry | Min | Max |
    |-----|---------------|-----|-----|
    | 0 | ``capacity``: contents of mean size that the cache holds, log | 0 | 1 |
    | 1 | ``residents``: contents in the cache, log | 0 | 1 |
    | 2 | ``free``: free share of the capacity | 0 | 1 |
    | 3 | ``missing``: room still to be made, as a share of the waiting content's size | 0 | 1 |
    | 4 | ``recent_hits``: hit ratio over about the last 256 requests | 0 | 1 |
    | 5 | ``recent_new``: share of first requests among about the last 256 | 0 | 1 |
    | 6 | ``incoming_seen``: the waiting content was requested before | 0 | 1 |
    | 7 | ``incoming_neighbour_copy``: another node holds the waiting content | 0 | 1 |

    ## Rewards
    Each request served since the last action pays the weighted terms of ``reward``: ``hit`` (1 per local hit, the
    default), ``byte_hit`` and ``backhaul_saved`` (per megabyte), ``latency_saved`` (per second). With
    ``reward={"signal": "clairvoyant"}`` a decision instead pays minus its regret against the nominated candidate whose
    future hits are worth least. That signal knows the future: it is for training, and evaluation does not use it.

    ## Starting State
    Empty caches. With ``warmup_by="lru"`` the warm-up requests fill them by LRU before the first decision.

    ## Episode End
    Terminated when the trace is exhausted; ``info["metrics"]`` then holds ``hit_ratio``, ``byte_hit_ratio``,
    ``neighbour_hit_ratio``, ``mean_latency_s``, ``p95_latency_s``, ``backhaul_bytes``, ``evictions``,
    ``admissions_refused`` and ``invalid_actions`` of the requests after the warm-up (``invalid_actions`` of all). The
    final observation is zero and allows action 0 only. Truncated only by a step limit.

    ## Arguments
    | Argument | Default | Meaning |
    |----------|---------|---------|
    | ``preset`` | ``None`` | ``"edge_video"`` (the defaults), ``"edge_cluster"`` (four nodes), ``"zipf_objects"`` |
    | ``workload`` | shot noise | ``{"kind": ..., ...}``: see :mod:`edgegym.workload.settings` |
    | ``warmup`` | 0.25 | requests before the metrics count: share below 1, else number |
    | ``warmup_by`` | ``"policy"`` | who evicts meanwhile: the ``"policy"``, or ``"lru"`` without asking |
    | ``topology`` | one node | ``{"builder": "single_edge" / "edge_cluster" / "tree" / "geant" / "file", ...}`` |
    | ``access_link`` | ``"5g_first_hop"`` | link card between user and node; its round trip is in every latency |
    | ``capacity`` | ``"2%"`` | of each cache, in ``unit`` or percent; of a list, each episode has one |
    | ``unit`` | ``"bytes"`` | ``"bytes"``, or ``"objects"`` where every content occupies 1 |
    | ``candidates`` | 16 | residents nominated per decision |
    | ``forecaster`` | ``None`` | folder of a fitted forecaster, which adds the column ``forecast`` |
    | ``reward`` | ``{"hit": 1.0}`` | weights of the terms, ``signal``, ``horizon`` |
    | ``observation`` | ``"dict"`` | or ``"flat"`` |
    | ``render_mode`` | ``None`` | ``"ansi"`` or ``"rgb_array"`` |

    ``reset(options=...)`` takes ``workload_seed`` (fix this episode), ``trace`` (a ``RequestTrace`` to serve instead),
    ``offset`` and ``requests`` (which part of that trace).

    ## Vectorized environment
    ``gym.make_vec("EdgeGym/ContentCaching-v0", num_envs=n)`` gives the native one: row i seeded s equals the single
    environment seeded s + i bit for bit. It also takes ``autoreset_mode`` and ``max_episode_steps``.

    ## Version History
    * v0: first version.
    """

    system_class = CachingSystem


class ContentCachingVectorEnv(CandidateVectorEnv):
    """The native vector environment of :class:`ContentCachingEnv`: one kernel call steps all rows."""

    env_class = ContentCachingEnv
