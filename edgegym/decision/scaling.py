"""Cheap logarithms and scales for columns: kernels call them dozens of times a decision.

The polynomials are least-squares fits at Chebyshev points, forced through the ends of the interval, so that the
functions are continuous: log2(m) = (m - 1) p(m) on [1, 2], and 2**f = p(f) on [0, 1].
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import njit

OCTAVES = 24.0
"""Counts and ages up to 2**24 requests spread over [0, 1]."""


@njit(cache=True, inline="always")
def fast_log2(x: float) -> np.float32:
    """log2 of a positive number in float32, absolute error below 1e-5 (polynomial on the mantissa)."""
    pattern = np.float32(x).view(np.int32)
    exponent = np.float32((pattern >> 23) - 127)
    m = np.int32((pattern & 0x7FFFFF) | 0x3F800000).view(np.float32)
    p = np.float32(0.25602592) + np.float32(-0.02627305) * m
    p = np.float32(2.32203462) + m * (np.float32(-1.04462302) + m * p)
    p = np.float32(3.05782134) + m * (np.float32(-3.12232637) + m * p)
    return exponent + (m - np.float32(1.0)) * p


@njit(cache=True, inline="always")
def fast_exp2(x: float) -> np.float32:
    """2**x in float32 for x below 127 (0 below -126), relative error below 4e-6 (polynomial on the fraction)."""
    power = max(np.float32(x), np.float32(-126.0))
    whole = np.int32(np.floor(power))
    f = power - np.float32(whole)
    p = np.float32(0.00896681) + np.float32(0.00189782) * f
    p = np.float32(0.24017214) + f * (np.float32(0.05581438) + f * p)
    p = np.float32(1.0) + f * (np.float32(0.69314885) + f * p)
    return p * np.int32((whole + 127) << 23).view(np.float32)


@njit(cache=True, inline="always")
def unit(x: float) -> np.float32:
    """Clip to [0, 1]."""
    return np.float32(min(max(float(x), 0.0), 1.0))


@njit(cache=True, inline="always")
def log_unit(x: float) -> np.float32:
    """A number >= 1 on a logarithmic scale: 1 gives 0, 2**24 gives 1."""
    return unit(fast_log2(x) * np.float32(1.0 / OCTAVES))
