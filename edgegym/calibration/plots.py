"""Pictures of a calibration: predicted against measured times, residuals by family, and the roofline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.device_fit import Calibration
from edgegym.cards import LatencyModel
from edgegym.cards.work import ELEMENT_CLASSES, MAC_CLASSES, LayerWork
from edgegym.evaluation.drawing import GRID, INK, LEARNED, LOSS, MUTED, new_figure, rendered, styled
from edgegym.files import replaced

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
MOST_FAMILIES = 40
FEWEST_ROWS = 2
"""Rows that a family needs for a place in the picture, where there are many families."""


def write_plots(calibration: Calibration, folder: Path) -> list[Path]:
    """Draw all pictures of a calibration into a folder, as PNG files named after the card.

    Returns:
        The files.
    """
    pictures = {
        "predicted": predicted_against_measured(calibration),
        "families": residuals_by_family(calibration),
        "roofline": roofline(calibration),
    }
    files = []
    for name, figure in pictures.items():
        file = folder / f"{calibration.card.name}_{name}.png"
        with replaced(file) as aside:
            aside.write_bytes(rendered(figure, "png"))
        files.append(file)
    return files


def predicted_against_measured(calibration: Calibration) -> Figure:
    """Held-out predictions over measured times, with the band of 10 %."""
    measured, predicted, error = calibration.table.time_s, calibration.held_out_s, calibration.card.held_out
    with styled():
        figure = new_figure(5.0, 4.6)
        axes = figure.subplots()
        ends = np.array([min(measured.min(), predicted.min()), max(measured.max(), predicted.max())])
        ends *= [0.8, 1.25]
        axes.fill_between(ends, ends * 0.9, ends * 1.1, color=GRID, label="within 10 %")
        axes.plot(ends, ends, color=MUTED, linewidth=0.8)
        axes.scatter(measured, predicted, s=7, alpha=0.45, color=LEARNED, linewidths=0)
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        axes.set(xlabel="measured time of a call", ylabel="predicted, family not seen")
        _readable(axes.xaxis, "s")
        _readable(axes.yaxis, "s")
        axes.set_title(f"{calibration.card.name}: median error {error.median_ape:.1%}, mean {error.mape:.1%}")
        axes.legend(frameon=False, loc="upper left")
    return figure


def residuals_by_family(calibration: Calibration) -> Figure:
    """Ratio of measured to predicted time for each family (class of layer); those farthest off where there are many."""
    table = calibration.table
    residual = np.log(table.time_s / calibration.held_out_s)
    # Layers without models have no families: what they are tells them apart.
    groups = table.work.layer_class if isinstance(table.work, LayerWork) else table.family
    names, place, counts = np.unique(groups, return_inverse=True, return_counts=True)
    medians = np.array([np.median(residual[place == i]) for i in range(len(names))])
    shown = np.flatnonzero(counts >= (FEWEST_ROWS if len(names) > MOST_FAMILIES else 1))
    shown = shown[np.argsort(-np.abs(medians[shown]))][:MOST_FAMILIES]
    shown = shown[np.argsort(medians[shown])]
    with styled():
        figure = new_figure(6.0, 1.2 + 0.17 * len(shown))
        axes = figure.subplots()
        for row, family in enumerate(shown):
            ratios = np.exp(residual[place == family])
            axes.scatter(ratios, np.full(len(ratios), row), s=8, alpha=0.4, color=LEARNED, linewidths=0)
            axes.plot(np.exp(medians[family]), row, marker="|", color=INK, markersize=8)
        axes.axvspan(0.9, 1.1, color=GRID, zorder=0)
        axes.set(xscale="log", xlabel="measured / predicted time, family not seen", ylim=(-1, len(shown)))
        axes.set_yticks(range(len(shown)), [str(names[i]) for i in shown], fontsize=7)
        some = f", the {len(shown)} farthest off of {len(names)}" if len(shown) < len(names) else ""
        axes.set_title(f"{calibration.card.name}: families{some}")
        axes.set_xticks(*_ratio_ticks(np.exp(residual)))
        axes.minorticks_off()
    return figure


def roofline(calibration: Calibration) -> Figure:
    """Reached MAC/s over MACs per element moved, beside what the fitted rates of a typical network allow."""
    table = calibration.table
    work = table.work
    elements = work.in_elements + work.out_elements if isinstance(work, LayerWork) else 2.0 * work.act_elements
    multiplies = work.macs > 0
    macs = (table.batch * work.macs)[multiplies]
    moved = (table.batch * elements + work.params)[multiplies]
    intensity, speed = macs / moved, macs / table.time_s[multiplies]
    with styled():
        figure = new_figure(5.4, 4.2)
        axes = figure.subplots()
        axes.scatter(intensity, speed, s=7, alpha=0.45, color=LEARNED, linewidths=0, label="measured")
        span = np.geomspace(intensity.min() / 1.5, intensity.max() * 1.5, 200)
        per_mac, per_element = _costs(calibration.card.latency)
        if per_mac > 0:
            # Each element that is put out is read again: two moves.
            bound = np.minimum(1.0 / per_mac, span * 2.0 / per_element if per_element > 0 else np.inf)
            axes.plot(span, bound, color=LOSS, label="roof of the fitted rates")
            axes.plot(span, 1.0 / (per_mac + per_element / (2.0 * span)), color=INK, linewidth=0.8, label="their sum")
        axes.set(xscale="log", yscale="log", xlabel="MACs per element moved", ylabel="speed reached")
        _readable(axes.yaxis, "MAC/s")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(f"{calibration.card.name}: roofline")
        axes.legend(frameon=False, loc="lower right")
    return figure


def _costs(model: LatencyModel) -> tuple[float, float]:
    """Seconds per MAC and per activation element of the card's typical mix of operators; 0 without such a cost."""
    costs = model.costs()
    shares = {
        "macs": zip(MAC_CLASSES, model.typical_mac_shares or (), strict=bool(model.typical_mac_shares)),
        "elements": zip(ELEMENT_CLASSES, model.typical_traffic or (), strict=bool(model.typical_traffic)),
    }
    found = [
        costs.get(stem, 0.0) + sum(share * costs.get(f"{stem}.{name}", 0.0) for name, share in parts)
        for stem, parts in shares.items()
    ]
    return found[0], found[1]


def _readable(axis: Axis, unit: str) -> None:
    """Ticks with SI prefixes; the house style draws no mathematics, which the usual ticks of a log axis are."""
    from matplotlib.ticker import EngFormatter, NullFormatter

    axis.set_major_formatter(EngFormatter(unit=unit))
    axis.set_minor_formatter(NullFormatter())


def _ratio_ticks(ratios: Array) -> tuple[list[float], list[str]]:
    ticks = [
        t
        for t in (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0)
        if ratios.min() / 1.4 < t < ratios.max() * 1.4
    ]
    return ticks, [f"{tick:g}" for tick in ticks]
