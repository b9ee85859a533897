"""How forecasters are fitted. The defaults were chosen on the first half of the web07 trace alone."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgegym.envs.caching.forecast_network import HIDDEN, WIDTH
from edgegym.settings import Settings

Positive = Annotated[float, Field(gt=0)]


class ForecastSettings(Settings):
    """What is forecast, from how much, by what."""

    window: Positive = 0.5
    """How far forecasts look ahead, in cache capacities of requests."""
    samples: int = Field(200_000, ge=1000)
    """Most samples that are fitted to, and on which errors are measured: half of them candidates of decisions, half of
    all contents that the node knows."""
    episodes: int = Field(8, ge=1)
    """Training episodes of a generated workload; a trace file is one."""
    holdout: float = Field(0.25, gt=0, lt=1)
    """Share of every training episode, at its end, on which half-life and ridge are chosen."""
    half_lives: tuple[Positive, ...] = Field((1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0), min_length=1)
    """Half-lives that the EWMA chooses from, in cache capacities of requests."""
    ridges: tuple[Positive, ...] = Field((1e-4, 1e-3, 1e-2, 1e-1), min_length=1)
    """Penalties that the linear forecaster chooses from."""
    hidden: tuple[Annotated[int, Field(ge=1, le=WIDTH)], ...] = Field((16,), max_length=HIDDEN)
    """Units of the neural forecaster's hidden layers."""
    epochs: int = Field(10, ge=1)
    """Passes of the neural forecaster over the samples."""
    batch: int = Field(1024, ge=1)
    """Samples a step."""
    learning_rate: Positive = 1e-2
    """Of Adam; falls linearly to 0."""
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4), min_length=1)
    """Seeds of the neural forecaster; the first one's is kept as ``neural``."""
