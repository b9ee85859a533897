"""Taking and giving back computing, memory and bandwidth, scalar code for one row.

A node that serves calls of known lengths is an M/G/1 queue: with utilisation u and M the sum of rate times squared
length over its kinds of calls, a call waits M / (2 (1 - u)) on average (F. Pollaczek, 1930; A. Khinchine, 1932).
A capacity above 1 stands for as many devices that share the calls evenly, each at most as busy as the capacity's part.
"""

from __future__ import annotations

import math

from edgegym.compiling import inlined
from edgegym.envs.network_functions.state import UNIT, State

OVERLOAD_S = 10.0
"""Queueing delay of a node that is asked for more than all of its time: it grows without limit; this much counts."""


@inlined
def busy_of(state: State, row: int, q: int, k: int, v: int) -> int:
    """Micro-units of computing capacity that function ``k`` of request ``q`` takes on node ``v``."""
    function = state.functions[row, q, k]
    device = state.device[state.rows[row].network, v]
    return math.ceil(function.demand * state.busy[function.kind, device] - 1e-6)


@inlined
def moment_of(state: State, row: int, q: int, k: int, v: int) -> float:
    """Calls per second times squared seconds of a call."""
    function = state.functions[row, q, k]
    call_s = state.call_s[function.kind, state.device[state.rows[row].network, v]]
    return state.kinds[function.kind].calls * function.demand * call_s * call_s


@inlined
def processing_s(state: State, row: int, q: int, k: int, v: int) -> float:
    """Seconds that an item spends in a function, queueing apart: it waits for its batch, then for the call."""
    function = state.functions[row, q, k]
    call_s = state.call_s[function.kind, state.device[state.rows[row].network, v]]
    return call_s + (state.kinds[function.kind].fill_s / function.demand if function.demand > 0.0 else 0.0)


@inlined
def queueing_s(capacity: int, free: int, moment: float) -> float:
    """Mean wait for a device of a node, seconds."""
    if moment <= 0.0:
        return 0.0
    devices = math.ceil(capacity / UNIT)
    spare = devices - (capacity - free) / UNIT
    if spare <= 0.0:
        return OVERLOAD_S
    return min(moment / (2.0 * spare), OVERLOAD_S)


@inlined
def settle_node(state: State, row: int, v: int) -> None:
    """Integrate a node's queueing delay up to now, before its load changes."""
    r, node = state.rows[row], state.nodes[row, v]
    if node.moment > 0.0:
        node.late_s += (r.clock_s - node.since_s) * queueing_s(state.cpu[r.network, v], node.cpu, node.moment)
    node.since_s = r.clock_s


@inlined
def startup_wait_s(state: State, row: int, kind: int, v: int) -> float:
    """Seconds until an instance on a node would serve."""
    instance = state.instances[row, v, kind]
    return max(instance.ready_s - state.rows[row].clock_s, 0.0) if instance.running else state.kinds[kind].startup_s


@inlined
def take_node(state: State, row: int, q: int, k: int, v: int) -> None:
    """Let a node serve a function, in the instance that runs there or a new one."""
    r, node, function = state.rows[row], state.nodes[row, v], state.functions[row, q, k]
    instance, request = state.instances[row, v, function.kind], state.requests[row, q]
    settle_node(state, row, v)
    busy = busy_of(state, row, q, k, v)
    if not instance.running:
        instance.running, instance.ready_s = True, r.clock_s + state.kinds[function.kind].startup_s
        instance.flows, instance.cpu = 0, 0
        node.memory -= state.kinds[function.kind].memory
        r.running += 1
        r.started += 1
    request.startup_s = max(request.startup_s, instance.ready_s - r.clock_s)
    instance.flows += 1
    instance.cpu += busy
    node.flows += 1
    node.cpu -= busy
    node.moment += moment_of(state, row, q, k, v)
    r.cpu_used += busy
    r.power += state.watts[state.device[r.network, v]] * busy / UNIT
    function.node, function.late_s = v, node.late_s
    request.processing_s += processing_s(state, row, q, k, v)
    request.cost += function.demand
    request.placed += 1


@inlined
def give_node(state: State, row: int, q: int, k: int) -> None:
    """Take a function off its node; its instance idles if it was the last one there."""
    r, function = state.rows[row], state.functions[row, q, k]
    v = function.node
    node, instance = state.nodes[row, v], state.instances[row, v, function.kind]
    settle_node(state, row, v)
    busy = busy_of(state, row, q, k, v)
    instance.flows -= 1
    instance.cpu -= busy
    node.flows -= 1
    node.cpu += busy
    # The moment is a sum of floats; an empty node has none.
    node.moment = max(node.moment - moment_of(state, row, q, k, v), 0.0) if node.flows > 0 else 0.0
    r.cpu_used -= busy
    r.power -= state.watts[state.device[r.network, v]] * busy / UNIT
    if instance.flows == 0:
        instance.idle_s = r.clock_s
        if state.rules[0].idle_s <= 0.0:
            tear_down(state, row, v, function.kind)


@inlined
def tear_down(state: State, row: int, v: int, kind: int) -> None:
    """End an instance without flows."""
    state.instances[row, v, kind].running = False
    state.nodes[row, v].memory += state.kinds[kind].memory
    state.rows[row].running -= 1


@inlined
def end_instance(state: State, row: int, v: int, kind: int) -> None:
    """End an instance without flows; if it was due already, its time counts until then."""
    r = state.rows[row]
    tear_down(state, row, v, kind)
    last_s = state.requests[row, r.requests - 1].time_s
    due_s = state.instances[row, v, kind].idle_s + state.rules[0].idle_s
    r.running_time -= max(min(r.clock_s, last_s) - due_s, 0.0)


@inlined
def tail_of(state: State, row: int, q: int, s: int) -> int:
    """Node that segment ``s`` of a request starts from."""
    return state.requests[row, q].source if s == 0 else state.functions[row, q, s - 1].node


@inlined
def head_of(state: State, row: int, q: int, s: int) -> int:
    """Node that it leads to."""
    request = state.requests[row, q]
    return request.destination if s == request.length else state.functions[row, q, s].node


@inlined
def shift_path(state: State, row: int, a: int, b: int, j: int, bandwidth: int) -> None:
    """Take bandwidth along a path; give it back where it is negative."""
    r = state.rows[row]
    t = r.network
    x = state.paths[t, a, b, j].leaf
    while x > 0:
        over = state.trees[t, a, x].over
        state.links[row, over].free -= bandwidth
        state.nodes[row, state.ends[t, over, 0]].around -= bandwidth
        state.nodes[row, state.ends[t, over, 1]].around -= bandwidth
        r.bandwidth_used += bandwidth
        x = state.trees[t, a, x].parent


@inlined
def take_path(state: State, row: int, q: int, s: int, a: int, b: int, j: int) -> None:
    """Lead segment ``s`` of a request over path ``j``."""
    r, segment, request = state.rows[row], state.segments[row, q, s], state.requests[row, q]
    shift_path(state, row, a, b, j, segment.bandwidth)
    segment.path = j
    request.cost += segment.bandwidth / UNIT * state.hops[r.network, a, b, j]
    request.path_s += state.paths[r.network, a, b, j].delay_s
    request.path_shift += state.paths[r.network, a, b, j].delay_s * (r.clock_s - request.time_s)


@inlined
def give_path(state: State, row: int, q: int, s: int) -> None:
    """Take a segment off its path."""
    r, segment, request = state.rows[row], state.segments[row, q, s], state.requests[row, q]
    if segment.path < 0:
        return
    a, b = tail_of(state, row, q, s), head_of(state, row, q, s)
    shift_path(state, row, a, b, segment.path, -segment.bandwidth)
    request.cost -= segment.bandwidth / UNIT * state.hops[r.network, a, b, segment.path]
    request.path_s -= state.paths[r.network, a, b, segment.path].delay_s
    request.path_shift -= state.paths[r.network, a, b, segment.path].delay_s * (r.clock_s - request.time_s)
    segment.path = -1


@inlined
def release(state: State, row: int, q: int) -> None:
    """Give back all that a request holds."""
    request = state.requests[row, q]
    cost, path_s = request.cost, request.path_s
    for s in range(request.routed):
        give_path(state, row, q, s)
    for k in range(request.placed):
        give_node(state, row, q, k)
    request.placed, request.routed = 0, 0
    request.cost, request.path_s = cost, path_s
