"""W-TinyLFU: a small LRU window, and a segmented LRU that admits from it what is requested more often than its victim.

G. Einziger, R. Friedman and B. Manes, "TinyLFU: a highly efficient cache admission policy", ACM Transactions on Storage
13(4), 2017.

The window has 1 % of the capacity and the protected segment 80 % of the rest, as in the paper. The rest is settled so
that miss ratios meet libCacheSim's, which with exact counts would be met hit by hit:

* what the cache holds beyond the window's share enters the main cache when room is needed, not before;
* a hit in the main cache is counted, one in the window is not; a miss is counted when it enters the window and when it
  leaves it again, after the comparison. The paper counts every request once;
* the candidate must be counted more often than the main cache's next victim, and displaces as many as it needs;
* the sketch is made for as many contents as fit, and halved after 32 hits in the main cache for each of them;
* with sizes, an object larger than the window is refused.

Below a capacity of 100 the simulator admits nothing; here each share is at least 1. Hits of the main cache being so
rare a clock, these rules follow a drift of popularity more slowly than counting and halving by requests would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.replay.lists import ABSENT, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, oldest, refresh
from edgegym.envs.caching.replay.sketch import count, estimate, halve, new_sketch
from edgegym.envs.caching.replay.slru import lowest_held, promote, seat_of

PROBATION, PROTECTED, WINDOW = 0, 1, 2
WINDOW_SHARE = 100
"""The window gets the capacity divided by this."""
SAMPLE = 32
"""Hits in the main cache per entry of the sketch from one halving to the next."""


@inlined
def _leave_window(
    rows: NDArray[np.int32],
    size: NDArray[np.int64],
    used: NDArray[np.int64],
    share: NDArray[np.int64],
    main: int,
    sketch: NDArray[np.int32],
    t: int,
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
    evictions: int,
) -> int:
    """Move the window's oldest object into the main cache of size ``main`` or evict it; the new number of evictions."""
    x = drop_oldest(rows, size, used, WINDOW)
    held = used[PROBATION] + used[PROTECTED]
    wins = held + size[x] <= main
    if not wins and held > 0:
        wins = estimate(sketch, x) > estimate(sketch, oldest(rows, size, lowest_held(used)))
    count(sketch, x)
    if not wins:
        return note(evicted, evicted_at, evictions, x, t)
    while used[PROBATION] + used[PROTECTED] + size[x] > main:
        evictions = note(evicted, evicted_at, evictions, drop_oldest(rows, size, used, lowest_held(used)), t)
    enter(rows, size, used, seat_of(used, share, size[x]), x)
    return evictions


@njit(cache=True)
def w_tinylfu(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay W-TinyLFU; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    rows = new_lists(len(size), 3)
    used = np.zeros(3, np.int64)
    window = max(capacity // WINDOW_SHARE, 1)
    main = capacity - window
    share = np.array([max(main // 5, 1), main * 4 // 5])
    entries = max(min(main, len(size)), 1)
    sketch = new_sketch(entries)
    sampled = 0
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] == WINDOW:
            outcome[t] = HIT
            refresh(rows, size, x)
        elif rows[x, PLACE] != ABSENT:
            outcome[t] = HIT
            count(sketch, x)
            evictions = promote(rows, size, used, share, x, t, evicted, evicted_at, evictions)
            sampled += 1
            if sampled == SAMPLE * entries:
                halve(sketch)
                sampled = 0
        elif size[x] > window:
            outcome[t] = REFUSED
        else:
            outcome[t] = ADMITTED
            count(sketch, x)
            while used.sum() + size[x] > capacity:
                evictions = _leave_window(rows, size, used, share, main, sketch, t, evicted, evicted_at, evictions)
            enter(rows, size, used, WINDOW, x)
    return evictions
