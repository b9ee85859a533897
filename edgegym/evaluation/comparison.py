"""Judge policies on the same episodes: who is better than which heuristic, by how much, how surely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from edgegym.decision.metrics import Metric
from edgegym.errors import EdgeGymError, unknown
from edgegym.evaluation import statistics
from edgegym.evaluation.scores import RETURN, PolicyScores
from edgegym.evaluation.standings import Comparison, Standing, Verdict, Versus
from edgegym.evaluation.statistics import Estimate, Scheme

__all__ = ["Comparison", "Standing", "Verdict", "Versus", "compare"]

SURE = 0.95
FEW_RUNS = 10


def compare(
    scores: Sequence[PolicyScores],
    metrics: Sequence[Metric],
    primary: str,
    seed: int = 0,
    scheme: Scheme = "runs",
) -> Comparison:
    """Judge policies that played the same episodes.

    A learned policy is *better* than every heuristic when the 95 % interval of its paired difference to each of them
    excludes 0 and its probability of improvement over each is at least 0.95; *better on average* when only the former
    holds; *worse* when the interval of its difference to some heuristic excludes 0 on the losing side. Requiring
    every heuristic to be beaten needs no correction for their number (an intersection-union test).

    Args:
        scores: the policies, at least one heuristic, all with the same episodes in the same order.
        metrics: the metrics to report.
        primary: name of the one that decides, of ``metrics`` or ``"return"``; it has a better direction.
        seed: of the bootstrap; each interval uses a fresh generator of it, so a policy's interval does not depend on
            who else is compared.
        scheme: how the intervals of the interquartile means are drawn, see
            :func:`~edgegym.evaluation.statistics.interquartile_estimate`.

    Raises:
        EdgeGymError: if policies share a name or differ in their episodes, no heuristic is there, the primary metric
            is unknown, has no direction, or is missing for a heuristic or learned policy.
    """
    decisive = _primary(metrics, primary)
    _check(scores, decisive)
    ordered = (decisive, *(metric for metric in metrics if metric.name != decisive.name))
    heuristics = _ranked(scores, "heuristic", decisive)
    learned = _ranked(scores, "learned", decisive)
    bounds = _ranked(scores, "bound", decisive)
    tightest = next((one for one in reversed(bounds) if _complete(one, decisive)), None)
    judge = _Judge(decisive, heuristics, tightest, seed)
    standings = [
        judge.standing(one, _interquartile(one, ordered, seed, scheme)) for one in (*heuristics, *learned, *bounds)
    ]
    found = Comparison(
        metrics=ordered,
        episodes=scores[0].episodes,
        seed=seed,
        best_heuristic=heuristics[0].policy,
        bound=tightest.policy if tightest else None,
        standings=tuple(standings),
        notes=tuple(_notes(scores, heuristics[0], tightest, decisive)),
    )
    return replace(found, standings=tuple(_with_verdict(standing, found) for standing in standings))


class _Judge:
    """Holds policies against the heuristics and the bound, by the primary metric."""

    def __init__(
        self, metric: Metric, heuristics: Sequence[PolicyScores], bound: PolicyScores | None, seed: int
    ) -> None:
        self.metric, self.heuristics, self.bound, self.seed = metric, heuristics, bound, seed

    def standing(self, one: PolicyScores, metrics: dict[str, Estimate | None]) -> Standing:
        """Judge one policy, all but the verdict."""
        complete = _complete(one, self.metric)
        mean = float(one.values(self.metric.name).mean()) if complete else None
        standing = Standing(one.policy, one.kind, one.runs, metrics, mean)
        if one.kind == "bound":
            return standing
        opponents = self.heuristics if one.kind == "learned" else self.heuristics[:1]
        against = {other.policy: self.versus(one, other) for other in opponents if other is not one}
        hardest = min((versus.probability for versus in against.values()), key=lambda p: p.value, default=None)
        return replace(
            standing,
            against=against,
            over_every=hardest if one.kind == "learned" else None,
            optimality_gap=self.optimality_gap(one),
            gap_closed=self.gap_closed(one) if one.kind == "learned" else None,
        )

    def versus(self, one: PolicyScores, other: PolicyScores) -> Versus:
        """Hold a policy against a heuristic."""
        pair = one.values(self.metric.name), other.values(self.metric.name)
        difference = statistics.paired_difference(*pair, self.rng())
        gain = difference.value if self.metric.better == "higher" else -difference.value
        return Versus(
            difference=difference,
            probability=statistics.probability_of_improvement(*pair, self.metric.better, self.rng()),
            sign=int(np.sign(gain)) if difference.excludes(0.0) else 0,
        )

    def optimality_gap(self, one: PolicyScores) -> Estimate | None:
        """Mean shortfall from the bound of each episode."""
        if self.bound is None:
            return None
        target = self.bound.values(self.metric.name).mean(axis=0)
        return statistics.optimality_gap_estimate(one.values(self.metric.name), target, self.metric.better, self.rng())

    def gap_closed(self, one: PolicyScores) -> Estimate | None:
        """Share of the way from the best heuristic to the bound."""
        if self.bound is None:
            return None
        trio = (one, self.heuristics[0], self.bound)
        values, others, bound = (scores.values(self.metric.name) for scores in trio)
        return statistics.gap_closed(values, others, bound, self.metric.better, self.rng())

    def rng(self) -> np.random.Generator:
        """The same draws for every estimate."""
        return np.random.default_rng(self.seed)


def _interquartile(
    one: PolicyScores, metrics: Sequence[Metric], seed: int, scheme: Scheme
) -> dict[str, Estimate | None]:
    """Interquartile mean of each metric, over the episodes in which every run has the number."""
    result: dict[str, Estimate | None] = {}
    for metric in metrics:
        values = one.values(metric.name)
        values = values[:, ~np.isnan(values).any(axis=0)]
        rng = np.random.default_rng(seed)
        result[metric.name] = statistics.interquartile_estimate(values, rng, scheme) if values.size else None
    return result


def _with_verdict(standing: Standing, comparison: Comparison) -> Standing:
    """Judge a learned policy in words."""
    if standing.kind != "learned":
        return standing
    verdict = _verdict(standing, comparison)
    if standing.runs == 1:
        unknown_spread = " There is one training run only, so the spread over training seeds is unknown."
        verdict = replace(verdict, text=verdict.text + unknown_spread)
    return replace(standing, verdict=verdict)


def _verdict(standing: Standing, comparison: Comparison) -> Verdict:
    """Weigh the differences to every heuristic, losses first."""
    by_sign = {sign: [n for n, v in standing.against.items() if v.sign == sign] for sign in (-1, 0, 1)}
    names = {sign: ", ".join(listed) for sign, listed in by_sign.items()}
    factor, unit = comparison.unit(comparison.primary)
    first = next(iter(by_sign[-1] or by_sign[0] or by_sign[1]), comparison.best_heuristic)
    shown = standing.against[first].difference.text(factor, signed=True) + (f" {unit}" if unit else "")
    beaten = f"; better than {names[1]}" if by_sign[1] else ""
    if not any(versus.difference.informative for versus in standing.against.values()):
        return Verdict("not judged", "not judged: one run of one episode says nothing about uncertainty.")
    if by_sign[-1]:
        undecided = f"; no difference shown to {names[0]}" if by_sign[0] else ""
        return Verdict("worse", f"worse than {names[-1]}{undecided}{beaten}; difference to {first}: {shown}.")
    if by_sign[0]:
        return Verdict("no difference", f"no difference shown to {names[0]}{beaten}; difference to {first}: {shown}.")
    lowest = min(versus.probability.value for versus in standing.against.values())
    text = (
        f"than every heuristic; difference to the best one, {first}: {shown}; it wins an episode with P = {lowest:.2f}"
    )
    if lowest >= SURE:
        return Verdict("better", f"better {text} or more against each.")
    return Verdict("better on average", f"better on average {text} only against the one it is hardest to beat.")


def _notes(
    scores: Sequence[PolicyScores], best: PolicyScores, bound: PolicyScores | None, metric: Metric
) -> Iterator[str]:
    """Say what limits the numbers."""
    yield (
        f"The best heuristic, {best.policy}, was chosen in hindsight by its mean {metric.name.replace('_', ' ')} on "
        "these very episodes, which makes it harder to beat than one chosen beforehand."
    )
    few = [one for one in scores if one.kind == "learned" and 1 < one.runs < FEW_RUNS]
    if few:
        yield (
            "Intervals over few training runs are too narrow: with 5 runs about 84 % instead of 95 % of them hold the "
            f"true value, with 10 about 89 %. ({', '.join(f'{one.policy}: {one.runs} runs' for one in few)}.)"
        )
    for one in scores:
        if bound is not None and one.kind != "bound":
            yield from _above_bound(one, bound, metric)


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


def _complete(one: PolicyScores, metric: Metric) -> bool:
    """Whether a policy has the metric in every episode."""
    return not np.isnan(one.values(metric.name)).any()


def _ranked(scores: Sequence[PolicyScores], kind: str, metric: Metric) -> list[PolicyScores]:
    """Policies of a kind, best mean first; those without the metric last."""
    sign = -1.0 if metric.better == "higher" else 1.0
    chosen = [one for one in scores if one.kind == kind]
    return sorted(
        chosen,
        key=lambda one: sign * float(one.values(metric.name).mean()) if _complete(one, metric) else np.inf,
    )


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
        if one.kind != "bound" and np.isnan(one.values(primary.name)).any():
            raise EdgeGymError(
                f"{one.policy}: {primary.name} is missing in some episode; a primary metric must exist in all."
            )
