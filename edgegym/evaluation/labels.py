"""How metrics are written for people: words for names, units with SI prefixes, arrows for the better direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from edgegym.decision.metrics import Metric

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_PREFIXED_UNITS = {"s", "B", "J", "W", "Hz", "bit", "bit/s", "B/s"}
_ARROWS = {"higher": "\N{NO-BREAK SPACE}\N{UPWARDS ARROW}", "lower": "\N{NO-BREAK SPACE}\N{DOWNWARDS ARROW}"}


def shown_unit(metric: Metric, values: ArrayLike) -> tuple[float, str]:
    """Choose an SI prefix for showing a metric.

    Args:
        metric: its unit decides whether a prefix is possible.
        values: the numbers to be shown, any shape; their median size decides.

    Returns:
        The factor to multiply by, and the unit with its prefix (empty for ``"1"``).
    """
    unit = "" if metric.unit == "1" else metric.unit
    sizes = np.abs(np.asarray(values, dtype=np.float64).ravel())
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    if unit not in _PREFIXED_UNITS or sizes.size == 0:
        return 1.0, unit
    middle = float(np.median(sizes))
    size, prefix = next(((s, p) for s, p in _PREFIXES if middle >= s), _PREFIXES[-1])
    return 1.0 / size, prefix + unit


def words(metric: Metric) -> str:
    """The metric's name as words; a unit that ends the name is left to the unit in brackets."""
    return metric.name.removesuffix(f"_{metric.unit.lower()}").replace("_", " ")


def with_unit(metric: Metric, unit: str, arrow: bool = False) -> str:
    """Write words and unit, for example ``mean latency [ms] ↓``.

    Args:
        metric: what is shown.
        unit: from :func:`shown_unit`.
        arrow: whether to point to the better direction.
    """
    return words(metric) + (f" [{unit}]" if unit else "") + (_ARROWS.get(metric.better, "") if arrow else "")


def listed(names: Sequence[str], most: int = 4) -> str:
    """Names with commas; long lists are cut short."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def shortened(name: str, most: int) -> str:
    """A name, cut in its middle where it is longer than ``most`` letters."""
    return name if len(name) <= most else f"{name[: most // 2]}\N{HORIZONTAL ELLIPSIS}{name[1 - most // 2 :]}"
