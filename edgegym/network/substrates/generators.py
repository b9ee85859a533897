"""Random and regular graphs with lengths: Waxman, Gabriel, and a hierarchy of edge, aggregation and core.

B. M. Waxman, "Routing of multipoint connections", IEEE JSAC 6(9), 1988; K. R. Gabriel and R. R. Sokal, "A new
statistical approach to geographic variation analysis", Systematic Zoology 18(3), 1969.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist


def waxman_graph(nodes: int, alpha: float, beta: float, side_km: float, rng: np.random.Generator) -> nx.Graph:
    """Nodes at random in a square; two are linked with probability beta exp(-d / (alpha L)), as in Waxman's paper.

    Args:
        nodes: how many.
        alpha: reach of links as a share of L, the largest distance between two nodes.
        beta: probability of a link between nodes at one place.
        side_km: side of the square.
        rng: draws positions and links.

    Returns:
        A connected graph whose edges have ``km``; parts that come out apart are joined by the shortest links possible.
    """
    position = rng.random((nodes, 2)) * side_km
    km = cdist(position, position)
    linked = rng.random((nodes, nodes)) < beta * np.exp(-km / (alpha * max(km.max(), 1e-9)))
    return _joined(_graph(np.triu(linked, 1), km), km)


def gabriel_graph(nodes: int, side_km: float, rng: np.random.Generator) -> nx.Graph:
    """Nodes at random in a square; two are linked if no third lies in the circle that has them as its diameter.

    Returns:
        A graph that is connected by nature, whose edges have ``km``.
    """
    position = rng.random((nodes, 2)) * side_km
    km = cdist(position, position)
    return _graph(gabriel_links(km), km)


def gabriel_links(distance: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, n) the links of a Gabriel graph, each once and above the diagonal, by (n, n) distances on a plane."""
    square = distance**2
    # A third node w lies in the circle around u and v exactly if |uw|^2 + |wv|^2 < |uv|^2.
    between = [(square + row < row[:, None] * (1.0 - 1e-12)).any(axis=1) for row in square]
    return np.triu(~np.array(between), 1)


def hierarchical_graph(tiers: tuple[int, int, int], km: tuple[float, float, float]) -> nx.Graph:
    """Core nodes in a full mesh, aggregation nodes below them, edge nodes below these.

    Aggregation nodes hang on their core node and, if there is another, on the next one; those of a core node form a
    ring. So there is more than one way between any two aggregation nodes, while an edge node has one link.

    Args:
        tiers: core nodes, aggregation nodes of each core node, edge nodes of each aggregation node.
        km: length of the links between core nodes, around aggregation nodes, and to edge nodes.

    Returns:
        A connected graph whose nodes have a ``tier`` (``core``, ``aggregation`` or ``edge``) and whose edges have
        ``km``.
    """
    cores, aggregations, edges = tiers
    graph = nx.Graph()
    names = [f"core{i}" for i in range(cores)]
    graph.add_nodes_from(names, tier="core")
    graph.add_edges_from(nx.complete_graph(names).edges, km=km[0])
    for i, core in enumerate(names):
        group = [f"agg{i}.{j}" for j in range(aggregations)]
        graph.add_nodes_from(group, tier="aggregation")
        for j, name in enumerate(group):
            graph.add_edge(name, core, km=km[1])
            if cores > 1:
                graph.add_edge(name, names[(i + 1) % cores], km=km[1])
            if aggregations > 1:
                graph.add_edge(name, group[(j + 1) % aggregations], km=km[1])
            leaves = [f"edge{i}.{j}.{leaf}" for leaf in range(edges)]
            graph.add_nodes_from(leaves, tier="edge")
            graph.add_edges_from(((name, leaf) for leaf in leaves), km=km[2])
    return graph


def _graph(linked: NDArray[np.bool_], km: NDArray[np.float64]) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(f"n{i}" for i in range(len(km)))
    graph.add_edges_from((f"n{a}", f"n{b}", {"km": float(km[a, b])}) for a, b in np.argwhere(linked))
    return graph


def _joined(graph: nx.Graph, km: NDArray[np.float64]) -> nx.Graph:
    """Join the parts of a graph, again and again the two nodes of different parts that are closest."""
    names = list(graph)
    while not nx.is_connected(graph):
        part = np.empty(len(names), np.int64)
        for number, component in enumerate(nx.connected_components(graph)):
            part[[names.index(name) for name in component]] = number
        apart = np.where(part[:, None] != part[None], km, np.inf)
        a, b = np.unravel_index(int(apart.argmin()), apart.shape)
        graph.add_edge(names[a], names[b], km=float(km[a, b]))
    return graph
