"""A sketch of frequencies: a counting Bloom filter that is halved now and then.

L. Fan, P. Cao, J. Almeida and A. Broder, "Summary cache: a scalable wide-area web cache sharing protocol", IEEE/ACM
Transactions on Networking 8(3), 2000 (the filter); the halving is TinyLFU's, see
:mod:`~edgegym.envs.caching.replay.tinylfu`. Contents that share counters are counted too often, never too seldom.

Ten counters per content, at places by double hashing (A. Kirsch and M. Mitzenmacher, "Less hashing, same performance",
ESA 2006), and 10 / ln 2 counters per entry that the filter is made for: with as many contents counted, half of them are
in use and a new content looks known with a probability of 2**-10.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.decision.draws import bits

PLACES = 10
COUNTERS_PER_ENTRY = PLACES / math.log(2)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@njit(cache=True)
def new_sketch(entries: int) -> NDArray[np.int32]:
    """A sketch of zeros made for ``entries`` >= 1 contents.

    Returns:
        (counters,) int32.
    """
    return np.zeros(math.ceil(entries * COUNTERS_PER_ENTRY), np.int32)


@inlined
def _hashes(x: int) -> tuple[np.uint64, np.uint64]:
    """Two hashes of 32 bits; the second is odd, so that its multiples differ."""
    both = bits(0, x)
    return both & _LOW, (both >> _HALF) | np.uint64(1)


@inlined
def _place(sketch: NDArray[np.int32], first: np.uint64, second: np.uint64, i: int) -> np.uint64:
    """The i-th counter of a content with these hashes: a number of 32 bits scaled to the length of the sketch."""
    return (((first + np.uint64(i) * second) & _LOW) * np.uint64(len(sketch))) >> _HALF


@inlined
def count(sketch: NDArray[np.int32], x: int) -> None:
    """Count content ``x`` once more."""
    first, second = _hashes(x)
    for i in range(PLACES):
        sketch[_place(sketch, first, second, i)] += 1


@inlined
def estimate(sketch: NDArray[np.int32], x: int) -> int:
    """How often ``x`` was counted, at most."""
    first, second = _hashes(x)
    least = sketch[_place(sketch, first, second, 0)]
    for i in range(1, PLACES):
        least = min(least, sketch[_place(sketch, first, second, i)])
    return least


@inlined
def halve(sketch: NDArray[np.int32]) -> None:
    """Halve all counters, rounding down, so that old requests weigh less."""
    for i in range(len(sketch)):
        sketch[i] >>= 1
