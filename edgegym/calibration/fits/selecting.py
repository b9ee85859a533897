"""The form of a card is the one with the least held-out error; what the choice itself costs is measured by nesting.

In every outer fold the form is chosen anew by inner folds over the other rows, so no row that is scored had a part in
the choice of the form that predicts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.folds import grouped_folds
from edgegym.calibration.fits.forms import Form
from edgegym.calibration.fits.solver import FittedForm, fit

Array = NDArray[np.float64]
OUTER, INNER = 10, 5
ENOUGH = 3000
"""Rows that a choice of the form looks at."""
MARGIN = 0.02
"""A form replaces a simpler one only if its mean absolute log error is less by this share."""


@dataclass(frozen=True)
class Rows:
    """What a fit sees.

    Attributes:
        columns: (n,) arrays by name of the term.
        time_s: (n,) measured seconds.
        groups: (n,) str, what must not be split between fitting and scoring.
    """

    columns: Mapping[str, Array]
    time_s: Array
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Rows:
        columns = {name: column[chosen] for name, column in self.columns.items()}
        return Rows(columns, self.time_s[chosen], self.groups[chosen])


def held_out(rows: Rows, fitter: Callable[[Rows], FittedForm], folds: int = OUTER, seed: int = 0) -> Array:
    """Predicted seconds of every row by a fit to the folds that it is not in, (n,)."""
    fold = grouped_folds(rows.groups, folds, seed)
    predicted = np.empty(len(rows))
    for each in np.unique(fold):
        unseen = fold == each
        predicted[unseen] = fitter(rows[~unseen]).seconds(rows[unseen].columns)
    return predicted


def fit_form(form: Form) -> Callable[[Rows], FittedForm]:
    """The fitter of one form."""
    return lambda rows: fit(form, rows.columns, rows.time_s)


def choose_form(forms: Sequence[Form], rows: Rows, seed: int = 1) -> Form:
    """The form with the least held-out error; a simpler one where the gain is within :data:`MARGIN`.

    Args:
        forms: candidates, the simpler ones first; those that the table cannot serve are passed over.
        rows: the measurements; with fewer groups than inner folds the rows themselves are dealt.
        seed: of the folds.
    """
    possible = [form for form in forms if form.fits(rows.columns)]
    if len(possible) == 1:
        return possible[0]
    if len(rows) > ENOUGH:
        # Whole groups in random order, until there are rows enough to tell forms apart.
        fold = grouped_folds(rows.groups, -(-len(rows) // ENOUGH), seed)
        rows = rows[fold == 0]
    if len(np.unique(rows.groups)) < INNER:
        rows = Rows(rows.columns, rows.time_s, np.arange(len(rows)).astype(np.str_))
    errors = [np.mean(_log_errors(held_out(rows, fit_form(form), INNER, seed), rows.time_s)) for form in possible]
    best = 0
    for place, error in enumerate(errors):
        if error < errors[best] * (1.0 - MARGIN):
            best = place
    return possible[best]


def choose_and_fit(forms: Sequence[Form]) -> Callable[[Rows], FittedForm]:
    """The fitter that chooses among forms first: held out, it is the nested estimate."""
    return lambda rows: fit_form(choose_form(forms, rows))(rows)


def _log_errors(predicted_s: Array, measured_s: Array) -> Array:
    return np.abs(np.log(np.maximum(predicted_s, 1e-300) / measured_s))
