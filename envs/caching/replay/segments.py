"""Segments of a cache: lists of objects that know how much room their objects take.

A policy numbers its segments 0, 1, ...; segment k is list k of :mod:`~edgegym.envs.caching.replay.lists`, and PLACE
names the segment that holds an object. Cached objects and the ids of evicted ones ("ghosts") are kept alike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined
from edgegym.envs.caching.replay.lists import ABSENT, NEXT, PLACE, PREV, push, unlink


@inlined
def enter(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], segment: int, x: int) -> None:
    """Put ``x`` in as the newest of ``segment``."""
    push(rows, len(size) + segment, x)
    rows[x, PLACE] = segment
    used[segment] += size[x]


@inlined
def leave(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], x: int) -> None:
    """Take ``x`` out of its segment."""
    unlink(rows, x)
    used[rows[x, PLACE]] -= size[x]
    rows[x, PLACE] = ABSENT


@inlined
def oldest(rows: NDArray[np.int32], size: NDArray[np.int64], segment: int) -> int:
    """The oldest object of a segment that is not empty."""
    return rows[len(size) + segment, PREV]


@inlined
def drop_oldest(rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], segment: int) -> int:
    """Take the oldest object out of a segment that is not empty and return it."""
    x = oldest(rows, size, segment)
    leave(rows, size, used, x)
    return x


@inlined
def refresh(rows: NDArray[np.int32], size: NDArray[np.int64], x: int) -> None:
    """Make ``x`` the newest of its segment."""
    sentinel = len(size) + rows[x, PLACE]
    if rows[sentinel, NEXT] != x:
        unlink(rows, x)
        push(rows, sentinel, x)


@inlined
def remember(
    rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], ghosts: int, limit: int, x: int
) -> None:
    """Put ``x`` into the segment ``ghosts``, which forgets its oldest ids to stay within ``limit``."""
    if size[x] > limit:
        return
    while used[ghosts] + size[x] > limit:
        drop_oldest(rows, size, used, ghosts)
    enter(rows, size, used, ghosts, x)
