"""LeCaR: evict by LRU or by LFU at random, and learn from regret which of the two to trust.

G. Vietri, L. V. Rodriguez, W. A. Martinez, S. Lyons, J. Liu, R. Rangaswami, M. Zhao and G. Narasimhan, "Driving cache
replacement with ML-based LeCaR", USENIX HotStorage 2018.

Each of the two experts has a history of what it evicted. A miss found there is its regret: the other expert's weight is
multiplied by exp(learning rate x discount ** time since the eviction). What the paper leaves open is settled so that
miss ratios come near those of libCacheSim, whose draws are others:

* each history holds half as much as the cache; the discount is REGRET_LEFT ** (1 / N) per request, N the capacity in
  its unit, so that with capacities in bytes hardly any regret fades;
* a victim that both experts name enters no history: neither could have known better;
* an evicted object starts again at one request, also one that a history remembers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import uniform
from edgegym.envs.caching.replay.heaps import content_of, remove, rise, sink, tie_of
from edgegym.envs.caching.replay.lists import ABSENT, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import enter, leave, oldest, refresh, remember

LEARNING_RATE = 0.45
REGRET_LEFT = 0.005
"""Share of a regret that is left after as many requests as the capacity."""

CACHED, LRU_HISTORY, LFU_HISTORY = 0, 1, 2
"""Segments: the cached objects by their last request, and what each expert evicted."""


@njit(cache=True)
def lecar(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay LeCaR; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    The k-th eviction uses draw k of ``seed``. The two weights are kept as the logarithm of their ratio, LRU's to LFU's:
    products become sums, and no weight rounds to nothing, however long one expert is preferred.
    """
    rows = new_lists(len(size), 3)
    used = np.zeros(3, np.int64)
    heap = np.empty((len(size), 2), np.int64)
    place = np.full(len(size), -1, np.int32)
    cached = 0
    evicted_last = np.empty(len(size), np.int32)
    log_discount = np.log(REGRET_LEFT) / capacity
    log_ratio, lru_weight = 0.0, 0.5
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        where = rows[x, PLACE]
        if where == CACHED:
            outcome[t] = HIT
            refresh(rows, size, x)
            sink(heap, place, cached, place[x], heap[place[x], 0] + 1, tie_of(t, x))
            continue
        if where != ABSENT:
            regret = LEARNING_RATE * np.exp(log_discount * (t - evicted_last[x]))
            log_ratio += regret if where == LFU_HISTORY else -regret
            lru_weight = 1.0 / (1.0 + np.exp(-log_ratio))
            leave(rows, size, used, x)
        if size[x] > capacity:
            outcome[t] = REFUSED
            continue
        while used[CACHED] + size[x] > capacity:
            by_lru, by_lfu = oldest(rows, size, CACHED), np.int32(content_of(heap[0, 1]))
            trust_lru = uniform(seed, evictions) < lru_weight
            victim = by_lru if trust_lru else by_lfu
            cached -= 1
            remove(heap, place, cached + 1, place[victim])
            leave(rows, size, used, victim)
            if by_lru != by_lfu:
                remember(rows, size, used, LRU_HISTORY if trust_lru else LFU_HISTORY, capacity // 2, victim)
                evicted_last[victim] = t
            evictions = note(evicted, evicted_at, evictions, victim, t)
        enter(rows, size, used, CACHED, x)
        rise(heap, place, cached, np.int64(1), tie_of(t, x))
        cached += 1
        outcome[t] = ADMITTED
    return evictions
