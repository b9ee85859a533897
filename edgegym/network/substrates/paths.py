"""The k shortest paths between all nodes as arrays: fewest hops first.

Paths from one node share their first links, so they are kept as a tree for each node (a trie: E. Fredkin, "Trie
memory", CACM 3(9), 1960). What holds of a path follows from what holds of its parent in constant time, so that looking
at paths to all nodes costs in proportion to the number of nodes, however long the paths are.

Paths of one length stand in the order of a depth-first search that tries near neighbours first. The search for paths of
h hops never leaves for a node that is more hops from the target than remain (iterative deepening with an exact lower
bound: R. E. Korf, "Depth-first iterative-deepening", Artificial Intelligence 27(1), 1985), so that it costs about as
much as it finds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from edgegym.compiling import njit

DETOUR = 4
"""Paths with more than so many hops above the fewest are left out."""


class PathTable(NamedTuple):
    """The k shortest simple paths between n nodes; path j from a to b is path j from b to a, the other way round.

    Vertex 0 of the tree of node a stands for a itself; vertex x is one link further than its parent, which has a
    smaller number. W is the size of the largest tree.

    Attributes:
        hops: (n, n, k) int16, links of each path; -1 where there is none, 0 from a node to itself.
        delay_s: (n, n, k) float64, seconds; inf where there is none.
        leaf: (n, n, k) int32, the vertex of the first node's tree at which the path ends; 0 where there is none.
        parent: (n, W) int32.
        link: (n, W) int32, between parent and vertex.
    """

    hops: NDArray[np.int16]
    delay_s: NDArray[np.float64]
    leaf: NDArray[np.int32]
    parent: NDArray[np.int32]
    link: NDArray[np.int32]

    def links_of(self, a: int, b: int, j: int) -> NDArray[np.int32]:
        """Links of path j from a to b, in this order."""
        found, x = [], self.leaf[a, b, j]
        while x > 0:
            found.append(self.link[a, x])
            x = self.parent[a, x]
        return np.array(found[::-1], np.int32)


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


def shortest_paths(near: Adjacency, delay_s: NDArray[np.float64], k: int) -> PathTable:
    """The table of a graph.

    Args:
        near: neighbours of the nodes; of paths of one length, those that take the first ones come first.
        delay_s: (m,) seconds.
        k: paths between any two nodes, at most.
    """
    nodes = len(near.start) - 1
    hops = np.full((nodes, nodes, k), -1, np.int16)
    first = np.zeros((nodes, nodes, k), np.int32)
    delay = np.full((nodes, nodes, k), np.inf)
    hops[np.arange(nodes), np.arange(nodes), 0] = 0
    delay[np.arange(nodes), np.arange(nodes), 0] = 0.0
    linked = csr_array((np.ones(len(near.node)), near.node, near.start), (nodes, nodes))
    distance = shortest_path(linked, unweighted=True)
    reachable = np.isfinite(distance)
    between = np.where(reachable, distance, nodes).astype(np.int32)
    most = int(min(between[reachable].max() + DETOUR, max(nodes - 1, 1)))
    links = np.zeros(max(1, nodes * (nodes - 1) // 2 * k * most), np.int32)
    used = _fill(near.start, near.node, near.link, delay_s, between, hops, first, delay, links)
    return PathTable(hops, delay, *_trees(hops, first, links[:used]))


def _trees(
    hops: NDArray[np.int16], first: NDArray[np.int32], links: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """``leaf``, ``parent`` and ``link`` of paths whose links stand one after another."""
    nodes, leaf = len(hops), np.zeros(hops.shape, np.int32)
    most = 1 + int(np.maximum(hops, 0).sum(axis=(1, 2), dtype=np.int64).max())
    parent, link, child, sibling = np.empty((4, most), np.int32)
    trees = []
    for a in range(nodes):
        used = _grow(a, hops, first, links, leaf[a], parent, link, child, sibling)
        trees.append((parent[:used].copy(), link[:used].copy()))
    parents, over = np.zeros((2, nodes, max(len(tree[0]) for tree in trees)), np.int32)
    for a, tree in enumerate(trees):
        parents[a, : len(tree[0])], over[a, : len(tree[0])] = tree
    return leaf, parents, over


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


@njit(cache=True)
def _grow(a, hops, first, links, leaf, parent, link, child, sibling) -> int:  # type: ignore[no-untyped-def]
    """Insert the paths from ``a`` into an empty tree, the first of all nodes first, and return its size."""
    parent[0], link[0], child[0], sibling[0] = 0, 0, -1, -1
    used = 1
    for j in range(hops.shape[2]):
        for b in range(hops.shape[0]):
            x, length = 0, hops[a, b, j]
            for i in range(length):
                # Paths are stored from the node with the smaller index.
                over = links[first[a, b, j] + (i if a < b else length - 1 - i)]
                y = child[x]
                while y >= 0 and link[y] != over:
                    y = sibling[y]
                if y < 0:
                    y = used
                    used += 1
                    parent[y], link[y], child[y], sibling[y] = x, over, -1, child[x]
                    child[x] = y
                x = y
            leaf[b, j] = x
    return used
