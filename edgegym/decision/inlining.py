"""How kernels are split into small functions without paying for it."""

from __future__ import annotations

from numba import njit

inlined = njit(cache=True, forceinline=True, _nrt=False)
"""``@njit`` for a part of a kernel: LLVM always inlines it.

A call that is not inlined copies every array header of the state and counts references to each, which costs more than
most of these functions do.
"""
