"""The offline program against brute force, its relaxations against it, and all of them against every policy."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.bounds.network_functions import (
    EXACT,
    RELAXED,
    TOTALS,
    bounds,
    most_accepted_by_totals,
    offline_most_accepted,
)
from edgegym.agents.policies import heuristics
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.envs.network_functions.workload import Episode
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.network.substrates import Substrate, compile_substrate
from edgegym.settings import merged

ENV = "EdgeGym/NetworkFunctions-v0"
TIGHT: dict[str, Any] = {
    "preset": "abilene",
    "substrate": {"cpu": (4, 8), "bandwidth": (6, 12)},
    "workload": {
        "requests": 9,
        "functions": (1, 2),
        "cpu": (1, 3),
        "bandwidth": (1, 3),
        "arrivals": {"kind": "poisson", "rate": 1.0},
        "delay_budget_s": (0.01, 0.04),
    },
}
"""Sizes and capacities at which greedy placements are known to come close to the optimum without reaching it."""


def system_of(values: dict[str, Any]) -> NetworkFunctionsSystem:
    system = Task(ENV, values).system()
    assert isinstance(system, NetworkFunctionsSystem)
    return system


def tiny(rng: np.random.Generator) -> tuple[Substrate, Episode]:
    """A triangle with a tail, and four requests of at most two functions."""
    graph = nx.Graph([(0, 1), (1, 2), (0, 2), (2, 3)])
    nx.set_node_attributes(graph, {node: float(rng.integers(1, 5)) for node in graph}, "cpu")
    nx.set_edge_attributes(graph, {pair: float(rng.integers(1, 5)) for pair in graph.edges}, "bandwidth")
    nx.set_edge_attributes(graph, {pair: float(rng.integers(1, 4)) * 1e-3 for pair in graph.edges}, "delay_s")
    count = 4
    time_s = np.cumsum(rng.exponential(1.0, count))
    episode = Episode(
        network=0,
        time_s=time_s,
        life_s=rng.exponential(2.0, count),
        source=rng.integers(4, size=count),
        destination=rng.integers(4, size=count),
        length=rng.integers(1, 3, size=count),
        function=np.zeros((count, 2), np.int64),
        demand=rng.integers(1, 4, size=(count, 2)).astype(float),
        bandwidth=rng.integers(1, 4, size=(count, 3)).astype(float),
        budget_s=rng.uniform(2e-3, 12e-3, count),
        failure_s=np.zeros(0),
        element=np.zeros(0, np.int64),
    )
    return compile_substrate(graph, 12), episode


def embeddings(substrate: Substrate, episode: Episode, r: int, distinct: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """What every possible way of serving a request takes of nodes and links."""
    paths, length, found = substrate.paths, int(episode.length[r]), {}
    for places in product(range(len(substrate.nodes)), repeat=length):
        if distinct and len(set(places)) < length:
            continue
        at = [int(episode.source[r]), *places, int(episode.destination[r])]
        ways = [[j for j in range(paths.hops.shape[2]) if paths.hops[a, b, j] >= 0] for a, b in pairwise(at)]
        for chosen in product(*ways):
            cpu, bandwidth = np.zeros(len(substrate.nodes)), np.zeros(len(substrate.ends))
            np.add.at(cpu, list(places), episode.demand[r, :length])
            delay_s = 0.0
            for s, j in enumerate(chosen):
                a, b = at[s], at[s + 1]
                links = paths.links_of(a, b, j)
                bandwidth[links] += episode.bandwidth[r, s]
                delay_s += paths.delay_s[a, b, j]
            fits = (cpu <= substrate.cpu).all() and (bandwidth <= substrate.bandwidth).all()
            if fits and delay_s <= episode.budget_s[r]:
                found[(*cpu, *bandwidth)] = (cpu, bandwidth)
    return list(found.values())


def brute_force(substrate: Substrate, episode: Episode, distinct: bool) -> int:
    """Most requests, by trying all subsets with all ways of serving them."""
    ways = [embeddings(substrate, episode, r, distinct) for r in range(len(episode.length))]
    end_s = episode.time_s + episode.life_s

    def most(r: int, taken: list[tuple[float, np.ndarray, np.ndarray]]) -> int:
        if r == len(ways):
            return 0
        best = most(r + 1, taken)
        here = [(cpu, bandwidth) for end, cpu, bandwidth in taken if end > episode.time_s[r]]
        cpu = substrate.cpu - sum((part for part, _ in here), np.zeros(len(substrate.cpu)))
        bandwidth = substrate.bandwidth - sum((part for _, part in here), np.zeros(len(substrate.bandwidth)))
        for need_cpu, need_bandwidth in ways[r]:
            if best == len(ways) - r:
                break
            if (need_cpu <= cpu).all() and (need_bandwidth <= bandwidth).all():
                best = max(best, 1 + most(r + 1, [*taken, (end_s[r], need_cpu, need_bandwidth)]))
        return best

    return most(0, [])


@pytest.mark.parametrize("distinct", [False, True])
def test_program_is_brute_force_on_tiny_cases_and_relaxations_are_above_it(distinct: bool) -> None:
    costs = system_of(TIGHT).costs
    found = []
    for seed in range(25):
        substrate, episode = tiny(np.random.default_rng(seed))
        exact = offline_most_accepted(episode, substrate, costs, distinct)
        assert exact == brute_force(substrate, episode, distinct)
        relaxed = offline_most_accepted(episode, substrate, costs, distinct, whole=False)
        assert exact - 1e-6 <= relaxed <= 4.0
        assert exact - 1e-6 <= most_accepted_by_totals(episode, substrate, costs, distinct)
        found.append(exact)
    assert len(set(found)) > 1


VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "distinct": {"distinct": True},
    "candidates": {"candidates": 3},
    "instances": {
        "substrate": {"cpu": (0, 1), "memory": (300, 2500)},
        "workload": {
            "kind": "services",
            "requests": 9,
            "chains": [["firewall", "caching"], ["video_analytics"]],
            "rate": (1.0, 4.0),
            "arrivals": {"kind": "poisson", "rate": 1.0},
            "delay_budget_s": (0.01, 0.2),
        },
        "devices": {"": "jetson_nano_gpu"},
        "idle_s": 5.0,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_no_policy_accepts_more_than_the_program(variant: str, seed: int) -> None:
    task = Task(ENV, merged(TIGHT, VARIANTS[variant]))
    best = run_episodes(task, EXACT, [seed])[0].metrics["acceptance_ratio"]
    for policy in heuristics(ENV):
        assert run_episodes(task, policy, [seed])[0].metrics["acceptance_ratio"] <= best + 1e-9
    assert best <= run_episodes(task, RELAXED, [seed])[0].metrics["acceptance_ratio"] + 1e-6
    assert best <= run_episodes(task, TOTALS, [seed])[0].metrics["acceptance_ratio"] + 1e-6


def test_size_decides_on_the_bounds_and_failures_leave_none() -> None:
    assert [bound.name for bound in bounds(system_of(TIGHT))] == ["Offline optimum", "Resource LP"]
    assert [bound.name for bound in bounds(system_of({"preset": "abilene"}))] == ["Resource LP"]
    assert bounds(system_of({**TIGHT, "failures": {"link_mtbf_s": 100.0}})) == []
    assert bounds(system_of({**TIGHT, "overload": "break"})) == []
    # Flows that may move can share links in ways that no choice of one path for each can.
    assert [bound.name for bound in bounds(system_of({**TIGHT, "congestion": {"above": 0.9}}))] == ["Resource LP"]
