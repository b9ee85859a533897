"""How flows end, and what fails meanwhile, scalar code for one row.

A failed link carries nothing. A failed node neither computes nor forwards: its links carry nothing either, its
instances are gone, and flows that start, end or are served there are lost. Flows that only passed through are led
around it.
"""

from __future__ import annotations

from edgegym.compiling import inlined, njit
from edgegym.envs.network_functions.congestion import settle_congestion
from edgegym.envs.network_functions.resources import (
    end_instance,
    give_path,
    head_of,
    release,
    settle_node,
    tail_of,
)
from edgegym.envs.network_functions.routes import works
from edgegym.envs.network_functions.state import ACTIVE, FAILED, State


@njit(cache=True, _nrt=False)
def finish(state: State, row: int, q: int, status: int) -> None:
    """End an active flow, whose delay is known now, and give back what it holds."""
    r, request = state.rows[row], state.requests[row, q]
    served_s = max(r.clock_s - request.time_s, 1e-9)
    request.delay_s = request.path_s + request.processing_s - request.path_shift / served_s
    for k in range(request.length):
        function = state.functions[row, q, k]
        settle_node(state, row, function.node)
        request.delay_s += (state.nodes[row, function.node].late_s - function.late_s) / served_s
    release(state, row, q)
    request.status = status
    if status == FAILED:
        request.end_s = r.clock_s
        r.reward -= state.rules[0].failed_reward
    if state.rules[0].relieves:
        settle_congestion(state, row)


@inlined
def toggle(state: State, row: int, element: int) -> None:
    """Let a link or a node fail, or work again."""
    r = state.rows[row]
    t, links = r.network, state.network[r.network].links
    if element < links:
        link = state.links[row, element]
        link.up = not link.up
        link.faults += -1 if link.up else 1
        failed = not link.up
    else:
        v = element - links
        node = state.nodes[row, v]
        node.up = not node.up
        failed = not node.up
        for i in range(state.near_start[t, v], state.near_start[t, v + 1]):
            state.links[row, state.near[t, i].link].faults += 1 if failed else -1
        if failed:
            _lose(state, row, v)
    if failed:
        r.broken = 0


@inlined
def _lose(state: State, row: int, v: int) -> None:
    """End the flows that need a node, and its instances."""
    for q in range(state.rows[row].request + 1):
        if state.requests[row, q].status == ACTIVE and _needs(state, row, q, v):
            finish(state, row, q, FAILED)
    for kind in range(state.instances.shape[2]):
        if state.instances[row, v, kind].running:
            end_instance(state, row, v, kind)


@inlined
def _needs(state: State, row: int, q: int, v: int) -> bool:
    """Whether a flow starts, ends or is served at a node."""
    request = state.requests[row, q]
    needed = v in (request.source, request.destination)
    for k in range(request.length):
        needed |= state.functions[row, q, k].node == v
    return needed


@inlined
def next_broken(state: State, row: int) -> bool:
    """Take the next segment that crosses what does not work off its path; without re-routing end its flow."""
    r = state.rows[row]
    while r.broken <= r.request:
        request = state.requests[row, r.broken]
        for s in range(request.length + 1 if request.status == ACTIVE else 0):
            a, b = tail_of(state, row, r.broken, s), head_of(state, row, r.broken, s)
            if not works(state, row, a, b, state.segments[row, r.broken, s].path):
                if not state.rules[0].reroute:
                    finish(state, row, r.broken, FAILED)
                    break
                r.flow, r.position, r.here = r.broken, s, a
                give_path(state, row, r.broken, s)
                return True
        r.broken += 1
    r.broken = r.requests
    return False
