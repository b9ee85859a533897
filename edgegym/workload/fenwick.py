"""Sums over a row of slots that change all the time: a Fenwick tree, as functions for numba kernels.

Slots are numbered from 1. Adding to a slot, summing up to a slot and finding the slot where a sum is reached take time
logarithmic in the number of slots. P. M. Fenwick, "A new data structure for cumulative frequency tables", Software:
Practice and Experience 24(3), 1994.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit


@njit(cache=True)
def new_tree(slots: int) -> NDArray[np.int64]:
    """Zeros for at least ``slots`` slots; the length is a power of two plus one, which :func:`find` relies on."""
    size = 1
    while size < slots:
        size *= 2
    return np.zeros(size + 1, np.int64)


@njit(cache=True)
def add(tree: NDArray[np.int64], slot: int, amount: int) -> None:
    """Add to one slot."""
    while slot < len(tree):
        tree[slot] += amount
        slot += slot & -slot


@njit(cache=True)
def prefix(tree: NDArray[np.int64], slot: int) -> int:
    """Sum of the slots 1 .. ``slot``; 0 for slot 0."""
    total = 0
    while slot > 0:
        total += tree[slot]
        slot &= slot - 1
    return total


@njit(cache=True)
def find(tree: NDArray[np.int64], total: int) -> int:
    """The first slot up to which the sum is at least ``total``, for amounts that are not negative.

    ``total`` must be at least 1 and at most the sum of all slots.
    """
    slot = 0
    step = (len(tree) - 1) >> 1
    while step:
        if tree[slot + step] < total:
            slot += step
            total -= tree[slot]
        step >>= 1
    return slot + 1
