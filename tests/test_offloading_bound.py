"""The bound of inference offloading: exact for one user, never beaten, and how policies stand to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.bounds.inference_offloading import Clairvoyant, Foreseen
from edgegym.agents.policies import heuristics
from edgegym.decision.system import Decisions
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem
from edgegym.envs.inference_offloading.workload import Episode
from edgegym.evaluation.harness import Task, run_episodes

from .offloading_systems import RICH, played, system_of

ENV_ID = "EdgeGym/InferenceOffloading-v0"
RICH_SYSTEM = system_of(RICH)
ALONE = {
    "seconds": 1.0,
    "users": [{"device": "snapdragon_765g", "application": {"models": ["resnet50"]}}],
    "cloud": {"card": "rtx_4090", "link": "wan_us_east"},
    "servers": [],
    "candidates": 3,
}
"""One user without a server that could be contended."""


def best_of_all_plays(system: InferenceOffloadingSystem, options: dict[str, Any], tasks: int) -> float:
    """The highest return, by trying every sequence of plans."""
    best, decisions = -np.inf, Decisions.empty(system)
    for code in range(system.num_candidates**tasks):
        system.begin(0, 0, options)
        total = 0.0
        for place in range(tasks):
            action = code // system.num_candidates**place % system.num_candidates
            system.step(np.array([action]), np.ones(1, np.bool_), decisions)
            total += float(decisions.reward[0])
        best = max(best, total)
    return best


def few_tasks(system: InferenceOffloadingSystem) -> list[Episode]:
    """Episodes with few tasks."""
    episodes = [system.episode(seed, {}) for seed in range(40)]
    found = [episode for episode in episodes if 3 <= len(episode.tasks) <= 6]
    assert len(found) >= 8
    return found


def test_bound_is_the_optimum_of_a_single_user() -> None:
    system = system_of(ALONE)
    for episode in few_tasks(system):
        best = best_of_all_plays(system, {"episode": episode}, len(episode.tasks))
        system.begin(0, 0, {"episode": episode})
        assert -system.least_cost(0) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("reward", [{"latency": 1.0}, {"latency": 1.0, "server": 5.0, "miss": 0.2, "accuracy": 0.3}])
def test_bound_holds_where_uploads_time_out(reward: dict[str, float]) -> None:
    system = system_of({**ALONE, "timeout_s": 0.5, "reward": reward})
    for episode in few_tasks(system):
        slow = replace(
            episode, rate=np.random.default_rng(len(episode.tasks)).uniform(1.5e6, 3.5e6, episode.rate.shape)
        )
        best = best_of_all_plays(system, {"episode": slow}, len(slow.tasks))
        system.begin(0, 0, {"episode": slow})
        assert best <= -system.least_cost(0) + 1e-9


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_play_beats_the_bound(seed: int) -> None:
    rich = RICH_SYSTEM
    _, total = played(rich, seed, np.random.default_rng(seed))
    rich.begin(0, seed, {})
    bound = -rich.least_cost(0)
    rich.begin(0, seed, {})
    foreseen = rich.play_foreseen(0)
    assert max(total, foreseen) <= bound + 1e-9


def test_known_policies_order_as_they_must() -> None:
    """With a future known nothing is lost against greedy, and the bound lies above both."""
    task, seeds = Task(ENV_ID, {"preset": "phone_5g"}), range(8)
    named = {policy.name: policy for policy in heuristics(ENV_ID, task.system())}
    mean = {
        policy.name: np.mean([result.total for result in run_episodes(task, policy, seeds)])
        for policy in (named["Greedy"], named["All-local"], named["LinUCB"], Foreseen(), Clairvoyant())
    }
    assert mean["All-local"] < mean["Greedy"] < mean["Foreseen"] <= mean["Clairvoyant"]
    assert mean["LinUCB"] > mean["All-local"] * 2.0
