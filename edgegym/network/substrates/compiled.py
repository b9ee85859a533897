"""A substrate compiled to arrays: what nodes and links can carry, and the k shortest paths between all nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError
from edgegym.network.geant import ROUND_TRIP_S_PER_KM
from edgegym.network.substrates.paths import Adjacency, PathTable, adjacency, shortest_paths

Array = NDArray[np.float64]
SECONDS_PER_KM = ROUND_TRIP_S_PER_KM / 2.0
"""Light in fibre, one way."""


@dataclass(frozen=True, eq=False)
class Substrate:
    """A compiled substrate of n nodes and m links. Links work both ways and share their bandwidth.

    Attributes:
        nodes: (n,) names.
        tier: (n,) the node's ``tier``, "" where the graph names none.
        cpu: (n,) computing capacity.
        memory: (n,) memory capacity.
        ends: (m, 2) int32, the nodes that a link joins.
        bandwidth: (m,) capacity.
        delay_s: (m,) seconds.
        near: neighbours of the nodes.
        paths: the k shortest paths.
    """

    nodes: tuple[str, ...]
    tier: tuple[str, ...]
    cpu: Array
    memory: Array
    ends: NDArray[np.int32]
    bandwidth: Array
    delay_s: Array
    near: Adjacency
    paths: PathTable


def compile_substrate(graph: nx.Graph, k: int, source: str = "graph") -> Substrate:
    """Compile a graph.

    Args:
        graph: undirected and connected; nodes have ``cpu`` and may have ``memory`` (unlimited if not) and ``tier``;
            edges have ``bandwidth``, and ``delay_s`` or ``km`` (light in fibre). Numbers are finite and not negative.
        k: paths between any two nodes.
        source: where the graph came from, for errors.

    Raises:
        SettingsError: naming the node or edge that lacks something, or the part that is cut off.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise SettingsError(f"{source}: a simple undirected graph is needed; merge both directions and parallel edges.")
    if graph.number_of_nodes() < 2 or graph.number_of_edges() < 1:
        raise SettingsError(f"{source}: at least two nodes and a link are needed (found {graph}).")
    _check_connected(graph, source)
    index = {node: i for i, node in enumerate(graph)}
    ends = np.array([(index[a], index[b]) for a, b in graph.edges], np.int32)
    if (ends[:, 0] == ends[:, 1]).any():
        raise SettingsError(f"{source}: a link from a node to itself; remove it.")
    delay_s = np.array([_delay_s(data, f"{source}: edge {a!r} - {b!r}") for a, b, data in graph.edges(data=True)])
    near = adjacency(len(index), ends, delay_s)
    return Substrate(
        nodes=tuple(str(node) for node in graph),
        tier=tuple(str(data.get("tier", "")) for _, data in graph.nodes(data=True)),
        cpu=np.array([_number(data, "cpu", f"{source}: node {node!r}") for node, data in graph.nodes(data=True)]),
        memory=np.array(
            [
                _number({"memory": 1e9, **data}, "memory", f"{source}: node {node!r}")
                for node, data in graph.nodes.data()
            ]
        ),
        ends=ends,
        bandwidth=np.array(
            [_number(data, "bandwidth", f"{source}: edge {a!r} - {b!r}") for a, b, data in graph.edges.data()]
        ),
        delay_s=delay_s,
        near=near,
        paths=shortest_paths(near, delay_s, k),
    )


def _delay_s(data: dict[str, Any], where: str) -> float:
    if "delay_s" in data:
        return _number(data, "delay_s", where)
    if "km" in data:
        return _number(data, "km", where) * SECONDS_PER_KM
    raise SettingsError(f"{where}: no delay_s and no km; give it one of them.")


def _number(data: dict[str, Any], name: str, where: str) -> float:
    if name not in data:
        raise SettingsError(f"{where}: no {name}; give it one, or a range in the settings that it is drawn from.")
    try:
        number = float(data[name])
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number < math.inf:
        raise SettingsError(f"{where}: {name}: a finite number from 0 on is needed (found {data[name]!r}).")
    return number


def _check_connected(graph: nx.Graph, source: str) -> None:
    names = list(graph)
    reached = nx.node_connected_component(graph, names[0])
    cut_off = [name for name in names if name not in reached]
    if cut_off:
        raise SettingsError(
            f"{source}: node {cut_off[0]!r} has no path to {names[0]!r}; add an edge, or keep the largest part only."
        )
