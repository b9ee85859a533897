"""Cheapest completions against Dijkstra on an explicit layered graph, regrets of known policies, fitted prices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest

import edgegym  # noqa: F401  # registers the environments
from edgegym.agents.heuristics.network_functions import fitted_heuristics
from edgegym.agents.heuristics.priced_completion import cheapest_completion
from edgegym.decision.policy import ScorePolicy
from edgegym.envs.network_functions.completion import HOP
from edgegym.envs.network_functions.state import UNIT
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/NetworkFunctions-v0"
ABSTRACT: dict[str, Any] = {
    "completion": True,
    "substrate": {"builder": "waxman", "nodes": 9, "beta": 0.5, "cpu": (5, 20), "bandwidth": (5, 20), "paths": 4},
    "workload": {"kind": "abstract", "requests": 30, "functions": (1, 4), "cpu": (0, 8), "bandwidth": (0, 8)},
}


def layered_graph(system: Any) -> nx.DiGraph:
    """Ways on of the request that is being placed: ("at", s, v) in layer s, ("left", s, v) where it was just served."""
    state, r = system.state, system.state.rows[0]
    t, q, first = int(r["network"]), int(r["request"]), int(r["position"])
    substrate, request, graph = system.substrates[t], system.requests(0)[q], nx.DiGraph()
    used = set(state.functions["node"][0, q, :first].tolist()) if system.params.distinct else set()
    for s in range(first + 1, int(request["length"]) + 1):
        bandwidth, last = int(state.segments["bandwidth"][0, q, s]), s == request["length"]
        for link, (a, b) in enumerate(substrate.ends.tolist()):
            if state.links["free"][0, link] >= bandwidth:
                for v, w in ((a, b), (b, a)):
                    for place in ("at", "left"):
                        graph.add_edge((place, s, v), ("at", s, w), weight=bandwidth / UNIT + HOP)
        for v in range(len(substrate.nodes)):
            if last or not system.params.distinct:
                graph.add_edge(("left", s, v), ("at", s, v), weight=0.0)
            if not last and v not in used and state.nodes["cpu"][0, v] >= state.functions["demand"][0, q, s] * UNIT:
                graph.add_edge(("at", s, v), ("left", s + 1, v), weight=0.0)
    return graph


@pytest.mark.parametrize("distinct", [False, True])
def test_ways_on_are_shortest_paths_through_layers(distinct: bool) -> None:
    longer = {**ABSTRACT, "workload": {**ABSTRACT["workload"], "requests": 60}}
    env: Any = gym.make(ENV, disable_env_checker=True, **longer, distinct=distinct).unwrapped
    rng, system, over, seen = np.random.default_rng(0), env.system, False, 0
    env.reset(seed=5)
    while not over:
        state, r = system.state, system.state.rows[0]
        t, q, s = int(r["network"]), int(r["request"]), int(r["position"])
        request = system.requests(0)[q]
        if s < request["length"] - 1:
            graph, goal = layered_graph(system), ("at", int(request["length"]), int(request["destination"]))
            found = nx.single_source_dijkstra_path_length(graph.reverse(), goal) if goal in graph else {}
            for choice in state.choices[0, : r["choices"]]:
                step = state.segments["bandwidth"][0, q, s] / UNIT + HOP
                step *= state.hops[t, r["here"], choice["node"], choice["path"]]
                expected = step + found.get(("left", s + 1, int(choice["node"])), np.inf)
                assert choice["way"] == pytest.approx(expected)
                seen += 1
        _, _, over, _, _ = env.step(int(rng.choice(np.flatnonzero(env.action_masks()))))
    assert seen > 100


def test_the_cheapest_completion_regrets_nothing_and_rejecting_regrets_every_request() -> None:
    reward = {"signal": "regret", "accepted": 0.4, "rejected": 0.6, "link_price": 1e-6}
    env: Any = gym.make(ENV, disable_env_checker=True, **ABSTRACT, reward=reward).unwrapped
    columns, excess = env.system.candidate_features, env.system.candidate_features.index("excess")
    assert columns[-3:] == ("excess", "link_time", "node_time")
    for rejects in (False, True):
        observation, _ = env.reset(seed=2)
        over, total, worthwhile = False, 0.0, 0
        while not over:
            mask = observation["mask"] > 0
            excesses = np.where(mask[1:], observation["candidates"][1:, excess], np.inf)
            # Where no way on is known, all choices are worth nothing, like rejecting.
            worthwhile += bool(np.isfinite(env.system.state.rows["least_way"][0]) and mask[1:].any())
            action = 0 if rejects or not mask[1:].any() else int(excesses.argmin()) + 1
            observation, paid, over, _, _ = env.step(action)
            total += paid
        assert total == pytest.approx(-worthwhile if rejects else 0.0, abs=1e-3)


def test_services_with_failures_and_congestion_keep_completions_in_range() -> None:
    env: Any = gym.make(
        ENV,
        disable_env_checker=True,
        preset="edge_tree",
        completion=True,
        workload={"requests": 60},
        failures={"link_mtbf_s": 300.0, "repair_s": 20.0},
        congestion={"above": 0.3, "until": 0.2},
        reward={"signal": "regret", "link_price": 0.2, "node_price": 0.2},
    ).unwrapped
    rng, over = np.random.default_rng(3), False
    env.reset(seed=3)
    while not over:
        action = int(rng.choice(np.flatnonzero(env.action_masks())))
        observation, paid, over, _, _ = env.step(action)
        assert observation["candidates"].min() >= 0.0
        assert observation["candidates"].max() <= 1.0
        assert -2.0 <= paid <= 0.0


def test_nobody_is_judged_by_regrets() -> None:
    task = Task(ENV, {**ABSTRACT, "reward": {"signal": "regret"}})
    result = run_episodes(task, ScorePolicy("Cheapest completion", cheapest_completion), [0])[0]
    assert result.total == pytest.approx(30 * result.metrics["acceptance_ratio"])


def test_fitted_prices_are_kept_and_accept_more_than_no_prices(tmp_path: Path) -> None:
    crowded = {**ABSTRACT, "workload": {**ABSTRACT["workload"], "requests": 200, "life_s": 100.0}}
    task = Task(ENV, crowded)
    said: list[str] = []
    for _ in range(2):
        (priced,) = fitted_heuristics(
            task.system(), range(2), "acceptance_ratio", tmp_path, lambda text, done: said.append(text)
        )
    assert len(said) == 3
    free = ScorePolicy("Cheapest completion", cheapest_completion)
    accepted = [
        np.mean([each.metrics["acceptance_ratio"] for each in run_episodes(task, policy, range(2))])
        for policy in (priced, free)
    ]
    assert accepted[0] > accepted[1]


def test_the_share_of_feasible_nodes_does_not_depend_on_how_many_are_offered() -> None:
    shares = []
    for candidates in (2, None):
        env: Any = gym.make(ENV, candidates=candidates, **ABSTRACT).unwrapped
        seen, _ = env.reset(seed=1)
        shares.append(seen["context"][env.system.context_features.index("feasible")])
    every = env.action_masks()[1:].sum() / 9
    assert shares == [pytest.approx(every), pytest.approx(every)]
    assert every > 2 / 9
