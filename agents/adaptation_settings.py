"""Settings of online adaptation, apart from :mod:`~edgegym.agents.adapting`, which needs torch."""

from __future__ import annotations

from pydantic import Field

from edgegym.settings import Settings


class AdaptationSettings(Settings):
    """How a trained policy goes on learning while it serves. Requests are those of the live episode."""

    every: int = Field(2_500, ge=1)
    """Requests between two rounds of adaptation."""
    window: int = Field(5_000, ge=8)
    """Requests of the recent past that a round knows."""
    holdout: float = Field(0.25, gt=0, le=0.75)
    """Share of the window, its latest part, that is kept from training: both policies are judged on it."""
    steps: int = Field(16_384, ge=1)
    """Decisions that a round trains for; the algorithm rounds up to whole rollouts."""
    margin: float = Field(0.01, ge=0)
    """The adapted policy acts while it is better by more than this share of the frozen policy's score."""
