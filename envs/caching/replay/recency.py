"""FIFO and LRU: evict the object that came first, or whose last request is the oldest.

L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966 (FIFO);
R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger, "Evaluation techniques for storage hierarchies", IBM Systems
Journal 9(2), 1970 (LRU as a stack algorithm).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.lists import ABSENT, NEXT, PLACE, PREV, new_lists, push, unlink
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note


@njit(cache=True)
def fifo(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay FIFO; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    cached = np.zeros(len(size), np.bool_)
    ring = np.empty(len(size), np.int32)
    oldest = 0
    newest = 0
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if cached[x]:
            outcome[t] = HIT
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            victim = ring[oldest]
            oldest = oldest + 1 if oldest + 1 < len(ring) else 0
            cached[victim] = False
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        ring[newest] = x
        newest = newest + 1 if newest + 1 < len(ring) else 0
        cached[x] = True
        used += need
        outcome[t] = ADMITTED
    return evictions


@njit(cache=True)
def lru(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay LRU; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    sentinel = len(size)
    rows = new_lists(len(size), 1)
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if rows[x, PLACE] != ABSENT:
            outcome[t] = HIT
            if rows[sentinel, NEXT] != x:
                unlink(rows, x)
                push(rows, sentinel, x)
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            victim = rows[sentinel, PREV]
            unlink(rows, victim)
            rows[victim, PLACE] = ABSENT
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        push(rows, sentinel, x)
        rows[x, PLACE] = 0
        used += need
        outcome[t] = ADMITTED
    return evictions
