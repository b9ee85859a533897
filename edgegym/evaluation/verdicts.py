"""The findings of a comparison in words, losses included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgegym.decision.metrics import Metric
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.labels import listed, words
from edgegym.evaluation.standings import Standing, Versus
from edgegym.evaluation.statistics import Estimate


def verdict(standing: Standing) -> str:
    """Judge a learned policy in a few words, for example ``worse than 2 of 9``; empty for other policies."""
    total, signs = len(standing.versus), [versus.sign for versus in standing.versus.values()]
    match standing.outcome:
        case "better":
            return f"better than all {total}"
        case "better on average":
            return f"better on average than all {total}"
        case "no difference":
            return f"no difference shown to {signs.count(0)} of {total}"
        case "worse":
            return f"worse than {signs.count(-1)} of {total}"
        case "not judged":
            behind = sum(versus.probability.value < 0.5 for versus in standing.versus.values())
            return f"behind {behind} of {total}, not judged" if behind else "ahead of all, not judged"
        case None:
            return ""


def sentence(standing: Standing, comparison: Comparison) -> str:
    """Judge a learned policy in a sentence: to which heuristics it loses, equals, wins, and how far it is."""
    if standing.outcome == "not judged":
        return f"{verdict(standing)}: one run of one episode says nothing about uncertainty."
    by_sign = {sign: [n for n, v in standing.versus.items() if v.sign == sign] for sign in (-1, 0, 1)}
    parts = [
        text + listed(by_sign[sign])
        for sign, text in ((-1, "worse than "), (0, "no difference shown to "), (1, "better than "))
        if by_sign[sign]
    ]
    best = standing.versus[comparison.best_heuristic]
    shown = _shown(best, comparison, comparison.primary)
    parts.append(f"difference to the best heuristic, {comparison.best_heuristic}: {shown}")
    if comparison.episodes > 1:
        parts.append(f"worse than it in {best.episodes_lost} of {comparison.episodes} episodes")
    if standing.outcome == "better on average":
        lowest = standing.lowest_probability
        assert lowest is not None
        parts.append(f"better on average, but not surely in every run and episode (lowest P {lowest.value:.2f})")
    return "; ".join(parts) + "."


def losses(comparison: Comparison) -> list[str]:
    """Every loss of a learned policy that the intervals show, a sentence each.

    By the primary metric it is held against each heuristic, by the other metrics against the best one.
    """
    return [line for standing in comparison.learned for line in _losses(standing, comparison)]


def _losses(standing: Standing, comparison: Comparison) -> Iterator[str]:
    yield from _loss(standing.policy, comparison.primary, standing.versus, comparison)
    for metric in comparison.metrics[1:]:
        versus = standing.versus_best.get(metric.name)
        against = {comparison.best_heuristic: versus} if versus else {}
        yield from _loss(standing.policy, metric, against, comparison)


def _loss(policy: str, metric: Metric, against: Mapping[str, Versus], comparison: Comparison) -> Iterator[str]:
    """One sentence, if there is a loss, about one metric."""
    lost = [f"{name} ({_shown(one, comparison, metric)})" for name, one in against.items() if one.sign < 0]
    if lost:
        yield f"{policy} loses in {words(metric)} to {', '.join(lost)}."


def intervals(comparison: Comparison) -> str:
    """Say what the intervals of the interquartile means are over, and which policies have none."""
    groups: dict[str, list[str]] = {}
    for standing in comparison.standings:
        estimate = standing.metrics[comparison.primary.name]
        if estimate is not None:
            groups.setdefault(_source(standing, estimate, comparison.episodes), []).append(standing.policy)
    return "95 % intervals of the scores: " + "; ".join(f"{listed(n)}: {what}" for what, n in groups.items()) + "."


def _source(standing: Standing, estimate: Estimate, episodes: int) -> str:
    """What one policy's interval varies."""
    if estimate.resampled == "nothing":
        return "none, a single run of a single episode"
    return f"over {standing.runs} runs" if estimate.resampled == "runs" else f"over {episodes} episodes of one run"


def _shown(versus: Versus, comparison: Comparison, metric: Metric) -> str:
    """The difference with interval and unit."""
    factor, unit = comparison.unit(metric)
    return f"{versus.difference.text(factor, signed=True)} {unit}".rstrip()
