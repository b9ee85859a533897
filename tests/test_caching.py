"""Content caching: heuristics over columns equal their replay, and an episode can be fixed from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from edgegym.agents.heuristics.caching import CachingReplay
from edgegym.agents.policies import policy_named
from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.caching.state import NEVER
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.workload.generators import zipf
from edgegym.workload.writers import write_trace

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


def test_each_episode_has_one_capacity_of_a_list() -> None:
    several = {**SETTINGS["objects"], "capacity": [10, 40]}
    seeds = range(8)
    at = {c: run_episodes(Task(ENV, {**several, "capacity": c}), policy_named(ENV, "LRU"), seeds) for c in (10, 40)}
    mixed = run_episodes(Task(ENV, several), policy_named(ENV, "LRU"), seeds)
    replayed = run_episodes(Task(ENV, several), CachingReplay("LRU"), seeds)
    chosen = [10 if one.metrics == small.metrics else 40 for one, small in zip(mixed, at[10], strict=True)]
    assert set(chosen) == {10, 40}
    for place, capacity in enumerate(chosen):
        assert mixed[place].metrics == at[capacity][place].metrics
        assert mixed[place].metrics == pytest.approx(replayed[place].metrics, nan_ok=True)


def test_window_as_a_share_of_the_part(tmp_path: Path) -> None:
    write_trace(tmp_path / "t.csv", zipf(1000, 100, 0.9, 1), "csv")
    workload = {"kind": "trace", "path": str(tmp_path / "t.csv"), "part": [0.0, 0.5], "requests": "40%"}
    system = Task(ENV, {"workload": workload, "capacity": 10, "unit": "objects"}).system()
    assert len(system.source.episode(3).trace) == 200  # type: ignore[attr-defined]
    with pytest.raises(SettingsError, match=r"600 requests, but the part has 500"):
        Task(ENV, {"workload": {**workload, "requests": 600}, "capacity": 10, "unit": "objects"}).system()


def clairvoyant_worth(system: CachingSystem, content: int) -> float:
    """The value of a copy by its definition: for every node, what it saves there, discounted by when."""
    state, n = system.state, int(system.state.rows["node"][0])
    reward, nodes = system.params.reward, system.nodes
    held = {m for m in range(nodes) if m != n and state.holders[0, content] >> m & 1}
    size = int(state.records["bytes"][0, n, content])

    def fetch_s(m: int, sources: set[int]) -> float:
        """Seconds from the nearest source; the origin is always one."""
        if m in sources:
            return 0.0
        near = [int(o) for o in state.near[m] if int(o) in sources]
        source = near[0] if near else nodes
        return float(state.fetch_s[m, source] + state.byte_s[m, source] * size)

    node = state.nodes[0, n]
    contents = state.rows["capacity"][0] * node["seen"] / node["seen_occupancy"]
    total = 0.0
    for m in range(nodes):
        record = state.records[0, m, content]
        if record["first_use"] < 0 or record["next_use"] == NEVER or m in held:
            continue
        saved = reward.latency_saved * (fetch_s(m, held) - fetch_s(m, held | {n}))
        saved += reward.backhaul_saved * size / 1e6 if not held else 0.0
        saved += reward.hit if m == n else 0.0
        distance = record["next_use"] - state.nodes["clock"][0, m] + 1
        total += saved / (1 + distance / (reward.horizon * contents))
    return total / (size * contents / state.rows["capacity"][0])


def test_clairvoyant_regret_counts_what_a_copy_saves_at_every_node() -> None:
    reward = {"signal": "clairvoyant", "horizon": 0.5, "hit": 0.3, "latency_saved": 10.0, "backhaul_saved": 2.0}
    workload = {"kind": "shot_noise", "requests": 3000, "overlap": 1.0}
    params = make_settings(CachingSystem, "edge_cluster", {"workload": workload, "reward": reward, "warmup": 0})
    system = CachingSystem(params)  # type: ignore[arg-type]
    system.begin(0, 5, {})
    decisions, rng = Decisions.empty(system), np.random.default_rng(0)
    system.observe(decisions)
    shared = 0
    for _ in range(300):
        choice = [int(c) for c in system.state.choice[0] if c >= 0]
        worths = [clairvoyant_worth(system, content) for content in choice]
        shared += any(system.state.holders[0, content] for content in choice[:1])
        action = int(rng.integers(len(choice)))
        system.step(np.array([action]), np.array([True]), decisions)
        if decisions.done[0]:
            break
        assert decisions.reward[0] == pytest.approx(min(worths) - worths[action], rel=1e-6, abs=1e-12)
    assert shared > 10


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
