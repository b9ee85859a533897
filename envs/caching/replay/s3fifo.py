"""S3-FIFO: a small queue that lets one-hit objects pass quickly, a main queue and a ghost queue of ids.

J. Yang, Y. Zhang, Z. Qiu, Y. Yue and K. V. Rashmi, "FIFO queues are all you need for cache eviction", ACM SOSP 2023.

What the paper leaves open is settled so that hits equal those of the authors' simulator (libCacheSim) one by one:

* the small queue aims at capacity // 10, the ghost queue holds ids of objects of 9/10 of the capacity in total;
* while nothing was evicted yet, a full small queue passes new objects on to the main queue;
* the main queue evicts when it holds more than its share, or when the small queue is empty; the small queue otherwise;
* an object larger than the small queue is not admitted; one that would just fill it is refused too, but only after room
  was made for it (except an object of size 1: the simulator admits nothing to a cache of fewer than 20 objects).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.lists import ABSENT, MARK, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, leave, oldest, refresh, remember

SMALL = 0
MAIN = 1
GHOST = 2
COUNTER_CAP = 3
PROMOTED_ABOVE = 1


@njit(cache=True)
def _evict(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], share: int, limit: int) -> int:
    """Evict one object and return it; ABSENT if the small queue moved all it had to the main queue instead."""
    if used[MAIN] > share or used[SMALL] == 0:
        x = oldest(rows, size, MAIN)
        while rows[x, MARK] > 0:
            rows[x, MARK] -= 1
            refresh(rows, size, x)
            x = oldest(rows, size, MAIN)
        leave(rows, size, used, x)
        return x
    while used[SMALL] > 0:
        x = drop_oldest(rows, size, used, SMALL)
        if rows[x, MARK] <= PROMOTED_ABOVE:
            remember(rows, size, used, GHOST, limit, x)
            return x
        rows[x, MARK] = 0
        enter(rows, size, used, MAIN, x)
    return ABSENT


@njit(cache=True)
def s3fifo(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay S3-FIFO; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    rows = new_lists(len(size), 3)
    used = np.zeros(3, np.int64)
    small = max(capacity // 10, 1)
    ghost = capacity * 9 // 10
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] == SMALL or rows[x, PLACE] == MAIN:
            outcome[t] = HIT
            if rows[x, MARK] < COUNTER_CAP:
                rows[x, MARK] += 1
            continue
        if size[x] > small:
            outcome[t] = REFUSED
            continue
        returning = rows[x, PLACE] == GHOST
        if returning:
            leave(rows, size, used, x)
        while used[SMALL] + used[MAIN] + size[x] > capacity:
            victim = _evict(rows, size, used, capacity - small, ghost)
            if victim != ABSENT:
                evictions = note(evicted, evicted_at, evictions, victim, t)
        if size[x] == small > 1:
            outcome[t] = REFUSED
            continue
        to_main = returning or (evictions == 0 and used[SMALL] >= small)
        rows[x, MARK] = 0
        enter(rows, size, used, MAIN if to_main else SMALL, x)
        outcome[t] = ADMITTED
    return evictions
