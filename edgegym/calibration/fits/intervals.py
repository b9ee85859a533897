"""How well the measurements determine each parameter: a bootstrap over families."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.selecting import Rows
from edgegym.calibration.fits.solver import FittedForm, fit
from edgegym.cards.latency import Parameter, combined, term

REPLICATES = 40
LOW, HIGH = 0.05, 0.95
VISIBLE = 0.05
"""A cost that never reaches this share of a row's time cannot be told from zero."""
VISIBLE_QUANTILE = 0.95
WIDEST = 4.0
"""Ratio of the ends of an interval beyond which a parameter counts as not identified."""


def parameters_of(rows: Rows, fitted: FittedForm, seed: int = 3) -> dict[str, Parameter]:
    """Parameters with intervals.

    Families (groups) are drawn with replacement, so that the interval covers which families were measured. A parameter
    is not identified if its cost vanished, never shows in a time, or spans more than a factor of :data:`WIDEST`.
    """
    replicates = _replicates(rows, fitted, seed)
    shares = _largest_shares(rows, fitted)
    found = {}
    for place, (name, cost) in enumerate(fitted.costs.items()):
        low, high = np.quantile(replicates[:, place], [LOW, HIGH])
        narrow = low > 0 and high <= WIDEST * low
        found[name] = _parameter(name, cost, float(low), float(high), bool(narrow and shares[name] >= VISIBLE))
    return found


def _replicates(rows: Rows, fitted: FittedForm, seed: int) -> NDArray[np.float64]:
    """(replicates, terms) costs of fits to drawn families."""
    names, place = np.unique(rows.groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(REPLICATES):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        weight = drawn[place].astype(np.float64)
        again = fit(fitted.form, rows.columns, rows.time_s, weight, start=fitted)
        found.append([again.costs.get(name, 0.0) for name in fitted.costs])
    return np.array(found)


def _largest_shares(rows: Rows, fitted: FittedForm) -> dict[str, float]:
    """Of the rows that have a column, a high quantile of how much of the time is due to its cost."""
    total = fitted.seconds(rows.columns)
    shares = {}
    for name in fitted.costs:
        without: Mapping[str, float] = {other: cost for other, cost in fitted.costs.items() if other != name}
        rest = combined(without, rows.columns, fitted.form.hiding_power) if without else np.zeros_like(total)
        share = (1.0 - rest / total)[rows.columns[name] > 0]
        shares[name] = float(np.quantile(share, VISIBLE_QUANTILE))
    return shares


def _parameter(name: str, cost: float, low: float, high: float, identified: bool) -> Parameter:
    if cost == 0:
        return Parameter(identified=False)
    described = term(name)
    ends = [described.value(end) if end > 0 else None for end in (low, high)]
    first, last = (ends[1], ends[0]) if described.is_rate else (ends[0], ends[1])
    return Parameter(
        value=significant(described.value(cost)),
        low=None if first is None else significant(first),
        high=None if last is None else significant(last),
        identified=identified,
    )


def significant(value: float, digits: int = 4) -> float:
    """Round to significant digits."""
    return float(f"{value:.{digits}g}")
