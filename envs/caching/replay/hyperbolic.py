"""Hyperbolic caching: evict, of a sample, the object least requested per time in the cache and per unit of size.

A. Blankstein, S. Sen and M. J. Freedman, "Hyperbolic caching: flexible caching for web applications", USENIX ATC 2017.

Unlike LFU's, the priority of every object falls with time, and that of a new object the fastest, so that no order of
the objects lasts and victims are sampled. Time is counted in requests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import below
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note

SAMPLE = 64
"""Objects compared per eviction, drawn with replacement; the paper's choice."""

CONTENT, ENTERED, COUNT = 0, 1, 2
"""Columns of the table of cached objects: which one, the request that admitted it, its requests since then."""


@njit(cache=True)
def _victim(
    table: NDArray[np.int32], cached: int, size: NDArray[np.int64], now: int, seed: int, first_draw: int
) -> np.int64:
    """Place of the object with the lowest count / (age x size) among the sampled ones, the first drawn of equals.

    The fractions are compared without dividing.
    """
    chosen = np.int64(0)
    least, against = 1.0, 0.0
    for draw in range(first_draw, first_draw + SAMPLE):
        place = np.int64(below(seed, draw, cached))
        count = np.float64(table[place, COUNT])
        held = np.float64(now - table[place, ENTERED]) * np.float64(size[table[place, CONTENT]])
        if count * against < least * held:
            chosen, least, against = place, count, held
    return chosen


@njit(cache=True)
def hyperbolic(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay Hyperbolic; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    An evicted object starts again at one request; the last object of the table moves into its place.
    """
    place = np.full(len(size), -1, np.int32)
    table = np.empty((len(size), 3), np.int32)
    cached = 0
    used = np.int64(0)
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if place[x] >= 0:
            outcome[t] = HIT
            table[place[x], COUNT] += 1
            continue
        need = size[x]
        if need > capacity:
            outcome[t] = REFUSED
            continue
        while used + need > capacity:
            gap = _victim(table, cached, size, t, seed, evictions * SAMPLE)
            victim = table[gap, CONTENT]
            cached -= 1
            table[gap] = table[cached]
            place[table[gap, CONTENT]] = gap
            place[victim] = -1
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        place[x] = cached
        table[cached, CONTENT], table[cached, ENTERED], table[cached, COUNT] = x, t, 1
        cached += 1
        used += need
        outcome[t] = ADMITTED
    return evictions
