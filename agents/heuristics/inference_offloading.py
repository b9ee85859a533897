"""Heuristics for inference offloading: scores over predicted latencies, costs and loads.

All see what an agent sees. "Predicted" uses the uplink rate of the last second unless the description says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.inference_offloading_bandit import LinUcb
from edgegym.decision.policy import Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.inference_offloading.columns import SQUASH_S
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.files import write_json

Progress = Callable[[str, float], None]
Array = NDArray[Any]
LARGE = 10.0
ENV_ID = "EdgeGym/InferenceOffloading-v0"
PRICES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Weights of other users' delay that the tuning tries."""
MOST_LOAD = 0.95


def seconds(squashed: Array) -> Array:
    """The time behind a column that shows t / (t + SQUASH_S)."""
    return SQUASH_S * squashed / np.maximum(1.0 - squashed, 1e-6)


def all_local(c: Columns) -> Array:
    """On the device; of several such plans the one of least predicted cost."""
    return LARGE * c.on_device - c.cost_at_last


def all_edge(c: Columns) -> Array:
    """Raw input to an edge server; of several such plans the one of least predicted cost."""
    return LARGE * c.on_edge * (1.0 - c.on_cloud) * (1.0 - c.split) - c.cost_at_last


def all_cloud(c: Columns) -> Array:
    """Raw input to the cloud; of several such plans the one of least predicted cost."""
    return LARGE * c.on_cloud * (1.0 - c.on_edge) * (1.0 - c.split) - c.cost_at_last


def neurosurgeon(c: Columns) -> Array:
    """The least predicted latency (Kang et al., ASPLOS 2017)."""
    return -c.latency_at_last


def neurosurgeon_mean(c: Columns) -> Array:
    """The least latency at the harmonic mean of the last five seconds' rates."""
    return -c.latency_at_mean


def neurosurgeon_energy(c: Columns) -> Array:
    """The least predicted energy of the device (Kang et al., ASPLOS 2017)."""
    return -c.energy


def edgent(c: Columns) -> Array:
    """The most accurate plan that is predicted to be in time, else the quickest (Li et al., Edgent, 2020)."""
    return np.where(c.in_time > 0.0, 1.0 + c.accuracy - 1e-3 * c.latency_at_last, -c.latency_at_last)


def deep_decision(c: Columns) -> Array:
    """Accuracy less latency, in a table over rates an octave wide (after Ran et al., DeepDecision, INFOCOM 2018)."""
    return c.accuracy - np.round(10.0 * c.latency_at_mean) / 10.0


def greedy(c: Columns) -> Array:
    """The least predicted cost."""
    return -c.cost_at_last


def greedy_mean(c: Columns) -> Array:
    """The least cost at the harmonic mean of the last five seconds' rates."""
    return -c.cost_at_mean


def drift_plus_penalty(c: Columns) -> Array:
    """The least predicted cost plus backlog times work at the server (Lyapunov)."""
    wait = seconds(c.server_wait)
    return -(seconds(c.cost_at_last) + wait / SQUASH_S * seconds(c.server_time) * c.on_edge)


class PricedGreedy(ScorePolicy):
    """Greedy that pays for the delay it causes others: ``price * load / (1 - load) * (wait + work)`` at the server.

    Args:
        price: weight of that delay.
    """

    def __init__(self, price: float) -> None:
        self.price = price
        super().__init__("Priced greedy", self.priced, f"greedy, paying {price:g} of the delay that others get")

    def priced(self, c: Columns) -> Array:
        """Minus the predicted cost and the price."""
        load = np.minimum(c.server_load, MOST_LOAD)
        work = (seconds(c.server_time) + seconds(c.server_wait)) * c.on_edge
        return -(seconds(c.cost_at_last) + self.price * load / (1.0 - load) * work)


class StaticPlan(ScorePolicy):
    """The same plan for every task; the fallback where it is forbidden.

    Args:
        plan: its place in the table.
    """

    def __init__(self, plan: int) -> None:
        self.plan = plan
        super().__init__("Static plan", self.fixed, f"plan {plan} for every task")

    def fixed(self, c: Columns) -> Array:
        """1 for the plan, and a little for the fallback."""
        places = np.arange(c.accuracy.shape[1])
        return (places == self.plan) + 0.5 * (places == 0) + 0.0 * c.accuracy


def heuristics(system: System | None = None) -> list[Policy]:
    """All that need no fitting."""
    found: list[Policy] = [
        ScorePolicy("All-local", all_local),
        ScorePolicy("All-edge", all_edge),
        ScorePolicy("All-cloud", all_cloud),
        ScorePolicy("Neurosurgeon", neurosurgeon),
        ScorePolicy("Neurosurgeon mean", neurosurgeon_mean),
        ScorePolicy("Neurosurgeon energy", neurosurgeon_energy),
        ScorePolicy("Edgent", edgent),
        ScorePolicy("DeepDecision", deep_decision),
        ScorePolicy("Greedy", greedy),
        ScorePolicy("Greedy mean", greedy_mean),
        ScorePolicy("Drift-plus-penalty", drift_plus_penalty),
        LinUcb(),
    ]
    if isinstance(system, InferenceOffloadingSystem) and system.params.cloud is None:
        found = [policy for policy in found if policy.name != "All-cloud"]
    return found


def fitted_heuristics(
    system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Progress
) -> list[Policy]:
    """The best static plan and the best price, by the return on the episodes of ``seeds``."""
    assert isinstance(system, InferenceOffloadingSystem)
    plans = [StaticPlan(k) for k in range(system.num_candidates)]
    prices = [PricedGreedy(price) for price in PRICES]
    task = Task(ENV_ID, system.params.model_dump(mode="json"))
    scores = []
    for tried, policy in enumerate([*plans, *prices], 1):
        results = run_episodes(task, policy, seeds)
        scores.append(float(np.mean([one.total for one in results])))
        progress(f"tuning {policy.name}, return {scores[-1]:.4g}", tried / (len(plans) + len(prices)))
    plan = plans[int(np.argmax(scores[: len(plans)]))]
    price = prices[int(np.argmax(scores[len(plans) :]))]
    write_json(folder / "offloading_rules.json", {"plan": plan.plan, "price": price.price, "seeds": list(seeds)})
    return [plan, price]
