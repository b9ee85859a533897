"""Spread the requests of one trace over edge nodes: by how much their contents overlap, by client, or by place.

A trace recorded at one point says nothing of several nodes unless it names its clients. Where it does, all requests of
a client reach one node. Where it does not, nodes are told apart by what is asked of them: a share of the contents, the
overlap, is requested at every node, the others at one node each.

Only the column ``node`` changes, so the requests keep their order and times; the same arguments give the same nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.compiling import njit
from edgegym.errors import SettingsError
from edgegym.workload.trace import RequestTrace

EARTH_RADIUS_M = 6_371_000.0


def split_by_overlap(
    trace: RequestTrace, nodes: int, overlap: float, seed: int, weights: Sequence[float] | None = None
) -> RequestTrace:
    """Spread contents over nodes so that a given share of them is requested at every node.

    Contents of all popularities are shared alike, so about the same share of the *requests* is for shared contents. A
    request for a shared content reaches a node drawn by weight; then as few requests as needed are moved so that the
    content is requested at every node, or, with fewer requests than nodes, at as many as it has requests. The other
    contents are dealt out so that the nodes' requests come near their weights.

    Args:
        trace: the requests; their nodes are replaced.
        nodes: edge nodes, at least 1.
        overlap: share of the contents with at least ``nodes`` requests that every node requests, in [0, 1]; met to
            within one content.
        seed: of ``numpy.random.default_rng``.
        weights: (nodes,) shares of the requests, any scale; equal without it.

    Raises:
        SettingsError: for values out of range.
    """
    share = _shares(nodes, weights)
    if not 0.0 <= overlap <= 1.0:
        raise SettingsError(f"overlap: found {overlap}; a share from 0 to 1 is needed.")
    rng = np.random.default_rng(seed)
    requests = np.bincount(trace.content, minlength=trace.contents)
    by_popularity = np.lexsort((rng.random(trace.contents), -requests))
    # Every so many contents down the ranks one is shared: a systematic sample with a random start.
    steps = np.floor(np.arange(trace.contents + 1) * overlap + rng.random())
    shared = np.zeros(trace.contents, np.bool_)
    shared[by_popularity] = np.diff(steps) > 0
    anywhere = np.searchsorted(np.cumsum(share)[:-1], rng.random(len(trace)), side="right").astype(np.int32)
    of_shared = np.flatnonzero(shared[trace.content])
    order = of_shared[np.lexsort((rng.random(len(of_shared)), trace.content[of_shared]))]
    _cover(trace.content, order, anywhere, nodes)
    missing = share * len(trace) - np.bincount(anywhere[of_shared], minlength=nodes)
    owner = _dealt(by_popularity[~shared[by_popularity]], requests, missing)
    return replace(trace, node=np.where(shared[trace.content], anywhere, owner[trace.content]))


def split_by_client(trace: RequestTrace, node_of_client: ArrayLike) -> RequestTrace:
    """Send all requests of a client to its node.

    Args:
        trace: requests with clients.
        node_of_client: (clients,) node of each client; :func:`spread_clients` and :func:`nearest_site` give it.

    Raises:
        SettingsError: if the trace has no clients, or a client no node.
    """
    node = np.asarray(node_of_client)
    if len(node) != len(trace.clients) or (len(node) and (node.dtype.kind not in "iu" or node.min() < 0)):
        raise SettingsError(f"node_of_client: {len(trace.clients)} node numbers from 0 on are needed, one per client.")
    return replace(trace, node=node[_client(trace)].astype(np.int32))


def spread_clients(
    trace: RequestTrace, nodes: int, seed: int, weights: Sequence[float] | None = None
) -> NDArray[np.int32]:
    """Nodes for clients of whom nothing is known, so that the nodes' requests come near their weights.

    Args:
        trace: requests with clients.
        nodes: edge nodes, at least 1.
        seed: of ``numpy.random.default_rng``; decides among clients with as many requests.
        weights: (nodes,) shares of the requests, any scale; equal without it.

    Returns:
        (clients,) int32.

    Raises:
        SettingsError: if the trace has no clients, or for values out of range.
    """
    requests = np.bincount(_client(trace), minlength=len(trace.clients))
    order = np.lexsort((np.random.default_rng(seed).random(len(requests)), -requests))
    return _dealt(order, requests, _shares(nodes, weights) * len(trace))


def nearest_site(latitude: ArrayLike, longitude: ArrayLike, sites: ArrayLike) -> NDArray[np.int32]:
    """The nearest site of each place, by great-circle distance.

    Args:
        latitude: (places,) degrees.
        longitude: (places,) degrees.
        sites: (sites, 2) latitude and longitude, degrees.

    Returns:
        (places,) int32, index of the site; the first of several at the same distance.

    Raises:
        SettingsError: for coordinates that are no numbers of degrees.
    """
    north, east = np.radians(np.asarray(latitude, np.float64)), np.radians(np.asarray(longitude, np.float64))
    at = np.radians(np.asarray(sites, np.float64).reshape(-1, 2))
    degrees = np.concatenate([north, at[:, 0]])
    if not len(at) or not np.all(np.abs(degrees) <= np.pi / 2) or not np.all(np.isfinite(np.append(east, at[:, 1]))):
        raise SettingsError("sites and places: latitudes from -90 to 90 and finite longitudes, in degrees, are needed.")
    return _haversine_m(north[:, None], east[:, None], at[:, 0], at[:, 1]).argmin(axis=1).astype(np.int32)


def measured_overlap(trace: RequestTrace, nodes: int) -> float:
    """Share of the contents with at least ``nodes`` requests that are requested at every node; nan if there is none."""
    at = np.unique(trace.content.astype(np.int64) * nodes + trace.node) // nodes
    everywhere = np.bincount(at, minlength=trace.contents) == nodes
    enough = np.bincount(trace.content, minlength=trace.contents) >= nodes
    return float(everywhere[enough].mean()) if enough.any() else float("nan")


def _client(trace: RequestTrace) -> NDArray[np.int32]:
    if trace.client is None:
        raise SettingsError(
            f"{trace.source}: the trace names no clients; split it by overlap, or give a trace with a column 'client'."
        )
    return trace.client


def _shares(nodes: int, weights: Sequence[float] | None) -> NDArray[np.float64]:
    """Weights of the nodes with sum 1, (nodes,)."""
    if nodes < 1:
        raise SettingsError(f"nodes: found {nodes}; at least 1 is needed.")
    share = np.ones(nodes) if weights is None else np.asarray(weights, np.float64)
    if share.shape != (nodes,) or not np.all((share > 0) & (share < np.inf)):
        raise SettingsError(f"weights: found {weights}; {nodes} numbers above 0 are needed, one per node.")
    return share / share.sum()


def _haversine_m(
    north: NDArray[np.float64], east: NDArray[np.float64], to_north: NDArray[np.float64], to_east: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Great-circle distance of places in radians, metres; arguments broadcast."""
    half = np.sin((to_north - north) / 2) ** 2 + np.cos(north) * np.cos(to_north) * np.sin((to_east - east) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(half, 1.0)))


@njit(cache=True)
def _dealt(order: NDArray[np.intp], requests: NDArray[np.intp], missing: NDArray[np.float64]) -> NDArray[np.int32]:
    """Deal out owners of requests, in ``order``, each to the node that misses most of its share.

    Args:
        order: (dealt,) who is dealt out, those with most requests first.
        requests: (owners,) requests of each.
        missing: (nodes,) requests that each node shall get, used up.

    Returns:
        (owners,) int32, 0 for those not in ``order``.
    """
    node = np.zeros(len(requests), np.int32)
    for owner in order:
        n = np.argmax(missing)
        node[owner] = n
        missing[n] -= requests[owner]
    return node


@njit(cache=True)
def _cover(content: NDArray[np.int32], order: NDArray[np.intp], node: NDArray[np.int32], nodes: int) -> None:
    """Move requests so that each content reaches every node, or as many as it has requests.

    Args:
        content: (requests,) dense ids.
        order: (chosen,) the requests concerned, content by content; among those of a content the first are moved first.
        node: (requests,) changed.
        nodes: how many nodes there are.
    """
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and content[order[stop]] == content[order[start]]:
            stop += 1
        here = np.zeros(nodes, np.int64)
        for i in range(start, stop):
            here[node[order[i]]] += 1
        # The search starts at the node of some request, so that no node is preferred.
        origin, step = node[order[start]], 0
        for i in range(start, stop):
            while step < nodes and here[(origin + step) % nodes]:
                step += 1
            if step == nodes:
                break
            if here[node[order[i]]] > 1:
                here[node[order[i]]] -= 1
                node[order[i]] = (origin + step) % nodes
                here[node[order[i]]] = 1
        start = stop
