"""What a report draws beside the scores: learning curves and the family's own pictures, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import Kind
from edgegym.evaluation.labels import shown_unit, with_unit
from edgegym.evaluation.statistics import Floats


@dataclass(frozen=True, eq=False)
class Line:
    """One policy's line: over training, over the time of an episode, or over a setting that is swept.

    Attributes:
        policy: its name, written where the line ends.
        kind: decides how it is drawn; learned policies stand out, bounds are dashed.
        x: (points,) where.
        values: (points,) or (runs, points) what; several runs are drawn as thin lines with their mean. NaN where a
            run has not come so far.
    """

    policy: str
    kind: Kind
    x: ArrayLike
    values: ArrayLike

    def table(self) -> Floats:
        """The values as (runs, points)."""
        return np.atleast_2d(np.asarray(self.values, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class Picture:
    """Lines of several policies in one panel, with its words.

    Attributes:
        title: its heading.
        caption: what it shows and how to read it.
        lines: one for each policy.
        x_label: quantity and unit of x.
        y_label: quantity and unit of y.
        x_scale: ``"log"`` for what spans decades, such as cache sizes.
        references: horizontal lines of heuristics, name to y.
        bound: name and y of a horizontal bound.
        better: which way is better; decides which reference must be seen. References far off the lines do not stretch
            the axis: their labels stand at its edge with an arrow.
    """

    title: str
    caption: str
    lines: Sequence[Line]
    x_label: str
    y_label: str
    x_scale: Literal["linear", "log"] = "linear"
    references: Mapping[str, float] = field(default_factory=dict)
    bound: tuple[str, float] | None = None
    better: str = "higher"

    def to_json(self) -> dict[str, Any]:
        """The words and numbers of the picture as plain lists and dicts; values as [run][point]."""
        return {
            "title": self.title,
            "x_label": self.x_label,
            "y_label": self.y_label,
            "references": dict(self.references),
            "bound": self.bound,
            "lines": [
                {
                    "policy": one.policy,
                    "kind": one.kind,
                    "x": np.asarray(one.x).tolist(),
                    "values": one.table().tolist(),
                }
                for one in self.lines
            ],
        }


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """A validation metric during training, one line for each learned policy.

    Attributes:
        metric: what was validated.
        lines: x in environment steps, values (runs, points) in the metric's unit.
        references: heuristics, name to their metric on the same validation episodes.
        bound: name and metric of the bound on these episodes.
    """

    metric: Metric
    lines: Sequence[Line]
    references: Mapping[str, float] = field(default_factory=dict)
    bound: tuple[str, float] | None = None

    def picture(self) -> Picture:
        """As a picture, in a unit with a suitable prefix."""
        levels = [*self.references.values(), *([self.bound[1]] if self.bound else [])]
        factor, unit = shown_unit(self.metric, np.concatenate([*(one.table().ravel() for one in self.lines), levels]))
        label = with_unit(self.metric, unit, arrow=True)
        return Picture(
            title=f"Learning: {label} on validation episodes",
            caption="A thin line is one training run, the strong one their mean as far as they have come. Horizontal "
            "lines are heuristics and, dashed, the bound on the same validation episodes; an arrow marks one that "
            "lies beyond the axis.",
            lines=[Line(one.policy, one.kind, one.x, factor * one.table()) for one in self.lines],
            x_label="environment steps",
            y_label=label,
            references={name: factor * level for name, level in self.references.items()},
            bound=(self.bound[0], factor * self.bound[1]) if self.bound else None,
            better=self.metric.better,
        )
