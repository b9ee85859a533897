"""Draw a :class:`~edgegym.evaluation.pictures.Picture`: lines with their labels at the right end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from edgegym.decision.policy import Kind
from edgegym.evaluation.drawing import End, colour_of, label_line_ends, line_style, new_figure, styled
from edgegym.evaluation.pictures import Line, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_REACH = 0.35
"""How far a reference may stretch the y axis, as a share of the range of what must be seen."""


def lines_figure(picture: Picture) -> Figure:
    """Draw a picture."""
    levels = _levels(picture)
    with styled():
        figure = new_figure(7.2, max(3.6, 0.9 + 0.16 * (len(picture.lines) + len(levels))))
        axes = figure.subplots()
        axes.grid(True, axis="y")
        axes.set(xlabel=picture.x_label, ylabel=picture.y_label, xscale=picture.x_scale)
        axes.margins(x=0.0)
        number: Counter[Kind] = Counter()
        ends = []
        for line in picture.lines:
            ends.append(_line(axes, line, number[line.kind], valued=bool(levels)))
            number[line.kind] += 1
        if levels:
            _focus(axes, picture)
        for name, level, kind in levels:
            axes.axhline(level, **line_style(kind, number[kind]))
            ends.append(End(f"{name} {level:.4g}", level, colour_of(kind, number[kind])))
            number[kind] += 1
        _plain_numbers(axes)
        label_line_ends(axes, ends)
    return figure


def _levels(picture: Picture) -> list[tuple[str, float, Kind]]:
    """Horizontal lines that have a number."""
    levels: list[tuple[str, float, Kind]] = [(name, y, "heuristic") for name, y in picture.references.items()]
    levels += [(*picture.bound, "bound")] if picture.bound else []
    return [level for level in levels if np.isfinite(level[1])]


def _line(axes: Axes, line: Line, number: int, valued: bool) -> End:
    """Draw the runs of a policy and their mean, as far as some run has come; tell the end's value if asked."""
    x, runs = np.asarray(line.x, dtype=np.float64), line.table()
    colour = colour_of(line.kind, number)
    if len(runs) > 1:
        axes.plot(x, runs.T, color=colour, linewidth=0.7, alpha=0.4, zorder=3)
    present = ~np.isnan(runs).all(axis=0)
    mean = np.nanmean(runs[:, present], axis=0)
    markers: dict[str, Any] = {"marker": "o", "markersize": 3.0} if len(mean) <= 12 else {}
    axes.plot(x[present], mean, **line_style(line.kind, number), **markers)
    bold = line.kind == "learned"
    if not mean.size:
        return End(f"{line.policy} (no data)", axes.get_ylim()[0], colour, bold)
    return End(f"{line.policy} {mean[-1]:.4g}" if valued else line.policy, float(mean[-1]), colour, bold)


def _focus(axes: Axes, picture: Picture) -> None:
    """Fix the y range to the lines, the best heuristic and the bound, and what lies close to them."""
    levels = [y for y in picture.references.values() if np.isfinite(y)]
    best = [min(levels) if picture.better == "lower" else max(levels)] if levels else []
    bound = [picture.bound[1]] if picture.bound else []
    core = np.concatenate([*(line.table().ravel() for line in picture.lines), best, bound])
    core = core[np.isfinite(core)]
    low, high = float(core.min()), float(core.max())
    reach = _REACH * (high - low)
    near = [level for level in levels if low - reach <= level <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_ylim(low - pad, high + pad)


def _plain_numbers(axes: Axes) -> None:
    """Write the numbers of the x axis as people do: 0.01, 50, 200k, 10G."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, NullFormatter

    large = EngFormatter(sep="")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}" if abs(x) < 1e4 else large(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
