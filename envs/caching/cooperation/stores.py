"""Many LRU caches over the same contents, in the lists of :mod:`~edgegym.envs.caching.replay.lists`.

All caches share one array: row ``cache * (contents + 1) + content`` belongs to a content in a cache, and the last row
of each cache is the sentinel of its list.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined
from edgegym.envs.caching.replay.lists import ABSENT, COLUMNS, NEXT, PLACE, PREV, push, unlink


class Stores(NamedTuple):
    """The state of all caches.

    Attributes:
        rows: (caches * (contents + 1), COLUMNS) int32.
        used: (caches,) int64, occupied room.
        capacity: (caches,) int64.
        room: (contents,) int64 >= 1, what each content occupies: its bytes, or 1.
    """

    rows: NDArray[np.int32]
    used: NDArray[np.int64]
    capacity: NDArray[np.int64]
    room: NDArray[np.int64]


def empty_stores(capacity: NDArray[np.int64], room: NDArray[np.int64]) -> Stores:
    """Caches that hold nothing yet; the arguments are those of :class:`Stores`."""
    stride = len(room) + 1
    rows = np.zeros((len(capacity) * stride, COLUMNS), np.int32)
    rows[:, PLACE] = ABSENT
    sentinels = np.arange(stride - 1, len(rows), stride)
    rows[sentinels, PREV] = rows[sentinels, NEXT] = sentinels
    return Stores(rows, np.zeros(len(capacity), np.int64), capacity, room)


@inlined
def holds(stores: Stores, cache: int, x: int) -> bool:
    """Whether a cache holds content ``x``."""
    return stores.rows[cache * (len(stores.room) + 1) + x, PLACE] != ABSENT


@inlined
def refresh(stores: Stores, cache: int, x: int) -> None:
    """Make content ``x``, which the cache holds, its most recently used one."""
    first = cache * (len(stores.room) + 1)
    sentinel = first + len(stores.room)
    if stores.rows[sentinel, NEXT] != first + x:
        unlink(stores.rows, first + x)
        push(stores.rows, sentinel, first + x)


@inlined
def admit(stores: Stores, cache: int, x: int) -> int:
    """Put content ``x`` into a cache, evicting by LRU; nothing happens if it is there or larger than the cache.

    Returns:
        How many contents were evicted.
    """
    first = cache * (len(stores.room) + 1)
    sentinel = first + len(stores.room)
    need = stores.room[x]
    if need > stores.capacity[cache] or stores.rows[first + x, PLACE] != ABSENT:
        return 0
    evictions = 0
    while stores.used[cache] + need > stores.capacity[cache]:
        victim = stores.rows[sentinel, PREV]
        unlink(stores.rows, victim)
        stores.rows[victim, PLACE] = ABSENT
        stores.used[cache] -= stores.room[victim - first]
        evictions += 1
    push(stores.rows, sentinel, first + x)
    stores.rows[first + x, PLACE] = cache
    stores.used[cache] += need
    return evictions
