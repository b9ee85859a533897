"""How kernels are split into small functions without paying for it."""

from __future__ import annotations

from numba import njit

inlined = njit(cache=True, forceinline=True, _nrt=False)
"""``@njit`` for a part of a kernel: LLVM always inlines it, and arrays are not reference-counted.

A call that is not inlined copies every array header of the state, and each copy counts references; together that costs
several times what most of these functions do. Kernels own no arrays (they read and write those they are given), so
nothing needs counting; code that would allocate does not compile. Entry points say ``@njit(cache=True, _nrt=False)``.
"""
