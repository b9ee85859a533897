"""Costs of a form from measured times: robust, never negative, in the logarithm of time.

Costs are scales times exponentials, so they stay positive. Minimised is the soft-L1 loss of the log residuals
(quadratic near zero, linear for outliers), with a pull of the costs of one kind towards their common level, which
decides only where the measurements do not. Damped Gauss-Newton on the reweighted problem (Levenberg, 1944; Holland and
Welsch, 1977) needs some twenty steps of milliseconds, which is what makes nested folds and bootstraps affordable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.forms import Form, shrunk_groups
from edgegym.cards.latency import LAUNCH_TERMS, combined

Array = NDArray[np.float64]
RESIDUAL_SCALE = 0.1
"""Log residual at which the loss turns from quadratic to linear."""
PULL = 10.0
"""Weight of the pull towards the common level, in units of one measurement with a residual of the scale."""
LOWEST, HIGHEST = -18.0, 8.0
"""Bounds of the log of a cost in units of its scale; a cost at the lower bound counts as zero."""
STEPS = 60
ONE_SIDED = -2.0
"""Log of the share that one side of a hidden sum starts from in the one-sided starts."""


@dataclass(frozen=True)
class FittedForm:
    """A form and its costs.

    Attributes:
        form: the form.
        costs: seconds per unit of each column; 0 where the measurements do not show the cost.
    """

    form: Form
    costs: Mapping[str, float]

    def seconds(self, columns: Mapping[str, Array]) -> Array:
        """Predicted times, (n,)."""
        return combined(self.costs, columns, self.form.hiding_power)


def fit(
    form: Form,
    columns: Mapping[str, Array],
    time_s: Array,
    weight: Array | None = None,
    start: FittedForm | None = None,
) -> FittedForm:
    """Fit a form.

    Args:
        form: the form.
        columns: (n,) arrays by name of the term.
        time_s: (n,) measured seconds, positive.
        weight: (n,) times that each row counts; 1 if left out.
        start: a fit of the same form to similar rows, to start from.
    """
    names = tuple(name for name in form.expanded(columns) if np.any(columns[name] > 0))
    matrix = np.column_stack([columns[name] for name in names])
    problem = _Problem(names, matrix, np.log(time_s), np.ones(len(time_s)) if weight is None else weight, form)
    if start is None and form.hiding_power > 2.0:
        # A softer corner has fewer local minima; its solution is near that of the sharp one.
        start = fit(replace(form, hiding_power=form.hiding_power / 2.0), columns, time_s, weight)
    logs = min((problem.solve(first) for first in problem.starts(start)), key=problem.loss)
    costs = np.where(logs > LOWEST + 0.5, problem.scale * np.exp(logs), 0.0)
    return FittedForm(form, dict(zip(names, costs.tolist(), strict=True)))


class _Problem:
    """The least-squares problem of one fit; its unknowns are logs of costs in units of ``scale``."""

    def __init__(self, names: tuple[str, ...], matrix: Array, log_time: Array, weight: Array, form: Form) -> None:
        self.names, self.matrix, self.log_time, self.weight = names, matrix, log_time, weight
        self.power = form.hiding_power
        self.launch = np.array([name in LAUNCH_TERMS for name in names])
        groups = shrunk_groups(names)
        self.scale = np.empty(len(names))
        self.pull = np.zeros((len(names), len(names)))
        for group in groups:
            total = matrix[:, group].sum(axis=1)
            here = total > 0
            self.scale[group] = np.exp(np.median(log_time[here] - np.log(total[here]))) / len(groups)
            self.pull[np.ix_(group, group)] += PULL * (np.eye(len(group)) - 1.0 / len(group)) * (len(group) > 1)

    def starts(self, start: FittedForm | None) -> list[Array]:
        """Where to start from: a given fit, else equal shares, and where launching hides also one-sided ones."""
        if start is not None:
            costs = np.array([start.costs.get(name, 0.0) for name in self.names])
            return [np.clip(np.log(np.maximum(costs, 1e-300) / self.scale), LOWEST, HIGHEST)]
        equal = np.zeros(len(self.names))
        if self.power == 1.0:
            return [equal]
        return [equal, np.where(self.launch, ONE_SIDED, 0.0), np.where(self.launch, 0.0, ONE_SIDED)]

    def predict(self, logs: Array) -> tuple[Array, Array]:
        """Log of the predicted times, (n,), and its derivatives by the unknowns, (n, k)."""
        parts = self.matrix * (self.scale * np.exp(logs))
        tiny = np.finfo(float).tiny
        launch = parts[:, self.launch].sum(axis=1) + tiny
        work = parts[:, ~self.launch].sum(axis=1) + tiny
        log_launch, log_work = np.log(launch), np.log(work)
        log_time = np.logaddexp(self.power * log_launch, self.power * log_work) / self.power
        share = np.exp(self.power * (log_launch - log_time))
        factor = np.where(self.launch, (share / launch)[:, None], ((1.0 - share) / work)[:, None])
        return log_time, parts * factor

    def loss(self, logs: Array) -> float:
        residual = (self.predict(logs)[0] - self.log_time) / RESIDUAL_SCALE
        return float(self.weight @ (2.0 * (np.sqrt(1.0 + residual**2) - 1.0)) + logs @ self.pull @ logs)

    def solve(self, logs: Array) -> Array:
        damping, loss = 1e-2, self.loss(logs)
        for _ in range(STEPS):
            log_time, slope = self.predict(logs)
            residual, slope = (log_time - self.log_time) / RESIDUAL_SCALE, slope / RESIDUAL_SCALE
            weight = self.weight / np.sqrt(1.0 + residual**2)
            curvature = slope.T @ (slope * weight[:, None]) + self.pull
            gradient = slope.T @ (weight * residual) + self.pull @ logs
            ridge = np.diag(np.diag(curvature) + 1e-3)
            gain = -np.inf
            while gain <= 0 and damping < 1e8:
                step = np.linalg.solve(curvature + damping * ridge, gradient)
                candidate = np.clip(logs - step, LOWEST, HIGHEST)
                gain = loss - self.loss(candidate)
                damping = damping * 4.0 if gain <= 0 else max(damping / 5.0, 1e-8)
            if gain <= 0:
                return logs
            logs, loss = candidate, loss - gain
            if gain < 1e-7 * loss:
                return logs
        return logs
