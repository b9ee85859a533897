"""A graph compiled to arrays: round trips, rates and hops along the quickest path between any two nodes."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.errors import CardError, SettingsError, unknown

ROLES = ("edge", "origin", "router")
"""What a node does: users reach an ``edge``, contents come from the ``origin``, a ``router`` only forwards."""
HOP_BITS = 32
"""The low bits of a path's length count hops; above them stands the round trip in picoseconds."""
PICOSECONDS = 10**12


@dataclass(frozen=True, eq=False)
class Topology:
    """A compiled network of n nodes; the arrays are read-only.

    Between two nodes the path with the lowest round trip counts; of several the one with the fewest hops, of those the
    one with the highest rate. Round trips are added in whole picoseconds, so that ties are ties and the arrays are
    symmetric to the bit.

    Attributes:
        graph: the graph, with all attributes of nodes and edges.
        nodes: (n,) names of the nodes; the position in this tuple is the node's index.
        edge: (edges,) int32, indices of the edge nodes, in the order of the graph.
        origin: index of the origin.
        rtt_s: (n, n) float64, seconds; 0 on the diagonal.
        rate_bps: (n, n) float64, bit/s, the slowest link of the path; inf on the diagonal.
        hops: (n, n) int32, links of the path.
        nearest: (edges, edges - 1) int32, for each edge node the others by rising round trip, then index; the entries
            count among the edge nodes (0 .. edges - 1), not among all nodes.
    """

    graph: nx.Graph
    nodes: tuple[str, ...]
    edge: NDArray[np.int32]
    origin: int
    rtt_s: NDArray[np.float64]
    rate_bps: NDArray[np.float64]
    hops: NDArray[np.int32]
    nearest: NDArray[np.int32]


def compile_topology(graph: nx.Graph, source: str = "graph") -> Topology:
    """Compile a graph.

    Args:
        graph: undirected; every node has a ``role`` (:data:`ROLES`), one of them ``"origin"``; every edge has a
            ``link`` (name or path of a link card), or ``rtt_s`` (seconds) and ``rate_bps`` (bit/s), which also override
            the card's. Further attributes stay as they are.
        source: where the graph came from, for errors.

    Raises:
        SettingsError: if a role, link or path is missing or wrong, naming node or edge.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise SettingsError(f"{source}: a simple undirected graph is needed; merge both directions and parallel edges.")
    edge, origin = _roles(graph, source)
    links = {pair: link_cost(graph.edges[pair], pair, source) for pair in graph.edges}
    _check_connected(graph, origin, source)
    rtt_s, rate_bps, hops = _paths(graph, links)
    arrays = (edge, rtt_s, rate_bps, hops, nearest_edges(rtt_s, edge))
    for array in arrays:
        array.flags.writeable = False
    return Topology(
        graph=graph,
        nodes=tuple(str(node) for node in graph),
        edge=edge,
        origin=origin,
        rtt_s=rtt_s,
        rate_bps=rate_bps,
        hops=hops,
        nearest=arrays[-1],
    )


def nearest_edges(rtt_s: NDArray[np.float64], edge: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each edge node the other edge nodes by rising round trip, then index, as indices among the edge nodes.

    Args:
        rtt_s: (n, n) seconds.
        edge: (edges,) indices of the edge nodes.

    Returns:
        (edges, edges - 1) int32.
    """
    between = rtt_s[np.ix_(edge, edge)].copy()
    # The node itself comes first even if a neighbour's round trip is zero too.
    np.fill_diagonal(between, -1.0)
    return np.argsort(between, axis=1, kind="stable")[:, 1:].astype(np.int32)


def _roles(graph: nx.Graph, source: str) -> tuple[NDArray[np.int32], int]:
    roles = [data.get("role") for _, data in graph.nodes(data=True)]
    for node, role in zip(graph, roles, strict=True):
        if role is None:
            raise SettingsError(f"{source}: node {node!r}: no role; give it one of {', '.join(ROLES)}.")
        if role not in ROLES:
            error = unknown("role", str(role), ROLES)
            raise SettingsError(f"{source}: node {node!r}: {error}")
    if roles.count("origin") != 1:
        raise SettingsError(f"{source}: {roles.count('origin')} nodes have the role 'origin'; exactly one must.")
    if "edge" not in roles:
        raise SettingsError(f"{source}: no node has the role 'edge'; at least one must.")
    return np.array([i for i, role in enumerate(roles) if role == "edge"], np.int32), roles.index("origin")


def link_cost(data: dict[str, Any], pair: tuple[Hashable, Hashable], source: str) -> tuple[int, float]:
    """Round trip in picoseconds and rate in bit/s of an edge.

    Args:
        data: the edge's attributes, as :func:`compile_topology` takes them.
        pair: the nodes that it joins, for errors.
        source: where the graph came from, for errors.

    Raises:
        SettingsError: if they are missing or wrong.
    """
    where = f"{source}: edge {pair[0]!r} - {pair[1]!r}"
    if "link" in data:
        try:
            card = load_card(data["link"], "link")
        except CardError as error:
            raise SettingsError(f"{where}: link: {error}") from None
        rtt_s, rate_bps = data.get("rtt_s", card.rtt_s), data.get("rate_bps", card.rate_bps)
    elif "rtt_s" in data and "rate_bps" in data:
        rtt_s, rate_bps = data["rtt_s"], data["rate_bps"]
    else:
        raise SettingsError(f"{where}: give it a link (name of a link card), or rtt_s and rate_bps.")
    rtt_s = _number(rtt_s, f"{where}: rtt_s", "seconds, not negative", smallest=0.0)
    return round(rtt_s * PICOSECONDS), _number(rate_bps, f"{where}: rate_bps", "bit/s, at least 1", smallest=1.0)


def _number(value: Any, where: str, needed: str, smallest: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not smallest <= number < math.inf:
        raise SettingsError(f"{where}: a finite number is needed, {needed} (found {value!r}).")
    return number


def _check_connected(graph: nx.Graph, origin: int, source: str) -> None:
    names = list(graph)
    cut_off = set(names) - nx.node_connected_component(graph, names[origin])
    if cut_off:
        first = next(name for name in names if name in cut_off)
        raise SettingsError(
            f"{source}: node {first!r} has no path to the origin {names[origin]!r}; add an edge or remove it."
        )


def _paths(
    graph: nx.Graph, links: dict[tuple[Hashable, Hashable], tuple[int, float]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Round trip, rate and hops between all nodes, each (n, n)."""
    index = {node: i for i, node in enumerate(graph)}
    ways = nx.Graph()
    ways.add_nodes_from(range(len(index)))
    for (a, b), (picoseconds, rate) in links.items():
        # One whole number orders paths by round trip, then hops, without rounding.
        ways.add_edge(index[a], index[b], length=(picoseconds << HOP_BITS) + 1, rate=rate)
    n = len(index)
    rtt_s, hops = np.zeros((n, n)), np.zeros((n, n), np.int32)
    rate_bps = np.full((n, n), np.inf)
    for start, lengths in nx.all_pairs_dijkstra_path_length(ways, weight="length"):
        for node, length in lengths.items():
            rtt_s[start, node] = (length >> HOP_BITS) / PICOSECONDS
            hops[start, node] = length & ((1 << HOP_BITS) - 1)
        _widest(ways, start, lengths, rate_bps[start])
    return rtt_s, rate_bps, hops


def _widest(ways: nx.Graph, start: int, lengths: dict[int, int], rate_bps: NDArray[np.float64]) -> None:
    """Highest rate among the shortest paths from ``start``; fills ``rate_bps`` (n,), where ``start`` has inf."""
    for node in sorted(lengths, key=lengths.__getitem__):
        if node == start:
            continue
        rate_bps[node] = max(
            min(rate_bps[before], link["rate"])
            for before, link in ways.adj[node].items()
            if lengths[before] + link["length"] == lengths[node]
        )
