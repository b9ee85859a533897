"""Static caching: the contents that were requested most, held and never changed.

Under independent requests no policy has more hits in the long run than the most popular contents kept for good: E. G.
Coffman and P. J. Denning, "Operating systems theory", 1973 (their A0). How far others get beyond it on a trace is what
they gain from popularity that changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit


def most_requested(content: NDArray[np.int32], size: NDArray[np.int64], capacity: int) -> NDArray[np.bool_]:
    """Fill a cache with the most requested contents; with sizes, with the most requests per unit of size.

    Contents are taken in that order, those first that have smaller ids among equals; one that no longer fits is passed
    over for the next. Contents without a request are never taken.

    Args:
        content: (requests,) int32, the requests that are counted.
        size: (contents,) int64 >= 1, room that a content takes.
        capacity: room in the cache, in the unit of ``size``.

    Returns:
        (contents,) bool, what the cache holds.
    """
    count = np.bincount(content, minlength=len(size))
    order = np.argsort(-count / size, kind="stable")
    return _filled(order[count[order] > 0], size, capacity)


@njit(cache=True)
def _filled(order: NDArray[np.int64], size: NDArray[np.int64], capacity: int) -> NDArray[np.bool_]:
    held = np.zeros(len(size), np.bool_)
    for x in order:
        if size[x] <= capacity:
            held[x] = True
            capacity -= size[x]
    return held
