"""Stack distances and the miss-ratio curve of LRU: every cache size in one pass over a trace.

A content's place in the list of contents ordered by their last request is its stack distance; LRU caches nest, so a
request is a hit in every cache at least that large (R. L. Mattson, J. Gecsei, D. R. Slutz and I. L. Traiger,
"Evaluation techniques for storage hierarchies", IBM Systems Journal 9(2), 1970). A tree over the times of last requests
gives all distances of n requests in O(n log n) (B. T. Bennett and V. J. Kruskal, "LRU stack processing", IBM Journal of
Research and Development 19(4), 1975).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.compiling import njit
from edgegym.errors import TraceError
from edgegym.workload.fenwick import add, new_tree, prefix

INFINITE = 2**63 - 1
"""Stack distance of a content's first request: a miss at every capacity."""


@dataclass(frozen=True)
class MissRatioCurve:
    """Miss ratio of LRU against the capacity: a falling step function.

    Attributes:
        capacity: (steps,) int64, the capacities at which the ratio falls, growing.
        miss_ratio: (steps,) float64, the ratio from that capacity on.
    """

    capacity: NDArray[np.int64]
    miss_ratio: NDArray[np.float64]

    def at(self, capacity: ArrayLike) -> NDArray[np.float64]:
        """Miss ratios in caches of these capacities, any shape; 1 below the first step."""
        return np.append(1.0, self.miss_ratio)[np.searchsorted(self.capacity, capacity, side="right")]


def stack_distances(content: NDArray[Any], size: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Room that LRU needs for each request to be a hit.

    Args:
        content: (requests,) dense ids, 0 .. contents - 1.
        size: (contents,) bytes, at least 1; every content counts 1 without it.

    Returns:
        (requests,) int64: objects (or bytes) of the distinct contents requested since the content's previous request,
        the content itself included; :data:`INFINITE` for its first. A request is a hit in a cache of capacity c if its
        distance is at most c. That is exact for unit sizes. In bytes it describes a cache that holds all it can of the
        most recent contents; one that evicts whole objects leaves up to an object's room unused, and differs by that.

    Raises:
        TraceError: for ids or sizes out of range.
    """
    ids = np.ascontiguousarray(content, np.int32)
    contents = int(ids.max()) + 1 if len(ids) else 0
    room = np.ones(contents, np.int64) if size is None else np.ascontiguousarray(size, np.int64)
    if len(ids) and (ids.min() < 0 or contents > len(room)):
        raise TraceError(f"content ids run from {ids.min()} to {contents - 1}; allowed are 0 .. {len(room) - 1}.")
    if len(room) and room.min() < 1:
        raise TraceError(f"content {room.argmin()} has size {room.min()}; at least 1 is needed.")
    return _distances(ids, room)


def miss_ratio_curve(
    content: NDArray[Any],
    size: NDArray[Any] | None = None,
    weight: NDArray[Any] | None = None,
    from_index: int = 0,
) -> MissRatioCurve:
    """The miss-ratio curve of LRU over a trace, from an empty cache.

    Args:
        content: (requests,) dense ids.
        size: (contents,) bytes, for a curve over capacities in bytes; without it capacities count objects.
        weight: (requests,) what a miss counts, for example the bytes requested, for the byte miss ratio; 1 without it.
        from_index: first request that counts; those before it only warm the caches.

    Raises:
        TraceError: for ids or sizes out of range, or if no request counts.
    """
    distance = stack_distances(content, size)[from_index:]
    if not len(distance):
        raise TraceError(f"from_index: {from_index} leaves none of {len(content)} requests to count; lower it.")
    return curve_of(distance, None if weight is None else np.asarray(weight)[from_index:])


def curve_of(distance: NDArray[np.int64], weight: NDArray[Any] | None = None) -> MissRatioCurve:
    """The miss-ratio curve of stack distances, (requests,) each, with what a miss counts."""
    values, place = np.unique(distance, return_inverse=True)
    hits = np.bincount(place, weight, len(values))
    finite = values < INFINITE
    return MissRatioCurve(values[finite], 1.0 - np.cumsum(hits)[finite] / hits.sum())


@njit(cache=True)
def _distances(content: NDArray[np.int32], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Slot t + 1 of the tree holds the room of the content whose last request was t."""
    tree = new_tree(len(content))
    last = np.zeros(len(room), np.int64)
    distance = np.empty(len(content), np.int64)
    stack = 0
    for t in range(len(content)):
        x = content[t]
        if last[x]:
            distance[t] = stack - prefix(tree, last[x] - 1)
            add(tree, last[x], -room[x])
        else:
            distance[t] = INFINITE
            stack += room[x]
        last[x] = t + 1
        add(tree, t + 1, room[x])
    return distance
