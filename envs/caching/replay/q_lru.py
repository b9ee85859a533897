"""q-LRU: LRU that admits a missed object with probability q, a filter for objects that are requested once.

V. Martina, M. Garetto and E. Leonardi, "A unified approach to the performance analysis of caching systems", INFOCOM
2014; :func:`edgegym.workload.theory.q_lru` has its hit ratio under independent requests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import uniform
from edgegym.envs.caching.replay.lists import ABSENT, PLACE, new_lists
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, refresh

Q = 0.1
"""The probability that the table of policies plays."""
CACHED = 0
"""The one segment."""


@njit(cache=True)
def replay_q_lru(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    q: float,
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay q-LRU for any ``q`` in [0, 1]; at 1 it is LRU.

    Draw t of ``seed`` decides on request t, whether there is room or not. For the other arguments and the result see
    :class:`~edgegym.envs.caching.replay.ReplayKernel`.
    """
    rows = new_lists(len(size), 1)
    used = np.zeros(1, np.int64)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] != ABSENT:
            outcome[t] = HIT
            refresh(rows, size, x)
            continue
        if size[x] > capacity or uniform(seed, t) >= q:
            outcome[t] = REFUSED
            continue
        while used[CACHED] + size[x] > capacity:
            victim = drop_oldest(rows, size, used, CACHED)
            evictions = note(evicted, evicted_at, evictions, victim, t)
        enter(rows, size, used, CACHED, x)
        outcome[t] = ADMITTED
    return evictions


@njit(cache=True)
def q_lru(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay q-LRU with q = :data:`Q`; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    return replay_q_lru(content, size, capacity, seed, Q, outcome, evicted, evicted_at)
