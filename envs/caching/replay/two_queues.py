"""2Q: newcomers pass a FIFO queue; those asked for again after it, while their id is remembered, enter an LRU list.

T. Johnson and D. Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB 1994 (the
full version, whose names are kept: A1in, A1out and Am).

Kin is 1/4 of the capacity and Kout 1/2, as the paper proposes. The rest is settled so that hits equal libCacheSim's one
by one, with sizes too: an object larger than Kin is refused, and Am never exceeds the capacity less Kin, which matters
with sizes only. Below a capacity of 4 the simulator admits nothing; here Kin is at least 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.replay.lists import PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, leave, refresh, remember

A1IN, A1OUT, AM = 0, 1, 2


@inlined
def _reclaim(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], kin: int, kout: int) -> int:
    """Evict one object and return it."""
    if used[A1IN] > kin or used[AM] == 0:
        x = drop_oldest(rows, size, used, A1IN)
        remember(rows, size, used, A1OUT, kout, x)
        return x
    return drop_oldest(rows, size, used, AM)


@njit(cache=True)
def two_queues(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay 2Q; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    rows = new_lists(len(size), 3)
    used = np.zeros(3, np.int64)
    kin, kout = max(capacity // 4, 1), capacity // 2
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        where = rows[x, PLACE]
        if where in (A1IN, AM):
            outcome[t] = HIT
            if where == AM:
                refresh(rows, size, x)
            continue
        if size[x] > kin:
            outcome[t] = REFUSED
            continue
        remembered = where == A1OUT
        if remembered:
            leave(rows, size, used, x)
        while used[A1IN] + used[AM] + size[x] > capacity:
            evictions = note(evicted, evicted_at, evictions, _reclaim(rows, size, used, kin, kout), t)
        while remembered and used[AM] + size[x] > capacity - kin:
            evictions = note(evicted, evicted_at, evictions, drop_oldest(rows, size, used, AM), t)
        enter(rows, size, used, AM if remembered else A1IN, x)
        outcome[t] = ADMITTED
    return evictions
