"""Where one policy stands: its scores, and how it does against the heuristics and the bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import Kind
from edgegym.evaluation import statistics
from edgegym.evaluation.scores import PolicyScores
from edgegym.evaluation.statistics import Estimate, Floats, Scheme

Outcome = Literal["better", "better on average", "no difference", "worse", "not judged"]

SURE = 0.95
"""Probability of improvement from which a policy that is better on average is called better."""


@dataclass(frozen=True)
class Versus:
    """A policy against one heuristic, by one metric, over the episodes in which both have it.

    Attributes:
        difference: mean paired difference, policy minus heuristic, in the metric's unit (so a gain is negative
            where lower is better).
        probability: probability of improvement over the heuristic, a tie counting one half.
        sign: +1 where the difference is a gain and its interval excludes 0, -1 for a loss, 0 where neither is shown.
        episodes_lost: number of episodes in which the mean of the policy's runs is worse.
    """

    difference: Estimate
    probability: Estimate
    sign: int
    episodes_lost: int


@dataclass(frozen=True)
class Standing:
    """One policy in a comparison.

    Attributes:
        policy: its name.
        kind: what it is.
        runs: number of runs.
        mean: plain mean of the primary metric (None where a number is missing); policies are ranked by it.
        metrics: interquartile mean with interval for each metric; None where the policy has no such number.
        versus_best: against the best heuristic, by each metric that has a better direction; empty for that heuristic
            and for bounds.
        versus: a learned policy against each heuristic, by the primary metric, best heuristic first.
        gap_closed: of a learned policy, the share of the way from the best heuristic to the bound.
        optimality_gap: mean shortfall from the bound, in the primary metric's unit.
    """

    policy: str
    kind: Kind
    runs: int
    mean: float | None
    metrics: dict[str, Estimate | None]
    versus_best: dict[str, Versus] = field(default_factory=dict)
    versus: dict[str, Versus] = field(default_factory=dict)
    gap_closed: Estimate | None = None
    optimality_gap: Estimate | None = None

    @property
    def lowest_probability(self) -> Estimate | None:
        """Probability of improvement over the heuristic that is hardest to improve on."""
        return min((versus.probability for versus in self.versus.values()), key=lambda p: p.value, default=None)

    @property
    def outcome(self) -> Outcome | None:
        """The judgement of a learned policy in a fixed word, losses first; None for other policies.

        *Worse* as soon as it is shown to be worse than some heuristic; *better* than every heuristic when the interval
        of its difference to each excludes 0 and its probability of improvement over each is at least :data:`SURE`;
        *better on average* when only the former holds. Requiring every heuristic to be beaten needs no correction for
        their number (an intersection-union test).
        """
        lowest = self.lowest_probability
        if lowest is None:
            return None
        if not any(versus.difference.informative for versus in self.versus.values()):
            return "not judged"
        signs = {versus.sign for versus in self.versus.values()}
        if -1 in signs:
            return "worse"
        if 0 in signs:
            return "no difference"
        return "better" if lowest.value >= SURE else "better on average"


@dataclass(frozen=True)
class Judge:
    """Holds policies against the heuristics and the bound.

    Attributes:
        metrics: the primary one first.
        heuristics: best first.
        bound: the bound that the gap is measured to, or None.
        seed: each interval is drawn by a fresh generator of it, so that a policy's interval does not depend on who
            else is compared.
        scheme: of the intervals of the interquartile means.
    """

    metrics: tuple[Metric, ...]
    heuristics: tuple[PolicyScores, ...]
    bound: PolicyScores | None
    seed: int
    scheme: Scheme

    def standing(self, one: PolicyScores) -> Standing:
        """Judge one policy."""
        primary, best = self.metrics[0], self.heuristics[0]
        metrics = {metric.name: self._interquartile(one, metric) for metric in self.metrics}
        mean = float(one.values(primary.name).mean()) if complete(one, primary) else None
        if one.kind == "bound" or one is best:
            return Standing(one.policy, one.kind, one.runs, mean, metrics, optimality_gap=self._shortfall(one))
        learned = one.kind == "learned"
        by_metric = {metric.name: self._versus(one, best, metric) for metric in self.metrics}
        by_heuristic = {h.policy: self._versus(one, h, primary) for h in self.heuristics if learned}
        return Standing(
            one.policy,
            one.kind,
            one.runs,
            mean,
            metrics,
            versus_best={name: found for name, found in by_metric.items() if found},
            versus={name: found for name, found in by_heuristic.items() if found},
            gap_closed=self._gap_closed(one) if learned else None,
            optimality_gap=self._shortfall(one),
        )

    def _interquartile(self, one: PolicyScores, metric: Metric) -> Estimate | None:
        """Interquartile mean over the episodes in which every run has the number."""
        (values,) = _common(one.values(metric.name))
        return statistics.interquartile_estimate(values, self._rng(), self.scheme) if values.size else None

    def _versus(self, one: PolicyScores, other: PolicyScores, metric: Metric) -> Versus | None:
        """Hold a policy against a heuristic; None where the metric has no better direction or is missing."""
        values, others = _common(one.values(metric.name), other.values(metric.name))
        if not metric.better or not values.size:
            return None
        difference = statistics.paired_difference(values, others, self._rng())
        towards = 1 if metric.better == "higher" else -1
        by_episode = towards * (values.mean(axis=0) - others.mean(axis=0))
        return Versus(
            difference=difference,
            probability=statistics.probability_of_improvement(values, others, metric.better, self._rng()),
            sign=towards * int(np.sign(difference.value)) if difference.excludes(0.0) else 0,
            episodes_lost=int((by_episode < 0.0).sum()),
        )

    def _gap_closed(self, one: PolicyScores) -> Estimate | None:
        """Share of the way from the best heuristic to the bound."""
        if self.bound is None:
            return None
        primary = self.metrics[0]
        values, others, bound = (scores.values(primary.name) for scores in (one, self.heuristics[0], self.bound))
        return statistics.gap_closed(values, others, bound, primary.better, self._rng())

    def _shortfall(self, one: PolicyScores) -> Estimate | None:
        """Mean shortfall from the bound of each episode."""
        primary = self.metrics[0]
        if self.bound is None or one.kind == "bound":
            return None
        target = self.bound.values(primary.name).mean(axis=0)
        return statistics.optimality_gap(one.values(primary.name), target, primary.better, self._rng())

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed)


def complete(one: PolicyScores, metric: Metric) -> bool:
    """Whether a policy has the metric in every episode."""
    return not np.isnan(one.values(metric.name)).any()


def ranked(scores: Sequence[PolicyScores], metric: Metric) -> tuple[PolicyScores, ...]:
    """Policies by their mean of a metric, best first; those that lack it in some episode last."""
    sign = -1.0 if metric.better == "higher" else 1.0

    def place(one: PolicyScores) -> float:
        return sign * float(one.values(metric.name).mean()) if complete(one, metric) else np.inf

    return tuple(sorted(scores, key=place))


def _common(*tables: Floats) -> tuple[Floats, ...]:
    """Keep the episodes in which no run of any table lacks its number."""
    kept = ~np.any([np.isnan(values).any(axis=0) for values in tables], axis=0)
    return tuple(values[:, kept] for values in tables)
