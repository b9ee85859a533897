"""What is left of known architectures: shrunk medians of their log residuals, and how these change with size.

First each family's, then each kind's within the family, then a slope over the logarithm of the MACs within the kind.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.selecting import OUTER, Rows
from edgegym.calibration.fits.solver import FittedForm
from edgegym.cards.architectures import kind_of
from edgegym.cards.device import REFERENCE_MACS, KnownKinds

Array = NDArray[np.float64]
Labels = NDArray[np.str_]
FAMILY_DOUBT, KIND_DOUBT, SLOPE_DOUBT = 1.0, 0.3, 1.0
"""Rows (of unit spread in log MACs, for the slope) that weigh as much as the belief in no effect at all."""
FEWEST = 3
"""Rows that a slope needs."""
SMALL = 0.04
"""Effects below this are not worth a place on a card."""


def known_kinds(residual: Array, models: Labels, families: Labels, macs: Array) -> KnownKinds:
    """Effects of families and kinds.

    Args:
        residual: (n,) log of measured over predicted time.
        models: (n,) names.
        families: (n,) families.
        macs: (n,) per sample.
    """
    kinds = np.array([kind_of(str(name)) for name in models])
    size = np.log(macs / REFERENCE_MACS)
    effects: dict[str, tuple[float, float]] = {}
    for family in np.unique(families):
        own = families == family
        level = _shrunk_median(residual[own], FAMILY_DOUBT)
        for kind in np.unique(kinds[own]):
            rows = own & (kinds == kind)
            effects[str(kind)] = _line(residual[rows] - level, size[rows], level)
        effects.setdefault(str(family), (level, 0.0))
    told = {name: line for name, line in effects.items() if max(np.abs(line)) > SMALL}
    return KnownKinds(
        names=tuple(told),
        factors=tuple(round(float(np.exp(level)), 3) for level, _ in told.values()),
        exponents=tuple(round(slope, 3) for _, slope in told.values()),
    )


def held_out_known_family(
    rows: Rows, models: Labels, families: Labels, macs: Array, fitter: Callable[[Rows], FittedForm]
) -> Array:
    """Predicted seconds of every row by fits that may have seen its family, but not the row, (n,)."""
    fold = np.random.default_rng(2).permutation(len(rows)) % OUTER
    predicted = np.empty(len(rows))
    for each in range(min(OUTER, len(rows))):
        unseen = fold == each
        seen = ~unseen
        fitted = fitter(rows[seen])
        residual = np.log(rows.time_s[seen] / fitted.seconds(rows[seen].columns))
        known = known_kinds(residual, models[seen], families[seen], macs[seen])
        factor = [float(known.factor(str(m), count)) for m, count in zip(models[unseen], macs[unseen], strict=True)]
        predicted[unseen] = np.array(factor) * fitted.seconds(rows[unseen].columns)
    return predicted


def _shrunk_median(values: Array, doubt: float) -> float:
    return float(np.median(values) * len(values) / (len(values) + doubt))


def _line(residual: Array, size: Array, level: float) -> tuple[float, float]:
    """Level at the reference size and slope of a kind, robust against single rows."""
    own = level + _shrunk_median(residual, KIND_DOUBT)
    if len(residual) < FEWEST:
        return own, 0.0
    centre = float(size.mean())
    x, y = size - centre, residual - np.median(residual)
    slope, weight = 0.0, np.ones(len(x))
    for _ in range(8):
        slope = float((weight * x) @ y / ((weight * x) @ x + SLOPE_DOUBT))
        weight = 1.0 / np.sqrt(1.0 + ((y - slope * x) / 0.05) ** 2)
    return own - slope * centre, slope
