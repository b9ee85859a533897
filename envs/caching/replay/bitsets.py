"""A set of integers 0 .. n - 1 that knows its greatest member: a tree of 64-bit words.

Bit i of level 0 says whether i is a member, bit i of a higher level whether word i of the level below is not zero (a
van Emde Boas tree with constant fan-out). A million integers take four levels, so every operation touches four words.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit

_ONE = np.uint64(1)
_LAST = np.uint64(63)


@njit(cache=True)
def new_set(n: int) -> NDArray[np.uint64]:
    """An empty set for members below ``n`` >= 1.

    Returns:
        (levels, words of the lowest level) uint64.
    """
    levels = 1
    words = (n + 63) >> 6
    while (1 << (6 * levels)) < n:
        levels += 1
    return np.zeros((levels, words), np.uint64)


@njit(cache=True)
def contains(words: NDArray[np.uint64], i: int) -> bool:
    """Whether ``i`` is a member."""
    return (words[0, i >> 6] >> (np.uint64(i) & _LAST)) & _ONE != 0


@njit(cache=True)
def add(words: NDArray[np.uint64], i: int) -> None:
    """Make ``i`` a member."""
    for level in range(words.shape[0]):
        before = words[level, i >> 6]
        words[level, i >> 6] = before | (_ONE << (np.uint64(i) & _LAST))
        if before:
            return
        i >>= 6


@njit(cache=True)
def remove(words: NDArray[np.uint64], i: int) -> None:
    """Take the member ``i`` out."""
    for level in range(words.shape[0]):
        words[level, i >> 6] &= ~(_ONE << (np.uint64(i) & _LAST))
        if words[level, i >> 6]:
            return
        i >>= 6


@njit(cache=True)
def _top_bit(word: np.uint64) -> int:
    """Number of the highest one bit of ``word`` > 0, by halving."""
    bit = 0
    for half in (32, 16, 8, 4, 2, 1):
        if word >> np.uint64(half):
            word >>= np.uint64(half)
            bit += half
    return bit


@njit(cache=True)
def _greatest_under(words: NDArray[np.uint64], level: int, i: int) -> int:
    """The greatest member under the non-empty word ``i`` of ``level``."""
    while level >= 0:
        i = (i << 6) | _top_bit(words[level, i])
        level -= 1
    return i


@njit(cache=True)
def greatest(words: NDArray[np.uint64]) -> int:
    """The greatest member, -1 in an empty set."""
    top = words.shape[0] - 1
    return _greatest_under(words, top, 0) if words[top, 0] else -1


@njit(cache=True)
def greatest_below(words: NDArray[np.uint64], limit: int) -> int:
    """The greatest member less than ``limit``, -1 if there is none."""
    i = limit
    for level in range(words.shape[0]):
        if i >> 6 < words.shape[1]:
            lower = words[level, i >> 6] & ((_ONE << (np.uint64(i) & _LAST)) - _ONE)
            if lower:
                return _greatest_under(words, level - 1, (i & ~63) | _top_bit(lower))
        i >>= 6
    return -1
