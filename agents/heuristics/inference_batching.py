"""Heuristics for inference batching: scores over columns; :mod:`.inference_batching_stateful` has those with memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.inference_batching_search import Axes, best_on_grid
from edgegym.agents.heuristics.inference_batching_stateful import Aimd, EarlyDrop, RoundRobin
from edgegym.decision.policy import ActingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.inference_batching.system import InferenceBatchingSystem
from edgegym.files import write_json

RANK = 1e4
"""What one key of :func:`ranked` counts more than the next; columns differ by more than its inverse or not at all."""
ENVIRONMENT = "EdgeGym/InferenceBatching-v0"
FITTED = "fitted.json"


def ranked(*keys: NDArray[Any]) -> NDArray[np.float64]:
    """Scores that order candidates by the first key, among equals by the next, and so on; keys lie in [0, 1]."""
    score = np.zeros_like(keys[0], np.float64)
    for key in keys:
        score = score * RANK + key
    return score


def greedy(c: Columns) -> NDArray[Any]:
    """Serve all that waits in the longest queue, by its most accurate variant."""
    return ranked(c.longest, c.batch, c.accuracy)


def edf(c: Columns) -> NDArray[Any]:
    """Serve all that waits in the queue with the earliest deadline, by its most accurate variant."""
    return ranked(c.urgent, c.batch, c.accuracy)


def edf_fastest(c: Columns) -> NDArray[Any]:
    """Serve all that waits in the queue with the earliest deadline, by the variant that is done first."""
    return ranked(c.urgent, c.batch, 1.0 - c.time)


def c_mu(c: Columns) -> NDArray[Any]:
    """Earn the most per second: weight times accuracy times requests answered in time, over the batch's time."""
    return np.where(c.wait > 0, -1.0, c.rate)


def accuracy_scaling(c: Columns) -> NDArray[Any]:
    """Earliest deadline, by the most accurate variant that makes no request late; else most per second (Proteus)."""
    safe = (c.urgent > 0) & (c.passed == 0) & (c.endangered == 0)
    return np.where(c.wait > 0, -1.0, np.where(safe, ranked(safe, c.accuracy, c.batch), c.rate))


def least_loss(c: Columns) -> NDArray[Any]:
    """Earn in time the most against what becomes late meanwhile; among equals the most accurate, then the largest."""
    return np.where(c.wait > 0, -1.0, ranked(c.net, c.accuracy, c.batch))


class Timeout(ActingPolicy):
    """Serves a queue when ``full`` wait or the oldest has waited a share of its SLO (timeout batching).

    Args:
        share: of the SLO; without one, of a second.
        full: how many are enough.
        fast: by the variant that is done first, not by the most accurate.
    """

    def __init__(self, share: float = 0.1, full: int = 32, fast: bool = False) -> None:
        self.name = "Timeout"
        self.description = f"a batch when {full} wait, or the oldest for {share:g} of its SLO"
        self._age, self._full, self._fast = share / (1.0 + share), np.log2(1.0 + full) / 16.0, fast

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Serve the most urgent queue that is ready, or wait."""
        ready = mask & (columns.wait == 0) & ((columns.age >= self._age) | (columns.waiting >= self._full))
        return _serve_ready(columns, ready, self._fast)


class Deferred(ActingPolicy):
    """Serves a queue as late as its oldest request allows, so that batches grow (Symphony's deferred batching).

    L. Chen et al., Symphony, arXiv 2308.07470.

    Args:
        margin: time to spare at the answer, as a share of the SLO.
        fast: by the variant that is done first, not by the most accurate.
    """

    def __init__(self, margin: float = 0.2, fast: bool = False) -> None:
        self.name, self.description = "Deferred", f"as late as possible, with {margin:g} of the SLO to spare"
        self._margin, self._fast = margin, fast

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Serve the most urgent queue that cannot be deferred, or wait."""
        ready = mask & (columns.wait == 0) & ((columns.margin <= self._margin) | (columns.fill < 1.0))
        return _serve_ready(columns, ready, self._fast)


class StaticVariants(ActingPolicy):
    """Serves the queue with the earliest deadline, all that waits, each by one variant that never changes.

    Args:
        system: whose candidates.
        chosen: a variant for each queue, counted over all queues.
    """

    def __init__(self, system: InferenceBatchingSystem, chosen: Sequence[int]) -> None:
        self.name = "Static variants"
        self.description = f"earliest deadline, all that waits, by variants {', '.join(map(str, chosen))} alone"
        self._mine = np.isin(system.tables.choices["variant"], chosen)

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Serve the most urgent queue that its variant can still serve in time; else wait."""
        ready = mask & (columns.wait == 0) & self._mine
        return _serve_ready(columns, ready, fast=False)


def _serve_ready(c: Columns, ready: NDArray[np.bool_], fast: bool) -> NDArray[np.int64]:
    """The largest batch of the most urgent queue among ready candidates; candidate 0 where there is none."""
    score = ranked(c.urgent, c.age, c.batch, 1.0 - c.time if fast else c.accuracy)
    return np.where(ready, score, -1.0).argmax(axis=1) * ready.any(axis=1)


def heuristics(system: System | None = None) -> list[Policy]:
    """The policies that every comparison shows, with the parameters of their papers or middling ones."""
    scores = {
        "Greedy": greedy,
        "EDF": edf,
        "EDF fastest": edf_fastest,
        "c-mu": c_mu,
        "Accuracy scaling": accuracy_scaling,
        "Least loss": least_loss,
    }
    return [
        *(ScorePolicy(name, score) for name, score in scores.items()),
        Timeout(),
        Deferred(),
        RoundRobin(),
        Aimd(),
        EarlyDrop(),
    ]


def _grids(system: InferenceBatchingSystem) -> dict[str, Axes]:
    """Values of each parameter that are tried."""
    queue_of = system.tables.variants["queue"]
    of_queue = [np.flatnonzero(queue_of == q).tolist() for q in range(len(system.tables.services))]
    return {
        "Timeout": [[0.02, 0.05, 0.1, 0.2, 0.4], [4, 8, 16, 32], [False, True]],
        "Deferred": [[0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8], [False, True]],
        "AIMD": [[1.0, 2.0, 4.0], [False, True]],
        "Static variants": of_queue,
    }


def _makers(system: InferenceBatchingSystem) -> dict[str, Callable[..., Policy]]:
    """What makes a policy of its parameters."""
    return {
        "Timeout": Timeout,
        "Deferred": Deferred,
        "AIMD": Aimd,
        "Static variants": lambda *chosen: StaticVariants(system, chosen),
    }


def fitted_heuristics(
    system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Callable[[str, float], None]
) -> list[Policy]:
    """Timeout and deferred batching, AIMD and static variants with the best parameters of a grid on some episodes."""
    assert isinstance(system, InferenceBatchingSystem)
    makers, grids = _makers(system), _grids(system)
    key = {"of": system.params.model_dump(mode="json"), "seeds": list(seeds), "metric": metric, "grids": grids}
    path = folder / FITTED
    kept = _read(path)
    if kept.get("key") != key:
        kept = {"key": key, "fitted": {}}
        for done, (name, axes) in enumerate(grids.items()):
            progress(f"fitting {name}", done / len(grids))
            kept["fitted"][name] = best_on_grid(
                lambda *values, make=makers[name]: _score(system, make(*values), seeds, metric), axes
            )
        write_json(path, kept)
    return [_renamed(makers[name](*values), f"{name}, fitted") for name, values in kept["fitted"].items()]


def _score(system: InferenceBatchingSystem, policy: Policy, seeds: Sequence[int], metric: str) -> float:
    """Mean of a metric over some episodes, signed so that more is better."""
    # Imported here: the harness looks environments up, and this module is part of what it finds.
    from edgegym.evaluation.harness import Task, run_episodes

    better = {each.name: each.better for each in system.metrics}.get(metric, "higher")
    task = Task(ENVIRONMENT, system.params.model_dump(mode="json"))
    results = run_episodes(task, policy, seeds)
    values = [result.total if metric == "return" else result.metrics[metric] for result in results]
    return float(np.mean(values)) * (-1.0 if better == "lower" else 1.0)


def _renamed(policy: Policy, name: str) -> Policy:
    policy.name = name
    return policy


def _read(path: Path) -> dict[str, Any]:
    """What was fitted before; nothing if it is missing or damaged, since it can be fitted again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
