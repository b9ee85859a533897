"""ARC: two LRU lists, of objects seen once and more often, whose shares follow the hits among what they evicted.

N. Megiddo and D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", USENIX FAST 2003 (figure 4, whose
names are kept).

On unit sizes this is the paper, and hits equal libCacheSim's one by one. With sizes |.| is the room that a list takes,
evictions repeat until the new object fits, and a ghost hit moves the target p by the object's size times the paper's
quotient: an object of n bytes counts like n pages. (The simulator moves p by the quotient alone, which in a cache of
megabytes hardly adapts.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.replay.lists import ABSENT, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, leave

T1, T2, B1, B2 = 0, 1, 2, 3


@inlined
def adapted(p: float, used: NDArray[np.int64], ghosts: int, room: int, capacity: int) -> float:
    """The new target for T1 after a hit on an object of size ``room`` in ``ghosts``, B1 or B2; in [0, capacity]."""
    if ghosts == B1:
        return min(p + room * max(used[B2] / used[B1], 1.0), float(capacity))
    return max(p - room * max(used[B1] / used[B2], 1.0), 0.0)


@inlined
def _replace(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], p: float, in_b2: bool) -> int:
    """Evict the oldest of T1 or T2 into its ghost list and return it."""
    above = used[T1] > p or (in_b2 and used[T1] == p)
    source = T1 if (above and used[T1] > 0) or used[T2] == 0 else T2
    x = drop_oldest(rows, size, used, source)
    enter(rows, size, used, B1 if source == T1 else B2, x)
    return x


@njit(cache=True)
def arc(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay ARC; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    rows = new_lists(len(size), 4)
    used = np.zeros(4, np.int64)
    p = 0.0
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        where = rows[x, PLACE]
        if where in (T1, T2):
            leave(rows, size, used, x)
            enter(rows, size, used, T2, x)
            outcome[t] = HIT
            continue
        if size[x] > capacity:
            outcome[t] = REFUSED
            continue
        if where != ABSENT:
            p = adapted(p, used, where, size[x], capacity)
        else:
            while used[T1] + used[B1] + size[x] > capacity:
                if used[B1] > 0:
                    drop_oldest(rows, size, used, B1)
                else:
                    evictions = note(evicted, evicted_at, evictions, drop_oldest(rows, size, used, T1), t)
        while used[T1] + used[T2] + size[x] > capacity:
            evictions = note(evicted, evicted_at, evictions, _replace(rows, size, used, p, where == B2), t)
        if where != ABSENT:
            leave(rows, size, used, x)
        else:
            while used.sum() + size[x] > 2 * capacity:
                drop_oldest(rows, size, used, B2)
        enter(rows, size, used, T1 if where == ABSENT else T2, x)
        outcome[t] = ADMITTED
    return evictions
