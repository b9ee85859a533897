"""How many arrivals, and how bursty: what is measured of a stream.

Two measures of burstiness, since gaps say nothing about correlation: the coefficient of variation of the gaps, and the
index of dispersion for counts (Fano factor) by window. Both are 1 for Poisson arrivals. R. Gusella, "Characterizing the
variability of arrival processes with indexes of dispersion", IEEE JSAC 9(2), 1991.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError


def mean_rate(time_s: NDArray[np.float64]) -> float:
    """Arrivals per second between the first and the last: gaps over their sum.

    Raises:
        TraceError: for fewer than two arrivals, or if all come at one time.
    """
    return 1.0 / float(_gaps_s(time_s).mean())


def gap_cv(time_s: NDArray[np.float64]) -> float:
    """Coefficient of variation of the gaps, standard deviation over mean; errors as in :func:`mean_rate`."""
    gaps_s = _gaps_s(time_s)
    return float(gaps_s.std() / gaps_s.mean())


def fano_factor(time_s: NDArray[np.float64], window_s: float, seconds: float | None = None) -> float:
    """Variance over mean of the arrivals in a window.

    Args:
        time_s: (arrivals,) times from 0 on, in order.
        window_s: length of a window. Windows lie side by side from time 0; one that is not whole at the end is left
            out, since it would look like a lull.
        seconds: length of the stream; up to its last arrival if left out.

    Raises:
        TraceError: if there are fewer than two whole windows, or no arrival in them.
    """
    length_s = float(time_s[-1]) if seconds is None and len(time_s) else seconds or 0.0
    windows = math.floor(length_s / window_s)
    counts = np.bincount(np.floor(time_s / window_s).astype(np.int64), minlength=windows)[:windows]
    if windows < 2 or not counts.any():
        raise TraceError(
            f"found {len(time_s)} arrivals in {length_s:g} s, {windows} whole windows of {window_s:g} s; at least two "
            "windows and an arrival in them are needed."
        )
    return float(counts.var(ddof=1) / counts.mean())


def _gaps_s(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    gaps_s = np.diff(time_s)
    if not np.any(gaps_s > 0.0):
        raise TraceError(f"found {len(time_s)} arrivals at one time or none; at least two different times are needed.")
    return gaps_s
