"""An indexed binary heap: the least entry is known, and any content's entry can be changed.

An entry is a row of two int64, compared as a pair: the priority first, then ``last use * 2**32 + content``, so that
equal priorities fall to the least recently used and no two entries are equal. ``place[x]`` is the row of content x,
-1 while it has none. The caller keeps the number of entries.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit


@njit(cache=True)
def tie_of(last_use: int, x: int) -> np.int64:
    """The second half of an entry: older uses come first."""
    return (np.int64(last_use) << np.int64(32)) | np.int64(x)


@njit(cache=True)
def content_of(tie: np.int64) -> np.int64:
    """The content that an entry belongs to."""
    return tie & np.int64(0xFFFFFFFF)


@njit(cache=True)
def rise(heap: NDArray[np.int64], place: NDArray[np.int32], row: int, priority: np.int64, tie: np.int64) -> None:
    """Write an entry at ``row`` or above: larger parents step down first."""
    while row > 0:
        parent = (row - 1) >> 1
        if heap[parent, 0] < priority or (heap[parent, 0] == priority and heap[parent, 1] < tie):
            break
        heap[row, 0] = heap[parent, 0]
        heap[row, 1] = heap[parent, 1]
        place[content_of(heap[row, 1])] = row
        row = parent
    heap[row, 0] = priority
    heap[row, 1] = tie
    place[content_of(tie)] = row


@njit(cache=True)
def sink(
    heap: NDArray[np.int64], place: NDArray[np.int32], entries: int, row: int, priority: np.int64, tie: np.int64
) -> None:
    """Write an entry at ``row`` or below: the smaller child steps up while it is less than the entry."""
    while True:
        child = 2 * row + 1
        if child >= entries:
            break
        other = child + 1
        if other < entries and (
            heap[other, 0] < heap[child, 0] or (heap[other, 0] == heap[child, 0] and heap[other, 1] < heap[child, 1])
        ):
            child = other
        if priority < heap[child, 0] or (priority == heap[child, 0] and tie < heap[child, 1]):
            break
        heap[row, 0] = heap[child, 0]
        heap[row, 1] = heap[child, 1]
        place[content_of(heap[row, 1])] = row
        row = child
    heap[row, 0] = priority
    heap[row, 1] = tie
    place[content_of(tie)] = row


@njit(cache=True)
def pop(heap: NDArray[np.int64], place: NDArray[np.int32], entries: int) -> int:
    """Take the least entry out of a heap of ``entries`` >= 1 and return its content."""
    x = content_of(heap[0, 1])
    place[x] = -1
    if entries > 1:
        sink(heap, place, entries - 1, 0, heap[entries - 1, 0], heap[entries - 1, 1])
    return int(x)


@njit(cache=True)
def remove(heap: NDArray[np.int64], place: NDArray[np.int32], entries: int, row: int) -> None:
    """Take the entry at ``row`` out of a heap of ``entries``; the last entry moves into the gap, then up or down."""
    place[content_of(heap[row, 1])] = -1
    last = entries - 1
    if row == last:
        return
    priority, tie = heap[last, 0], heap[last, 1]
    rise(heap, place, row, priority, tie)
    if place[content_of(tie)] == row:
        sink(heap, place, last, row, priority, tie)
