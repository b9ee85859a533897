"""Segmented LRU: an object climbs one segment per hit and sinks again as others climb.

R. Karedla, J. S. Love and B. G. Wherry, "Caching strategies to improve disk system performance", IEEE Computer 27(3),
1994 (two segments, probationary and protected); here with four, as in Q. Huang et al., "An analysis of Facebook photo
caching", ACM SOSP 2013 ("S4LRU").

A hit makes the object the newest of the next segment up; a segment above its share hands its oldest down, and what the
lowest one cannot keep is evicted, even if that happens at a hit. What the papers leave open is settled so that hits
equal libCacheSim's one by one, with sizes too:

* every segment has a share of capacity // 4, and an object larger than that is refused;
* a new object enters the lowest segment that has room, so that the cache fills before it evicts; with none, the lowest;
* room is made by evicting the oldest of the lowest segment that is not empty.

Below a capacity of 4 the simulator admits nothing; here each share is at least 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.replay.lists import ABSENT, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, leave, refresh

SEGMENTS = 4


@inlined
def seat_of(used: NDArray[np.int64], share: NDArray[np.int64], room: int) -> int:
    """The segment that a new object of size ``room`` enters."""
    for segment in range(len(share)):
        if used[segment] + room <= share[segment]:
            return segment
    return 0


@inlined
def lowest_held(used: NDArray[np.int64]) -> int:
    """The lowest segment that is not empty; its oldest object is the next victim."""
    segment = 0
    while used[segment] == 0:
        segment += 1
    return segment


@inlined
def promote(
    rows: NDArray[np.int32],
    size: NDArray[np.int64],
    used: NDArray[np.int64],
    share: NDArray[np.int64],
    x: int,
    t: int,
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
    evictions: int,
) -> int:
    """Let ``x`` climb after its hit at request ``t``, and others sink; return the new number of evictions.

    Segments are numbered upwards from 0, ``share`` has one entry for each of them.
    """
    climbed = rows[x, PLACE] + 1
    if climbed == len(share) or size[x] > share[climbed]:
        refresh(rows, size, x)
        return evictions
    leave(rows, size, used, x)
    enter(rows, size, used, climbed, x)
    for segment in range(climbed, 0, -1):
        if used[segment] <= share[segment]:
            return evictions
        while used[segment] > share[segment]:
            enter(rows, size, used, segment - 1, drop_oldest(rows, size, used, segment))
    while used[0] > share[0]:
        evictions = note(evicted, evicted_at, evictions, drop_oldest(rows, size, used, 0), t)
    return evictions


@njit(cache=True)
def slru(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay SLRU; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    rows = new_lists(len(size), SEGMENTS)
    used = np.zeros(SEGMENTS, np.int64)
    share = np.full(SEGMENTS, max(capacity // SEGMENTS, 1))
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] != ABSENT:
            evictions = promote(rows, size, used, share, x, t, evicted, evicted_at, evictions)
            outcome[t] = HIT
        elif size[x] > share[0]:
            outcome[t] = REFUSED
        else:
            while used.sum() + size[x] > capacity:
                victim = drop_oldest(rows, size, used, lowest_held(used))
                evictions = note(evicted, evicted_at, evictions, victim, t)
            enter(rows, size, used, seat_of(used, share, size[x]), x)
            outcome[t] = ADMITTED
    return evictions
