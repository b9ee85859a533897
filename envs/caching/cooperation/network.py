"""A graph with caches on some of its nodes, compiled to routes: the network that requests and contents travel.

Requests enter at the nodes with the role ``edge``, as in :mod:`edgegym.network`, and the contents come from those with
the role ``origin``. Several origins share the contents between them. Links that end at an origin are external, all
others internal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.capacity import Unit
from edgegym.errors import SettingsError
from edgegym.network.compiled import HOP_BITS, PICOSECONDS, ROLES, link_cost


class Routes(NamedTuple):
    """What the kernel reads of a network of n nodes.

    Attributes:
        next_hop: (n, n) int32, the node after the first on the way to the second: lowest delay, then fewest links, then
            lowest index.
        link: (n, n) int32, the link between two nodes; -1 where there is none.
        link_delay_s: (links,) float64, seconds one way.
        distance_s: (n, n) float64, seconds one way between any two nodes.
        cache_at: (n,) int32, the cache on each node; -1 where there is none.
        cache_node: (caches,) int32, the node of each cache.
        nearest: (caches, caches - 1) int32, the other caches by rising delay, then index.
        centrality: (caches,) float64, betweenness of each cache's node.
    """

    next_hop: NDArray[np.int32]
    link: NDArray[np.int32]
    link_delay_s: NDArray[np.float64]
    distance_s: NDArray[np.float64]
    cache_at: NDArray[np.int32]
    cache_node: NDArray[np.int32]
    nearest: NDArray[np.int32]
    centrality: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CacheNetwork:
    """A compiled network of caches.

    Attributes:
        nodes: (n,) names; the position is the node's index.
        links: (links,) pairs of names.
        external: (links,) bool, whether the link ends at an origin.
        receivers: (receivers,) int32, the nodes where requests enter; a trace's node numbers count among them.
        origins: (origins,) int32.
        capacity: (caches,) int64, in ``unit``.
        unit: what capacities count.
        routes: the ways between the nodes.
    """

    nodes: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    external: NDArray[np.bool_]
    receivers: NDArray[np.int32]
    origins: NDArray[np.int32]
    capacity: NDArray[np.int64]
    unit: Unit
    routes: Routes


def cache_network(graph: nx.Graph, capacity: Mapping[str, int], unit: Unit = "objects") -> CacheNetwork:
    """Compile a graph.

    Args:
        graph: undirected and connected, as for :func:`~edgegym.network.compiled.compile_topology`, but with any number
            of origins.
        capacity: room of each node that has a cache, at least 1; one node or more, no origins.
        unit: whether capacities count contents or bytes.

    Raises:
        SettingsError: for a bad role or link, a node that cannot have a cache, or a graph in several parts.
    """
    names, roles = list(graph), dict(graph.nodes(data="role"))
    for name, role in roles.items():
        if role not in ROLES:
            raise SettingsError(f"cache network: node {name!r}: role {role!r} found; {', '.join(ROLES)} are allowed.")
    index = {name: i for i, name in enumerate(names)}
    receivers, origins = ([index[name] for name in names if roles[name] == role] for role in ("edge", "origin"))
    if not receivers or not origins or not capacity or not nx.is_connected(graph):
        raise SettingsError("cache network: a connected graph with an edge node, an origin and a cache is needed.")
    for name, room in capacity.items():
        if roles.get(name) not in ("edge", "router") or room < 1:
            raise SettingsError(
                f"cache network: node {name!r}: a cache of at least 1 on an edge node or router is needed "
                f"(found {room} on {roles.get(name, 'no node of the graph')})."
            )
    external = [roles[a] == "origin" or roles[b] == "origin" for a, b in graph.edges]
    return CacheNetwork(
        nodes=tuple(map(str, names)),
        links=tuple((str(a), str(b)) for a, b in graph.edges),
        external=np.array(external, np.bool_),
        receivers=np.array(receivers, np.int32),
        origins=np.array(origins, np.int32),
        capacity=np.array(list(capacity.values()), np.int64),
        unit=unit,
        routes=_routes(graph, np.array([index[name] for name in capacity], np.int32)),
    )


def _routes(graph: nx.Graph, cache_node: NDArray[np.int32]) -> Routes:
    index = {node: i for i, node in enumerate(graph)}
    n, caches = len(index), len(cache_node)
    link, delay_s = np.full((n, n), -1, np.int32), np.zeros(graph.number_of_edges())
    ways = nx.Graph()
    ways.add_nodes_from(range(n))
    for number, pair in enumerate(graph.edges):
        picoseconds, _ = link_cost(graph.edges[pair], pair, "cache network")
        a, b = index[pair[0]], index[pair[1]]
        link[a, b] = link[b, a] = number
        delay_s[number] = picoseconds / PICOSECONDS / 2
        # One whole number orders ways by delay, then links, without rounding.
        ways.add_edge(a, b, length=(picoseconds << HOP_BITS) + 1)
    next_hop, distance_s = _shortest_ways(ways)
    cache_at = np.full(n, -1, np.int32)
    cache_at[cache_node] = np.arange(caches)
    between = distance_s[np.ix_(cache_node, cache_node)]
    # The cache itself comes first even if another one's delay is zero too.
    np.fill_diagonal(between, -1.0)
    nearest = np.argsort(between, axis=1, kind="stable")[:, 1:].astype(np.int32)
    betweenness = nx.betweenness_centrality(ways, weight="length")
    centrality = np.array([betweenness[node] for node in cache_node.tolist()], np.float64)
    return Routes(next_hop, link, delay_s, distance_s, cache_at, cache_node, nearest, centrality)


def _shortest_ways(ways: nx.Graph) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Next hops and one-way delays between all nodes, each (n, n)."""
    n = len(ways)
    next_hop, distance_s = np.zeros((n, n), np.int32), np.zeros((n, n))
    for target, length in nx.all_pairs_dijkstra_path_length(ways, weight="length"):
        for node, whole in length.items():
            steps = (next for next, way in sorted(ways.adj[node].items()) if length[next] + way["length"] == whole)
            next_hop[node, target] = next(steps, target)
            distance_s[node, target] = (whole >> HOP_BITS) / PICOSECONDS / 2
    return next_hop, distance_s


def separate_origins(graph: nx.Graph) -> nx.Graph:
    """Put an origin of its own behind each link of the origin, so that the contents are shared between its gateways.

    Args:
        graph: with one node of the role ``origin``.

    Returns:
        A copy in which that node is replaced by one per link, named after the node at the link's other end.
    """
    result = graph.copy()
    (origin,) = [node for node, role in graph.nodes(data="role") if role == "origin"]
    result.remove_node(origin)
    for gateway, data in graph.adj[origin].items():
        result.add_node(f"{origin} {gateway}", role="origin")
        result.add_edge(f"{origin} {gateway}", gateway, **data)
    return result


def inner_routers(graph: nx.Graph) -> list[str]:
    """The routers where three or more links meet, those to an origin not counted."""
    role = dict(graph.nodes(data="role"))
    ways = {node: sum(role[other] != "origin" for other in graph.adj[node]) for node in graph}
    return [node for node in graph if role[node] == "router" and ways[node] > 2]


def share_evenly(total: int, nodes: Iterable[str]) -> dict[str, int]:
    """Capacities of ``nodes`` that add up to ``total`` and differ by one at most, the larger ones first."""
    names = list(nodes)
    whole, rest = divmod(total, len(names))
    return {name: whole + (i < rest) for i, name in enumerate(names)}
