"""CLOCK: FIFO that gives an object a second chance if it was requested since the hand last passed it.

F. J. Corbató, "A paging experiment with the Multics system", in "In Honor of P. M. Morse", MIT Press, 1969.

One bit per object, clear at admission. Hits equal libCacheSim's one by one, with sizes too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note

OUT, CACHED, REFERENCED = 0, 1, 2
"""The state of a content: not cached, cached, and requested since the hand passed."""


@njit(cache=True)
def clock(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay CLOCK; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    An object that survives goes where a new one would go, behind all others; so the ring is a queue.
    """
    state = np.zeros(len(size), np.uint8)
    queue = np.empty(len(size), np.int32)
    hand, end = 0, 0
    free = np.int64(capacity)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if state[x] != OUT:
            state[x] = REFERENCED
            outcome[t] = HIT
            continue
        if size[x] > capacity:
            outcome[t] = REFUSED
            continue
        while size[x] > free:
            passed = queue[hand]
            hand = hand + 1 if hand + 1 < len(queue) else 0
            if state[passed] == REFERENCED:
                state[passed] = CACHED
                queue[end] = passed
                end = end + 1 if end + 1 < len(queue) else 0
            else:
                state[passed] = OUT
                free += size[passed]
                evictions = note(evicted, evicted_at, evictions, passed, t)
        state[x] = CACHED
        queue[end] = x
        end = end + 1 if end + 1 < len(queue) else 0
        free -= size[x]
        outcome[t] = ADMITTED
    return evictions
