"""Admission by prices: a request is led the cheapest way unless its bandwidth-time and computing-time cost above 1.

Online admission by prices of resources is that of B. Awerbuch, Y. Azar and S. Plotkin ("Throughput-competitive on-line
routing", IEEE FOCS 1993), and for service chains of T. Lukovszki and S. Schmid ("Online admission control and embedding
of service chains", SIROCCO 2015). Theirs grow exponentially with the load and hold for the worst case; these are two
constants, fitted to episodes, which accepts more when requests come steadily.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.files import write_json

Progress = Callable[[str, float], None]
START, FIRST_FACTOR, ROUNDS = (0.25, 0.25), 2.0, 3
"""Prices to begin with, and by what they are multiplied or divided at first; then by its root, and so on."""


def cheapest_completion(c: Columns) -> NDArray[Any]:
    """The node from which the chain can be completed at the least bandwidth times hops, of those the least loaded."""
    return 2.0 * c.place - c.excess - 1e-2 * (c.congestion + c.cpu_taken)


class PricedCompletion(ScorePolicy):
    """The same, but it rejects what costs more than 1.

    Args:
        link_price: of a fair share of bandwidth-time.
        node_price: of a fair share of computing-time.
    """

    def __init__(self, link_price: float, node_price: float) -> None:
        self.link_price, self.node_price = link_price, node_price
        text = f"cheapest completion; rejects above 1 at {link_price:.3g} and {node_price:.3g} per fair share"
        super().__init__("Priced completion", self._score, text)

    def _score(self, c: Columns) -> NDArray[Any]:
        price = self.link_price * _unsquashed(c.link_time) + self.node_price * _unsquashed(c.node_time)
        # What was accepted once is led on at any price.
        worthwhile = (price < 1.0) | (c.reroute > 0.0)
        return np.where(worthwhile & (c.place > 0.0), cheapest_completion(c), -c.place)


def _unsquashed(x: NDArray[np.float32]) -> NDArray[Any]:
    return x / np.maximum(1.0 - x, 1e-6)


def kept_or_fitted(
    path: Path, system: NetworkFunctionsSystem, seeds: Sequence[int], metric: str, progress: Progress
) -> PricedCompletion:
    """Fit the prices to some episodes by a pattern search, or read what was fitted to the same before.

    Args:
        path: JSON file of the prices.
        system: where they are to act, with ``completion``.
        seeds: workload seeds of the episodes.
        metric: what they are to be good at.
        progress: called with what was found and the fraction done.
    """
    settings = system.params.model_dump(mode="json")
    of = {"settings": settings, "seeds": [int(seed) for seed in seeds], "metric": metric}
    kept = _read(path)
    if kept.get("of") == json.loads(json.dumps(of)):
        return PricedCompletion(*kept["prices"])
    task = Task("EdgeGym/NetworkFunctions-v0", settings)
    sign = -1.0 if any(each.name == metric and each.better == "lower" for each in system.metrics) else 1.0
    scores: dict[tuple[float, float], float] = {}

    def score(prices: tuple[float, float]) -> float:
        if prices not in scores:
            results = run_episodes(task, PricedCompletion(*prices), seeds)
            scores[prices] = sign * float(np.mean([result.metrics[metric] for result in results]))
        return scores[prices]

    best, factor = START, FIRST_FACTOR
    for done in range(ROUNDS):
        while score(found := max(_around(best, factor), key=score)) > score(best):
            best = found
        progress(f"prices {best[0]:.3g} and {best[1]:.3g}: {sign * score(best):.4f}", (done + 1) / ROUNDS)
        factor **= 0.5
    write_json(path, {"of": of, "prices": list(best)})
    return PricedCompletion(*best)


def _around(prices: tuple[float, float], factor: float) -> list[tuple[float, float]]:
    link, node = prices
    steps = ((1.0, 1.0), (factor, 1.0), (1.0 / factor, 1.0), (1.0, factor), (1.0, 1.0 / factor))
    return [(round(link * of_link, 4), round(node * of_node, 4)) for of_link, of_node in steps]


def _read(path: Path) -> dict[str, Any]:
    """What was fitted before; nothing if it is missing or damaged, since it can be fitted again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
