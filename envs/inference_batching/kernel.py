"""The transitions of the batching system, scalar code for one row.

Whenever the accelerator is free and requests wait, a decision is pending: serve a batch, or wait for the next arrival
or the timer. A batch of a queue takes its oldest requests; where late ones are dropped, the oldest that it answers in
time (Nexus's early drop: H. Shen et al., SOSP 2019), and those before them are dropped. Batch times are deterministic,
as in Clockwork (A. Gujarati et al., OSDI 2020); a variant that is not loaded is loaded first.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.decision.scaling import fast_exp2
from edgegym.envs.inference_batching.state import DROPPED, NOT_LOADED, State

SHORT, LONG = 0.5, 5.0
"""Half-lives of the two arrival rates, in time scales of the queue (its SLO)."""
NEVER = np.inf


@njit(cache=True, _nrt=False)
def begin(state: State, row: int, begins: np.ndarray) -> None:
    """Start the episode of a row whose arrivals are loaded, and run it to its first decision.

    Variants are loaded in their order as long as they fit.

    Args:
        state: the arrays of all rows.
        row: which one.
        begins: (queues + 1,) where each queue's arrivals begin.
    """
    r, rules = state.rows[row], state.rules[0]
    r.now, r.episode, r.clock, r.memory, r.cut = 0.0, row, 0, 0.0, NEVER
    r.reward, r.energy, r.busy, r.loads, r.invalid, r.last_arrival = 0.0, 0.0, 0.0, 0, 0, 0.0
    state.finish[row], state.served_by[row] = np.nan, DROPPED
    for q in range(state.queues.shape[1]):
        queue = state.queues[row, q]
        queue.begin, queue.head, queue.tail, queue.end = begins[q], begins[q], begins[q], begins[q + 1]
        queue.short, queue.long, queue.updated = 0.0, 0.0, 0.0
    for v in range(len(state.variants)):
        state.used[row, v] = NOT_LOADED
        if r.memory + state.variants[v].bytes <= rules.memory:
            r.memory += state.variants[v].bytes
            state.used[row, v] = 0
    _find_fastest(state, row)
    run(state, row)


@inlined
def act(state: State, row: int, action: int) -> None:
    """Take an allowed candidate and run to the next decision; rewards add up until they are paid."""
    if action == 0:
        _wait(state, row)
    else:
        _serve(state, row, action)
    run(state, row)


@inlined
def plan(state: State, row: int, k: int) -> tuple[int, int, float, float]:
    """The batch of candidate ``k`` >= 1, if it started now.

    Returns:
        Its first request, its size (0 if no request would be in time), the time for loading, and for serving.
    """
    r, choice = state.rows[row], state.choices[k]
    v = choice.variant
    queue = state.queues[row, state.variants[v].queue]
    size = min(choice.size, queue.tail - queue.head)
    load = loading_s(state, row, v)
    first = queue.head
    if state.rules[0].drop_late:
        first = first_in_time(state, row, state.variants[v].queue, r.now + load + state.latency[v, size])
        size = min(size, queue.tail - first)
    return first, size, load, state.latency[v, size]


@inlined
def is_allowed(state: State, row: int, k: int, size: int) -> bool:
    """Whether a candidate ``k`` >= 1 with a planned size is a batch, and not that of the next smaller candidate."""
    queue = state.queues[row, state.variants[state.choices[k].variant].queue]
    return size > 0 and state.choices[k].below < queue.tail - queue.head


@inlined
def first_in_time(state: State, row: int, q: int, finish: float) -> int:
    """The oldest waiting request of a queue that an answer at ``finish`` is in time for; the tail if there is none."""
    queue, arrival = state.queues[row, q], state.arrival[state.rows[row].episode]
    earliest = finish - state.services[q].slo
    low, high = queue.head, queue.tail
    while low < high:
        middle = (low + high) // 2
        if arrival[middle] < earliest:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def loading_s(state: State, row: int, v: int) -> float:
    """Time until a variant is loaded."""
    return state.variants[v].load if state.used[row, v] == NOT_LOADED else 0.0


@inlined
def next_arrival(state: State, row: int) -> float:
    """Time of the next arrival of any queue; infinite after the last."""
    soonest = NEVER
    for q in range(state.queues.shape[1]):
        queue = state.queues[row, q]
        if queue.tail < queue.end:
            soonest = min(soonest, state.arrival[state.rows[row].episode, queue.tail])
    return soonest


@inlined
def _wait(state: State, row: int) -> None:
    """Let time pass until the next arrival or the timer; what nothing will end is given up."""
    r, rules = state.rows[row], state.rules[0]
    soonest = next_arrival(state, row)
    if soonest == NEVER:
        for q in range(state.queues.shape[1]):
            queue = state.queues[row, q]
            expires = (rules.drop_expired or rules.drop_late) and state.services[q].slo < NEVER
            if rules.wait == NEVER or not expires:
                _drop_until(state, row, q, queue.tail)
    if rules.wait < NEVER:
        soonest = min(soonest, r.now + rules.wait)
    if soonest < NEVER:
        r.now = soonest


@inlined
def _serve(state: State, row: int, k: int) -> None:
    """Load the variant if it is not, drop whom the batch passes over, and answer the batch."""
    r, rules = state.rows[row], state.rules[0]
    first, size, load, service = plan(state, row, k)
    v = state.choices[k].variant
    q = state.variants[v].queue
    queue = state.queues[row, q]
    _drop_until(state, row, q, first)
    r.clock += 1
    if load > 0.0 or state.used[row, v] == NOT_LOADED:
        _make_room(state, row, v)
    state.used[row, v] = r.clock
    finish = r.now + load + service
    r.now = finish
    r.busy += load + service
    r.energy += state.joules[v, size]
    _answer(state, row, q, v, first, size, finish)
    r.reward -= rules.energy_reward * state.joules[v, size]
    queue.head = first + size


@inlined
def _answer(state: State, row: int, q: int, v: int, first: int, size: int, finish: float) -> None:
    """Log the answers of a batch and earn their goodput, latency and lateness."""
    r, rules, service = state.rows[row], state.rules[0], state.services[q]
    arrival = state.arrival[r.episode]
    accuracy = service.weight * state.variants[v].accuracy
    lost = service.weight * service.best_accuracy
    in_time = rules.goodput_reward * accuracy - rules.shortfall_reward * (lost - accuracy)
    late = -rules.drop_reward - rules.shortfall_reward * lost
    # As the batch itself was chosen: comparing finish - arrival with the SLO could round the other way.
    earliest = finish - service.slo
    for i in range(first, first + size):
        state.finish[row, i], state.served_by[row, i] = finish, v
        if arrival[i] < r.cut:
            r.reward += in_time if arrival[i] >= earliest else late
            r.reward -= rules.latency_reward * (finish - arrival[i])


@inlined
def _drop_until(state: State, row: int, q: int, stop: int) -> None:
    """Drop the waiting requests of a queue before ``stop``."""
    r, rules, queue, service = state.rows[row], state.rules[0], state.queues[row, q], state.services[q]
    loss = rules.drop_reward + rules.shortfall_reward * service.weight * service.best_accuracy
    for i in range(queue.head, stop):
        if state.arrival[r.episode, i] < r.cut:
            r.reward -= loss
    queue.head = max(queue.head, stop)


@inlined
def _make_room(state: State, row: int, v: int) -> None:
    """Load a variant in place of the least recently used ones."""
    r, used = state.rows[row], state.used[row]
    while r.memory + state.variants[v].bytes > state.rules[0].memory:
        oldest = -1
        for other in range(len(used)):
            if used[other] != NOT_LOADED and (oldest < 0 or used[other] < used[oldest]):
                oldest = other
        used[oldest] = NOT_LOADED
        r.memory -= state.variants[oldest].bytes
    r.memory += state.variants[v].bytes
    r.loads += 1
    used[v] = r.clock
    _find_fastest(state, row)


@inlined
def _find_fastest(state: State, row: int) -> None:
    """Find each queue's quickest answer to one request with what is loaded now."""
    for q in range(state.queues.shape[1]):
        state.queues[row, q].fastest = NEVER
    for v in range(len(state.variants)):
        queue = state.queues[row, state.variants[v].queue]
        queue.fastest = min(queue.fastest, loading_s(state, row, v) + state.latency[v, 1])


@inlined
def run(state: State, row: int) -> None:
    """Let requests arrive and expire until one waits, or all are handled."""
    r = state.rows[row]
    r.pending = False
    while not r.pending:
        _admit(state, row)
        for q in range(state.queues.shape[1]):
            _expire(state, row, q)
            queue = state.queues[row, q]
            r.pending = r.pending or queue.head < queue.tail
        if not r.pending:
            soonest = next_arrival(state, row)
            if soonest == NEVER:
                break
            r.now = soonest


@inlined
def _admit(state: State, row: int) -> None:
    """Let the requests join that have arrived by now."""
    r = state.rows[row]
    for q in range(state.queues.shape[1]):
        queue = state.queues[row, q]
        while queue.tail < queue.end and state.arrival[r.episode, queue.tail] <= r.now:
            at = state.arrival[r.episode, queue.tail]
            gap = (at - queue.updated) / state.services[q].scale
            queue.short = 1.0 + queue.short * fast_exp2(-gap / SHORT)
            queue.long = 1.0 + queue.long * fast_exp2(-gap / LONG)
            queue.updated = at
            r.last_arrival = max(r.last_arrival, at)
            queue.tail += 1


@inlined
def _expire(state: State, row: int, q: int) -> None:
    """Drop what is late, or sure to be, if the rules say so."""
    r, rules, queue = state.rows[row], state.rules[0], state.queues[row, q]
    if rules.drop_late:
        _drop_until(state, row, q, first_in_time(state, row, q, r.now + queue.fastest))
    elif rules.drop_expired:
        _drop_until(state, row, q, first_in_time(state, row, q, r.now))
