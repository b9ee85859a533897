"""Figures of evaluation results: learning curves, metrics with intervals, paired differences, lines in general.

Every function returns a matplotlib ``Figure`` in the style of :mod:`edgegym.evaluation.drawing`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.decision.metrics import Metric
from edgegym.evaluation.drawing import (
    INK,
    LEARNED,
    LOSS,
    MARKERS,
    MUTED,
    End,
    colour_of,
    label_line_ends,
    line_style,
    new_figure,
    rendered,
    styled,
)
from edgegym.evaluation.scores import Kind, PolicyScores, shown_unit
from edgegym.evaluation.standings import Comparison
from edgegym.evaluation.tables import title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "LearningCurve",
    "Series",
    "learning_curves",
    "lines",
    "metric_intervals",
    "paired_differences",
    "rendered",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """A line with its label.

    Attributes:
        label: written where the line ends.
        x: (points,).
        y: (points,).
        kind: decides the colour.
        low: (points,) lower edge of a band around the line, or None.
        high: (points,) upper edge.
    """

    label: str
    x: ArrayLike
    y: ArrayLike
    kind: Kind = "heuristic"
    low: ArrayLike | None = None
    high: ArrayLike | None = None


@dataclass(frozen=True)
class LearningCurve:
    """Validation scores during training.

    Attributes:
        policy: name of the policy.
        steps: (points,) environment steps.
        values: (runs, points) the metric; NaN where a run has not come so far.
    """

    policy: str
    steps: ArrayLike
    values: ArrayLike


def lines(
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    x_scale: Literal["linear", "log"] = "linear",
    references: Mapping[str, float] | None = None,
    bound: tuple[str, float] | None = None,
) -> Figure:
    """Draw lines with their labels at the right end, for example a hit ratio over cache sizes.

    Args:
        series: the lines.
        x_label: quantity and unit of x.
        y_label: quantity and unit of y.
        x_scale: ``"log"`` for sizes that span decades.
        references: horizontal lines of heuristics, name to y.
        bound: name and y of a horizontal bound.
    """
    with styled():
        figure, axes = _canvas(len(series) + len(references or {}) + bool(bound))
        axes.set(xlabel=x_label, ylabel=y_label, xscale=x_scale)
        _plain_numbers(axes)
        seen = {"heuristic": 0, "learned": 0, "bound": 0}
        ends = []
        for one in series:
            ends.append(_line(axes, one, seen[one.kind]))
            seen[one.kind] += 1
        ends += _horizontals(axes, references or {}, bound, seen["heuristic"])
        axes.margins(x=0.0)
        label_line_ends(axes, ends)
    return figure


def learning_curves(
    curves: Sequence[LearningCurve],
    metric: Metric,
    references: Mapping[str, float] | None = None,
    bound: tuple[str, float] | None = None,
) -> Figure:
    """Draw a validation metric over training: a thin line a run, a strong one for their mean.

    Args:
        curves: one for each learned policy.
        metric: what was validated.
        references: heuristics, name to their metric on the same validation episodes. Those far off the learned
            policies do not stretch the axis: their labels stand at its edge with an arrow.
        bound: name and metric of the bound.
    """
    references = references or {}
    tables = [np.atleast_2d(np.asarray(curve.values, dtype=np.float64)) for curve in curves]
    finals = [*references.values(), *([bound[1]] if bound else [])]
    factor, unit = shown_unit(metric, np.concatenate([*(table.ravel() for table in tables), finals]))
    with styled():
        figure, axes = _canvas(len(curves) + len(references) + bool(bound))
        axes.set(xlabel="environment steps", ylabel=title_of(metric) + (f" [{unit}]" if unit else ""))
        ends = [
            _curve(axes, curve, factor * table, number)
            for number, (curve, table) in enumerate(zip(curves, tables, strict=True))
        ]
        _focus(axes, [factor * table for table in tables], factor, references, bound, metric.better)
        shown = {name: factor * level for name, level in references.items()}
        ends += _horizontals(axes, shown, (bound[0], factor * bound[1]) if bound else None, 0)
        axes.margins(x=0.0)
        _plain_numbers(axes)
        label_line_ends(axes, ends)
    return figure


def metric_intervals(comparison: Comparison) -> Figure:
    """Draw every metric with its interval, one small panel a metric, policies in the order of the comparison.

    Points, not bars: the range is often narrow, and a bar that does not start at 0 misleads.
    """
    shown = comparison.standings
    columns = 2 if len(comparison.metrics) in (2, 4) else min(len(comparison.metrics), 3)
    rows = -(-len(comparison.metrics) // columns)
    with styled():
        figure = new_figure(1.4 + 2.5 * columns, rows * (0.9 + 0.22 * len(shown)))
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for panel in panels.flat[len(comparison.metrics) :]:
            panel.set_visible(False)
        for panel, metric in zip(panels.flat, comparison.metrics, strict=False):
            _intervals(panel, comparison, metric)
        panels[0, 0].set_yticks(range(len(shown)), [standing.policy for standing in shown])
        panels[0, 0].set_ylim(len(shown) - 0.5, -0.5)
        for panel in panels[:, 0]:
            for tick, standing in zip(panel.get_yticklabels(), shown, strict=True):
                tick.set_color(colour_of(standing.kind))
                tick.set_fontweight("bold" if standing.kind == "learned" else "normal")
    return figure


def paired_differences(policies: Sequence[PolicyScores], reference: PolicyScores, metric: Metric) -> Figure:
    """Draw the differences to one heuristic on every episode: a dot a run, a dash for the mean of the runs.

    Args:
        policies: one panel each.
        reference: the heuristic, on the same episodes.
        metric: what to subtract; dots on the losing side of zero are orange.
    """
    base = reference.values(metric.name).mean(axis=0)
    gaps = [one.values(metric.name) - base for one in policies]
    factor, unit = shown_unit(metric, np.concatenate([gap.ravel() for gap in gaps]))
    with styled():
        figure = new_figure(7.2, 0.6 + 2.2 * len(policies))
        panels = figure.subplots(len(policies), 1, squeeze=False, sharex=True)[:, 0]
        for panel, one, gap in zip(panels, policies, gaps, strict=True):
            _differences(panel, factor * gap, metric.better)
            panel.set_title(f"{one.policy} minus {reference.policy}", color=colour_of(one.kind))
            panel.set_ylabel(title_of(metric) + (f" [{unit}]" if unit else ""))
        panels[-1].set_xlabel("episodes, sorted by the mean difference")
    return figure


def _canvas(labels: int) -> tuple[Figure, Axes]:
    """One panel, high enough for its labels."""
    figure = new_figure(7.2, max(3.6, 0.9 + 0.16 * labels))
    axes = figure.subplots()
    axes.grid(True, axis="y")
    return figure, axes


def _plain_numbers(axes: Axes) -> None:
    """Write the numbers of the x axis as people do: 0.01, 50, 200k, 10G."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter

    large = EngFormatter(sep="")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if abs(x) < 1e4 else large(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _line(axes: Axes, series: Series, number: int) -> End:
    """Draw one line with its band."""
    x, y = np.asarray(series.x, dtype=np.float64), np.asarray(series.y, dtype=np.float64)
    axes.plot(x, y, **line_style(series.kind, number))
    colour = colour_of(series.kind, number)
    if series.low is not None and series.high is not None:
        low, high = (np.asarray(edge, dtype=np.float64) for edge in (series.low, series.high))
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    return End(series.label, _last(y), colour, bold=series.kind == "learned")


def _curve(axes: Axes, curve: LearningCurve, values: Floats, number: int) -> End:
    """Draw the runs of one learned policy and their mean, as far as some run has come."""
    steps = np.asarray(curve.steps, dtype=np.float64)
    for run in values:
        axes.plot(steps, run, color=LEARNED, linewidth=0.7, alpha=0.4, zorder=3)
    present = ~np.isnan(values).all(axis=0)
    mean = np.nanmean(values[:, present], axis=0)
    axes.plot(steps[present], mean, **line_style("learned", number))
    return End(f"{curve.policy} {mean[-1]:.4g}", float(mean[-1]), LEARNED, bold=True)


def _horizontals(axes: Axes, references: Mapping[str, float], bound: tuple[str, float] | None, taken: int) -> list[End]:
    """Draw the levels of heuristics and bound across the panel."""
    levels: list[tuple[str, float, Kind]] = [(name, level, "heuristic") for name, level in references.items()]
    levels += [(bound[0], bound[1], "bound")] if bound else []
    ends = []
    for number, (name, level, kind) in enumerate(levels, start=taken):
        axes.axhline(level, **line_style(kind, number))
        ends.append(End(f"{name} {level:.4g}", level, colour_of(kind, number)))
    return ends


def _focus(
    axes: Axes,
    tables: Sequence[Floats],
    factor: float,
    references: Mapping[str, float],
    bound: tuple[str, float] | None,
    better: str,
) -> None:
    """Fix the y range to the learned policies, the best heuristic and the bound, and what lies close to them."""
    levels = [factor * level for level in references.values()]
    best = [min(levels) if better == "lower" else max(levels)] if levels else []
    core = np.concatenate([*(table.ravel() for table in tables), best, [factor * bound[1]] if bound else []])
    low, high = float(np.nanmin(core)), float(np.nanmax(core))
    reach = 0.35 * (high - low)
    near = [level for level in levels if low - reach <= level <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - pad, high + pad)


def _intervals(axes: Axes, comparison: Comparison, metric: Metric) -> None:
    """Draw one panel of points with intervals."""
    factor, unit = comparison.unit(metric)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    better = {"higher": "higher is better", "lower": "lower is better"}.get(metric.better, "")
    axes.set_title(title_of(metric) + (f" [{unit}]" if unit else ""))
    axes.set_xlabel(better, color=MUTED)
    learned = [one.policy for one in comparison.learned]
    for row, standing in enumerate(comparison.standings):
        estimate = standing.metrics[metric.name]
        if estimate is None:
            continue
        colour, value = colour_of(standing.kind), factor * estimate.value
        if standing.kind == "bound":
            axes.axvline(value, color=INK, linewidth=1.0, linestyle=(0, (5, 3)), zorder=1)
        if estimate.informative:
            axes.plot([factor * estimate.low, factor * estimate.high], [row, row], color=colour, linewidth=2.0)
        marker = MARKERS[learned.index(standing.policy) % len(MARKERS)] if standing.kind == "learned" else "o"
        axes.plot(value, row, marker=marker, color=colour, markersize=5.5 if standing.kind == "learned" else 4.5)


def _differences(axes: Axes, gap: Floats, better: str) -> None:
    """Draw one panel of differences, (runs, episodes), sorted by their mean."""
    gap = gap[:, np.argsort(gap.mean(axis=0), kind="stable")]
    episodes = np.broadcast_to(np.arange(1, gap.shape[1] + 1), gap.shape)
    gain = -gap if better == "lower" else gap
    axes.grid(True, axis="y")
    axes.axhline(0.0, color=INK, linewidth=1.0, zorder=1)
    for chosen, colour in ((gain >= 0.0, LEARNED), (gain < 0.0, LOSS)):
        axes.scatter(episodes[chosen], gap[chosen], s=13, color=colour, alpha=0.55, linewidths=0, zorder=3)
    if len(gap) > 1:
        axes.scatter(episodes[0], gap.mean(axis=0), s=42, marker="_", color=INK, linewidths=1.2, zorder=4)
    axes.set_ylim(*_including_zero(gap))
    won = (np.sum(gain > 0.0) + 0.5 * np.sum(gain == 0.0)) / gain.size
    axes.text(
        1.0,
        1.02,
        f"better in {100.0 * won:.0f} % of runs and episodes",
        transform=axes.transAxes,
        ha="right",
        va="bottom",
    )
    sides = ("worse", "better") if better == "higher" else ("better", "worse")
    for side, height, align in zip(sides, (0.02, 0.98), ("bottom", "top"), strict=True):
        colour = LEARNED if side == "better" else LOSS
        axes.text(1.01, height, side, transform=axes.transAxes, va=align, color=colour, rotation=90)


def _including_zero(values: Floats) -> tuple[float, float]:
    """Limits that hold the values and zero, with room to either side of it."""
    span = float(np.abs(values).max()) or 1.0
    return min(float(values.min()), -0.12 * span) - 0.08 * span, max(float(values.max()), 0.12 * span) + 0.08 * span


def _last(values: Floats) -> float:
    """The last number that is not NaN."""
    present = values[~np.isnan(values)]
    return float(present[-1]) if present.size else 0.0
