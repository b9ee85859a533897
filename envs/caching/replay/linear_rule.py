"""The linear rule: evict, of a sample and the incoming object, the one with the lowest linear score.

A baseline of seven weights for learned policies. With the age of an object (requests since its last one, counting the
present request), its request counts e1 and e2 that lose half in 2 and in 20 cache capacities of requests, the gap
between its last two requests, its requests so far and its size,

    score = -w0 ln(age) + w1 ln(e1) + w2 ln(e2) - w3 ln(gap + age) + w4 ln(count) + w5 [incoming] - w6 ln(size).

It is a product of powers of the usual estimators of popularity, on a logarithmic scale: w0 alone is LRU, w4 alone LFU
with perfect memory, both by sampling. An eviction frees room, so w6 turns the worth of keeping an object into worth per
unit of room: 1 for a worth that is the same for all objects (object misses), 0 for one that grows with the size (byte
misses), and with sizes of 1 the term vanishes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import below
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note

WEIGHTS = 7
SHORT, LONG = 2.0, 20.0
"""Half-lives of the two counts, in capacities of requests."""
SMALLEST_COUNT = 1e-6
"""Added to a decayed count, so that its logarithm stays finite."""
FIRST_GAP = 10_000_000
"""Stands for the gap of an object that was requested once."""

OBJECT = np.dtype(
    [
        ("last_use", np.int32),  # latest request
        ("gap", np.int32),  # requests between the latest two
        ("count", np.int32),  # requests so far, 0 before the first
        ("place", np.int32),  # place among the cached objects, -1 when not cached
        ("short", np.float64),  # decayed count at the latest request
        ("long", np.float64),  # the same with the long half-life
    ]
)
"""What is known of an object; it survives eviction."""


@njit(cache=True)
def _touch(known: NDArray[np.void], x: int, now: int, room: float) -> None:
    """Update what is known of ``x``, which is requested now; ``room`` is the capacity in objects."""
    one = known[x]
    one.gap = now - one.last_use if one.count else FIRST_GAP
    one.short = 1.0 + one.short * 2.0 ** (-one.gap / (SHORT * room))
    one.long = 1.0 + one.long * 2.0 ** (-one.gap / (LONG * room))
    one.count += 1
    one.last_use = now


@njit(cache=True)
def _score(
    known: NDArray[np.void], size: NDArray[np.int64], x: int, now: int, room: float, weights: NDArray[np.float64]
) -> float:
    """The score of ``x``, without the bonus of the incoming object."""
    one = known[x]
    since = now - one.last_use
    age = since + 1.0
    short = one.short * 2.0 ** (-since / (SHORT * room)) + SMALLEST_COUNT
    long = one.long * 2.0 ** (-since / (LONG * room)) + SMALLEST_COUNT
    return (
        -weights[0] * np.log(age)
        + weights[1] * np.log(short)
        + weights[2] * np.log(long)
        - weights[3] * np.log(one.gap + age)
        + weights[4] * np.log(one.count)
        - weights[6] * np.log(size[x])
    )


@njit(cache=True)
def _lowest(
    known: NDArray[np.void],
    size: NDArray[np.int64],
    x: int,
    now: int,
    room: float,
    weights: NDArray[np.float64],
    cached: NDArray[np.int32],
    seed: int,
    first_draw: int,
    sample: int,
) -> np.int64:
    """Place of the sampled object with the lowest score; -1 if none is below the incoming ``x``."""
    chosen = np.int64(-1)
    lowest = _score(known, size, x, now, room, weights) + weights[5]
    for draw in range(first_draw, first_draw + sample):
        place = np.int64(below(seed, draw, len(cached)))
        score = _score(known, size, cached[place], now, room, weights)
        if score < lowest:
            chosen, lowest = place, score
    return chosen


@njit(cache=True)
def linear_rule(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    weights: NDArray[np.float64],
    sample: int,
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay the linear rule.

    A missing object that fits is admitted. Otherwise it is compared with ``sample`` cached objects, drawn with
    replacement; the lowest score is evicted, and again until the object fits, or the object itself is refused, as it
    is among equals. Draws 0, 1, ... of ``seed`` are used in order.

    Args:
        content: as all arguments that are not named here, see :class:`~edgegym.envs.caching.replay.ReplayKernel`.
        size: the same.
        capacity: the same; half-lives take it as a number of objects, of the mean size of those seen so far.
        seed: the same.
        weights: (WEIGHTS,) w0 to w6.
        sample: cached objects per comparison, at least 1.
        outcome: the same.
        evicted: the same.
        evicted_at: the same.

    Returns:
        The number of evictions.
    """
    known = np.zeros(len(size), OBJECT)
    for x in range(len(size)):
        known[x].place = -1
    table = np.empty(len(size), np.int32)
    cached = 0
    used = np.int64(0)
    seen = 0
    seen_size = np.int64(0)
    draws = 0
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if known[x].count == 0:
            seen += 1
            seen_size += size[x]
        room = capacity * (seen / seen_size)
        _touch(known, x, t, room)
        if known[x].place >= 0:
            outcome[t] = HIT
            continue
        outcome[t] = ADMITTED if size[x] <= capacity else REFUSED
        while outcome[t] == ADMITTED and used + size[x] > capacity:
            gap = _lowest(known, size, x, t, room, weights, table[:cached], seed, draws, sample)
            draws += sample
            if gap < 0:
                outcome[t] = REFUSED
                continue
            victim = table[gap]
            cached -= 1
            table[gap] = table[cached]
            known[table[gap]].place = gap
            known[victim].place = -1
            used -= size[victim]
            evictions = note(evicted, evicted_at, evictions, victim, t)
        if outcome[t] == ADMITTED:
            known[x].place = cached
            table[cached] = x
            cached += 1
            used += size[x]
    return evictions
