"""Fit the dynamics of a link card to runs of measured throughput, and judge them on runs that the fit did not see.

The closed-form statistics of the model (:mod:`~edgegym.calibration.dynamics_moments`) are brought to those of the runs
by least squares of relative errors: the method of moments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from edgegym.calibration.dynamics_moments import DynamicsMoments, share_below
from edgegym.calibration.quantile_fit import Measurements, fit_table, rounded, significant
from edgegym.calibration.throughput_statistics import (
    FEWEST_OUTAGES,
    log_rate,
    outage_dwells,
    outage_threshold,
    throughput_statistics,
    within_run_moments,
)
from edgegym.cards import LinkCard, LinkDynamics, Provenance, QuantileTable, StatisticFidelity
from edgegym.network.throughput import throughput_trace

Array = NDArray[np.float64]
ENTRIES = 21
LAGS = (1, 2, 5, 10, 20, 60)
EMPHASIS = np.array([1.0, 0.3, 1.0, 1.0, 0.3, 0.3])
"""Weight of the error at each lag; the lags in between keep the model's autocorrelation from wandering."""
RUN_PER_LAG = 4
"""Lags count that are at most this part of the median run: at longer ones too few pairs of steps are left."""
SMALL_ACF = 0.1
"""A smaller autocorrelation is compared as if it were this large."""
LENGTHS = 8
"""As many typical lengths stand for those of the runs."""
SHORTEST_S, LONGEST_S = 0.2, 600.0
DIGITS = 3
SPLITS = 4
REPEATS = 4
"""For each measured run as many are drawn when the fit is judged."""


@dataclass(frozen=True)
class Form:
    """A candidate: how many time scales, and whether runs differ in level and are blocked at times."""

    name: str
    scales: int
    level: bool
    blockage: bool


FORMS = (
    Form("1 scale, level", 1, True, False),
    Form("2 scales, level", 2, True, False),
    Form("3 scales, level", 3, True, False),
    Form("1 scale, level, blockage", 1, True, True),
    Form("2 scales, level, blockage", 2, True, True),
)
"""From plain to rich."""


def form_named(name: str) -> Form:
    """The candidate with this name."""
    return next(form for form in FORMS if form.name == name)


def fit_dynamics(runs: Sequence[Array], table: QuantileTable, form: Form, sample_s: float = 1.0) -> LinkDynamics:
    """Fit one form.

    Args:
        runs: for each run (steps,) bit/s in steps of a second.
        table: law of the throughput.
        form: which figures are fitted.
        sample_s: seconds for which a measured value holds.

    Returns:
        The dynamics, rounded for a card.
    """
    threshold = outage_threshold(runs)
    variance, acf = within_run_moments([log_rate(run) for run in runs], LAGS)
    outages, outage_s, _ = outage_dwells(runs, threshold)
    share = share_below(table, threshold)
    lengths, counts = _typical_lengths(runs)
    emphasis = np.where(np.array(LAGS) * RUN_PER_LAG <= np.median([len(run) for run in runs]), EMPHASIS, 0.0)

    def residual(x: Array) -> Array:
        moments = DynamicsMoments(table, _dynamics(x, form, sample_s))
        model_variance, model_acf = moments.within_run(lengths, counts, LAGS)
        errors = emphasis * (model_acf - acf) / np.maximum(acf, SMALL_ACF)
        errors = np.append(errors, np.sqrt(model_variance / variance) - 1.0)
        if outages >= FEWEST_OUTAGES and share > 0:
            # A duration is known to one part in the root of the number of outages.
            trust = outages / (outages + 30.0)
            errors = np.append(errors, trust * np.log(moments.outage_s(share) / outage_s))
        return np.nan_to_num(errors)

    starts, low, high = _ranges(form)
    step = np.full(len(low), 1e-4)
    fits = [least_squares(residual, start, bounds=(low, high), diff_step=step, max_nfev=60) for start in starts]
    return _rounded(_dynamics(min(fits, key=lambda fit: fit.cost).x, form, sample_s))


def _ranges(form: Form) -> tuple[list[Array], Array, Array]:
    """Starting points and bounds: logarithms of scales, then logits of weights against the first, then blockage."""
    scales, logits = form.scales, form.scales - 1 + form.level
    spread = np.geomspace(2.0, 40.0, scales) if scales > 1 else np.array([8.0])
    low = [np.log(SHORTEST_S)] * scales + [-8.0] * logits
    high = [np.log(LONGEST_S)] * scales + [5.0] * logits
    start = [*np.log(spread), *([-0.7] * logits)]
    if not form.blockage:
        return [np.array(start)], np.array(low), np.array(high)
    low, high = [*low, -6.0, 0.2, np.log(0.5)], [*high, 1.0, 6.0, np.log(200.0)]
    starts = [np.array([*start, share, 2.0, np.log(time)]) for share, time in ((-3.0, 6.0), (-1.5, 20.0))]
    return starts, np.array(low), np.array(high)


def _dynamics(x: Array, form: Form, sample_s: float) -> LinkDynamics:
    scales, logits = form.scales, form.scales - 1 + form.level
    weight = np.exp(np.append(0.0, x[scales : scales + logits]))
    weight /= weight.sum()
    moving = weight[:scales]
    time_s = np.exp(x[:scales])
    # Equal scales would not grow; what they would add is nothing.
    order = np.argsort(time_s, kind="stable")
    time_s = time_s[order] * (1.0 + 1e-6 * np.arange(scales))
    blockage = None
    if form.blockage:
        share, depth, time = x[scales + logits :]
        blockage = {"share": 1.0 / (1.0 + np.exp(-share)), "depth": depth, "time_scale_s": np.exp(time)}
    return LinkDynamics.parse(
        {
            "sample_s": sample_s,
            "time_scales_s": tuple(time_s),
            "weights": tuple(moving[order]),
            "level_weight": float(weight[-1]) if form.level else 0.0,
            "blockage": blockage,
        },
        "fitted dynamics",
    )


def _rounded(dynamics: LinkDynamics) -> LinkDynamics:
    def rounded_to_card(value: float) -> float:
        return float(significant([value], DIGITS)[0])

    # Scales that are equal on the card are one, and one without weight is none.
    merged: dict[float, float] = {}
    for time_s, weight in zip(dynamics.time_scales_s, dynamics.weights, strict=True):
        time_s = rounded_to_card(time_s)
        merged[time_s] = merged.get(time_s, 0.0) + weight
    kept = {time_s: round(weight, DIGITS) for time_s, weight in merged.items() if weight >= 0.5 * 10**-DIGITS}
    blockage = dynamics.blockage
    return LinkDynamics.parse(
        {
            "sample_s": dynamics.sample_s,
            "time_scales_s": tuple(kept),
            "weights": tuple(kept.values()),
            "level_weight": round(max(1.0 - sum(kept.values()), 0.0), DIGITS) if dynamics.level_weight else 0.0,
            "blockage": None if blockage is None else {k: rounded_to_card(v) for k, v in blockage.model_dump().items()},
        },
        "fitted dynamics",
    )


def _typical_lengths(runs: Sequence[Array]) -> tuple[NDArray[np.int64], Array]:
    lengths = np.sort([len(run) for run in runs])
    groups = [group for group in np.array_split(lengths, LENGTHS) if len(group)]
    return np.array([round(group.mean()) for group in groups]), np.array([float(len(group)) for group in groups])


Generator = Callable[[int, int], Array]
"""Draws a run of a number of steps of a second from a seed."""


def generator_of(runs: Sequence[Array], form: Form, sample_s: float = 1.0) -> Generator:
    """Fit law and dynamics to runs; the result draws further ones."""
    table = fit_table(Measurements.of(np.concatenate(runs)), ENTRIES)
    card = LinkCard(
        name="fitted",
        provenance=Provenance(source="runs"),
        rtt_s=0.0,
        rate_bps=1.0,
        rate_table=table,
        dynamics=fit_dynamics(runs, table, form, sample_s),
    )
    return lambda steps, seed: throughput_trace(card, steps, seed)


def judge(
    runs: Sequence[Array], units: Sequence[str], fit: Callable[[Sequence[Array]], Generator], splits: int = SPLITS
) -> dict[str, StatisticFidelity]:
    """Fit a generator to one half of the runs and compare with the other, both ways, for several random halves.

    Args:
        runs: for each run (steps,) bit/s in steps of a second.
        units: what each run belongs to; a unit is in one half only.
        fit: makes a generator from runs.
        splits: how often the units are split.

    Returns:
        For each statistic that the runs have, how well generated runs have it.
    """
    threshold = outage_threshold(runs)
    names, unit = np.unique(units, return_inverse=True)
    generated: list[dict[str, float]] = []
    seen: list[dict[str, float]] = []
    unseen: list[dict[str, float]] = []
    rng = np.random.default_rng(0)
    for _ in range(splits):
        first = np.isin(unit, rng.permutation(len(names))[: len(names) // 2])
        halves = [[run for run, chosen in zip(runs, mask, strict=True) if chosen] for mask in (first, ~first)]
        for fitted, other in (halves, halves[::-1]):
            drawn = _drawn(fit(fitted), [len(run) for run in other])
            generated.append(throughput_statistics(drawn, threshold))
            seen.append(throughput_statistics(fitted, threshold))
            unseen.append(throughput_statistics(other, threshold))
    return {
        name: _compared(value, *(np.array([found[name] for found in some]) for some in (generated, seen, unseen)))
        for name, value in throughput_statistics(runs, threshold).items()
        if all(name in found for found in generated + seen + unseen)
    }


def _compared(measured: float, generated: Array, seen: Array, unseen: Array) -> StatisticFidelity:
    return StatisticFidelity(
        measured=float(significant([measured], 3)[0]),
        held_out_error=rounded(np.mean(np.abs(generated / unseen - 1.0))),
        noise_floor=rounded(np.mean(np.abs(seen / unseen - 1.0))),
        bias=rounded(generated.mean() / unseen.mean() - 1.0),
    )


def _drawn(generator: Generator, lengths: Sequence[int]) -> list[Array]:
    return [generator(steps, seed) for seed, steps in enumerate(np.repeat(lengths, REPEATS).tolist())]
