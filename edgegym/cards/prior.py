"""What devices have in common: the prior from which a few anchor measurements predict a new device.

Log times of a set of models on a device are a level of the device's own, plus a mean profile over models, plus a few
factors that devices differ in, plus noise: probabilistic principal components (Tipping and Bishop, 1999).
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgegym.cards.schema import Card
from edgegym.errors import EdgeGymError

Array = NDArray[np.float64]
FREE_LEVEL = 100.0
"""Variance of the level: a device may be a million times faster than another."""


class DevicePriorCard(Card):
    """Mean and covariance of log times over models, from many devices."""

    kind: Literal["prior"] = "prior"
    devices: int = Field(ge=2)
    """Settings (device, threads, processor) behind it."""
    models: tuple[str, ...] = Field(min_length=2)
    """Models, in the order of the other fields."""
    profile: tuple[float, ...]
    """Mean log time of each model relative to a device's level."""
    loadings: tuple[tuple[float, ...], ...]
    """(factors, models): what one standard deviation of each factor changes in the log times."""
    noise: float = Field(gt=0)
    """Standard deviation of what the factors leave."""

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        for name, rows in (("profile", [self.profile]), ("loadings", self.loadings)):
            if any(len(row) != len(self.models) for row in rows):
                raise ValueError(f"{name}: one entry per model is needed, {len(self.models)}")
        return self

    def covariance(self) -> Array:
        """(models, models) covariance of log times, the free level included."""
        loadings, count = np.array(self.loadings).reshape(-1, len(self.models)), len(self.models)
        return loadings.T @ loadings + self.noise**2 * np.eye(count) + FREE_LEVEL

    def most_telling(self, models: list[str], anchors: int) -> list[str]:
        """Models to measure on a new device: one by one that which leaves least uncertainty about the others.

        Args:
            models: models that could be measured.
            anchors: how many, at least 1 and fewer than there are.

        Raises:
            EdgeGymError: for too few models that the prior knows.
        """
        known = [self.models.index(model) for model in models if model in self.models]
        if not 1 <= anchors < len(known):
            raise EdgeGymError(
                f"{anchors} anchors of {len(known)} models that the prior {self.name!r} knows; at least 1 and at most "
                f"{max(len(known) - 1, 0)} are needed. It knows: {', '.join(self.models)}."
            )
        covariance, chosen = self.covariance(), list[int]()
        for _ in range(anchors):
            rest = [place for place in known if place not in chosen]
            left = [_left_over(covariance, [*chosen, place], known) for place in rest]
            chosen.append(rest[int(np.argmin(left))])
        return [self.models[place] for place in chosen]

    def predict(self, anchors: dict[str, float], models: list[str]) -> tuple[Array, Array]:
        """Times of models on a device where the anchors were measured.

        Args:
            anchors: seconds by model.
            models: models to predict.

        Returns:
            Median seconds and the standard deviation of their logarithm, (n,) each.

        Raises:
            EdgeGymError: for a model that the prior does not know.
        """
        for model in (*anchors, *models):
            if model not in self.models:
                raise EdgeGymError(f"{self.name}: does not know {model!r}. It knows: {', '.join(self.models)}.")
        seen, wanted = ([self.models.index(model) for model in names] for names in (anchors, models))
        covariance, profile = self.covariance(), np.array(self.profile)
        gain = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, wanted)]).T
        log_times = np.log(np.array(list(anchors.values())))
        mean = profile[wanted] + gain @ (log_times - profile[seen])
        variance = np.diag(covariance)[wanted] - np.einsum("ij,ji->i", gain, covariance[np.ix_(seen, wanted)])
        return np.exp(mean), np.sqrt(np.maximum(variance, 0.0))


def _left_over(covariance: Array, chosen: list[int], known: list[int]) -> float:
    """Sum of the standard deviations of the known models, given the chosen ones."""
    gain = np.linalg.solve(covariance[np.ix_(chosen, chosen)], covariance[np.ix_(chosen, known)])
    variance = np.diag(covariance)[known] - np.einsum("ij,ij->j", covariance[np.ix_(chosen, known)], gain)
    return float(np.sqrt(np.maximum(variance, 0.0)).sum())
