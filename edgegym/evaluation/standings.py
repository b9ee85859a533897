"""What a comparison finds: the standing of each policy, the verdicts, and their JSON form."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from edgegym.decision.metrics import Metric
from edgegym.evaluation import statistics
from edgegym.evaluation.scores import Kind, shown_unit
from edgegym.evaluation.statistics import Estimate

Outcome = Literal["better", "better on average", "no difference", "worse", "not judged"]


@dataclass(frozen=True)
class Versus:
    """A policy against one heuristic, by the primary metric.

    Attributes:
        difference: mean paired difference, policy minus heuristic, in the metric's unit (so a gain is negative
            where lower is better).
        probability: probability of improvement over the heuristic, a tie counting one half.
        sign: +1 where the difference is a gain and its interval excludes 0, -1 for a loss, 0 where neither is shown.
    """

    difference: Estimate
    probability: Estimate
    sign: int


@dataclass(frozen=True)
class Verdict:
    """The judgement of a learned policy: a fixed word and a sentence."""

    outcome: Outcome
    text: str


@dataclass(frozen=True)
class Standing:
    """One policy in a comparison.

    Attributes:
        policy: its name.
        kind: what it is.
        runs: number of runs.
        metrics: interquartile mean with interval for each metric; None where the policy has no such number.
        mean: plain mean of the primary metric (None where there is none): heuristics are ranked by it.
        against: the heuristics it is held against (not itself), best first; empty for bounds.
        over_every: probability of improvement over every heuristic: over the one it is hardest to improve on.
        optimality_gap: mean shortfall from the bound, in the primary metric's unit.
        gap_closed: share of the way from the best heuristic to the bound.
        verdict: of a learned policy.
    """

    policy: str
    kind: Kind
    runs: int
    metrics: dict[str, Estimate | None]
    mean: float | None
    against: dict[str, Versus] = field(default_factory=dict)
    over_every: Estimate | None = None
    optimality_gap: Estimate | None = None
    gap_closed: Estimate | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Comparison:
    """Everything that is judged.

    Attributes:
        metrics: the metrics compared, the primary one first.
        episodes: number of episodes every policy played.
        seed: of the bootstrap.
        best_heuristic: the heuristic with the best mean of the primary metric on these very episodes. Choosing it in
            hindsight makes it harder to beat than a heuristic chosen beforehand.
        bound: the tightest bound on the primary metric, or None.
        standings: heuristics from best to worst, then learned policies from best to worst, then bounds.
        notes: what a reader must know about these numbers.
    """

    metrics: tuple[Metric, ...]
    episodes: int
    seed: int
    best_heuristic: str
    bound: str | None
    standings: tuple[Standing, ...]
    notes: tuple[str, ...]

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]

    @property
    def learned(self) -> tuple[Standing, ...]:
        """The learned policies, best first."""
        return tuple(standing for standing in self.standings if standing.kind == "learned")

    def unit(self, metric: Metric) -> tuple[float, str]:
        """Factor and unit to show a metric in, the same wherever this comparison is shown."""
        found = (standing.metrics[metric.name] for standing in self.standings)
        return shown_unit(metric, [estimate.value for estimate in found if estimate is not None])

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts and lists with stable keys, without NaN.

        Top level: ``primary``, ``episodes``, ``seed``, ``resamples``, ``best_heuristic``, ``bound``, ``notes``,
        ``metrics`` (``name``, ``unit``, ``better``, ``description``) and ``policies``. A policy has the keys of
        :class:`Standing`: ``policy``, ``kind``, ``runs``, ``metrics``, ``mean``, ``against`` (by heuristic:
        ``difference``, ``probability``, ``sign``), ``over_every``, ``optimality_gap``, ``gap_closed`` and
        ``verdict`` (``outcome``, ``text``). An estimate has ``value``, ``low``, ``high``, ``resampled``.
        """
        return {
            "primary": self.primary.name,
            "episodes": self.episodes,
            "seed": self.seed,
            "resamples": statistics.RESAMPLES,
            "best_heuristic": self.best_heuristic,
            "bound": self.bound,
            "metrics": [asdict(metric) for metric in self.metrics],
            "policies": [_without_nan(asdict(standing)) for standing in self.standings],
            "notes": list(self.notes),
        }


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, at any depth."""
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
