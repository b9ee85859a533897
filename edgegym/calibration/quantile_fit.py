"""Condense measurements to a quantile table of a few entries, and say what that costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.cards import QuantileTable, TableFidelity
from edgegym.errors import EdgeGymError

PERCENTILES = np.arange(1, 100) / 100
DECILES = np.arange(1, 10) / 10
CANDIDATES = np.concatenate([np.arange(1000) / 1000, 1 - np.logspace(-3.2, -5, 10), [1.0]])
"""Probabilities at which a table may have an entry: per mille, finer towards the maximum, which carries the mean."""
FLOOR = 1e-3
"""Values below this share of the median count as equal to it in the choice of entries: zero has no logarithm."""
EXACT = 1e-9
"""A table with no larger error of the logarithm needs no further entry."""
FOLDS = 5


@dataclass(frozen=True)
class Measurements:
    """Values of one quantity with their weights, from one or several runs.

    Attributes:
        values: (n,) float64.
        weights: (n,) float64, for example the seconds for which a value holds.
        run: (n,) int, the run that each value is from; runs are independent of each other.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    run: NDArray[np.intp]

    @classmethod
    def of(cls, values: ArrayLike, weights: ArrayLike | None = None, run: ArrayLike | None = None) -> Measurements:
        """Check and wrap plain sequences; weight 1 and a single run if left out.

        Raises:
            EdgeGymError: for no values, values or weights that are negative or not finite, or unequal lengths.
        """
        v = np.asarray(values, np.float64)
        w = np.ones(len(v)) if weights is None else np.asarray(weights, np.float64)
        names = np.zeros(len(v), np.intp) if run is None else np.unique(np.asarray(run), return_inverse=True)[1]
        if not len(v) == len(w) == len(names):
            raise EdgeGymError(f"{len(v)} values, {len(w)} weights and {len(names)} runs; one each is needed.")
        for name, array in (("value", v), ("weight", w)):
            bad = np.flatnonzero(~((array >= 0) & (array < np.inf)))
            if len(bad):
                raise EdgeGymError(f"{name} {bad[0]} is {array[bad[0]]}; finite numbers, not negative, are needed.")
        if not w.sum() > 0:
            raise EdgeGymError("no measurement with a weight; at least one is needed.")
        return cls(v, w, names)

    def quantile(self, p: ArrayLike) -> NDArray[np.float64]:
        """Weighted quantiles of the empirical law; where ``p`` falls between two values, the mean of both."""
        order = np.argsort(self.values, kind="stable")
        order = order[self.weights[order] > 0]
        share = np.cumsum(self.weights[order])
        share, last = share / share[-1], len(order) - 1
        wanted = np.asarray(p, np.float64)
        low, high = np.searchsorted(share, wanted - 1e-12), np.searchsorted(share, wanted + 1e-12)
        values = self.values[order]
        return (values[np.minimum(low, last)] + values[np.minimum(high, last)]) / 2

    def mean(self) -> float:
        """Weighted mean."""
        return float(np.average(self.values, weights=self.weights))

    def runs(self) -> int:
        """Number of runs."""
        return len(np.unique(self.run))

    def part(self, chosen: NDArray[np.bool_]) -> Measurements:
        """The chosen measurements."""
        return Measurements(self.values[chosen], self.weights[chosen], self.run[chosen])


def fit_quantiles(measured: Measurements, entries: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Choose the entries of a quantile table, one by one where the table so far is most wrong.

    What counts is the error of the logarithm, weighted by the fourth root of the probability between the neighbouring
    entries: without it the entries gather at the steps of rare values, with the plain probability the tails are lost.
    Minimum, median and maximum are always among the entries.

    Args:
        measured: the measurements.
        entries: how many at most, at least 3.

    Returns:
        Probabilities and values, two float64 arrays; values rounded to 5 significant digits.
    """
    middle, median = int(np.argmin(np.abs(CANDIDATES - 0.5))), float(measured.quantile(0.5))
    # Just below each probability, so that a jump between two values never gives a value that was not measured.
    goal = measured.quantile(np.maximum(CANDIDATES - 1e-9, 0.0))
    goal[middle] = median
    floor = FLOOR * max(median, np.finfo(float).tiny)
    log_goal = np.log(goal + floor)
    chosen = np.zeros(len(CANDIDATES), bool)
    chosen[[0, middle, -1]] = True
    while chosen.sum() < min(entries, len(CANDIDATES)):
        table = QuantileTable(probabilities=tuple(CANDIDATES[chosen]), values=tuple(goal[chosen]))
        error = np.abs(np.log(table.quantile(CANDIDATES) + floor) - log_goal)
        ends = CANDIDATES[chosen]
        segment = np.searchsorted(ends, CANDIDATES, side="right").clip(1, len(ends) - 1)
        error *= (ends[segment] - ends[segment - 1]) ** 0.25
        error[chosen] = 0.0
        if error.max() < EXACT:
            break
        chosen[int(np.argmax(error))] = True
    return np.round(CANDIDATES[chosen], 6), significant(goal[chosen], 5)


def fit_table(measured: Measurements, entries: int) -> QuantileTable:
    """The quantile table of :func:`fit_quantiles`."""
    probabilities, values = fit_quantiles(measured, entries)
    return QuantileTable(probabilities=tuple(probabilities.tolist()), values=tuple(values.tolist()))


def fidelity_of(table: QuantileTable, measured: Measurements) -> TableFidelity:
    """What the table loses, and, with at least :data:`FOLDS` runs, how it predicts runs that it did not see."""
    truth = measured.quantile(PERCENTILES)
    positive = truth > 0
    error = np.abs(table.quantile(PERCENTILES)[positive] / truth[positive] - 1)
    median, decile = _held_out(measured, len(table.values))
    return TableFidelity(
        observations=len(measured.values),
        runs=measured.runs() if measured.runs() > 1 else None,
        max_quantile_error=rounded(error.max()),
        mean_error=rounded(abs(table.mean() / measured.mean() - 1)),
        held_out_median_error=median,
        held_out_decile_error=decile,
    )


def _held_out(measured: Measurements, entries: int) -> tuple[float | None, float | None]:
    """Mean relative error of the median and of the deciles over :data:`FOLDS` folds of whole runs."""
    if measured.runs() < FOLDS:
        return None, None
    errors = []
    for fold in range(FOLDS):
        unseen = measured.run % FOLDS == fold
        fitted, truth = fit_table(measured.part(~unseen), entries), measured.part(unseen).quantile(DECILES)
        positive = np.where(truth > 0, truth, np.nan)
        errors.append(np.abs(fitted.quantile(DECILES) / positive - 1))
    return rounded(np.nanmean([error[4] for error in errors])), rounded(np.nanmean(errors))


def rounded(error: float | np.floating) -> float:
    """An error with two significant digits, which is all that it is worth."""
    return float(significant(np.array([error]), 2)[0])


def significant(values: ArrayLike, digits: int) -> NDArray[np.float64]:
    """Round to a number of significant digits."""
    return np.array([float(f"{value:.{digits}g}") for value in np.ravel(values)]).reshape(np.shape(values))
