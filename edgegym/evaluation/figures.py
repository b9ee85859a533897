"""Figures of a comparison: every metric with its intervals, and the differences to the best heuristic.

Every function returns a matplotlib ``Figure`` in the style of :mod:`edgegym.evaluation.drawing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgegym.decision.metrics import Metric
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.drawing import (
    BOUND_DASH,
    INK,
    LEARNED,
    LOSS,
    MARKERS,
    MUTED,
    colour_of,
    new_figure,
    styled,
)
from edgegym.evaluation.labels import shortened, shown_unit, with_unit
from edgegym.evaluation.statistics import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAME_LETTERS = 28
_BETTER = {"higher": "higher is better", "lower": "lower is better"}


def metric_intervals(comparison: Comparison) -> Figure:
    """Draw every metric with its interval, one small panel a metric, policies in the order of the comparison.

    Points, not bars: the range is often narrow, and a bar that does not start at 0 misleads.
    """
    shown, count = comparison.standings, len(comparison.metrics)
    columns = 2 if count in (2, 4) else min(count, 3)
    rows = -(-count // columns)
    with styled():
        figure = new_figure(1.6 + 2.4 * columns, rows * (0.9 + 0.2 * len(shown)))
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for panel in panels.flat[count:]:
            panel.set_visible(False)
        for panel, metric in zip(panels.flat, comparison.metrics, strict=False):
            _intervals(panel, comparison, metric)
        panels[0, 0].set_yticks(range(len(shown)), [shortened(standing.policy, NAME_LETTERS) for standing in shown])
        panels[0, 0].set_ylim(len(shown) - 0.5, -0.5)
        for panel in panels[:, 0]:
            for tick, standing in zip(panel.get_yticklabels(), shown, strict=True):
                tick.set_color(colour_of(standing.kind))
                tick.set_fontweight("bold" if standing.kind == "learned" else "normal")
    return figure


def _intervals(axes: Axes, comparison: Comparison, metric: Metric) -> None:
    """Draw one panel of points with intervals; the bound's value runs through it as a line."""
    factor, unit = comparison.unit(metric)
    axes.grid(True, axis="x")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(with_unit(metric, unit))
    axes.set_xlabel(_BETTER.get(metric.better, ""), color=MUTED)
    learned = [one.policy for one in comparison.learned]
    for row, standing in enumerate(comparison.standings):
        estimate = standing.metrics[metric.name]
        if estimate is None:
            continue
        colour, value = colour_of(standing.kind), factor * estimate.value
        if standing.policy == comparison.bound and metric is comparison.primary:
            axes.axvline(value, color=INK, linewidth=1.0, linestyle=BOUND_DASH, zorder=1)
        if estimate.informative:
            axes.plot([factor * estimate.low, factor * estimate.high], [row, row], color=colour, linewidth=2.0)
        marker = MARKERS[learned.index(standing.policy) % len(MARKERS)] if standing.kind == "learned" else "o"
        axes.plot(value, row, marker=marker, color=colour, markersize=5.5 if standing.kind == "learned" else 4.5)


def paired_differences(comparison: Comparison) -> Figure | None:
    """Draw what each learned policy gains or loses against the best heuristic, by the primary metric.

    One panel a policy: its episodes, sorted, with a dot for each run and a dash for their mean; where there is one
    episode, its runs, sorted. Dots on the losing side of zero are orange and open.

    Returns:
        None where there is no learned policy.
    """
    if not comparison.learned:
        return None
    metric, reference = comparison.primary, comparison.scores_of(comparison.best_heuristic)
    base = reference.values(metric.name).mean(axis=0)
    gaps = [comparison.scores_of(one.policy).values(metric.name) - base for one in comparison.learned]
    factor, unit = shown_unit(metric, np.concatenate([gap.ravel() for gap in gaps]))
    over = "episodes" if comparison.episodes > 1 else "runs"
    with styled():
        figure = new_figure(7.2, 0.7 + 2.2 * len(gaps))
        panels = figure.subplots(len(gaps), 1, squeeze=False)[:, 0]
        for panel, standing, gap in zip(panels, comparison.learned, gaps, strict=True):
            _differences(panel, factor * (gap if over == "episodes" else gap.T), metric.better)
            title = f"{shortened(standing.policy, NAME_LETTERS)} minus {shortened(reference.policy, NAME_LETTERS)}"
            panel.set_title(title, color=colour_of(standing.kind))
            panel.set_ylabel(with_unit(metric, unit, arrow=True))
        panels[-1].set_xlabel(f"{over}, sorted by their mean difference" if over == "episodes" else "runs, sorted")
    return figure


def _differences(axes: Axes, gap: Floats, better: str) -> None:
    """Draw one panel of differences, (dots, places), sorted by the mean of each place."""
    from matplotlib.ticker import MaxNLocator

    gap = gap[:, np.argsort(gap.mean(axis=0), kind="stable")]
    places = np.broadcast_to(np.arange(1, gap.shape[1] + 1), gap.shape)
    gain = -gap if better == "lower" else gap
    axes.grid(True, axis="y")
    axes.axhline(0.0, color=INK, linewidth=1.0, zorder=1)
    won, lost = gain >= 0.0, gain < 0.0
    axes.scatter(places[won], gap[won], s=20, color=LEARNED, alpha=0.6, linewidths=0, zorder=3)
    axes.scatter(places[lost], gap[lost], s=20, facecolors="none", edgecolors=LOSS, linewidths=1.0, zorder=3)
    if len(gap) > 1:
        axes.scatter(places[0], gap.mean(axis=0), s=42, marker="_", color=INK, linewidths=1.2, zorder=4)
    axes.set_xlim(0.4, gap.shape[1] + 0.6)
    axes.set_ylim(*_including_zero(gap))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    share = (np.sum(gain > 0.0) + 0.5 * np.sum(gain == 0.0)) / gain.size
    axes.text(1.0, 1.02, f"better in {100.0 * share:.0f} %", transform=axes.transAxes, ha="right", va="bottom")
    _name_sides(axes, better)


def _name_sides(axes: Axes, better: str) -> None:
    """Write at the right edge which side of zero is the better one."""
    axes.text(1.01, 0.98, "better" if better == "higher" else "worse", va="top", **_side(axes, better == "higher"))
    axes.text(1.01, 0.02, "worse" if better == "higher" else "better", va="bottom", **_side(axes, better == "lower"))


def _side(axes: Axes, good: bool) -> dict[str, Any]:
    return {"transform": axes.transAxes, "color": LEARNED if good else LOSS, "rotation": 90}


def _including_zero(values: Floats) -> tuple[float, float]:
    """Limits that hold the values and zero, with room to either side of it."""
    span = float(np.abs(values).max()) or 1.0
    return min(float(values.min()), -0.12 * span) - 0.08 * span, max(float(values.max()), 0.12 * span) + 0.08 * span
