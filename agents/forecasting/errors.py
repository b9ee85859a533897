"""How far forecasts of requests are from what came."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy


def poisson_deviance(requests: NDArray[Any], log2_forecast: NDArray[Any]) -> float:
    """Mean Poisson deviance: 0 if every forecast is exact, twice the log-likelihood lost otherwise.

    Args:
        requests: (samples,) what came.
        log2_forecast: (samples,) log2 of what was expected.
    """
    forecast = np.exp2(np.asarray(log2_forecast, np.float64))
    lost = xlogy(requests, requests / forecast) - (requests - forecast)
    return float(2.0 * lost.mean())


def log_error(requests: NDArray[Any], log2_forecast: NDArray[Any]) -> float:
    """Mean absolute difference of log2(1 + requests)."""
    expected = np.log2(1.0 + np.exp2(np.asarray(log2_forecast, np.float64)))
    return float(np.abs(np.log2(1.0 + np.asarray(requests, np.float64)) - expected).mean())


def captured(value: NDArray[Any], forecast: NDArray[Any], most: int) -> tuple[float, float]:
    """Value of the ``most`` contents with the highest forecast, and of the most valuable ones: recall is their ratio.

    Args:
        value: (contents,) requests in the next window, or what a known law expects.
        forecast: (contents,) any number that orders them.
        most: how many fit.
    """
    most = min(most, len(value))
    chosen, best = (np.argpartition(-order, most - 1)[:most] for order in (forecast, value))
    return float(value[chosen].sum()), float(value[best].sum())
