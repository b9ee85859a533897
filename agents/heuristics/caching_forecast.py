"""The heuristic for content caching that a forecaster makes possible: evict what will be requested least."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgegym.decision.policy import Policy, ScorePolicy
from edgegym.decision.scaling import OCTAVES
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.caching.forecaster import OCTAVES as FORECAST_OCTAVES
from edgegym.envs.caching.system import CachingSystem

NAME = "Forecast"


def forecast(c: Columns) -> NDArray[Any]:
    """Evict the content for which the forecaster expects the fewest requests."""
    return -c.forecast


def forecast_per_byte(c: Columns) -> NDArray[Any]:
    """Evict the content for which the forecaster expects the fewest requests per byte; 1 KiB is the smallest size."""
    return OCTAVES * c.size - FORECAST_OCTAVES * c.forecast


def forecast_heuristics(system: System | None) -> list[Policy]:
    """The policy that evicts by the column of the system's forecaster; none without one."""
    if not isinstance(system, CachingSystem) or system.params.forecaster is None:
        return []
    return [ScorePolicy(NAME, forecast if system.params.unit == "objects" else forecast_per_byte)]
