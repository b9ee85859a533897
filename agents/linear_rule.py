"""The linear rule of caching, tuned on misses by a cross-entropy search: the baseline that a learned policy must beat.

The search is the cross-entropy method (R. Y. Rubinstein and D. P. Kroese, "The cross-entropy method", 2004): draw
weights from independent normal distributions, keep the best, fit the distributions to them, and again. The rule itself
is :mod:`edgegym.envs.caching.replay.linear_rule`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgegym.agents.heuristics.caching_replay import NodeReplay, NodeRequests, node_requests
from edgegym.envs.caching.capacity import Unit
from edgegym.envs.caching.replay import Replay
from edgegym.envs.caching.replay.linear_rule import WEIGHTS, linear_rule
from edgegym.envs.caching.replay.pfoo import OBJECTIVES
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import RunError, SettingsError, unknown
from edgegym.files import write_json
from edgegym.settings import Settings

Objective = Literal["objects", "bytes"]
Progress = Callable[[str, float], None]
"""Called with what was found and the fraction done."""

ROUNDS, TRIALS, ELITE = 7, 14, 4
START = (1.0, 0.5, 0.5, 0.5, 0.2, 0.5)
SPREAD, LEAST_SPREAD = 1.0, 0.1
"""Standard deviation of the first round, and what is added to the elite's in every later one."""
TUNING_SAMPLE, SAMPLE = 8, 16
"""Cached objects per comparison while tuning, which is quicker, and while playing."""
WARMUP = 0.25
"""Share of every node's requests whose misses do not count in tuning."""


class LinearRule(Settings):
    """Tuned weights and where they come from."""

    format: Literal["edgegym-linear-rule-1"] = "edgegym-linear-rule-1"
    weights: tuple[float, ...] = Field(min_length=WEIGHTS, max_length=WEIGHTS)
    """w0 to w6; w6, of the size, is 0 where room is counted in objects."""
    objective: Objective
    """Which misses were minimised."""
    miss_ratio: float
    """Of the tuning episodes after their warm-up, object or byte misses as the objective says."""
    workload: str
    """Where the tuning episodes came from."""
    episodes: tuple[int, ...]
    """Their workload seeds."""
    capacity: int | str | tuple[int | str, ...]
    """Capacity of the caches, as set."""
    unit: Unit
    """What the capacity counts."""
    seed: int
    """Of the search."""

    def save(self, path: str | Path) -> None:
        """Write the rule as JSON, whole or not at all."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: str | Path) -> LinearRule:
        """Read a rule.

        Raises:
            RunError: for a file that is missing or damaged, with the mend.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.parse(values if isinstance(values, dict) else {}, str(path))
        except SettingsError as error:
            raise RunError(f"{error} The file is damaged or of another version: fit the rule again.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{path}: cannot be read ({error}). Give a file that a fitted rule was saved to.") from None


class LinearRulePolicy(NodeReplay):
    """Plays the linear rule in every node's cache, each by itself.

    Args:
        weights: w0 to w6, as of :class:`LinearRule`.
    """

    name = "Linear rule"
    description = "evicts the lowest linear score of age, decayed counts, gap, count and size among 16 sampled objects"

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = np.asarray(weights, np.float64)
        if self.weights.shape != (WEIGHTS,):
            raise SettingsError(f"weights: found {self.weights.size} of them; {WEIGHTS} are needed.")

    def replay_node(self, requests: NodeRequests) -> Replay:
        """Replay one node's cache."""
        return _replay(requests, self.weights, SAMPLE)


def fit_linear_rule(
    system: CachingSystem,
    seeds: Iterable[int],
    objective: Objective = "objects",
    seed: int = 0,
    progress: Progress = lambda text, done: None,
) -> LinearRule:
    """Tune the rule on the misses of training episodes, all nodes and episodes together.

    Every trial starts with empty caches; the first quarter of each node's requests warms them. The system's own
    warm-up is for judging and plays no part. The result is the mean of the last elite, since the best trial is partly
    the luckiest.

    Args:
        system: the training task; the weights suit its capacity and workload.
        seeds: workload seeds of the episodes; one is enough where an episode is a whole part of a trace.
        objective: whose misses to minimise, "objects" or "bytes".
        seed: of the search; the same arguments give the same rule.
        progress: called after each round.

    Raises:
        EdgeGymError: for an unknown objective, no episode, or one that is too short to count anything.
    """
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    episodes = tuple(seeds)
    task = _Tuning.of(system, episodes, objective)
    # Worth per room: a hit counts once whatever its size, but a byte hit for as many bytes as it occupies.
    start = (*START, 1.0 if objective == "objects" else 0.0) if system.params.unit == "bytes" else START
    weights = cross_entropy(task.miss_ratio, np.array(start), seed, progress)
    return LinearRule(
        weights=tuple(float(w) for w in _padded(weights)),
        objective=objective,
        miss_ratio=task.miss_ratio(weights),
        workload=system.source.provenance(),
        episodes=episodes,
        capacity=system.params.capacity,
        unit=system.params.unit,
        seed=seed,
    )


def kept_or_fitted(
    path: Path, system: CachingSystem, seeds: Sequence[int], objective: Objective, progress: Progress
) -> LinearRule:
    """The rule at ``path`` if it was fitted for the same task, else one that is fitted now and kept there."""
    try:
        rule = LinearRule.load(path)
        wanted = (objective, system.source.provenance(), tuple(seeds), system.params.capacity, system.params.unit)
        if (rule.objective, rule.workload, rule.episodes, rule.capacity, rule.unit) == wanted:
            return rule
    except RunError:
        pass  # missing, damaged or of another version: it can be made again
    rule = fit_linear_rule(system, seeds, objective, progress=progress)
    rule.save(path)
    return rule


@dataclass(frozen=True)
class _Tuning:
    """What weights are tuned on.

    Attributes:
        nodes: the requests of every node of every episode.
        worth: (requests,) of each, what a miss costs; 0 in the warm-up.
    """

    nodes: tuple[NodeRequests, ...]
    worth: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, system: CachingSystem, seeds: Sequence[int], objective: Objective) -> _Tuning:
        """Gather the requests of the episodes.

        Raises:
            SettingsError: if there is none that counts.
        """
        nodes: list[NodeRequests] = []
        worth: list[NDArray[np.float64]] = []
        for seed in seeds:
            episode = system.episode(seed, {})
            for node in node_requests(system, episode, seed):
                cost = episode.trace.size[node.content] if objective == "bytes" else np.ones(len(node.content))
                cost = cost.astype(np.float64)
                cost[: round(WARMUP * len(cost))] = 0.0
                nodes.append(node)
                worth.append(cost)
        if not sum(float(each.sum()) for each in worth):
            raise SettingsError("seeds: no episode, or none with a request after its warm-up; give at least one.")
        return cls(tuple(nodes), tuple(worth))

    def miss_ratio(self, weights: NDArray[np.float64]) -> float:
        """Misses per request, or missed bytes per byte, after the warm-up."""
        missed = sum(
            float(worth[~_replay(node, _padded(weights), TUNING_SAMPLE, log=False).hit].sum())
            for node, worth in zip(self.nodes, self.worth, strict=True)
        )
        return missed / sum(float(each.sum()) for each in self.worth)


def cross_entropy(
    cost: Callable[[NDArray[np.float64]], float], start: NDArray[np.float64], seed: int, progress: Progress
) -> NDArray[np.float64]:
    """Search for the argument of the lowest cost around ``start``; the mean of the last elite."""
    rng = np.random.default_rng(seed)
    mean, spread = start, np.full(len(start), SPREAD)
    for done in range(1, ROUNDS + 1):
        trials = mean + spread * rng.standard_normal((TRIALS, len(start)))
        costs = np.array([cost(trial) for trial in trials])
        elite = trials[np.argsort(costs, kind="stable")[:ELITE]]
        mean, spread = elite.mean(axis=0), elite.std(axis=0) + LEAST_SPREAD
        progress(f"round {done} of {ROUNDS}, best {costs.min():.4f}", done / ROUNDS)
    return mean


def _padded(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights with a 0 for the size where it is not searched."""
    return np.append(weights, np.zeros(WEIGHTS - len(weights)))


def _replay(requests: NodeRequests, weights: NDArray[np.float64], sample: int, log: bool = True) -> Replay:
    """Replay the rule over one node's requests."""
    outcome = np.empty(len(requests.content), np.uint8)
    evicted, evicted_at = (np.empty(len(outcome) if log else 0, np.int32) for _ in range(2))
    evictions = int(
        linear_rule(
            requests.content,
            requests.size,
            requests.capacity,
            requests.seed,
            weights,
            sample,
            outcome,
            evicted,
            evicted_at,
        )
    )
    return Replay(outcome, evicted[:evictions].copy(), evicted_at[:evictions].copy(), evictions)
