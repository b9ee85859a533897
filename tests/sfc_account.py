"""A naive account of network functions: what is in use, added up anew from the flows alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edgegym.envs.network_functions.state import ACTIVE, PLACE, REROUTE, State

INVARIANTS = (
    "a flow that is not active holds nothing, an active one all that it needs",
    "a flow whose time has come has departed",
    "segments lead from where they start to where they end",
    "nothing crosses or uses what has failed",
    "no link, node or memory is over its capacity",
    "what is free of links and nodes is what flows leave",
    "instances run exactly where flows or idle time keep them",
    "totals of the row are sums over its parts",
    "delays of paths are those of the paths, and within the budget",
    "links are congested exactly as two thresholds say",
)


@njit(cache=True)
def violated(state: State, relieves: bool, breaks: bool) -> NDArray[np.int64]:
    """How often each of the invariants is violated over all rows."""
    found = np.zeros(len(INVARIANTS), np.int64)
    for row in range(len(state.rows)):
        _check_row(state, row, relieves, breaks, found)
    return found


@njit(cache=True)
def _check_row(state: Any, row: int, relieves: bool, breaks: bool, found: Any) -> None:
    r = state.rows[row]
    t = r.network
    nodes, links, kinds = state.network[t].nodes, state.network[t].links, state.instances.shape[2]
    cpu, bandwidth = np.zeros(nodes, np.int64), np.zeros(links, np.int64)
    flows, busy_in = np.zeros((nodes, kinds), np.int64), np.zeros((nodes, kinds), np.int64)
    moment = np.zeros(nodes)
    for q in range(r.requests):
        request = state.requests[row, q]
        placing = r.pending and r.decision == PLACE and q == r.request
        open_segment = r.position if r.pending and r.decision != PLACE and q == r.flow else -1
        if request.status == ACTIVE:
            found[0] += request.placed != request.length or request.routed != request.length + 1
            found[1] += request.end_s < r.clock_s
        elif placing:
            found[0] += request.placed != r.position or request.routed != r.position
        else:
            found[0] += request.placed != 0 or request.routed != 0
            continue
        for k in range(request.placed):
            function = state.functions[row, q, k]
            v, kind = function.node, function.kind
            device = state.device[t, v]
            found[3] += not state.nodes[row, v].up
            busy = math.ceil(function.demand * state.busy[kind, device] - 1e-6)
            cpu[v] += busy
            flows[v, kind] += 1
            busy_in[v, kind] += busy
            moment[v] += state.kinds[kind].calls * function.demand * state.call_s[kind, device] ** 2
        path_s = 0.0
        for s in range(request.routed):
            a = request.source if s == 0 else state.functions[row, q, s - 1].node
            b = request.destination if s == request.length else state.functions[row, q, s].node
            j = state.segments[row, q, s].path
            if j < 0:
                found[0] += s != open_segment
                continue
            found[0] += s == open_segment
            path_s += state.paths[t, a, b, j].delay_s
            x, at, hops = state.paths[t, a, b, j].leaf, b, 0
            while x > 0:
                over = state.trees[t, a, x].over
                one, other = state.ends[t, over, 0], state.ends[t, over, 1]
                found[2] += at != one and at != other
                at = other if at == one else one
                hops += 1
                bandwidth[over] += state.segments[row, q, s].bandwidth
                # Segments that are still to be led around a failure cross it until it is their turn.
                found[3] += r.decision != REROUTE and state.links[row, over].faults > 0
                x = state.trees[t, a, x].parent
            found[2] += at != a or hops != state.hops[t, a, b, j]
        found[8] += abs(path_s - request.path_s) > 1e-12
        found[8] += request.status == ACTIVE and path_s + request.processing_s > request.budget_s * (1 + 1e-9)
    _check_parts(state, row, breaks, cpu, bandwidth, flows, busy_in, moment, found)
    if relieves and not (r.pending and r.position > 0):
        for over in range(links):
            link = state.links[row, over]
            found[9] += link.free < state.limits[t, over].brim and not link.congested
            found[9] += link.free >= state.limits[t, over].calm and link.congested and r.decision == PLACE


@njit(cache=True)
def _check_parts(
    state: Any, row: int, breaks: bool, cpu: Any, bandwidth: Any, flows: Any, busy_in: Any, moment: Any, found: Any
) -> None:
    r = state.rows[row]
    t, running, congested = r.network, 0, 0
    around = np.zeros(len(cpu), np.int64)
    for over in range(len(bandwidth)):
        link, one, other = state.links[row, over], state.ends[t, over, 0], state.ends[t, over, 1]
        found[4] += link.free < 0
        found[5] += link.free != state.bandwidth[t, over] - bandwidth[over]
        around[one] += link.free
        around[other] += link.free
        down = (not link.up) + (not state.nodes[row, one].up) + (not state.nodes[row, other].up)
        found[3] += link.faults != down
        congested += link.congested
    for v in range(len(cpu)):
        node, memory = state.nodes[row, v], state.node_memory[t, v]
        found[4] += (node.cpu < 0 and not breaks) or node.memory < 0
        found[5] += node.cpu != state.cpu[t, v] - cpu[v] or node.around != around[v] or node.flows != flows[v].sum()
        found[5] += abs(node.moment - moment[v]) > 1e-9 * (1.0 + moment[v])
        for kind in range(flows.shape[1]):
            instance = state.instances[row, v, kind]
            if instance.running:
                memory -= state.kinds[kind].memory
                running += 1
                found[6] += instance.flows != flows[v, kind] or instance.cpu != busy_in[v, kind]
                found[6] += not node.up
            else:
                found[6] += flows[v, kind] > 0
        found[6] += node.memory != memory
    found[7] += r.cpu_used != cpu.sum() or r.bandwidth_used != bandwidth.sum()
    found[7] += r.running != running or r.congested != congested
