"""Pictures of a pending decision that every family gets: a table of columns, as text or as an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.system import Decisions, System

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(system: System, decisions: Decisions, row: int, render_mode: str | None) -> Any:
    """Draw one row's pending decision.

    Returns:
        A string for ``"ansi"``, an (H, W, 3) uint8 image for ``"rgb_array"``, ``None`` for no mode.
    """
    if render_mode is None:
        return None
    return (_text if render_mode == "ansi" else _image)(system, decisions, row)


def _text(system: System, decisions: Decisions, row: int) -> str:
    """One line per context entry, then one line per candidate with its allowed columns."""
    context = "  ".join(
        f"{name}={value:.3f}" for name, value in zip(system.context_features, decisions.context[row], strict=True)
    )
    width = max(map(len, system.candidate_features))
    lines = [
        f"context: {context}",
        f"{'candidate':{width}}" + "".join(f"{k:>7d}" for k in _allowed(decisions, row)),
    ]
    for f, name in enumerate(system.candidate_features):
        values = decisions.candidates[row, _allowed(decisions, row), f]
        lines.append(f"{name:{width}}" + "".join(f"{value:7.3f}" for value in values))
    return "\n".join(lines)


def _allowed(decisions: Decisions, row: int) -> NDArray[np.int64]:
    return np.flatnonzero(decisions.mask[row])


def _image(system: System, decisions: Decisions, row: int) -> NDArray[np.uint8]:
    """The family's picture, if it has one, and a heat map of the candidate columns under the metrics so far."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 6), dpi=80, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    picture, columns = figure.subplots(1, 2, width_ratios=(1, 1.2))
    if not system.draw(row, picture):
        picture.remove()
        figure.set_size_inches(8, 5)
    _draw_columns(system, decisions, row, columns)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_columns(system: System, decisions: Decisions, row: int, axes: Axes) -> None:
    shown = np.where(decisions.mask[row][:, None] > 0, decisions.candidates[row], np.nan).T
    map_of_columns = axes.imshow(shown, aspect="auto", vmin=0.0, vmax=1.0, cmap="viridis")
    axes.set_yticks(range(len(system.candidate_features)), system.candidate_features, fontsize=8)
    # Labels of many candidates would run into each other.
    axes.set_xticks(range(0, system.num_candidates, 1 + system.num_candidates // 20))
    axes.set_xlabel("candidate (0 = fallback; blank = masked)")
    names = [metric.name for metric in system.metrics[:3]]
    metrics = system.episode_metrics(row)
    axes.set_title("   ".join(f"{name} {metrics[name]:.4g}" for name in names), fontsize=10)
    axes.figure.colorbar(map_of_columns, ax=axes, label="scaled column")
