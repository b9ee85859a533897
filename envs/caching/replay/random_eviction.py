"""Random replacement: evict a cached object drawn uniformly.

L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import below
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note


@njit(cache=True)
def random_eviction(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay Random; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    The k-th eviction uses draw k of ``seed`` as a position in the table of cached objects; the last one moves into
    the gap.
    """
    place = np.full(len(size), -1, np.int32)
    cached = np.empty(len(size), np.int32)
    count = 0
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if place[x] >= 0:
            outcome[t] = HIT
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            gap = below(seed, evictions, count)
            victim = cached[gap]
            count -= 1
            cached[gap] = cached[count]
            place[cached[gap]] = gap
            place[victim] = -1
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        place[x] = count
        cached[count] = x
        count += 1
        used += need
        outcome[t] = ADMITTED
    return evictions
