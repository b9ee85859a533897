"""What a request meets and what an eviction leaves behind: the output that all replay kernels share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit

REFUSED = np.uint8(0)
"""A miss whose object was not admitted: it is too large, or the policy let it pass by."""
HIT = np.uint8(1)
"""The object was cached."""
ADMITTED = np.uint8(2)
"""A miss whose object was admitted."""


@njit(cache=True)
def note(evicted: NDArray[np.int32], evicted_at: NDArray[np.int32], evictions: int, x: int, t: int) -> int:
    """Log, if a log is wanted, that request ``t`` evicted content ``x``; return the new number of evictions."""
    if len(evicted):
        evicted[evictions] = x
        evicted_at[evictions] = t
    return evictions + 1
