"""Dispatching rules with parameters, tuned on the validation episodes: the baselines that a learned policy must beat.

The search is the cross-entropy method of :mod:`edgegym.agents.linear_rule`. Size interval task assignment needs none:
its limits give every server work in proportion to its speed (M. Harchol-Balter, M. Crovella and C. Murta, Journal of
Parallel and Distributed Computing 59(2), 1999).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.dispatching import LAST_RESORT, LESS, Array, seconds, served
from edgegym.agents.linear_rule import cross_entropy
from edgegym.decision.policy import ActingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.envs.request_scheduling.reward import AccuracyScaling
from edgegym.envs.request_scheduling.state import TYPICAL_WAIT_S
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.files import write_json
from edgegym.settings import Settings

ENV = "EdgeGym/RequestScheduling-v0"
Progress = Callable[[str, float], None]
Parameters = NDArray[np.float64]
SEED = 0
"""Of the search."""
SHORTEST_S = 1.01e-6
"""Longest wait of an idle server, whose column shows the least time that it can."""
CHARGE = 2500.0
"""Where the search begins: accuracy charged per second of service and second of wait."""


class FittedRule(Settings):
    """Tuned parameters of a rule and where they come from."""

    format: Literal["edgegym-dispatch-rule-4"] = "edgegym-dispatch-rule-4"
    rule: str
    """Its name."""
    parameters: tuple[float, ...]
    """What was found."""
    task: str
    """Settings of the environment as JSON."""
    episodes: tuple[int, ...]
    """Workload seeds of the tuning episodes."""
    metric: str
    """What was improved."""
    base: AccuracyScaling | None = None
    """Accuracy scaling as the setting ``reward.base``, for training against it where ``goodput`` is 1 and no other term
    but ``tail`` is paid."""


def size_aware(c: Columns, p: Parameters) -> Array:
    """Wait, plus service and what the next request would see, both weighted by a power of the size."""
    size = seconds(c.relative_size)
    cost = seconds(c.wait) + np.exp(p[0]) * seconds(c.service) * size ** p[1]
    cost = cost + np.exp(p[2]) * seconds(c.next_finish) * size ** p[3]
    return served(c, -cost)


def base_rule(p: Parameters) -> AccuracyScaling:
    """Accuracy scaling with the parameters of a search, in which a step of 1 is worth trying for each of them."""
    bend, favour, margin = np.clip([0.5 * p[1], p[2], 0.2 * p[3]], [-0.95, -8.0, -1.0], [8.0, 8.0, 1.0])
    return AccuracyScaling(charge=CHARGE * np.exp(min(p[0], 20.0)), bend=bend, favour=favour, margin=margin)


def accuracy_scaling(c: Columns, p: Parameters) -> Array:
    """Accuracy in time, by class, less a charge for service and wait; rejects what is worth less than nothing."""
    rule = base_rule(p)
    worth = np.exp2(rule.favour * c.priority) * c.accuracy * (c.slack > 0.5 + 0.5 * rule.margin)
    wait = seconds(c.wait)
    charge = rule.charge * seconds(c.service) * wait * (wait / TYPICAL_WAIT_S) ** rule.bend
    charge = np.where(wait > SHORTEST_S, charge, 0.0) + LESS * seconds(c.finish)
    return np.where(c.hold > 0.0, LAST_RESORT, np.where(c.reject > 0.0, 0.0, worth - charge))


class SizeIntervals(ActingPolicy):
    """SITA: each server serves one interval of sizes, the fastest the smallest or the largest.

    Args:
        limits: (servers - 1,) inner limits of the intervals, rising.
        small_to_fast: whether small requests go to the fast servers.
    """

    name = "SITA"
    description = "each server serves one interval of sizes, with work in proportion to its speed"

    def __init__(self, limits: NDArray[np.float64], small_to_fast: bool) -> None:
        self.limits, self.small_to_fast = limits, small_to_fast

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Find each request's interval, and the server of that rank."""
        sends = mask & (columns.reject + columns.hold == 0.0)
        accuracy = np.where(sends, columns.accuracy, -1.0)
        choice = sends & (accuracy == accuracy.max(axis=1, keepdims=True))
        interval = np.searchsorted(self.limits, seconds(columns.size[:, 0]), side="right")
        rank = interval if self.small_to_fast else choice.sum(axis=1) - 1 - interval
        order = np.argsort(np.where(choice, -columns.speed, np.inf), axis=1, kind="stable")
        found: NDArray[np.int64] = np.take_along_axis(order, np.maximum(rank, 0)[:, None], axis=1)[:, 0]
        return np.where(mask[np.arange(len(found)), found], found, 0)


def fitted_rules(
    system: RequestSchedulingSystem, seeds: Sequence[int], metric: str, folder: Path, progress: Progress
) -> list[Policy]:
    """The rules that suit the system: by size where nothing has a deadline, else by accuracy.

    Args:
        system: where they are to act.
        seeds: workload seeds of the tuning episodes.
        metric: what they are to be good at.
        folder: where parameters are kept; what was tuned for the same task before is read from there.
        progress: called with a line on what is being tuned and the fraction done.
    """
    if np.isfinite(system.streams["deadline"]).any():
        start = np.zeros(4)
        return [_fitted("Accuracy scaling", accuracy_scaling, start, system, seeds, metric, folder, progress)]
    start = np.array([0.0, 0.0, -1.0, 0.0])
    found = [_fitted("Size-aware rule", size_aware, start, system, seeds, metric, folder, progress)]
    limits = size_limits(system, seeds)
    judged = [(judge(system, SizeIntervals(each, way), seeds, metric), way, each) for way, each in limits.items()]
    _, way, best = min(judged, key=lambda entry: entry[0])
    return [*found, SizeIntervals(best, way)]


def size_limits(system: RequestSchedulingSystem, seeds: Sequence[int]) -> dict[bool, NDArray[np.float64]]:
    """(servers - 1,) limits of the sizes for either order: True where small requests go to fast servers."""
    size = np.sort(np.concatenate([system.episode(int(seed), {}).size for seed in seeds]))
    speed = np.sort(system.fleet.rate[:, :, 0].max(axis=1))
    work = np.cumsum(size) / size.sum()
    return {
        fast: size[np.searchsorted(work, np.cumsum(shares)[:-1] / speed.sum())]
        for fast, shares in ((True, speed[::-1]), (False, speed))
    }


def judge(system: RequestSchedulingSystem, policy: Policy, seeds: Sequence[int], metric: str) -> float:
    """Mean of a metric over some episodes, with the sign that makes less better."""
    better = {each.name: each.better for each in system.metrics}.get(metric, "higher")
    results = run_episodes(_task(system), policy, seeds)
    values = [result.total if metric == "return" else result.metrics[metric] for result in results]
    return float(np.mean(values)) * (1.0 if better == "lower" else -1.0)


def _fitted(
    name: str,
    score: Callable[[Columns, Parameters], Array],
    start: Parameters,
    system: RequestSchedulingSystem,
    seeds: Sequence[int],
    metric: str,
    folder: Path,
    progress: Progress,
) -> Policy:
    """The rule with the parameters that are kept in the folder, or that are tuned now and kept there."""
    path = folder / f"{name.lower().replace(' ', '_')}.json"
    wanted: dict[str, Any] = {"rule": name, "task": _text(system), "episodes": tuple(seeds), "metric": metric}
    kept = _kept(path)
    if kept is None or kept.model_dump(include=set(wanted)) != wanted:
        tried: list[tuple[float, tuple[float, ...]]] = []

        def cost(parameters: Parameters) -> float:
            found = judge(system, _policy(name, score, parameters), seeds, metric)
            tried.append((found, tuple(map(float, parameters))))
            return found

        # What the search ends with is a mean, which may be worse than what it met on the way or began with.
        cost(start)
        cost(cross_entropy(cost, start, SEED, lambda text, done: progress(f"{name}, {text}", done)))
        found = np.array(min(tried)[1])
        base = base_rule(found) if score is accuracy_scaling else None
        kept = FittedRule(parameters=tuple(found.tolist()), base=base, **wanted)
        write_json(path, kept.model_dump(mode="json"))
    return _policy(name, score, np.array(kept.parameters))


def _policy(name: str, score: Callable[[Columns, Parameters], Array], parameters: Parameters) -> Policy:
    text = (score.__doc__ or "").split("\n")[0]
    return ScorePolicy(name, lambda columns: score(columns, parameters), text)


def _kept(path: Path) -> FittedRule | None:
    """What is kept at a path; a file that is missing, damaged or of another version can be made again."""
    try:
        return FittedRule.parse(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, TypeError, SettingsError):
        return None


def _task(system: RequestSchedulingSystem) -> Task:
    return Task(ENV, system.params.model_dump(mode="json"))


def _text(system: RequestSchedulingSystem) -> str:
    return json.dumps(system.params.model_dump(mode="json"), sort_keys=True)
