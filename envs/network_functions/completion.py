"""The cheapest completion: what it takes at least to lead a request on to its destination, scalar code for one row.

A shortest path through layers: layer s is the network as segment s crosses it, each link at the price of the segment's
bandwidth where that is free, and function s leads from a node that can host it to the same node in the next layer (G.
Even, M. Rost and S. Schmid, "An approximation algorithm for path computation and function placement in SDNs", SIROCCO
2016). What functions and segments to come take from each other is left out, and so are delays; where functions must not
share a node, the way leaves every node that it uses, and may come back to it later.

A placement is worth an accepted request less what the request takes at fixed prices, its cheapest completion included,
and rejecting is worth nothing; the regret of a choice is what it is worth less than the best one.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.network_functions.choosing import hosts
from edgegym.envs.network_functions.resources import busy_of, head_of, tail_of
from edgegym.envs.network_functions.state import PLACE, RELIEVE, UNIT, State

HOP = 1e-3
"""Price of a hop that carries nothing, in units of bandwidth, so that ways without bandwidth are short as well."""
WORST = -1.0
"""Least worth of a placement, in accepted requests: beyond, how far a request is not worth its price is no matter."""


@njit(cache=True, _nrt=False)
def complete(state: State, row: int) -> None:
    """Write the ``way`` of each choice of the pending decision, staying in congestion included, and the least of them.

    Args:
        state: the arrays of all rows.
        row: which one; its candidates are offered.
    """
    r = state.rows[row]
    t, q, s, request = r.network, r.flow, r.position, state.requests[row, r.flow]
    placing, last = r.decision == PLACE, r.position == request.length - 1
    if placing and not last:
        _complete_all(state, row, q)
    r.least_way = np.inf
    for place in range(r.choices + (r.decision == RELIEVE)):
        choice = state.choices[row, place]
        choice.way = _hop_price(state, row, q, s) * state.hops[t, r.here, choice.node, choice.path]
        if placing and last:
            onward = state.hops[t, choice.node, request.destination, choice.last_path]
            choice.way += _hop_price(state, row, q, s + 1) * onward
        elif placing:
            choice.way += state.layers[0, choice.node]
        r.least_way = min(r.least_way, choice.way)


@inlined
def _hop_price(state: State, row: int, q: int, s: int) -> float:
    """Of a segment, in units of bandwidth."""
    return state.segments[row, q, s].bandwidth / UNIT + HOP


@inlined
def _complete_all(state: State, row: int, q: int) -> None:
    """Write the cheapest way from every node with the function that is asked for to the destination, layer by layer."""
    r, request = state.rows[row], state.requests[row, q]
    nodes, distinct = state.network[r.network].nodes, state.rules[0].distinct
    way, hosted = state.layers[0], state.layers[1]
    for v in range(nodes):
        way[v] = np.inf
    way[request.destination] = 0.0
    _spread(state, row, q, request.length, way)
    for k in range(request.length - 1, r.position, -1):
        for v in range(nodes):
            hosted[v] = way[v] if hosts(state, row, q, k, v) else np.inf
        _spread(state, row, q, k, hosted)
        for v in range(nodes):
            way[v] = _over_a_link(state, row, q, k, v, hosted) if distinct else hosted[v]


@inlined
def _spread(state: State, row: int, q: int, s: int, way: np.ndarray) -> None:
    """Lead ways over the links that have room for a segment, as long as that makes them cheaper (Bellman and Ford)."""
    cheaper = True
    while cheaper:
        cheaper = False
        for v in range(state.network[state.rows[row].network].nodes):
            found = _over_a_link(state, row, q, s, v, way)
            if found < way[v]:
                way[v], cheaper = found, True


@inlined
def _over_a_link(state: State, row: int, q: int, s: int, v: int, way: np.ndarray) -> float:
    """Cheapest way from a node that takes a link first."""
    t, bandwidth, least = state.rows[row].network, state.segments[row, q, s].bandwidth, np.inf
    for i in range(state.near_start[t, v], state.near_start[t, v + 1]):
        link = state.links[row, state.near[t, i].link]
        if link.free >= bandwidth and link.faults == 0:
            least = min(least, way[state.near[t, i].node])
    return least + _hop_price(state, row, q, s)


@inlined
def link_time(state: State, row: int, q: int, place: int) -> float:
    """Bandwidth-time of a request by way of a choice, in fair shares: 1 is what each gets if all share evenly."""
    r, request = state.rows[row], state.requests[row, q]
    bandwidth = state.choices[row, place].way
    for s in range(request.routed):
        path = state.segments[row, q, s].path
        if path >= 0:
            hops = state.hops[r.network, tail_of(state, row, q, s), head_of(state, row, q, s), path]
            bandwidth += _hop_price(state, row, q, s) * hops
    return request.life_s / state.rules[0].mean_gap_s * bandwidth / max(state.network[r.network].bandwidth, 1e-9)


@inlined
def node_time(state: State, row: int, q: int, place: int) -> float:
    """Likewise its computing time; functions to come count as if they ran on the choice's kind of node."""
    r, request, cpu = state.rows[row], state.requests[row, q], 0.0
    for k in range(request.length):
        v = state.functions[row, q, k].node if k < request.placed else state.choices[row, place].node
        cpu += busy_of(state, row, q, k, v) / UNIT
    return request.life_s / state.rules[0].mean_gap_s * cpu / max(state.network[r.network].cpu, 1e-9)


@inlined
def _worth(state: State, row: int, place: int) -> float:
    """What a choice for the request that is being placed is worth above rejecting it; 0 if it leads nowhere."""
    rules, q = state.rules[0], state.rows[row].request
    if state.choices[row, place].way == np.inf:
        return 0.0
    accepted = rules.accepted_reward + rules.rejected_reward
    price = rules.link_price * link_time(state, row, q, place) + rules.node_price * node_time(state, row, q, place)
    return max(accepted - price, WORST * accepted)


@inlined
def regret(state: State, row: int, place: int) -> float:
    """What a choice, or rejecting (-1), is worth less than the best there is, in rewards; 0 for the best.

    A worthwhile request can still be rejected at its next function, so a bad place for it is no worse than rejecting.
    """
    best = 0.0
    for other in range(state.rows[row].choices):
        best = max(best, _worth(state, row, other))
    if place < 0:
        return best
    worth = _worth(state, row, place)
    return best - (max(worth, 0.0) if best > 0.0 else worth)
