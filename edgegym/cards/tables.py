"""Distributions as people can read them: a quantile table for sizes, delays and rates, masses for counts."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator, model_validator

from edgegym.settings import Settings

SUM_TOLERANCE = 1e-3
"""Probabilities in a card are rounded for reading, so their sum may miss 1 by this much; draws use the rescaled law."""


NEXT_TO_ZERO = 1e-12
"""A value below this share of the next one counts as zero."""


class QuantileTable(Settings):
    """A law given by quantiles; between two of them the value grows geometrically (linearly from a value of zero).

    Two equal values in a row are a point mass.
    """

    probabilities: tuple[float, ...] = Field(min_length=2)
    """Strictly increasing, from 0 to 1."""
    values: tuple[float, ...] = Field(min_length=2)
    """The quantile at each probability: not negative, never falling, finite."""

    @field_validator("probabilities")
    @classmethod
    def _from_zero_to_one(cls, probabilities: tuple[float, ...]) -> tuple[float, ...]:
        if probabilities[0] != 0.0 or probabilities[-1] != 1.0:
            raise ValueError("must start with 0 (the minimum) and end with 1 (the maximum)")
        if not np.all(np.diff(probabilities) > 0):
            raise ValueError(f"must grow from entry to entry, {_first_fault(probabilities, strict=True)}")
        return probabilities

    @field_validator("values")
    @classmethod
    def _never_falling(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        _check_finite(values)
        if not np.all(np.diff(values) >= 0):
            raise ValueError(f"must not fall from entry to entry, {_first_fault(values, strict=False)}")
        return values

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.probabilities) != len(self.values):
            raise ValueError(
                f"{len(self.probabilities)} probabilities but {len(self.values)} values; one each is needed"
            )
        return self

    @property
    def _knots(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.array(self.probabilities), np.array(self.values)

    def quantile(self, p: ArrayLike) -> NDArray[np.float64]:
        """Value below which the share ``p`` lies.

        Args:
            p: any shape, in 0 .. 1.

        Returns:
            The quantiles, same shape, float64.

        Raises:
            ValueError: for a probability outside 0 .. 1.
        """
        share = np.asarray(p, np.float64)
        if not np.all((share >= 0) & (share <= 1)):
            raise ValueError("probabilities must lie in 0 .. 1")
        at, _ = self._knots
        segment = np.clip(np.searchsorted(at, share, side="right") - 1, 0, len(at) - 2)
        return self.within(segment, (share - at[segment]) / (at[segment + 1] - at[segment]))

    def within(self, segment: NDArray[np.intp], fraction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Value at a fraction (0 .. 1) of the way, in probability, through a segment between two quantiles."""
        _, values = self._knots
        low, high = values[segment], values[segment + 1]
        geometric = _geometric(low, high)
        ratio = np.where(geometric, high, 1.0) / np.where(geometric, low, 1.0)
        return np.where(geometric, low * ratio**fraction, low + (high - low) * fraction)

    def segment_means(self) -> NDArray[np.float64]:
        """Mean within each segment between two quantiles, (entries - 1,) float64."""
        _, values = self._knots
        low, high = values[:-1], values[1:]
        geometric = _geometric(low, high)
        growth = np.log(np.where(geometric, high, 2.0) / np.where(geometric, low, 1.0))
        return np.where(geometric, (high - low) / growth, (low + high) / 2)

    def mean(self) -> float:
        """Mean of the law that :meth:`sample` draws from."""
        return float(np.diff(self._knots[0]) @ self.segment_means())

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw ``n`` independent values, (n,) float64."""
        return self.quantile(rng.random(n))


class ByteTable(QuantileTable):
    """A quantile table of sizes in whole bytes, at least 1."""

    @field_validator("values")
    @classmethod
    def _at_least_one(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) < 1:
            raise ValueError("sizes are at least 1 byte")
        return values

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:  # type: ignore[override]
        """Draw ``n`` independent sizes rounded to whole bytes, (n,) int64.

        The mean of the rounded sizes differs from :meth:`mean` by less than half a byte.
        """
        return whole_bytes(self.quantile(rng.random(n)))


class CountTable(Settings):
    """A law of counts by probability masses; a value of the tail is the mean of a bin of counts, so it may be broken.

    With the bin's mean in place of the bin the law keeps the mean of the measured one.
    """

    values: tuple[float, ...] = Field(min_length=1)
    """Strictly increasing, at least 1."""
    probabilities: tuple[float, ...] = Field(min_length=1)
    """Positive, with sum 1."""

    @field_validator("values")
    @classmethod
    def _growing(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        _check_finite(values)
        if values[0] < 1:
            raise ValueError("counts are at least 1")
        if not np.all(np.diff(values) > 0):
            raise ValueError(f"must grow from entry to entry, {_first_fault(values, strict=True)}")
        return values

    @field_validator("probabilities")
    @classmethod
    def _sum_to_one(cls, probabilities: tuple[float, ...]) -> tuple[float, ...]:
        check_masses(probabilities)
        return probabilities

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if len(self.probabilities) != len(self.values):
            raise ValueError(
                f"{len(self.probabilities)} probabilities but {len(self.values)} values; one each is needed"
            )
        return self

    @property
    def masses(self) -> NDArray[np.float64]:
        """The probabilities, rescaled to the sum 1, (values,) float64."""
        masses = np.array(self.probabilities)
        return masses / masses.sum()

    @property
    def _cumulative(self) -> NDArray[np.float64]:
        return cumulative(self.masses)

    def mean(self) -> float:
        """Mean of the law that :meth:`sample` draws from."""
        return float(self.masses @ np.array(self.values))

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.intp]:
        """Draw ``n`` independent indices into ``values``, (n,) intp."""
        return np.searchsorted(self._cumulative, rng.random(n), side="right")

    def sample(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draw ``n`` independent counts, (n,) float64."""
        return np.array(self.values)[self.draw(rng, n)]


def _geometric(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the value grows by a ratio; near equal values the logarithm of the ratio would be lost in rounding."""
    return (low > NEXT_TO_ZERO * high) & (high > low * (1 + 1e-9))


def whole_bytes(sizes: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to whole bytes, at least 1."""
    return np.maximum(np.rint(sizes), 1).astype(np.int64)


def cumulative(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulated masses along the last axis, ending in exactly 1."""
    result = np.cumsum(masses, axis=-1)
    result[..., -1] = 1.0
    return result


def check_masses(probabilities: tuple[float, ...]) -> None:
    """Raise ValueError unless the masses are not negative and sum to 1."""
    _check_finite(probabilities)
    total = float(np.sum(probabilities))
    if abs(total - 1.0) > SUM_TOLERANCE:
        raise ValueError(f"the probabilities sum to {total:.6g}; they must sum to 1")


def _check_finite(values: tuple[float, ...]) -> None:
    for place, value in enumerate(values):
        if not 0 <= value < np.inf:
            raise ValueError(f"entry {place} is {value}; a finite number, not negative, is needed")


def _first_fault(values: tuple[float, ...], strict: bool) -> str:
    steps = np.diff(values)
    place = int(np.flatnonzero(steps <= 0 if strict else steps < 0)[0]) + 1
    return f"but entry {place} is {values[place]} after {values[place - 1]}"
