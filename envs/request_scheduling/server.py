"""One server: its queue, the order of service, batches, models in memory, and what it is expected to take.

Whenever a slot is free the discipline chooses a waiting request; requests of the same model join its batch, up to the
largest batch. Weighted priority is the delay-dependent one of L. Kleinrock (Naval Research Logistics Quarterly 11,
1964): the largest weight times waiting time goes first. With a batching window a batch that is not full waits until
the longest waiting request has waited that long (Clipper, NSDI 2017). A model that is not in memory is loaded first;
for it those used least recently make room.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.request_scheduling.events import DONE, WINDOW, push
from edgegym.envs.request_scheduling.outcomes import lose
from edgegym.envs.request_scheduling.state import DROPPED, EDF, FCFS, NONE, STRICT, Fleet, State


@inlined
def expected_s(fleet: Fleet, server: int, model: int, batch: int, size: float) -> float:
    """Service time of a batch of requests of mean size ``size`` alone on the server, seconds, before truncation."""
    return size / fleet.rate[server, model, batch - 1]


@inlined
def duration(state: State, fleet: Fleet, server: int, model: int, batch: int, size: float) -> float:
    """The same as it really is: truncated to whole seconds where the workload says so."""
    seconds = expected_s(fleet, server, model, batch, size)
    return np.floor(seconds) if state.rules[0].whole else seconds


@inlined
def work_of(state: State, fleet: Fleet, server: int, model: int, size: float) -> float:
    """What a request adds to a server's backlog: its share of a full batch, seconds."""
    batch = state.rules[0].batch
    return duration(state, fleet, server, model, batch, size) / batch


@inlined
def free_at(state: State, fleet: Fleet, row: int, server: int, request: int) -> float:
    """When a slot would be free for a request sent there now: exact for FCFS with one slot and no batches or loading.

    Requests on their way may leave the server idle until they arrive, so that its backlog alone says too little.
    """
    s, now = state.servers[row, server], state.rows[row].now
    slots = fleet.slots[server]
    begin = now
    if s.running == slots:
        begin = state.slots[row, server, 0].finish
        for slot in range(1, slots):
            begin = min(begin, state.slots[row, server, slot].finish)
    if state.rules[0].discipline != FCFS:
        return begin + max(s.backlog - _work_behind(state, row, server, request), 0.0) / slots
    begin += s.backlog / slots
    return max(begin, s.until) if s.coming > 0 and slots == 1 else begin


@inlined
def _work_behind(state: State, row: int, server: int, request: int) -> float:
    """Work of the waiting requests to which the discipline prefers ``request``; none of those on their way."""
    requests = state.requests[row]
    own, total = _urgency(state, row, request), 0.0
    other = state.servers[row, server].head
    while other != NONE:
        if _urgency(state, row, other) > own:
            total += requests[other].work
        other = requests[other].next
    return total


@inlined
def swap_s(state: State, fleet: Fleet, row: int, server: int, model: int) -> float:
    """Time to load a model that is neither in memory nor waited for by anyone, seconds."""
    if state.used[row, server, model] >= 0.0 or state.forming[row, server, model] > 0:
        return 0.0
    return fleet.load[server, model]


@inlined
def _urgency(state: State, row: int, request: int) -> float:
    """What the discipline orders by; the least goes first, the earlier in the queue among equals."""
    q, discipline = state.requests[row, request], state.rules[0].discipline
    if discipline == EDF:
        return q.deadline
    if discipline == STRICT:
        return np.float64(q.priority)
    # A request that is only on its way has not waited at all.
    return -q.weight * max(state.rows[row].now - q.ready, 0.0)


@inlined
def enqueue(state: State, row: int, request: int) -> None:
    """Put a request that has reached its server at the end of the queue."""
    requests = state.requests[row]
    q = requests[request]
    s = state.servers[row, q.server]
    q.ready, q.next = state.rows[row].now, NONE
    if s.tail == NONE:
        s.head = request
    else:
        requests[s.tail].next = request
    s.tail = request
    s.waiting += 1
    state.forming[row, q.server, q.model] += 1


@inlined
def start(state: State, fleet: Fleet, row: int, server: int) -> None:
    """Fill the free slots with batches, as far as requests wait."""
    s, rules = state.servers[row, server], state.rules[0]
    while s.waiting > 0 and s.running < fleet.slots[server]:
        first = _preferred(state, row, server, NONE)
        if rules.drop_late and _is_late(state, fleet, row, first):
            _unlink(state, row, server, first)
            s.assigned -= 1
            s.until -= state.requests[row, first].work
            lose(state, row, first, DROPPED)
            continue
        model = state.requests[row, first].model
        closes = state.requests[row, s.head].ready + rules.window
        if state.forming[row, server, model] < rules.batch and state.rows[row].now < closes:
            if s.timer == np.inf:
                s.timer = closes
                push(state, row, closes, WINDOW, server)
            return
        _serve(state, fleet, row, server, first)


@inlined
def _serve(state: State, fleet: Fleet, row: int, server: int, first: int) -> None:
    """Start a batch that begins with ``first``, in a free slot."""
    s, rules, requests, now = state.servers[row, server], state.rules[0], state.requests[row], state.rows[row].now
    model, size, count, last = requests[first].model, requests[first].size, 1, first
    _unlink(state, row, server, first)
    while count < rules.batch and state.forming[row, server, model] > 0:
        other = _preferred(state, row, server, model)
        _unlink(state, row, server, other)
        requests[last].next, last = other, other
        size += requests[other].size
        count += 1
    seconds = duration(state, fleet, server, model, count, size / count)
    seconds *= 1.0 + fleet.co_runner[server] * s.running
    seconds += _load(state, fleet, row, server, model)
    slot = 0
    while state.slots[row, server, slot].first != NONE:
        slot += 1
    place = state.slots[row, server, slot]
    place.finish, place.first, place.model = now + seconds, first, model
    s.running += 1
    s.busy += seconds
    s.energy += seconds * fleet.power[server]
    state.rows[row].reward -= rules.energy_reward * seconds * fleet.power[server]
    push(state, row, place.finish, DONE, server * state.slots.shape[2] + slot)


@inlined
def _load(state: State, fleet: Fleet, row: int, server: int, model: int) -> float:
    """Bring a model into memory, and return how long that takes."""
    used, now = state.used[row, server], state.rows[row].now
    if used[model] >= 0.0:
        used[model] = now
        return 0.0
    held = fleet.memory[server, model]
    for other in range(len(used)):
        if used[other] >= 0.0:
            held += fleet.memory[server, other]
    while held > fleet.capacity[server]:
        victim = _least_recent(state, fleet, row, server)
        held -= fleet.memory[server, victim]
        used[victim] = -1.0
    used[model] = now
    state.servers[row, server].loads += 1
    return fleet.load[server, model]


@inlined
def _least_recent(state: State, fleet: Fleet, row: int, server: int) -> int:
    """The model in memory that runs in no slot and was used least recently."""
    used, victim = state.used[row, server], NONE
    for model in range(len(used)):
        runs = False
        for slot in range(fleet.slots[server]):
            place = state.slots[row, server, slot]
            runs = runs or (place.first != NONE and place.model == model)
        if used[model] >= 0.0 and not runs and (victim == NONE or used[model] < used[victim]):
            victim = model
    return victim


@inlined
def _is_late(state: State, fleet: Fleet, row: int, request: int) -> bool:
    """Whether a waiting request can no longer be answered in time."""
    q = state.requests[row, request]
    seconds = duration(state, fleet, q.server, q.model, 1, q.size) + 0.5 * fleet.rtt[q.origin, q.server]
    return state.rows[row].now + seconds > q.deadline


@inlined
def _preferred(state: State, row: int, server: int, model: int) -> int:
    """The waiting request that the discipline serves first; of one model, unless that is NONE."""
    requests, fcfs = state.requests[row], state.rules[0].discipline == FCFS
    request, best, least = state.servers[row, server].head, NONE, np.inf
    while request != NONE:
        if model == NONE or requests[request].model == model:
            if fcfs:
                return request
            urgency = _urgency(state, row, request)
            if best == NONE or urgency < least:
                best, least = request, urgency
        request = requests[request].next
    return best


@inlined
def _unlink(state: State, row: int, server: int, request: int) -> None:
    """Take a request out of the queue."""
    s, requests = state.servers[row, server], state.requests[row]
    before, at = NONE, s.head
    while at != request:
        before, at = at, requests[at].next
    if before == NONE:
        s.head = requests[request].next
    else:
        requests[before].next = requests[request].next
    if s.tail == request:
        s.tail = before
    requests[request].next = NONE
    s.waiting -= 1
    s.backlog -= requests[request].work
    if s.waiting == 0 and s.coming == 0:
        s.backlog = 0.0  # sums of differences do not end at 0 by themselves
    state.forming[row, server, requests[request].model] -= 1
