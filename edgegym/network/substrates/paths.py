"""The k shortest paths between all nodes as arrays: fewest hops first.

Paths of one length stand in the order of a depth-first search that tries near neighbours first. The search for paths of
h hops never leaves for a node that is more hops from the target than remain (iterative deepening with an exact lower
bound: R. E. Korf, "Depth-first iterative-deepening", Artificial Intelligence 27(1), 1985), so that it costs about as
much as it finds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

DETOUR = 4
"""Paths with more than so many hops above the fewest are left out."""


class PathTable(NamedTuple):
    """The k shortest simple paths between n nodes; path j from a to b is path j from b to a, the other way round.

    Attributes:
        hops: (n, n, k) int16, links of each path; -1 where there is none, 0 from a node to itself.
        first: (n, n, k) int32, where its links begin in ``links``.
        delay_s: (n, n, k) float64, seconds; inf where there is none.
        links: (all,) int32, links of all paths one after another.
    """

    hops: NDArray[np.int16]
    first: NDArray[np.int32]
    delay_s: NDArray[np.float64]
    links: NDArray[np.int32]


class Adjacency(NamedTuple):
    """Neighbours of n nodes over m links: those of node v stand at ``start[v]`` to ``start[v + 1] - 1``.

    Attributes:
        start: (n + 1,) int32.
        node: (2 m,) int32, the neighbour.
        link: (2 m,) int32, the link to it.
    """

    start: NDArray[np.int32]
    node: NDArray[np.int32]
    link: NDArray[np.int32]


def adjacency(nodes: int, ends: NDArray[np.int32], length: NDArray[np.float64]) -> Adjacency:
    """Neighbours in order of the length of the link, then index.

    Args:
        nodes: how many.
        ends: (m, 2) the nodes that each link joins.
        length: (m,) what neighbours are ordered by.
    """
    tail, head = np.concatenate([ends, ends[:, ::-1]]).T
    link = np.tile(np.arange(len(ends), dtype=np.int32), 2)
    order = np.lexsort((head, length[link], tail))
    start = np.searchsorted(tail[order], np.arange(nodes + 1))
    return Adjacency(start.astype(np.int32), head[order].astype(np.int32), link[order])


def shortest_paths(nodes: int, ends: NDArray[np.int32], delay_s: NDArray[np.float64], k: int) -> PathTable:
    """The table of a graph.

    Args:
        nodes: how many.
        ends: (m, 2) the nodes that each link joins.
        delay_s: (m,) seconds.
        k: paths between any two nodes, at most.
    """
    near = adjacency(nodes, ends, delay_s)
    hops = np.full((nodes, nodes, k), -1, np.int16)
    first = np.zeros((nodes, nodes, k), np.int32)
    delay = np.full((nodes, nodes, k), np.inf)
    hops[np.arange(nodes), np.arange(nodes), 0] = 0
    delay[np.arange(nodes), np.arange(nodes), 0] = 0.0
    between = hop_distances(near.start, near.node)
    reachable = between[between < nodes]
    most = int(min(reachable.max(initial=1) + DETOUR, max(nodes - 1, 1)))
    links = np.zeros(max(1, nodes * (nodes - 1) // 2 * k * most), np.int32)
    used = _fill(near.start, near.node, near.link, delay_s, between, hops, first, delay, links)
    return PathTable(hops, first, delay, links[:used].copy())


@njit(cache=True)
def hop_distances(start: np.ndarray, node: np.ndarray) -> np.ndarray:
    """(n, n) fewest hops between nodes, n where there is no path, by a breadth-first search from each."""
    n = len(start) - 1
    result = np.full((n, n), n, np.int32)
    queue = np.empty(n, np.int32)
    for source in range(n):
        distance = result[source]
        distance[source], queue[0] = 0, source
        taken, found = 0, 1
        while taken < found:
            v = queue[taken]
            taken += 1
            for i in range(start[v], start[v + 1]):
                if distance[node[i]] == n:
                    distance[node[i]] = distance[v] + 1
                    queue[found] = node[i]
                    found += 1
    return result


@njit(cache=True)
def _fill(start, node, link, delay_s, between, hops, first, delay, links) -> int:  # type: ignore[no-untyped-def]
    """Fill the table and return how much of ``links`` is used."""
    n, k = hops.shape[0], hops.shape[2]
    way, walked, place = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
    on_way = np.zeros(n, np.bool_)
    used = 0
    for a in range(n):
        for b in range(a + 1, n):
            if between[a, b] == n:
                continue
            found = 0
            for length in range(between[a, b], min(between[a, b] + DETOUR, n - 1) + 1):
                if found == k:
                    break
                # Depth-first search for simple paths of exactly this length.
                depth, way[0], place[0] = 0, a, start[a]
                on_way[a] = True
                while depth >= 0:
                    v = way[depth]
                    if v == b and depth == length:
                        _keep(walked, length, delay_s, hops, first, delay, links, used, a, b, found)
                        used, found = used + length, found + 1
                    if v == b or found == k or place[depth] == start[v + 1]:
                        on_way[v] = False
                        depth -= 1
                        if found == k and depth < 0:
                            break
                        continue
                    w, over = node[place[depth]], link[place[depth]]
                    place[depth] += 1
                    if not on_way[w] and depth + 1 + between[w, b] <= length:
                        walked[depth] = over
                        depth += 1
                        way[depth], place[depth], on_way[w] = w, start[w], True
    return used


@njit(cache=True)
def _keep(walked, length, delay_s, hops, first, delay, links, used, a, b, j) -> None:  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(length):
        links[used + i] = walked[i]
        total += delay_s[walked[i]]
    for x, y in ((a, b), (b, a)):
        hops[x, y, j], first[x, y, j], delay[x, y, j] = length, used, total
