"""SIEVE: a FIFO queue whose hand passes over objects that were asked for since its last visit.

Y. Zhang, J. Yang, Y. Yue, Y. Vigfusson and K. V. Rashmi, "SIEVE is simpler than LRU: an efficient turn-key eviction
algorithm for web caches", USENIX NSDI 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.lists import ABSENT, MARK, PLACE, PREV, new_lists, push, unlink
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note


@njit(cache=True)
def sieve(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay SIEVE; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    The hand walks from the oldest to the newest object and starts over behind the newest; survivors keep their place.
    """
    sentinel = len(size)
    rows = new_lists(len(size), 1)
    hand = sentinel
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] != ABSENT:
            outcome[t] = HIT
            rows[x, MARK] = 1
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            while hand == sentinel or rows[hand, MARK]:
                rows[hand, MARK] = 0
                hand = rows[hand, PREV]
            victim = hand
            hand = rows[victim, PREV]
            unlink(rows, victim)
            rows[victim, PLACE] = ABSENT
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        push(rows, sentinel, x)
        rows[x, PLACE] = 0
        used += need
        outcome[t] = ADMITTED
    return evictions
