"""The transitions of the network functions system, scalar code for one row.

Between decisions events pass in the order of their times: departures give resources back, links and nodes fail and are
repaired, and an arrival opens a request. Its functions are placed one after another; when the last one is, the request
is accepted. No time passes while decisions follow from one event.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.network_functions.choosing import counted_delay, offer
from edgegym.envs.network_functions.completion import complete, regret
from edgegym.envs.network_functions.congestion import next_crowded, settle_congestion
from edgegym.envs.network_functions.failures import finish, next_broken, toggle
from edgegym.envs.network_functions.resources import (
    busy_of,
    end_instance,
    head_of,
    queueing_s,
    release,
    take_node,
    take_path,
)
from edgegym.envs.network_functions.state import (
    ACTIVE,
    DONE,
    FAILED,
    PLACE,
    REJECTED,
    RELIEVE,
    REROUTE,
    UNIT,
    WAITING,
    State,
)


@njit(cache=True, _nrt=False)
def begin(state: State, row: int) -> None:
    """Empty the network of a row whose episode is loaded and run up to its first decision."""
    r = state.rows[row]
    t = r.network
    r.request, r.position, r.clock_s, r.departed, r.failure = -1, -1, 0.0, 0, 0
    r.broken, r.asked, r.congested, r.congested_time = r.requests, r.requests, 0, 0.0
    r.invalid, r.reward, r.paid, r.started, r.rerouted, r.relieved = 0, 0.0, 0.0, 0, 0, 0
    r.cpu_used, r.bandwidth_used, r.cpu_time, r.bandwidth_time = 0.0, 0.0, 0.0, 0.0
    r.running, r.running_time, r.power, r.energy_j = 0, 0.0, 0.0, 0.0
    for v in range(state.nodes.shape[1]):
        node = state.nodes[row, v]
        node.cpu, node.memory, node.flows = state.cpu[t, v], state.node_memory[t, v], 0
        node.around = state.around[t, v]
        node.moment, node.late_s, node.since_s, node.up = 0.0, 0.0, 0.0, True
        for kind in range(state.instances.shape[2]):
            state.instances[row, v, kind].running = False
    for over in range(state.network[t].links):
        link = state.links[row, over]
        link.free, link.faults, link.up = state.bandwidth[t, over], 0, True
        link.congested, link.asking = False, False
    run(state, row)


@njit(cache=True, _nrt=False)
def run(state: State, row: int) -> None:
    """Let events pass until a decision is pending or the episode is over, and offer its candidates."""
    r = state.rows[row]
    while True:
        if r.broken < r.requests and next_broken(state, row):
            r.decision, r.spent_s = REROUTE, _delay_of(state, row, r.flow)
        elif r.position >= 0:
            r.decision, r.flow = PLACE, r.request
        elif r.asked < r.requests and next_crowded(state, row):
            r.decision, r.spent_s = RELIEVE, _delay_of(state, row, r.flow)
        elif _pass_event(state, row):
            continue
        else:
            return
        offer(state, row)
        if state.rules[0].completes:
            complete(state, row)
        if r.decision != RELIEVE or r.choices > 0:
            r.pending = True
            return
        _lead(state, row, -1)


@inlined
def _pass_event(state: State, row: int) -> bool:
    """Let the next event happen; without one the episode is over."""
    r = state.rows[row]
    following = r.request + 1
    arrival = state.requests[row, following].time_s if following < r.requests else np.inf
    departure = _next_departure(state, row)
    failure = state.failure_s[row, r.failure] if r.failure < r.failures else np.inf
    if departure < np.inf and departure <= min(arrival, failure):
        pass_time(state, row, departure)
        finish(state, row, state.departures[row, r.departed], DONE)
    elif failure < arrival:
        pass_time(state, row, failure)
        toggle(state, row, state.element[row, r.failure])
        r.failure += 1
    elif arrival < np.inf:
        pass_time(state, row, arrival)
        _open_request(state, row)
    else:
        _tear_down_idle(state, row, 0.0)
        r.pending, r.choices = False, 0
        state.slot[row] = -1
        return False
    return True


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
    r.congested_time += elapsed * r.congested
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
    for v in range(state.network[r.network].nodes):
        for kind in range(state.instances.shape[2]):
            instance = state.instances[row, v, kind]
            if instance.running and instance.flows == 0 and instance.idle_s + idle_s <= r.clock_s:
                end_instance(state, row, v, kind)


@inlined
def _delay_of(state: State, row: int, q: int) -> float:
    """Delay of a flow as it is now, as far as it counts against the budget."""
    request = state.requests[row, q]
    t, total = state.rows[row].network, request.path_s + request.processing_s
    for k in range(request.length if not state.rules[0].breaks else 0):
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
    if state.rules[0].regrets and r.decision == PLACE:
        r.reward -= regret(state, row, place)
    if r.decision != PLACE:
        _lead(state, row, place)
    elif place < 0:
        _reject(state, row)
    else:
        _place(state, row, place)


@inlined
def _lead(state: State, row: int, place: int) -> None:
    """Lead a segment over another path; without one its flow ends after a failure, and stays in congestion."""
    r, rules = state.rows[row], state.rules[0]
    q, s, a = r.flow, r.position, r.here
    r.position = -1
    if place < 0 and r.decision == REROUTE:
        finish(state, row, q, FAILED)
        return
    path = state.choices[row, place].path if place >= 0 else r.present
    take_path(state, row, q, s, a, head_of(state, row, q, s), path)
    if place < 0:
        return
    request = state.requests[row, q]
    held_s = min(rules.update_s, request.end_s - r.clock_s)
    # What comes while rules are updated waits for half of it on average, as long as all of it is of the flow's life.
    request.path_shift -= 0.5 * held_s * held_s
    r.rerouted += 1
    r.relieved += r.decision == RELIEVE
    r.reward -= rules.rerouted_reward
    if rules.relieves:
        settle_congestion(state, row)


@inlined
def _reject(state: State, row: int) -> None:
    r = state.rows[row]
    release(state, row, r.request)
    state.requests[row, r.request].status = REJECTED
    if not state.rules[0].regrets:
        r.reward -= r.paid + state.rules[0].rejected_reward
    r.position = -1


@inlined
def _place(state: State, row: int, place: int) -> None:
    """Place a function, and after the last one lead the flow to its destination."""
    r, choice, q = state.rows[row], state.choices[row, place], state.rows[row].request
    t, k, v, request = r.network, r.position, choice.node, state.requests[row, q]
    r.spent_s += state.paths[t, r.here, v, choice.path].delay_s + counted_delay(state, row, q, k, v)
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
        if state.rules[0].relieves:
            settle_congestion(state, row)
    if not state.rules[0].regrets:
        _pay(state, row, q, busy_of(state, row, q, k, v), bandwidth)


@inlined
def _pay(state: State, row: int, q: int, busy: int, bandwidth: int) -> None:
    """Pay a placement that takes so many micro-units of computing and of bandwidth times hops."""
    r, rules, request = state.rows[row], state.rules[0], state.requests[row, q]
    network = state.network[r.network]
    fair = request.life_s / rules.mean_gap_s / UNIT
    amount = rules.placed_reward
    amount -= rules.link_price * fair * bandwidth / max(network.bandwidth, 1e-9)
    amount -= rules.node_price * fair * busy / max(network.cpu, 1e-9)
    if request.status == ACTIVE:
        amount += rules.accepted_reward + rules.revenue_reward * request.revenue / max(rules.mean_revenue, 1e-9)
    r.reward += amount
    r.paid += amount


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Apply an action and run to the next decision."""
    if state.rows[row].pending:
        apply(state, row, action)
        run(state, row)
