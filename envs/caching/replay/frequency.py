"""LFU and GDSF: evict the object of the least priority, one made of frequency, size and age.

LFU counts requests while the object is cached ("in-cache LFU"): A. V. Aho, P. J. Denning and J. D. Ullman, "Principles
of optimal page replacement", Journal of the ACM 18(1), 1971, for its optimality under independent requests.
GDSF: L. Cherkasova, "Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy", HP Laboratories
report HPL-98-69R1, 1998. Here every object that fits is admitted; a variant also lets the incoming object lose.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.heaps import pop, rise, sink, tie_of
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note


@njit(cache=True)
def lfu(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay LFU; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    An evicted object starts again at one; ties evict the least recently used.
    """
    heap = np.empty((len(size), 2), np.int64)
    place = np.full(len(size), -1, np.int32)
    count = 0
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        row = place[x]
        if row >= 0:
            outcome[t] = HIT
            sink(heap, place, count, row, heap[row, 0] + 1, tie_of(t, x))
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            victim = pop(heap, place, count)
            count -= 1
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        rise(heap, place, count, np.int64(1), tie_of(t, x))
        count += 1
        used += need
        outcome[t] = ADMITTED
    return evictions


@njit(cache=True)
def _ordered(priority: float) -> np.int64:
    """The bits of a float64 >= 0 as an int64: they compare as the floats do."""
    return np.float64(priority).view(np.int64)


@njit(cache=True)
def gdsf(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay GDSF; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    Priority H = L + frequency / size, set at each request; L is the priority of the object evicted last, so that an
    object which is no longer asked for is overtaken in time. Ties evict the least recently used.
    """
    heap = np.empty((len(size), 2), np.int64)
    place = np.full(len(size), -1, np.int32)
    frequency = np.zeros(len(size), np.int32)
    count = 0
    used = np.int64(0)
    evictions = 0
    age = 0.0
    for t in range(len(content)):
        x = content[t]
        need = size[x]
        if place[x] >= 0:
            outcome[t] = HIT
            frequency[x] += 1
            sink(heap, place, count, place[x], _ordered(age + frequency[x] / need), tie_of(t, x))
            continue
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            age = np.int64(heap[0, 0]).view(np.float64)
            victim = pop(heap, place, count)
            count -= 1
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        frequency[x] = 1
        rise(heap, place, count, _ordered(age + 1.0 / need), tie_of(t, x))
        count += 1
        used += need
        outcome[t] = ADMITTED
    return evictions
