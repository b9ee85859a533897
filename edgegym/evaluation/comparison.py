"""Judge policies on the same episodes: who is better than which heuristic, by how much, how surely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from edgegym.decision.metrics import Metric
from edgegym.errors import EdgeGymError, unknown
from edgegym.evaluation.labels import listed, shown_unit, words
from edgegym.evaluation.scores import RETURN, PolicyScores
from edgegym.evaluation.standings import Judge, Standing, complete, ranked
from edgegym.evaluation.statistics import Scheme

FEW_RUNS = 10


@dataclass(frozen=True, eq=False)
class Comparison:
    """Everything that is judged; made by :meth:`of`.

    Attributes:
        scores: what was compared.
        metrics: the metrics compared, the primary one, which decides, first.
        seed: of the bootstrap.
        scheme: how the intervals of the interquartile means are drawn.
        best_heuristic: the heuristic with the best mean of the primary metric on these very episodes. Choosing it in
            hindsight makes it harder to beat than a heuristic chosen beforehand.
        bound: the bound that the gap is measured to, or None.
        standings: heuristics from best to worst, then learned policies from best to worst, then bounds.
        notes: what a reader must know about these numbers.
    """

    scores: tuple[PolicyScores, ...]
    metrics: tuple[Metric, ...]
    seed: int
    scheme: Scheme
    best_heuristic: str
    bound: str | None
    standings: tuple[Standing, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        scores: Sequence[PolicyScores],
        metrics: Sequence[Metric],
        primary: str = RETURN.name,
        bound: str | None = None,
        seed: int = 0,
        scheme: Scheme = "runs",
    ) -> Self:
        """Judge policies that played the same episodes.

        Args:
            scores: the policies, at least one heuristic, all with the same episodes in the same order.
            metrics: the metrics to report.
            primary: name of the one that decides, of ``metrics`` or ``"return"``; it has a better direction.
            bound: name of the bound that the gap is measured to; left out, the best one, so that a bound that holds
                only for some kind of policy never makes the gap look smaller than it is.
            seed: of the bootstrap.
            scheme: how the intervals of the interquartile means are drawn, see
                :func:`~edgegym.evaluation.statistics.interquartile_estimate`.

        Raises:
            EdgeGymError: if policies share a name or differ in their episodes, no heuristic is there, the primary
                metric is unknown, has no direction, or is missing for a heuristic or learned policy, or the bound is
                unknown or lacks the primary metric.
        """
        decisive = _primary(metrics, primary)
        _check(scores, decisive)
        ordered = (decisive, *(metric for metric in metrics if metric.name != decisive.name))
        heuristics, learned, bounds = (
            ranked([one for one in scores if one.kind == kind], decisive) for kind in ("heuristic", "learned", "bound")
        )
        limit = _bound(bounds, decisive, bound)
        judge = Judge(ordered, heuristics, limit, seed, scheme)
        return cls(
            scores=tuple(scores),
            metrics=ordered,
            seed=seed,
            scheme=scheme,
            best_heuristic=heuristics[0].policy,
            bound=limit.policy if limit else None,
            standings=tuple(judge.standing(one) for one in (*heuristics, *learned, *bounds)),
            notes=tuple(_notes(scores, judge)),
        )

    @property
    def episodes(self) -> int:
        """Number of episodes that every policy played."""
        return self.scores[0].episodes

    @property
    def primary(self) -> Metric:
        """The metric that decides."""
        return self.metrics[0]

    @property
    def learned(self) -> tuple[Standing, ...]:
        """The learned policies, best first."""
        return tuple(standing for standing in self.standings if standing.kind == "learned")

    def scores_of(self, policy: str) -> PolicyScores:
        """The scores of one policy."""
        return next(one for one in self.scores if one.policy == policy)

    def unit(self, metric: Metric) -> tuple[float, str]:
        """Factor and unit to show a metric in, the same wherever this comparison is shown."""
        found = (standing.metrics[metric.name] for standing in self.standings)
        return shown_unit(metric, [estimate.value for estimate in found if estimate is not None])


def _bound(bounds: Sequence[PolicyScores], metric: Metric, name: str | None) -> PolicyScores | None:
    """Find the bound that the gap is measured to, of bounds that are ranked best first."""
    usable = {one.policy: one for one in bounds if complete(one, metric)}
    if name is None:
        return next(iter(usable.values()), None)
    if name not in usable:
        raise unknown(f"bound on {metric.name}", name, usable)
    return usable[name]


def _primary(metrics: Sequence[Metric], name: str) -> Metric:
    """Find the metric that decides."""
    known = {metric.name: metric for metric in (RETURN, *metrics)}
    if name not in known:
        raise unknown("primary metric", name, known)
    if known[name].better not in ("higher", "lower"):
        raise EdgeGymError(f"primary metric {name!r}: neither direction is better; choose one that has a direction.")
    return known[name]


def _check(scores: Sequence[PolicyScores], primary: Metric) -> None:
    """Refuse what cannot be compared."""
    if not any(one.kind == "heuristic" for one in scores):
        raise EdgeGymError("a comparison needs a heuristic to beat; found none among the policies.")
    names = [one.policy for one in scores]
    if len(set(names)) < len(names):
        raise EdgeGymError(f"policies must have different names; found {', '.join(sorted(names))}.")
    counts = {one.policy: one.episodes for one in scores}
    if len(set(counts.values())) > 1:
        raise EdgeGymError(f"policies must have played the same episodes; found the numbers {counts}.")
    for one in scores:
        if one.kind != "bound" and not complete(one, primary):
            raise EdgeGymError(
                f"{one.policy}: {primary.name} is missing in some episode; choose a primary metric that every "
                "heuristic and learned policy has in every episode."
            )


def _notes(scores: Sequence[PolicyScores], judge: Judge) -> Iterator[str]:
    """Say what limits the numbers."""
    primary, bound = judge.metrics[0], judge.bound
    yield (
        f"The best heuristic, {judge.heuristics[0].policy}, was chosen in hindsight by its mean {words(primary)} on "
        "these very episodes, which makes it harder to beat than one chosen beforehand."
    )
    yield from _few_runs([one for one in scores if one.kind == "learned"])
    for one in scores:
        if bound is not None and one.kind != "bound":
            yield from _above_bound(one, bound, primary)
    for metric in judge.metrics[1:]:
        yield from _missing(scores, metric)


def _few_runs(learned: Sequence[PolicyScores]) -> Iterator[str]:
    """Warn of intervals that say less than they seem to."""
    single = [one.policy for one in learned if one.runs == 1]
    if single:
        yield f"One training run only, so the spread over training seeds is unknown: {', '.join(single)}."
    few = [f"{one.policy}: {one.runs} runs" for one in learned if 1 < one.runs < FEW_RUNS]
    if few:
        yield (
            "Intervals over few training runs are too narrow: with 5 runs about 84 % instead of 95 % of them hold the "
            f"true value, with 10 about 89 %. ({', '.join(few)}.)"
        )


def _above_bound(one: PolicyScores, bound: PolicyScores, metric: Metric) -> Iterator[str]:
    """Report a policy that beats the bound: then bound, metric or environment is wrong."""
    limit = bound.values(metric.name).mean(axis=0)
    gain = one.values(metric.name) - limit
    excess = gain if metric.better == "higher" else -gain
    episodes = int((excess > 1e-9 * np.maximum(np.abs(limit), 1.0)).any(axis=0).sum())
    if episodes:
        yield (
            f"{one.policy} is better than the bound {bound.policy} in {episodes} of {one.episodes} episodes: the "
            "bound does not hold there, so neither the gap closed nor the optimality gap can be trusted."
        )


def _missing(scores: Sequence[PolicyScores], metric: Metric) -> Iterator[str]:
    """Name the policies whose mean of a metric is not over all episodes."""
    episodes = scores[0].episodes
    gaps = {one.policy: int(np.isnan(one.values(metric.name)).any(axis=0).sum()) for one in scores}
    partial = {policy: missing for policy, missing in gaps.items() if 0 < missing < episodes}
    if partial:
        yield (
            f"{words(metric)} is missing in up to {max(partial.values())} of the {episodes} episodes of "
            f"{listed(list(partial))}; what is shown is over the others."
        )
