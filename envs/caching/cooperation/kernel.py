"""The journey of every request through a network of caches.

A request travels its route until a cache on it holds the content, or to the content's origin. The content travels back
to the user, and caches on its way keep copies as the strategy's rule says. A hit refreshes the cache that serves, and
no other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.cooperation.copying import leave_copies
from edgegym.envs.caching.cooperation.network import Routes
from edgegym.envs.caching.cooperation.stores import Stores, admit, holds, refresh
from edgegym.envs.caching.state import HIT, NEIGHBOUR, ORIGIN

TO_ORIGIN, PAST_CACHES, VIA_HOLDER, VIA_HOME = 0, 1, 2, 3
"""The request's route: the shortest one to the origin; the same, but only its first cache is asked; from that cache to
the nearest holder; or by the home cache."""
SAME_WAY, DIRECT, MULTICAST = 0, 1, 2
"""The way of a content from its origin: back on the route; the shortest one; or that with a branch to its home."""


@njit(cache=True, _nrt=False)
def replay_journeys(
    routes: Routes,
    stores: Stores,
    routing: int,
    returning: int,
    copying: int,
    content: NDArray[np.int32],
    user: NDArray[np.int32],
    size: NDArray[np.int64],
    home: NDArray[np.int32],
    origin: NDArray[np.int32],
    seed: int,
    count_from: int,
    outcome: NDArray[np.uint8],
    latency_s: NDArray[np.float64],
    link_bytes: NDArray[np.int64],
    route: NDArray[np.int32],
    passed: NDArray[np.int32],
) -> None:
    """Serve a trace.

    Args:
        routes: the network.
        stores: its caches, empty.
        routing: TO_ORIGIN, PAST_CACHES, VIA_HOLDER or VIA_HOME.
        returning: SAME_WAY, DIRECT or MULTICAST.
        copying: a copy rule.
        content: (requests,).
        user: (requests,) node where each request enters.
        size: (contents,) bytes.
        home: (contents,) home cache of each content.
        origin: (contents,) node that each content comes from.
        seed: of the copy rules' draws.
        count_from: first request that the links' bytes count.
        outcome: (requests,) written: ORIGIN, HIT in the first cache on the route, or NEIGHBOUR, another one.
        latency_s: (requests,) written: seconds that request and content travelled.
        link_bytes: (links,) bytes of contents are added.
        route: (longest route,) scratch.
        passed: (longest route,) scratch.
    """
    for t in range(len(content)):
        x = content[t]
        last = _plan(routes, stores, routing, x, user[t], home[x], origin[x], route)
        end = _meet(routes, stores, routing, x, origin[x], route, last)
        travelled_s = _delay_s(routes, route, end)
        latency_s[t] = 2.0 * travelled_s
        from_origin = route[end] == origin[x]
        if not from_origin:
            refresh(stores, routes.cache_at[route[end]], x)
        elif returning != SAME_WAY:
            end = _extend(routes, route, 0, origin[x])
            latency_s[t] = travelled_s + _delay_s(routes, route, end)
        c = _caches_passed(routes, route, end, passed)
        outcome[t] = ORIGIN if from_origin else (HIT if c == 0 else NEIGHBOUR)
        leave_copies(copying, stores, x, passed, c, home[x], from_origin, routes.centrality, seed, t * len(route))
        carried = size[x] if t >= count_from else 0
        _carry(routes, route, end, carried, link_bytes)
        if from_origin and returning == MULTICAST:
            _carry_branch(routes, route, end, routes.cache_node[home[x]], carried, link_bytes)
            admit(stores, home[x], x)


@inlined
def _plan(
    routes: Routes,
    stores: Stores,
    routing: int,
    x: int,
    user: int,
    home: int,
    origin: int,
    route: NDArray[np.int32],
) -> int:
    """Write the nodes that a request visits if no cache on the way has the content; return the last one's place."""
    route[0] = user
    if routing in (TO_ORIGIN, PAST_CACHES):
        return _extend(routes, route, 0, origin)
    if routing == VIA_HOME:
        return _extend(routes, route, _extend(routes, route, 0, routes.cache_node[home]), origin)
    end = 0
    while routes.cache_at[route[end]] < 0 and route[end] != origin:
        route[end + 1] = routes.next_hop[route[end], origin]
        end += 1
    local = routes.cache_at[route[end]]
    if local < 0 or holds(stores, local, x):
        return end
    return _extend(routes, route, end, _nearest_with(routes, stores, x, local, origin))


@inlined
def _nearest_with(routes: Routes, stores: Stores, x: int, local: int, origin: int) -> int:
    """The node nearest to a cache that can serve content ``x``: another cache, or the origin if that is nearer."""
    for k in range(routes.nearest.shape[1]):
        if holds(stores, routes.nearest[local, k], x):
            here, node = routes.cache_node[local], routes.cache_node[routes.nearest[local, k]]
            return node if routes.distance_s[here, node] <= routes.distance_s[here, origin] else origin
    return origin


@inlined
def _extend(routes: Routes, route: NDArray[np.int32], end: int, target: int) -> int:
    """Append the way from the route's last node, at place ``end``, to ``target``; return the new last place."""
    node = route[end]
    while node != target:
        node = routes.next_hop[node, target]
        end += 1
        route[end] = node
    return end


@inlined
def _meet(
    routes: Routes, stores: Stores, routing: int, x: int, origin: int, route: NDArray[np.int32], last: int
) -> int:
    """The first place of the route, whose last one has content ``x``, where the request finds it."""
    for i in range(last):
        cache = routes.cache_at[route[i]]
        if (cache >= 0 and holds(stores, cache, x)) or route[i] == origin:
            return i
        if cache >= 0 and routing == PAST_CACHES:
            break
    return last


@inlined
def _delay_s(routes: Routes, route: NDArray[np.int32], end: int) -> float:
    total = 0.0
    for i in range(end):
        total += routes.link_delay_s[routes.link[route[i], route[i + 1]]]
    return total


@inlined
def _carry(routes: Routes, route: NDArray[np.int32], end: int, carried: int, link_bytes: NDArray[np.int64]) -> None:
    for i in range(end):
        link_bytes[routes.link[route[i], route[i + 1]]] += carried


@inlined
def _carry_branch(
    routes: Routes, route: NDArray[np.int32], end: int, home: int, carried: int, link_bytes: NDArray[np.int64]
) -> None:
    """Count a multicast's second branch: from the home towards the origin up to the first node of the user's way."""
    node, origin = home, route[end]
    while not _visits(route, end, node):
        towards = routes.next_hop[node, origin]
        link_bytes[routes.link[node, towards]] += carried
        node = towards


@inlined
def _visits(route: NDArray[np.int32], end: int, node: int) -> bool:
    for i in range(end + 1):  # noqa: SIM110  # numba has no any() over generators
        if route[i] == node:
            return True
    return False


@inlined
def _caches_passed(routes: Routes, route: NDArray[np.int32], end: int, passed: NDArray[np.int32]) -> int:
    """Write the caches between the route's end, which is left out, and the user; return how many they are."""
    c = 0
    for i in range(end - 1, -1, -1):
        if routes.cache_at[route[i]] >= 0:
            passed[c] = routes.cache_at[route[i]]
            c += 1
    return c
