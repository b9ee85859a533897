"""Content caching: heuristics over columns equal their replay, and an episode can be fixed from outside."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from edgegym.agents.heuristics.caching import CachingReplay
from edgegym.agents.policies import policy_named
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.workload.generators import zipf

ENV = "EdgeGym/ContentCaching-v0"
SETTINGS: dict[str, dict[str, Any]] = {
    "bytes": {"workload": {"kind": "shot_noise", "requests": 3000}},
    "objects": {"workload": {"kind": "zipf", "requests": 3000, "contents": 500}, "capacity": 20, "unit": "objects"},
    "drifting": {"workload": {"kind": "drifting", "requests": 3000, "contents": 500}, "capacity": "5%"},
    "cluster": {"preset": "edge_cluster", "workload": {"requests": 4000}},
}


@pytest.mark.parametrize("case", SETTINGS)
@pytest.mark.parametrize("name", ["FIFO", "LRU", "LFU", "GDSF"])
def test_heuristic_over_columns_equals_its_replay(case: str, name: str) -> None:
    task = Task(ENV, SETTINGS[case])
    stepped = run_episodes(task, policy_named(ENV, name), range(3))
    replayed = run_episodes(task, CachingReplay(name), range(3))
    for one, other in zip(stepped, replayed, strict=True):
        assert one.metrics == pytest.approx(other.metrics, nan_ok=True)
        # Rewards add up in another order.
        assert one.total == pytest.approx(other.total, rel=1e-9)


def test_return_of_hits_is_their_number() -> None:
    settings = {**SETTINGS["objects"], "warmup": 0}
    result = run_episodes(Task(ENV, settings), policy_named(ENV, "LRU"), [7])[0]
    assert result.total == pytest.approx(result.metrics["hit_ratio"] * 3000)


def test_reset_options_fix_the_episode() -> None:
    trace = zipf(2000, 300, 0.9, 1)
    env = gym.make(ENV, capacity=15, unit="objects")
    first, _ = env.reset(seed=0, options={"trace": trace, "offset": 500, "requests": 800, "workload_seed": 9})
    again, _ = env.reset(seed=5, options={"trace": trace, "offset": 500, "requests": 800, "workload_seed": 9})
    assert all(np.array_equal(first[key], again[key]) for key in first)
