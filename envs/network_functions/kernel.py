"""The transitions of the network functions system, scalar code for one row.

Between decisions events pass in the order of their times: departures give resources back, links and nodes fail and are
repaired, and an arrival opens a request. Its functions are placed one after another; when the last one is, the request
is accepted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from edgegym.decision.inlining import inlined
from edgegym.envs.network_functions.choosing import counted_delay, offer
from edgegym.envs.network_functions.resources import (
    busy_of,
    give_path,
    head_of,
    queueing_s,
    release,
    settle_node,
    tail_of,
    take_node,
    take_path,
    tear_down,
)
from edgegym.envs.network_functions.state import ACTIVE, DONE, FAILED, PLACE, REJECTED, REROUTE, UNIT, WAITING, State


@njit(cache=True, _nrt=False)
def begin(state: State, row: int) -> None:
    """Empty the network of a row whose episode is loaded and run up to its first decision."""
    r = state.rows[row]
    t = r.network
    r.request, r.position, r.clock_s, r.departed, r.failure, r.broken = -1, -1, 0.0, 0, 0, r.requests
    r.invalid, r.reward, r.paid, r.started, r.rerouted = 0, 0.0, 0.0, 0, 0
    r.cpu_used, r.bandwidth_used, r.cpu_time, r.bandwidth_time = 0.0, 0.0, 0.0, 0.0
    r.running, r.running_time, r.power, r.energy_j = 0, 0.0, 0.0, 0.0
    for v in range(state.nodes.shape[1]):
        node = state.nodes[row, v]
        node.cpu, node.memory, node.around, node.flows = state.cpu[t, v], state.node_memory[t, v], 0, 0
        node.moment, node.late_s, node.since_s, node.up = 0.0, 0.0, 0.0, True
        for kind in range(state.instances.shape[2]):
            state.instances[row, v, kind].running = False
    for over in range(state.network[t].links):
        state.links[row, over].free, state.links[row, over].up = state.bandwidth[t, over], True
        for end in range(2):
            state.nodes[row, state.ends[t, over, end]].around += state.bandwidth[t, over]
    run(state, row)


@njit(cache=True, _nrt=False)
def run(state: State, row: int) -> None:
    """Let events pass until a decision is pending or the episode is over, and offer its candidates."""
    r = state.rows[row]
    while True:
        if r.broken < r.requests and _next_broken(state, row):
            r.decision, r.pending = REROUTE, True
            break
        if r.position >= 0:
            r.decision, r.pending = PLACE, True
            break
        following = r.request + 1
        arrival = state.requests[row, following].time_s if following < r.requests else np.inf
        departure = _next_departure(state, row)
        failure = state.failure_s[row, r.failure] if r.failure < r.failures else np.inf
        if departure < np.inf and departure <= min(arrival, failure):
            pass_time(state, row, departure)
            finish(state, row, state.departures[row, r.departed], DONE)
        elif failure < arrival:
            pass_time(state, row, failure)
            _toggle(state, row, state.element[row, r.failure])
            r.failure += 1
        elif arrival < np.inf:
            pass_time(state, row, arrival)
            _open_request(state, row)
        else:
            _tear_down_idle(state, row, 0.0)
            r.pending, r.choices = False, 0
            state.slot[row] = -1
            return
    offer(state, row)


@inlined
def _next_departure(state: State, row: int) -> float:
    """Time of the next departure; inf while a request that departs before all active ones has not arrived yet."""
    r = state.rows[row]
    while r.departed < r.requests:
        request = state.requests[row, state.departures[row, r.departed]]
        if request.status == ACTIVE:
            return request.end_s
        if request.status == WAITING:
            return np.inf
        r.departed += 1
    return np.inf


@inlined
def pass_time(state: State, row: int, until_s: float) -> None:
    """Move the clock, and integrate what is used until the last arrival."""
    r = state.rows[row]
    last_s = state.requests[row, r.requests - 1].time_s
    elapsed = min(until_s, last_s) - min(r.clock_s, last_s)
    r.cpu_time += elapsed * r.cpu_used
    r.bandwidth_time += elapsed * r.bandwidth_used
    r.running_time += elapsed * r.running
    r.energy_j += elapsed * r.power
    r.clock_s = until_s


@inlined
def _open_request(state: State, row: int) -> None:
    r = state.rows[row]
    r.request += 1
    r.position, r.here, r.spent_s, r.paid = 0, state.requests[row, r.request].source, 0.0, 0.0
    if state.rules[0].idle_s > 0.0 and r.running > 0:
        _tear_down_idle(state, row, state.rules[0].idle_s)


@inlined
def _tear_down_idle(state: State, row: int, idle_s: float) -> None:
    """End instances that have been idle for so long, as if it had been done in time."""
    r = state.rows[row]
    last_s = state.requests[row, r.requests - 1].time_s
    for v in range(state.network[r.network].nodes):
        for kind in range(state.instances.shape[2]):
            instance = state.instances[row, v, kind]
            if instance.running and instance.flows == 0 and instance.idle_s + idle_s <= r.clock_s:
                tear_down(state, row, v, kind)
                due_s = instance.idle_s + state.rules[0].idle_s
                r.running_time -= max(min(r.clock_s, last_s) - due_s, 0.0)


@njit(cache=True, _nrt=False)
def finish(state: State, row: int, q: int, status: int) -> None:
    """End an active flow, whose delay is known now, and give back what it holds."""
    r, request = state.rows[row], state.requests[row, q]
    served_s = max(r.clock_s - request.time_s, 1e-9)
    request.delay_s = request.path_s + request.processing_s
    for k in range(request.length):
        function = state.functions[row, q, k]
        settle_node(state, row, function.node)
        request.delay_s += (state.nodes[row, function.node].late_s - function.late_s) / served_s
    release(state, row, q)
    request.status = status
    if status == FAILED:
        r.reward -= state.rules[0].failed_reward


@inlined
def _toggle(state: State, row: int, element: int) -> None:
    """Let a link or the computing of a node fail, or work again."""
    r = state.rows[row]
    links = state.network[r.network].links
    if element < links:
        link = state.links[row, element]
        link.up = not link.up
        if not link.up:
            r.broken = 0
        return
    node = state.nodes[row, element - links]
    node.up = not node.up
    for q in range(r.request + 1 if not node.up else 0):
        if state.requests[row, q].status == ACTIVE:
            for k in range(state.requests[row, q].length):
                if state.functions[row, q, k].node == element - links:
                    finish(state, row, q, FAILED)
                    break


@inlined
def _next_broken(state: State, row: int) -> bool:
    """Find the next segment that crosses a failed link, and take it off its path; without re-routing end its flow."""
    r = state.rows[row]
    while r.broken <= r.request:
        request = state.requests[row, r.broken]
        for s in range(request.length + 1 if request.status == ACTIVE else 0):
            if not _works(state, row, r.broken, s):
                if not state.rules[0].reroute:
                    finish(state, row, r.broken, FAILED)
                    break
                give_path(state, row, r.broken, s)
                r.position, r.here = s, tail_of(state, row, r.broken, s)
                r.spent_s = request.path_s + request.processing_s + _queueing_of(state, row, r.broken)
                return True
        r.broken += 1
    r.broken = r.requests
    return False


@inlined
def _works(state: State, row: int, q: int, s: int) -> bool:
    t, j = state.rows[row].network, state.segments[row, q, s].path
    a, b = tail_of(state, row, q, s), head_of(state, row, q, s)
    first = state.first[t, a, b, j]
    works = True
    for i in range(first, first + state.hops[t, a, b, j]):
        works &= state.links[row, state.path_links[t, i]].up
    return works


@inlined
def _queueing_of(state: State, row: int, q: int) -> float:
    """Queueing delay of a flow as it is now."""
    t, total = state.rows[row].network, 0.0
    for k in range(state.requests[row, q].length):
        v = state.functions[row, q, k].node
        total += queueing_s(state.cpu[t, v], state.nodes[row, v].cpu, state.nodes[row, v].moment)
    return total


@inlined
def apply(state: State, row: int, action: int) -> None:
    """Take a candidate of the pending decision; a forbidden one counts as 0."""
    r = state.rows[row]
    if action < 0 or action > state.slot.shape[1] or (action > 0 and state.slot[row, action - 1] < 0):
        r.invalid += 1
        action = 0
    r.pending = False
    place = state.slot[row, action - 1] if action > 0 else -1
    if r.decision == REROUTE:
        _reroute(state, row, place)
    elif place < 0:
        _reject(state, row)
    else:
        _place(state, row, place)


@inlined
def _reroute(state: State, row: int, place: int) -> None:
    r = state.rows[row]
    q, s = r.broken, r.position
    r.position = -1
    if place < 0:
        finish(state, row, q, FAILED)
        return
    take_path(state, row, q, s, r.here, head_of(state, row, q, s), state.choices[row, place].path)
    r.rerouted += 1


@inlined
def _reject(state: State, row: int) -> None:
    r = state.rows[row]
    release(state, row, r.request)
    state.requests[row, r.request].status = REJECTED
    r.reward -= r.paid + state.rules[0].rejected_reward
    r.position = -1


@inlined
def _place(state: State, row: int, place: int) -> None:
    """Place a function, and after the last one lead the flow to its destination."""
    r, choice, q = state.rows[row], state.choices[row, place], state.rows[row].request
    t, k, v, request = r.network, r.position, choice.node, state.requests[row, q]
    r.spent_s += state.path_s[t, r.here, v, choice.path] + counted_delay(state, row, q, k, v)
    take_path(state, row, q, k, r.here, v, choice.path)
    bandwidth = state.segments[row, q, k].bandwidth * state.hops[t, r.here, v, choice.path]
    take_node(state, row, q, k, v)
    r.here, r.position = v, k + 1
    request.routed += 1
    if r.position == request.length:
        take_path(state, row, q, k + 1, v, request.destination, choice.last_path)
        bandwidth += state.segments[row, q, k + 1].bandwidth * state.hops[t, v, request.destination, choice.last_path]
        request.routed += 1
        request.status = ACTIVE
        r.position = -1
    _pay(state, row, q, busy_of(state, row, q, k, v), bandwidth)


@inlined
def _pay(state: State, row: int, q: int, busy: int, bandwidth: int) -> None:
    """Pay a placement that takes so many micro-units of computing and of bandwidth times hops."""
    r, rules, request = state.rows[row], state.rules[0], state.requests[row, q]
    network = state.network[r.network]
    fair = request.life_s / r.gap_s / UNIT
    amount = rules.placed_reward
    amount -= rules.link_price * fair * bandwidth / max(network.bandwidth, 1e-9)
    amount -= rules.node_price * fair * busy / max(network.cpu, 1e-9)
    if request.status == ACTIVE:
        amount += rules.accepted_reward + rules.revenue_reward * request.revenue / max(r.mean_revenue, 1e-9)
    r.reward += amount
    r.paid += amount


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Apply an action and run to the next decision."""
    if state.rows[row].pending:
        apply(state, row, action)
        run(state, row)
