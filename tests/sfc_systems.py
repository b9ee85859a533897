"""Systems, networks and episodes that the tests of network functions play."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np

from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.network_functions.params import NetworkFunctionsParams
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.envs.network_functions.workload import Episode
from edgegym.network.substrates import Substrate, compile_substrate

ENV = "EdgeGym/NetworkFunctions-v0"
SMALL: dict[str, Any] = {"builder": "waxman", "nodes": 9, "beta": 0.5, "cpu": (5, 20), "bandwidth": (5, 20), "paths": 4}
ABSTRACT: dict[str, Any] = {
    "substrate": SMALL,
    "workload": {"kind": "abstract", "requests": 30, "functions": (1, 4), "cpu": (0, 8), "bandwidth": (0, 8)},
}
SERVICES: dict[str, Any] = {
    "preset": "edge_tree",
    "substrate": {"tiers": (1, 2, 2), "memory": (2500, 2500), "bandwidth": (20, 40)},
    "workload": {"requests": 40, "delay_budget_s": (0.005, 0.3)},
}


def system_of(values: dict[str, Any], substrate: Substrate | None = None, rows: int = 1) -> NetworkFunctionsSystem:
    values = dict(values)
    params = make_settings(NetworkFunctionsSystem, values.pop("preset", None), values)
    assert isinstance(params, NetworkFunctionsParams)
    return NetworkFunctionsSystem(params, rows, None if substrate is None else (substrate,))


def episode_of(count: int, **values: Any) -> Episode:
    """An episode of one-function requests from node 0 to node 1, in which nothing fails."""
    given_values = {
        "network": 0,
        "time_s": np.arange(count, dtype=float),
        "life_s": np.full(count, 10.0),
        "source": np.zeros(count, np.int64),
        "destination": np.ones(count, np.int64),
        "length": np.ones(count, np.int64),
        "function": np.zeros((count, 1), np.int64),
        "demand": np.ones((count, 1)),
        "bandwidth": np.zeros((count, 2)),
        "budget_s": np.full(count, np.inf),
        "failure_s": np.zeros(0),
        "element": np.zeros(0, np.int64),
    }
    return Episode(**{**given_values, **values})


def substrate_of(graph: nx.Graph, cpu: dict[int, float], bandwidth: float, delay_s: float, k: int) -> Substrate:
    """A network whose nodes compute nothing unless said otherwise."""
    nx.set_node_attributes(graph, {node: cpu.get(node, 0.0) for node in graph}, "cpu")
    nx.set_edge_attributes(graph, bandwidth, "bandwidth")
    nx.set_edge_attributes(graph, delay_s, "delay_s")
    return compile_substrate(graph, k)


def line(cpu: list[float], bandwidth: float = 100.0, delay_s: float = 0.001) -> Substrate:
    """Nodes in a row."""
    return substrate_of(nx.path_graph(len(cpu)), dict(enumerate(cpu)), bandwidth, delay_s, 2)


def ring(cpu: dict[int, float], bandwidth: float = 10.0, delay_s: float = 0.001) -> Substrate:
    """Four nodes in a ring: two ways between any two."""
    return substrate_of(nx.cycle_graph(4), cpu, bandwidth, delay_s, 2)


def link_of(substrate: Substrate, a: int, b: int) -> int:
    """Index of the link between two nodes."""
    return [tuple(sorted(pair)) for pair in substrate.ends.tolist()].index((min(a, b), max(a, b)))


def begun(system: NetworkFunctionsSystem, episode: Episode) -> Decisions:
    """Start an episode in row 0."""
    system.begin(0, 0, {"episode": episode})
    out = Decisions.empty(system)
    system.observe(out)
    return out


def act(system: NetworkFunctionsSystem, action: int, out: Decisions) -> float:
    """Take an action in row 0 and return its reward."""
    system.step(np.array([action]), np.ones(1, bool), out)
    return float(out.reward[0])


def play_first(system: NetworkFunctionsSystem, episode: Episode) -> dict[str, float]:
    """Take the first feasible candidate always."""
    out = begun(system, episode)
    while not out.done[0]:
        act(system, int(np.flatnonzero(out.mask[0])[1]) if out.mask[0].sum() > 1 else 0, out)
    return system.episode_metrics(0)
