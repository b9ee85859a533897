"""Folds that keep families together, and errors of predictions on rows that a fit did not see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from edgegym.cards.device import PredictionError

Array = NDArray[np.float64]


def grouped_folds(groups: NDArray[np.str_], folds: int, seed: int) -> NDArray[np.intp]:
    """Deal groups to folds in random order.

    Args:
        groups: (n,) group of each row, a family for instance.
        folds: how many; fewer if there are fewer groups.
        seed: of the order.

    Returns:
        (n,) fold of each row; rows of a group share theirs.
    """
    names, place = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    return (order % min(folds, len(names)))[place]


def errors_of(predicted_s: Array, measured_s: Array) -> PredictionError:
    """Errors as fractions of the measured time; rank correlation is None for fewer than three rows."""
    relative = np.abs(predicted_s / measured_s - 1.0)
    varied = len(measured_s) > 2 and np.ptp(measured_s) > 0 and np.ptp(predicted_s) > 0
    return PredictionError(
        mape=_rounded(relative.mean()),
        median_ape=_rounded(np.median(relative)),
        spearman=_rounded(float(spearmanr(predicted_s, measured_s)[0])) if varied else None,
        within_10=_rounded((relative <= 0.1).mean()),
    )


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)
