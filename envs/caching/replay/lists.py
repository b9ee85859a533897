"""Doubly linked lists over content ids: the orders that LRU, SIEVE and S3-FIFO keep.

All lists of a cache share one ``(contents + lists, COLUMNS) int32`` array: row x holds the neighbours and the marks of
content x, and row ``contents + k`` is the sentinel of list k, so that no link is ever missing and no branch asks for
one. A list is circular: the sentinel's NEXT is the newest entry and its PREV the oldest. A content is in at most one
list, so its 16 bytes are all that a hit needs, within one cache line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit

PREV = 0
NEXT = 1
MARK = 2
"""Column of the policy's own number per content: a visited bit, a frequency."""
PLACE = 3
"""Column of the list that holds the content, ABSENT for none."""
COLUMNS = 4
ABSENT = -1


@njit(cache=True)
def new_lists(contents: int, lists: int) -> NDArray[np.int32]:
    """Empty lists: every content is ABSENT with MARK 0, every sentinel points at itself.

    Returns:
        (contents + lists, COLUMNS) int32.
    """
    rows = np.zeros((contents + lists, COLUMNS), np.int32)
    rows[:, PLACE] = ABSENT
    for sentinel in range(contents, contents + lists):
        rows[sentinel, PREV] = sentinel
        rows[sentinel, NEXT] = sentinel
    return rows


@njit(cache=True)
def unlink(rows: NDArray[np.int32], x: int) -> None:
    """Take ``x`` out of the list that holds it; its own links stay as they were."""
    newer = rows[x, PREV]
    older = rows[x, NEXT]
    rows[newer, NEXT] = older
    rows[older, PREV] = newer


@njit(cache=True)
def push(rows: NDArray[np.int32], sentinel: int, x: int) -> None:
    """Put ``x`` in as the newest entry of the list of ``sentinel``."""
    newest = rows[sentinel, NEXT]
    rows[x, PREV] = sentinel
    rows[x, NEXT] = newest
    rows[newest, PREV] = x
    rows[sentinel, NEXT] = x
