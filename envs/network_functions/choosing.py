"""What a decision offers: nodes with their best feasible paths, or paths for a segment that is led anew.

A node is feasible for a function if it works, has the computing capacity (unless overload is taken), the memory for an
instance or one that runs, serves in time, and is not used by the request already where functions must not share; and if
one of the k shortest paths to it has the bandwidth and leaves enough of the delay budget for the quickest way on. With
the last function a path to the destination must be free as well. The first such path counts.

A path is feasible for a segment if it works, has the bandwidth and is in time; around congestion it must also be
another one than before, without a link that is congested or would be.
"""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.network_functions.resources import (
    busy_of,
    head_of,
    moment_of,
    processing_s,
    queueing_s,
    startup_wait_s,
)
from edgegym.envs.network_functions.routes import INTO, ONWARD, calm_with, fits_after, forget, reach
from edgegym.envs.network_functions.state import PLACE, RELIEVE, UNIT, Record, State


@inlined
def hosts(state: State, row: int, q: int, k: int, v: int) -> bool:
    """Whether a node can serve a function, paths and delays apart."""
    rules, node, function = state.rules[0], state.nodes[row, v], state.functions[row, q, k]
    if not node.up or (node.cpu < busy_of(state, row, q, k, v) and not rules.breaks):
        return False
    if not state.instances[row, v, function.kind].running and node.memory < state.kinds[function.kind].memory:
        return False
    if startup_wait_s(state, row, function.kind, v) > rules.startup_budget_s:
        return False
    if rules.distinct:
        for before in range(state.requests[row, q].placed):
            if state.functions[row, q, before].node == v:
                return False
    return True


@inlined
def delay_in(state: State, row: int, q: int, k: int, v: int) -> float:
    """Seconds that an item would spend in a function on a node, queueing with it included."""
    t, node = state.rows[row].network, state.nodes[row, v]
    after = node.cpu - busy_of(state, row, q, k, v)
    queueing = queueing_s(state.cpu[t, v], after, node.moment + moment_of(state, row, q, k, v))
    return processing_s(state, row, q, k, v) + queueing


@inlined
def counted_delay(state: State, row: int, q: int, k: int, v: int) -> float:
    """The part of that delay that counts against the budget: queueing does not where overload is taken."""
    return processing_s(state, row, q, k, v) if state.rules[0].breaks else delay_in(state, row, q, k, v)


@inlined
def route(state: State, row: int, q: int, k: int, v: int) -> tuple[int, int]:
    """First feasible path to a node and, with the last function, from there to the destination; -1 if there is none."""
    r, request = state.rows[row], state.requests[row, q]
    t, most, last = r.network, state.hops.shape[3], k == request.length - 1
    left, into = request.budget_s - r.spent_s - counted_delay(state, row, q, k, v), state.segments[row, q, k].bandwidth
    for j in range(most):
        if state.hops[t, r.here, v, j] < 0:
            break
        rest = left - state.paths[t, r.here, v, j].delay_s
        if rest < state.quickest_s[t, request.destination, v]:
            continue
        if reach(state, row, INTO, r.here, state.paths[t, r.here, v, j].leaf, into) < into:
            continue
        if not last:
            return j, 0
        i = _onward(state, row, q, k, v, j, rest)
        if i >= 0:
            return j, i
    return -1, -1


@inlined
def _onward(state: State, row: int, q: int, k: int, v: int, j: int, rest_s: float) -> int:
    """First path in time from a node to the destination that has room when path ``j`` to the node is taken; or -1."""
    r, goal = state.rows[row], state.requests[row, q].destination
    t, into, out = r.network, state.segments[row, q, k].bandwidth, state.segments[row, q, k + 1].bandwidth
    # Path i from the node to the destination is path i of the destination's tree, the other way round.
    for i in range(state.hops.shape[3]):
        if state.hops[t, goal, v, i] < 0:
            break
        if state.paths[t, goal, v, i].delay_s <= rest_s:
            reach(state, row, ONWARD, goal, state.paths[t, goal, v, i].leaf, out)
            if fits_after(state, row, r.here, v, goal, j, i, into, out):
                return i
    return -1


@inlined
def offer(state: State, row: int) -> None:
    """Find the candidates of the pending decision."""
    r = state.rows[row]
    r.choices, r.feasible = 0, 0
    state.slot[row] = -1
    forget(state)
    if r.decision == PLACE:
        _offer_nodes(state, row)
    else:
        _offer_paths(state, row)


@inlined
def _offer_nodes(state: State, row: int) -> None:
    r, q = state.rows[row], state.rows[row].request
    t, destination, offered = r.network, state.requests[row, q].destination, state.slot.shape[1]
    nodes = state.network[t].nodes
    for v in range(nodes):
        if not hosts(state, row, q, r.position, v):
            continue
        j, i = route(state, row, q, r.position, v)
        if j < 0:
            continue
        r.feasible += 1
        if nodes <= offered:
            _describe(state, row, state.choices[row, r.choices], v, j, i)
            state.slot[row, v] = r.choices
            r.choices += 1
        else:
            hops = state.hops[t, r.here, v, j] + state.hops[t, destination, v, 0]
            free = state.nodes[row, v].cpu / (state.network[t].most_cpu * UNIT + 1.0)
            _insert(state, row, offered, hops - 0.5 * free, v, j, i)
    if nodes > offered:
        for place in range(r.choices):
            state.slot[row, place] = place


@inlined
def _insert(state: State, row: int, offered: int, key: float, v: int, j: int, i: int) -> None:
    """Keep a node among the ``offered`` ones with the lowest keys; equals in the order in which they come."""
    r, choices = state.rows[row], state.choices[row]
    if r.choices == offered and key >= choices[offered - 1].key:
        return
    if r.choices < offered:
        r.choices += 1
    place = r.choices - 1
    while place > 0 and choices[place - 1].key > key:
        choices[place] = choices[place - 1]
        place -= 1
    choices[place].key = key
    _describe(state, row, choices[place], v, j, i)


@inlined
def _describe(state: State, row: int, choice: Record, v: int, j: int, i: int) -> None:
    """Write a choice: a node, the path to it and the one to the destination."""
    r = state.rows[row]
    found = state.reach[INTO, state.paths[r.network, r.here, v, j].leaf]
    choice.node, choice.path, choice.last_path = v, j, i
    choice.bottleneck, choice.congestion = found.bottleneck, found.congestion


@inlined
def _offer_paths(state: State, row: int) -> None:
    r, q, s = state.rows[row], state.rows[row].flow, state.rows[row].position
    t, request, bandwidth = r.network, state.requests[row, q], state.segments[row, q, s].bandwidth
    a, b = r.here, head_of(state, row, q, s)
    for j in range(min(state.hops.shape[3], state.slot.shape[1])):
        if state.hops[t, a, b, j] < 0:
            break
        feasible = r.spent_s + state.paths[t, a, b, j].delay_s <= request.budget_s
        feasible = feasible and reach(state, row, INTO, a, state.paths[t, a, b, j].leaf, bandwidth) >= bandwidth
        if r.decision == RELIEVE:
            feasible = feasible and j != r.present and calm_with(state, row, a, b, j, bandwidth)
        if feasible:
            _describe(state, row, state.choices[row, r.choices], b, j, 0)
            state.slot[row, j] = r.choices
            r.choices += 1
            r.feasible += 1
    if r.decision == RELIEVE:
        # The path that it may stay on is none of the choices, so there is a place left to describe it.
        reach(state, row, INTO, a, state.paths[t, a, b, r.present].leaf, bandwidth)
        _describe(state, row, state.choices[row, r.choices], b, r.present, 0)
