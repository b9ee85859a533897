"""The house style of figures, and labels at the end of lines that do not overlap.

Colours are safe for colour-blind readers: learned policies in one strong blue, heuristics in greys, bounds black and
dashed, losses orange. Figures are matplotlib ``Figure`` objects of their own (Agg canvas); no pyplot state is touched,
and matplotlib is imported only when drawing.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.decision.policy import Kind
from edgegym.evaluation.labels import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNED, LOSS, INK, MUTED, GRID, PAPER = "#0072b2", "#d55e00", "#1f2328", "#6b7280", "#e3e6ea", "#ffffff"
GREYS = ("#4d4d4d", "#6b6b6b", "#858585")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
BOUND_DASH = (0, (5, 3))
MARKERS = ("o", "s", "^", "D", "v", "P")
_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgegym",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}
_LINE_HEIGHT = 1.25
_LEADER = (4.0, 18.0)


@contextmanager
def styled() -> Iterator[None]:
    """Apply the house style, for the time of drawing only."""
    import matplotlib as mpl

    with mpl.rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make a figure (inches) that belongs to nobody else."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: Figure, file_format: Literal["svg", "png", "pdf"] = "svg") -> bytes:
    """Return a figure as the bytes of a file; SVG keeps its text as text and does not depend on the date."""
    stream = io.BytesIO()
    with styled():
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(file_format)
        figure.savefig(stream, format=file_format, metadata=metadata)
    return stream.getvalue()


def colour_of(kind: Kind, number: int = 0) -> str:
    """House colour of a kind of policy; heuristics alternate between greys."""
    return {"learned": LEARNED, "bound": INK, "heuristic": GREYS[number % len(GREYS)]}[kind]


def line_style(kind: Kind, number: int) -> dict[str, Any]:
    """House style of a line: the n-th of its kind."""
    style: dict[str, Any] = {"color": colour_of(kind, number), "solid_capstyle": "round"}
    if kind == "learned":
        return style | {"linewidth": 2.2, "linestyle": DASHES[number % len(DASHES)], "zorder": 4}
    if kind == "bound":
        return style | {"linewidth": 1.4, "linestyle": BOUND_DASH, "zorder": 3}
    return style | {"linewidth": 1.1, "linestyle": DASHES[(number // len(GREYS)) % len(DASHES)], "zorder": 2}


@dataclass(frozen=True)
class End:
    """Where a line ends.

    Attributes:
        label: what to write.
        y: height of the line's end, in the unit of the axis.
        colour: of the label and its leader.
        bold: whether the label stands out.
    """

    label: str
    y: float
    colour: str
    bold: bool = False


def spread(wanted: ArrayLike, gap: float, low: float, high: float) -> NDArray[np.float64]:
    """Move positions as little as possible (least squares) so that neighbours are at least ``gap`` apart.

    With the gaps taken out this is isotonic regression, solved by pooling adjacent violators (Ayer et al. 1955).

    Args:
        wanted: (n,) positions, any order.
        gap: least distance of neighbours.
        low: lowest position allowed.
        high: highest position allowed; exceeded only if ``n`` positions do not fit between ``low`` and it.

    Returns:
        (n,) positions, in the order of ``wanted``, ties kept in their order.
    """
    wanted = np.asarray(wanted, dtype=np.float64)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(wanted.size)
    blocks: list[tuple[float, int]] = []
    for position in wanted[order] - steps:
        mean, size = float(position), 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (other * count + mean * size) / (count + size), size + count
        blocks.append((mean, size))
    level = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    placed = np.empty_like(wanted)
    placed[order] = np.clip(level, low, max(high - gap * (wanted.size - 1), low)) + steps
    return placed


def label_line_ends(axes: Axes, ends: Sequence[End], size: float = 8.0) -> None:
    """Write labels at the right of the axes, joined to their lines by thin leaders.

    Call it last: the limits of the y axis are kept from here on. An end beyond them is labelled at the edge, with an
    arrow that points where it lies.

    Args:
        axes: of a figure with a layout engine, which makes room for the labels.
        ends: the lines.
        size: of the letters, points.
    """
    axes.set_ylim(axes.get_ylim())
    figure = axes.get_figure(root=True)
    if figure is None or not ends:
        return
    figure.draw_without_rendering()
    points = 72.0 / figure.dpi
    box = axes.get_window_extent()
    heights = axes.transData.transform([(0.0, end.y) for end in ends])[:, 1] * points
    bottom, top = box.y0 * points, box.y1 * points
    inside = np.clip(heights, bottom, top)
    places = spread(inside, _LINE_HEIGHT * size, bottom, top)
    for end, height, anchor, place in zip(ends, heights, inside, places, strict=True):
        arrow = "" if height == anchor else " \N{UPWARDS ARROW}" if height > anchor else " \N{DOWNWARDS ARROW}"
        axes.annotate(
            shortened(end.label, 34) + arrow,
            xy=(1.0, (anchor - bottom) / (top - bottom)),
            xycoords="axes fraction",
            xytext=(_LEADER[1], place - anchor),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=size,
            fontweight="bold" if end.bold else "normal",
            color=end.colour,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "linewidth": 0.6,
                "relpos": (0.0, 0.5),
                "shrinkA": 2,
                "shrinkB": 0,
            },
            annotation_clip=False,
        )
