"""Network functions as an environment: heuristics, offered candidates, determinism, rewards, metrics."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import edgegym  # noqa: F401  # registers the environments
from edgegym.agents.heuristics.network_functions import SimulatedAnnealing
from edgegym.agents.policies import heuristics
from edgegym.envs.network_functions.accounting import episode_metrics
from edgegym.envs.network_functions.state import ACTIVE, DONE, FAILED, NETWORK, REJECTED, REQUEST, ROW
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes

from .sfc_systems import ABSTRACT, ENV, SERVICES, system_of


def test_heuristics_never_err_and_nearest_nodes_can_be_offered_alone() -> None:
    for policy in heuristics(ENV):
        for values in (ABSTRACT, SERVICES):
            metrics = run_episodes(Task(ENV, values), policy, [3])[0].metrics
            assert metrics["invalid_actions"] == 0
            assert metrics["acceptance_ratio"] > 0.2
    few: Any = gym.make(ENV, candidates=3, **ABSTRACT).unwrapped
    every: Any = gym.make(ENV, **ABSTRACT).unwrapped
    few.reset(seed=1)
    every.reset(seed=1)
    offered = few.system.state.choices["node"][0, : few.system.state.rows["choices"][0]]
    allowed = np.flatnonzero(every.action_masks()[1:])
    hops = every.system.substrates[0].paths.hops[:, :, 0]
    r = every.system.state.rows[0]
    goal = every.system.requests(0)[0]["destination"]
    keys = {v: hops[r["here"], v] + hops[v, goal] for v in allowed}
    assert set(offered) <= set(allowed)
    assert max(keys[v] for v in offered) <= sorted(keys.values())[len(offered) - 1] + 1


def test_vector_row_equals_single_environment_with_services_and_failures() -> None:
    values = {**SERVICES, "failures": {"link_mtbf_s": 50.0, "repair_s": 10.0}}
    vector = gym.make_vec(ENV, num_envs=2, **values)
    single: Any = gym.make(ENV, **values)
    seen, _ = vector.reset(seed=7)
    alone, _ = single.reset(seed=8)
    rng = np.random.default_rng(0)
    over = False
    while not over:
        assert all((seen[name][1] == alone[name]).all() for name in alone)
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in seen["mask"]])
        seen, rewards, ended, _, _ = vector.step(actions)
        alone, reward, over, _, info = single.step(int(actions[1]))
        assert (rewards[1], ended[1]) == (reward, over)
    assert info["metrics"]["rerouted_segments"] + info["metrics"]["failed_flows"] > 0


def test_rewards_of_a_rejected_request_are_taken_back() -> None:
    env: Any = gym.make(ENV, reward={"placed": 0.1, "link_price": 0.3, "node_price": 0.2, "rejected": 0.5}, **ABSTRACT)
    _, info = env.reset(seed=2)
    total, over, paid = 0.0, False, 0.0
    while not over:
        r = env.unwrapped.system.state.rows[0]
        placing = r["position"] == 0
        action = int(np.flatnonzero(info["action_mask"])[-1]) if placing and info["action_mask"].sum() > 1 else 0
        length = env.unwrapped.system.requests(0)[r["request"]]["length"]
        _, reward, over, _, info = env.step(action)
        paid += 1.0 if action and length == 1 else 0.0
        total += reward
    accepted = env.unwrapped.system.requests(0)["status"] != REJECTED
    assert accepted.sum() == paid
    # Each rejected request comes to -0.5 whatever it was paid before.
    assert total + 0.5 * (~accepted).sum() <= 1.1 * paid + 1e-9


def test_metrics_count_only_the_time_that_flows_were_served() -> None:
    row, network = np.zeros(1, ROW)[0], np.zeros(1, NETWORK)[0]
    row["clock_s"], network["links"] = 10.0, 1
    requests = np.zeros(4, REQUEST)
    requests["status"] = [DONE, FAILED, REJECTED, ACTIVE]
    requests["time_s"], requests["life_s"] = [0.0, 1.0, 2.0, 10.0], [5.0, 8.0, 3.0, 4.0]
    requests["end_s"] = [5.0, 3.0, 5.0, 14.0]
    requests["revenue"], requests["cost"], requests["budget_s"] = [10.0, 20.0, 30.0, 40.0], 50.0, np.inf
    found = episode_metrics(row, network, requests)
    # The failed flow earned for 2 of its 8 s.
    assert found["revenue_rate"] == pytest.approx((10 * 5 + 20 * 2 + 40 * 4) / 10)
    assert found["revenue_to_cost"] == pytest.approx((10 * 5 + 20 * 2 + 40 * 4) / (50 * (5 + 2 + 4)))
    assert (found["acceptance_ratio"], found["failed_flows"]) == (0.75, pytest.approx(1 / 3))


def test_annealing_plans_chains_longer_than_the_network() -> None:
    workload = {**ABSTRACT["workload"], "requests": 5, "functions": (2, 2), "cpu": (0, 1), "bandwidth": (0, 1)}
    settings = {**ABSTRACT, "workload": workload}
    system = system_of(settings, rows=2)
    long = system_of({**settings, "workload": {**workload, "functions": (12, 12)}}).episode(0, {})
    assert long.demand.shape[1] > len(system.substrates[0].nodes)
    result = SimulatedAnnealing(200).play(system, 0, {"episode": long})
    assert result.metrics["acceptance_ratio"] == 1.0
    with pytest.raises(SettingsError, match="moves is 0"):
        SimulatedAnnealing(0)


def test_annealing_plans_the_same_at_every_run_and_better_with_more_moves() -> None:
    task = Task(ENV, {"preset": "abilene", "workload": {"requests": 300}})
    few, more, again = (
        np.mean([each.metrics["acceptance_ratio"] for each in run_episodes(task, SimulatedAnnealing(moves), range(4))])
        for moves in (10, 1000, 1000)
    )
    assert more == again
    assert more > few + 0.02


def test_successive_seeds_take_all_networks_in_turn() -> None:
    system = system_of({**ABSTRACT, "substrate": {**ABSTRACT["substrate"], "networks": 3}})
    assert [system.episode(seed, {}).network for seed in range(1_000_000, 1_000_006)] == [1, 2, 0, 1, 2, 0]


def test_nodes_of_other_tiers_have_the_device_for_all_others() -> None:
    costs = system_of({**SERVICES, "devices": {"": "rtx_3090", "edge": "jetson_nano_gpu"}}).costs
    edge, other = costs.device_of(["edge", "somewhere"])
    assert [costs.devices[kind] for kind in (edge, other)] == ["jetson_nano_gpu", "rtx_3090"]
    assert costs.call_s[:, edge].sum() > costs.call_s[:, other].sum()
