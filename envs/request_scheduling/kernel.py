"""The transitions of request scheduling, scalar code for one row.

An exact simulation of events: requests arrive, reach their servers, are served in batches, or are held back and posed
again. It stops at every decision: a request has arrived, or was held back long enough. Equal times are taken in the
order of the codes in :mod:`~edgegym.envs.request_scheduling.events`, arrivals last.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.request_scheduling.events import DONE, KINDS, READY, RELEASE, pop, push
from edgegym.envs.request_scheduling.lookahead import regret, regret_of_holding
from edgegym.envs.request_scheduling.outcomes import MEMORY, answer, lose, pass_time
from edgegym.envs.request_scheduling.server import enqueue, start, work_of
from edgegym.envs.request_scheduling.state import NONE, REJECTED, WAITING, Fleet, State


@njit(cache=True, _nrt=False)
def begin(state: State, fleet: Fleet, row: int, requests: int) -> None:
    """Empty the servers of a row whose requests are loaded and run it to its first decision."""
    r = state.rows[row]
    r.now, r.requests, r.next, r.pending, r.events, r.in_system = 0.0, requests, 0, NONE, 0, 0
    r.gap, r.in_time, r.log_size, r.invalid, r.reward, r.signal = 0.0, 1.0, 0.0, 0, 0.0, 0.0
    for server in range(state.servers.shape[1]):
        _empty(state, fleet, row, server)
    for request in range(requests):
        q = state.requests[row, request]
        q.server, q.model, q.next, q.fate, q.holds, q.work = NONE, NONE, NONE, WAITING, 0, 0.0
        q.ready, q.response = np.nan, np.nan
    _run(state, fleet, row)


@inlined
def _empty(state: State, fleet: Fleet, row: int, server: int) -> None:
    s = state.servers[row, server]
    s.running, s.assigned, s.coming, s.waiting, s.head, s.tail = 0, 0, 0, 0, NONE, NONE
    s.until, s.backlog, s.timer, s.busy, s.energy, s.loads = 0.0, 0.0, np.inf, 0.0, 0.0, 0
    for slot in range(state.slots.shape[2]):
        state.slots[row, server, slot].first = NONE
    for model in range(state.used.shape[2]):
        state.forming[row, server, model] = 0
        state.used[row, server, model] = 0.0 if fleet.resident[server, model] else -1.0


@inlined
def candidates_before(state: State) -> int:
    """Candidates before the first pair of server and variant: the one that rejects, if there is one."""
    return 1 if state.rules[0].reject else 0


@inlined
def server_of(state: State, candidate: int) -> int:
    """Server of a candidate that sends the request somewhere; beyond the last for the one that holds it back."""
    return (candidate - candidates_before(state)) // state.rules[0].variants


@inlined
def model_of(state: State, fleet: Fleet, row: int, candidate: int) -> int:
    """Model of such a candidate, NONE where the request's task has fewer variants."""
    task = state.requests[row, state.rows[row].pending].task
    return fleet.variant[task, (candidate - candidates_before(state)) % state.rules[0].variants]


@inlined
def allowed(state: State, fleet: Fleet, row: int, candidate: int) -> bool:
    """Whether the pending request may take a candidate."""
    if candidate == 0:
        return True
    rules, server = state.rules[0], server_of(state, candidate)
    if server >= state.servers.shape[1]:
        return state.requests[row, state.rows[row].pending].holds < rules.most_holds
    model = model_of(state, fleet, row, candidate)
    return (
        model != NONE and fleet.rate[server, model, 0] > 0.0 and state.servers[row, server].assigned < rules.most_queued
    )


@inlined
def advance(state: State, fleet: Fleet, row: int, action: int, candidates: int) -> None:
    """Take a candidate for the pending request and run to the next decision."""
    r, rules = state.rows[row], state.rules[0]
    if r.pending == NONE:
        return
    if action < 0 or action >= candidates or not allowed(state, fleet, row, action):
        r.invalid += 1
        action = 0
    request, server = r.pending, server_of(state, action)
    if rules.reject and action == 0:
        if rules.horizon > 0:
            r.signal = regret(state, fleet, row, request, NONE, NONE)
        lose(state, row, request, REJECTED)
    elif server >= state.servers.shape[1]:
        if rules.horizon > 0:
            r.signal = regret_of_holding(state, fleet, row, request)
        state.requests[row, request].holds += 1
        push(state, row, r.now + rules.hold, RELEASE, request)
    else:
        model = model_of(state, fleet, row, action)
        if rules.horizon > 0:
            r.signal = regret(state, fleet, row, request, server, model)
        _send(state, fleet, row, request, server, model)
    _run(state, fleet, row)


@inlined
def _send(state: State, fleet: Fleet, row: int, request: int, server: int, model: int) -> None:
    """Send a request to a server, which it may reach at once."""
    q, s = state.requests[row, request], state.servers[row, server]
    q.server, q.model, q.work = server, model, work_of(state, fleet, server, model, q.size)
    way = 0.5 * fleet.rtt[q.origin, server] + fleet.byte[q.origin, server] * q.payload
    s.assigned += 1
    s.backlog += q.work
    s.until = max(s.until, state.rows[row].now + way) + q.work / fleet.slots[server]
    if way > 0.0:
        s.coming += 1
        push(state, row, state.rows[row].now + way, READY, request)
    else:
        enqueue(state, row, request)
        start(state, fleet, row, server)


@inlined
def _run(state: State, fleet: Fleet, row: int) -> None:
    """Take events and arrivals in order of time, until a decision is pending or nothing is left."""
    r, events = state.rows[row], state.events[row]
    r.pending = NONE
    while r.pending == NONE:
        arrival = state.requests[row, r.next].arrival if r.next < r.requests else np.inf
        if r.events > 0 and events[0].time <= arrival:
            time, code = events[0].time, events[0].code
            pop(state, row)
            pass_time(state, row, time)
            _take(state, fleet, row, code % KINDS, code // KINDS)
        elif r.next < r.requests:
            _arrive(state, row, arrival)
        else:
            return


@inlined
def _arrive(state: State, row: int, arrival: float) -> None:
    """Let the next request arrive and ask for its decision."""
    r, first = state.rows[row], state.rows[row].next == 0
    gap, log_size = arrival - r.now, math.log2(state.requests[row, r.next].size)
    if not first:
        gap = arrival - state.requests[row, r.next - 1].arrival
    r.gap = gap if first else r.gap + MEMORY * (gap - r.gap)
    r.log_size = log_size if first else r.log_size + MEMORY * (log_size - r.log_size)
    pass_time(state, row, arrival)
    r.in_system += 1
    r.pending = r.next
    r.next += 1


@inlined
def _take(state: State, fleet: Fleet, row: int, kind: int, index: int) -> None:
    """What an event does."""
    if kind == DONE:
        _finish(state, fleet, row, index // state.slots.shape[2], index % state.slots.shape[2])
    elif kind == READY:
        server = state.requests[row, index].server
        state.servers[row, server].coming -= 1
        enqueue(state, row, index)
        start(state, fleet, row, server)
    elif kind == RELEASE:
        state.rows[row].pending = index
    else:
        state.servers[row, index].timer = np.inf
        start(state, fleet, row, index)


@inlined
def _finish(state: State, fleet: Fleet, row: int, server: int, slot: int) -> None:
    """Answer a batch and free its slot for the next one."""
    s, place = state.servers[row, server], state.slots[row, server, slot]
    request = place.first
    while request != NONE:
        s.assigned -= 1
        answer(state, fleet, row, request)
        request = state.requests[row, request].next
    place.first = NONE
    s.running -= 1
    start(state, fleet, row, server)
