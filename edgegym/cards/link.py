"""What a link card says beyond round trip and rate: how the throughput moves, and what the radio draws.

The dynamics are a copula: a latent Gaussian process with several exponential time scales is mapped to the quantiles of
the card's ``rate_table``. One such scale is the usual model of shadowing (Gudmundson, Electronics Letters 1991); the
mapping is the autoregressive-to-anything process (Cario & Nelson, Operations Research Letters 1996); states that shift
the mean are those of Markov-switching models (Hamilton, Econometrica 1989).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from edgegym.cards.tables import SUM_TOLERANCE
from edgegym.settings import Settings


class Blockage(Settings):
    """Spells in which the latent process stands lower, as behind a body or a building.

    The state is redrawn, blocked with probability ``share``, after exponential times of mean ``time_scale_s``: a Markov
    process whose blocked spells last ``time_scale_s / (1 - share)`` in the mean.
    """

    share: float = Field(gt=0, lt=1)
    """Share of the time that is blocked."""
    depth: float = Field(gt=0, le=10)
    """How far the latent process is shifted, in its standard deviations."""
    time_scale_s: float = Field(gt=0, allow_inf_nan=False)
    """Mean time between draws of the state, seconds."""


class LinkDynamics(Settings):
    """How the throughput moves over time; its law stays the card's ``rate_table``."""

    sample_s: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Seconds for which a value holds: the measuring interval. What happens within one nobody measured."""
    time_scales_s: tuple[float, ...] = Field(min_length=1)
    """Time scales of the latent process, seconds, growing."""
    weights: tuple[float, ...] = Field(min_length=1)
    """Share of each time scale in the latent variance; with ``level_weight`` they sum to 1."""
    level_weight: float = Field(default=0.0, ge=0, lt=1)
    """Share of the latent variance that stays the same throughout a run and differs from run to run."""
    blockage: Blockage | None = None
    """Spells of low throughput; left out, the latent process is Gaussian."""

    @model_validator(mode="after")
    def _shares_of_growing_scales(self) -> Self:
        scales, weights = np.array(self.time_scales_s), np.array(self.weights)
        if len(scales) != len(weights):
            raise ValueError(f"{len(scales)} time_scales_s but {len(weights)} weights; one each is needed")
        if not (np.all(np.isfinite(scales)) and scales[0] > 0 and np.all(np.diff(scales) > 0)):
            raise ValueError(f"time_scales_s must be positive, finite and growing, not {self.time_scales_s}")
        if not np.all(weights >= 0):
            raise ValueError(f"weights must not be negative, not {self.weights}")
        total = float(weights.sum() + self.level_weight)
        if abs(total - 1.0) > SUM_TOLERANCE:
            raise ValueError(f"weights and level_weight sum to {total:.6g}; they must sum to 1")
        return self


class RadioPower(Settings):
    """Power of a whole phone that sends or receives at a rate: ``base_w + j_per_byte * bytes per second``."""

    down_j_per_byte: float = Field(ge=0, allow_inf_nan=False)
    """Energy for each byte received, joules."""
    down_base_w: float = Field(ge=0, allow_inf_nan=False)
    """Power while receiving at a rate near zero, watts; what the phone draws anyway is part of it."""
    up_j_per_byte: float = Field(ge=0, allow_inf_nan=False)
    """Energy for each byte sent, joules."""
    up_base_w: float = Field(ge=0, allow_inf_nan=False)
    """Power while sending at a rate near zero, watts; what the phone draws anyway is part of it."""
    source: str = Field(min_length=1)
    """Who measured it, in a form that can be cited."""


class StatisticFidelity(Settings):
    """How well generated runs have one statistic of the measured ones; errors are relative, 0.01 is one percent."""

    measured: float
    """Its value over all runs."""
    held_out_error: float = Field(ge=0)
    """Mean error of a generator fitted to one half of the runs, against the other half."""
    noise_floor: float = Field(ge=0)
    """Mean difference between the same two halves: what even the runs themselves reach."""
    bias: float
    """Error of the mean over all halves, with its sign: what is left when the noise of the halves cancels."""
