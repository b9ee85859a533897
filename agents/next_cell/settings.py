"""How next-cell predictors are fitted."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edgegym.settings import Settings

Positive = Annotated[float, Field(gt=0)]


class NextCellSettings(Settings):
    """What a recurrent predictor is fitted to, and how."""

    hidden: int = Field(32, ge=1, le=1024)
    """Units of the recurrent layer."""
    embedding: int = Field(8, ge=1, le=1024)
    """Learned numbers that describe a cell."""
    horizon: int = Field(8, ge=1, le=256)
    """Slots ahead for which it says whether the user leaves its cell."""
    episodes: int = Field(40, ge=1)
    """Training episodes of a generated workload; a trace has its training users."""
    holdout: float = Field(0.15, gt=0, lt=1)
    """Share of the training users on which the best epoch is chosen."""
    folds: int = Field(5, ge=2)
    """The chain that a user's network corrects in training is fitted without that user's fold; otherwise it would seem
    better there than it is elsewhere."""
    window: int = Field(128, ge=2)
    """Longest stretch of slots through which errors are propagated back."""
    epochs: int = Field(12, ge=1)
    """Passes over the training users."""
    batch: int = Field(32, ge=1)
    """Stretches a step."""
    learning_rate: Positive = 5e-3
    """Of Adam; falls linearly to 0."""
    weight_decay: float = Field(1e-4, ge=0)
    """Of Adam, decoupled."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """One predictor each; the first one's is kept under the plain name."""
