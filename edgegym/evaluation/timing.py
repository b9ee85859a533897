"""What policies take to decide, measured while they are judged.

Times differ from run to run and from machine to machine, so they are kept apart from the scores: they stand in
``results.json`` and in the report beside the machine that they were taken on, and never in ``results.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from edgegym.decision.policy import EpisodeResult

if TYPE_CHECKING:
    from edgegym.evaluation.comparison import Comparison
    from edgegym.evaluation.tables import Sheet


@dataclass(frozen=True)
class Timing:
    """CPU time of one policy, all threads.

    Attributes:
        decision_us: microseconds that the policy takes for a decision, as the harness asks it: for all episodes of a
            batch at once. None for a policy that plays episodes by itself.
        episode_ms: milliseconds of a whole episode, environment included.
    """

    decision_us: float | None
    episode_ms: float | None

    @classmethod
    def of(cls, runs: Sequence[Sequence[EpisodeResult]]) -> Self:
        """Means over the episodes of all runs."""
        results = [result for run in runs for result in run]
        return cls(
            _mean([result.decision_s for result in results], 1e6), _mean([result.cpu_s for result in results], 1e3)
        )


def _mean(seconds: Sequence[float], factor: float) -> float | None:
    mean = float(np.mean(seconds)) * factor
    return None if math.isnan(mean) else mean


def timing_sheet(comparison: Comparison, timings: Mapping[str, Timing]) -> Sheet:
    """The timings as a table, policies in the order of the comparison."""
    from edgegym.evaluation.tables import NOTHING, Cell, Row, Sheet

    def cell(value: float | None) -> Cell:
        return Cell(NOTHING if value is None else f"{value:.3g}")

    rows = []
    for one in comparison.standings:
        timing = timings[one.policy]
        rows.append(Row(one.kind, (Cell(one.policy), cell(timing.decision_us), cell(timing.episode_ms))))
    return Sheet(
        "CPU time: of the policy for a decision, asked for all episodes of a batch at once, and of a whole episode, "
        "environment included",
        ("policy", "decision [us]", "episode [ms]"),
        tuple(rows),
    )
