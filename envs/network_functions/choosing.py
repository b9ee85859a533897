"""What a decision offers: nodes with their best feasible paths, or paths for a segment that lost its own.

A node is feasible for a function if it works, has the computing capacity (unless overload is taken), the memory for an
instance or one that runs, serves in time, and is not used by the request already where functions must not share; and if
one of the k shortest paths to it has the bandwidth and leaves enough of the delay budget for the quickest way on. With
the last function a path to the destination must be free as well. The first such path counts.
"""

from __future__ import annotations

from edgegym.decision.inlining import inlined
from edgegym.envs.network_functions.resources import (
    busy_of,
    crosses,
    fits,
    head_of,
    moment_of,
    processing_s,
    queueing_s,
    startup_wait_s,
    tail_of,
)
from edgegym.envs.network_functions.state import PLACE, UNIT, State


@inlined
def hosts(state: State, row: int, q: int, k: int, v: int) -> bool:
    """Whether a node can serve a function, paths and delays apart."""
    rules, node, function = state.rules[0], state.nodes[row, v], state.functions[row, q, k]
    if not node.up or (node.cpu < busy_of(state, row, q, k, v) and not rules.breaks):
        return False
    if not state.instances[row, v, function.kind].running and node.memory < state.memory[function.kind]:
        return False
    if startup_wait_s(state, row, function.kind, v) > rules.startup_budget_s:
        return False
    if rules.distinct:
        for before in range(k):
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
def fits_both(state: State, row: int, q: int, k: int, v: int, j: int, i: int) -> bool:
    """Whether path ``i`` from the last function ``k`` on ``v`` has room when path ``j`` to it is taken."""
    r, request = state.rows[row], state.requests[row, q]
    t, into, out = r.network, state.segments[row, q, k].bandwidth, state.segments[row, q, k + 1].bandwidth
    first = state.first[t, v, request.destination, i]
    for place in range(first, first + state.hops[t, v, request.destination, i]):
        over = state.path_links[t, place]
        link = state.links[row, over]
        free = link.free - (into if crosses(state, row, r.here, v, j, over) else 0)
        if free < out or not link.up:
            return False
    return True


@inlined
def route(state: State, row: int, q: int, k: int, v: int) -> tuple[int, int]:
    """First feasible path to a node and, with the last function, from there to the destination; -1 if there is none."""
    r, request = state.rows[row], state.requests[row, q]
    t, most, last = r.network, state.hops.shape[3], k == request.length - 1
    left = request.budget_s - r.spent_s - counted_delay(state, row, q, k, v)
    for j in range(most):
        if state.hops[t, r.here, v, j] < 0:
            break
        rest = left - state.path_s[t, r.here, v, j]
        if rest < state.quickest_s[t, v, request.destination]:
            continue
        if not fits(state, row, r.here, v, j, state.segments[row, q, k].bandwidth):
            continue
        if not last:
            return j, 0
        for i in range(most):
            if state.hops[t, v, request.destination, i] < 0:
                break
            if state.path_s[t, v, request.destination, i] <= rest and fits_both(state, row, q, k, v, j, i):
                return j, i
    return -1, -1


@inlined
def offer(state: State, row: int) -> None:
    """Find the candidates of the pending decision."""
    r = state.rows[row]
    r.choices = 0
    state.slot[row] = -1
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
        if nodes <= offered:
            choice = state.choices[row, r.choices]
            choice.node, choice.path, choice.last_path = v, j, i
            state.slot[row, v] = r.choices
            r.choices += 1
        else:
            hops = state.hops[t, r.here, v, j] + state.hops[t, v, destination, 0]
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
        choices[place].node, choices[place].path = choices[place - 1].node, choices[place - 1].path
        choices[place].last_path, choices[place].key = choices[place - 1].last_path, choices[place - 1].key
        place -= 1
    choices[place].node, choices[place].path, choices[place].last_path, choices[place].key = v, j, i, key


@inlined
def _offer_paths(state: State, row: int) -> None:
    r, q, s = state.rows[row], state.rows[row].broken, state.rows[row].position
    t, request = r.network, state.requests[row, q]
    a, b = tail_of(state, row, q, s), head_of(state, row, q, s)
    for j in range(state.hops.shape[3]):
        if state.hops[t, a, b, j] < 0:
            break
        in_time = r.spent_s + state.path_s[t, a, b, j] <= request.budget_s
        if in_time and fits(state, row, a, b, j, state.segments[row, q, s].bandwidth):
            choice = state.choices[row, r.choices]
            choice.node, choice.path, choice.last_path = b, j, 0
            state.slot[row, j] = r.choices
            r.choices += 1
