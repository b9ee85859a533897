"""What an agent sees of a decision: the named columns, computed for one row.

"x against y" is x / (x + y). Times are compared with the time scale of their queue: its SLO, or 1 s without one.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import fast_exp2, fast_log2, unit
from edgegym.decision.stepping import stepper
from edgegym.envs.inference_batching.kernel import LONG, NEVER, SHORT, is_allowed, plan
from edgegym.envs.inference_batching.reference import advance, batch_worth, endangered_worth
from edgegym.envs.inference_batching.state import State

CANDIDATE_FEATURES = (
    "wait",
    "batch",
    "fill",
    "passed",
    "met",
    "time",
    "load",
    "energy",
    "accuracy",
    "accuracy_rank",
    "weight",
    "margin",
    "slack",
    "age",
    "waiting",
    "urgent",
    "longest",
    "endangered",
    "net",
    "rate",
    "best_rate",
    "demand",
    "arriving",
    "backlog",
    "spare",
    "utilisation_short",
    "utilisation_long",
    "drain",
)
CONTEXT_FEATURES = (
    "waiting_all",
    "backlog_now",
    "load_short",
    "load_long",
    "trend",
    "silence",
    "least_slack",
    "queues_waiting",
    "memory_free",
)
LN2 = 0.6931471805599453
LEAST_SHARE = 1e-3
"""Of a half-life: a rate is counted over no less."""
WAIT, BATCH, FILL, PASSED, MET, TIME, LOAD, ENERGY, ACCURACY, ACCURACY_RANK, WEIGHT, MARGIN = range(12)
SLACK, AGE, WAITING, URGENT, LONGEST, ENDANGERED, NET, RATE, BEST_RATE, DEMAND, ARRIVING, BACKLOG = range(12, 24)
SPARE, UTILISATION_SHORT, UTILISATION_LONG, DRAIN = range(24, 28)


@inlined
def observe(state: State, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed.

    Args:
        state: the arrays of all rows.
        row: which one.
        candidates: (rows, candidates, candidate features) float32; this row is written.
        context: (rows, context features) float32; likewise.
        mask: (rows, candidates) int8; likewise.
    """
    candidates[row], context[row], mask[row] = 0.0, 0.0, 0
    mask[row, 0] = 1
    if not state.rows[row].pending:
        return
    urgent, longest, work, short, long = _survey(state, row, context[row])
    _write_waiting(state, row, work, candidates[row, 0])
    highest = 0.0
    for k in range(1, len(state.choices)):
        first, size, load, service = plan(state, row, k)
        if is_allowed(state, row, k, size):
            mask[row, k] = 1
            rate = _write_batch(state, row, k, first, size, load, service, work, candidates[row, k])
            _write_utilisation(state, row, k, short, long, candidates[row, k])
            q = state.variants[state.choices[k].variant].queue
            candidates[row, k, URGENT], candidates[row, k, LONGEST] = q == urgent, q == longest
            candidates[row, k, BEST_RATE] = rate
            highest = max(highest, rate)
    for k in range(1, len(state.choices)):
        if mask[row, k] and highest > 0.0:
            rate = candidates[row, k, BEST_RATE]
            candidates[row, k, RATE] = unit(rate / highest)
            candidates[row, k, BEST_RATE] = rate >= highest


@inlined
def _survey(state: State, row: int, out: np.ndarray) -> tuple[int, int, float, float, float]:
    """Write the context; return the most urgent queue, the longest, the seconds of work that wait, and both loads."""
    r = state.rows[row]
    urgent, longest, least, most = -1, -1, np.inf, 0
    work, total, short, long, slack, busy, scale = 0.0, 0, 0.0, 0.0, 1.0, 0, np.inf
    for q in range(state.queues.shape[1]):
        queue, service = state.queues[row, q], state.services[q]
        waiting = queue.tail - queue.head
        total += waiting
        work += waiting * service.item
        short += service.item * _rate_per_s(queue.short, SHORT * service.scale, queue.updated, r.now)
        long += service.item * _rate_per_s(queue.long, LONG * service.scale, queue.updated, r.now)
        scale = min(scale, service.scale)
        if waiting > 0:
            busy += 1
            deadline = state.arrival[r.episode, queue.head] + service.slo
            slack = min(slack, unit((deadline - r.now) / service.scale))
            if urgent < 0 or deadline < least:
                urgent, least = q, deadline
            if waiting > most:
                longest, most = q, waiting
    out[0] = _count(total)
    out[1] = _against(work, scale)
    out[2] = _against(short, 1.0)
    out[3] = _against(long, 1.0)
    out[4] = _against(short, long)
    out[5] = _against(r.now - r.last_arrival, 0.1 * scale)
    out[6] = slack
    out[7] = busy / state.queues.shape[1]
    memory = state.rules[0].memory
    out[8] = unit(1.0 - r.memory / memory) if memory < NEVER else np.float32(1.0)
    return urgent, longest, work, short, long


@inlined
def _write_waiting(state: State, row: int, work: float, out: np.ndarray) -> None:
    """Candidate 0: what time passing until the timer would cost."""
    r, wait = state.rows[row], state.rules[0].wait
    out[WAIT] = 1.0
    if wait == NEVER:
        return
    scale = _least_scale(state)
    worth = endangered_worth(state, row, -1, 0, r.now + wait)
    out[TIME] = _against(wait, scale)
    out[ENDANGERED] = _count(worth)
    out[NET] = 0.5 if worth == 0.0 else 0.0
    out[BACKLOG] = _against(work, scale)
    out[SPARE] = _spare(state, row, -1, 0, r.now + wait)


@inlined
def _write_batch(
    state: State, row: int, k: int, first: int, size: int, load: float, service_s: float, work: float, out: np.ndarray
) -> float:
    """Candidate ``k``; return the goodput per second that it earns."""
    r = state.rows[row]
    v = state.choices[k].variant
    variant = state.variants[v]
    q = variant.queue
    queue, service, arrival = state.queues[row, q], state.services[q], state.arrival[r.episode]
    waiting, duration = queue.tail - queue.head, load + service_s
    finish = r.now + duration
    worth = batch_worth(state, row, k, first, size, finish)
    lost = endangered_worth(state, row, q, first + size, finish)
    lost += service.weight * service.best_accuracy * (first - queue.head)
    arriving = _rate_per_s(queue.short, SHORT * service.scale, queue.updated, r.now) * duration
    out[BATCH] = _count(size)
    out[FILL] = size / waiting
    out[PASSED] = (first - queue.head) / waiting
    out[MET] = unit(worth / (service.weight * variant.accuracy * size))
    out[TIME] = _against(duration, service.scale)
    out[LOAD] = load / duration
    out[ENERGY] = _against(state.joules[v, size] / size, 1.0)
    out[ACCURACY] = variant.accuracy
    out[ACCURACY_RANK] = unit(variant.accuracy / service.best_accuracy)
    out[WEIGHT] = _against(service.weight, 1.0)
    out[MARGIN] = unit((arrival[first] + service.slo - finish) / service.scale)
    out[SLACK] = unit((arrival[queue.head] + service.slo - r.now) / service.scale)
    out[AGE] = _against(r.now - arrival[queue.head], service.scale)
    out[WAITING] = _count(waiting)
    out[ENDANGERED] = _count(lost)
    out[NET] = 0.5 + 0.5 * (worth - lost) / max(worth + lost, 1e-9)
    out[SPARE] = _spare(state, row, q, first + size, finish)
    out[DRAIN] = _against(load + work + waiting * (variant.item - service.item), service.scale)
    out[DEMAND] = _against(arriving, size)
    out[ARRIVING] = _count(arriving)
    out[BACKLOG] = _against(max(work + (arriving - size) * service.item, 0.0), _least_scale(state))
    return worth / duration


@inlined
def _write_utilisation(state: State, row: int, k: int, short: float, long: float, out: np.ndarray) -> None:
    """Load that arrives if the queue is served by this variant alone, the others by their quickest."""
    variant = state.variants[state.choices[k].variant]
    queue, service = state.queues[row, variant.queue], state.services[variant.queue]
    now, more_s = state.rows[row].now, variant.item - service.item
    short += more_s * _rate_per_s(queue.short, SHORT * service.scale, queue.updated, now)
    long += more_s * _rate_per_s(queue.long, LONG * service.scale, queue.updated, now)
    out[UTILISATION_SHORT], out[UTILISATION_LONG] = _against(short, 1.0), _against(long, 1.0)


@inlined
def _rate_per_s(count: float, half_life_s: float, updated: float, now: float) -> float:
    """Arrivals per second: a decayed count over the time since the start, decayed likewise."""
    seconds = half_life_s / LN2 * max(1.0 - fast_exp2(-now / half_life_s), LEAST_SHARE)
    return count * fast_exp2((updated - now) / half_life_s) / seconds


@inlined
def _spare(state: State, row: int, q: int, first_left: int, finish: float) -> np.float32:
    """Least time to spare, in scales, of a queue's oldest request left at ``finish`` if its quickest answer is next."""
    spare = 1.0
    for other in range(state.queues.shape[1]):
        queue, service = state.queues[row, other], state.services[other]
        left = first_left if other == q else queue.head
        if left < queue.tail:
            deadline = state.arrival[state.rows[row].episode, left] + service.slo
            spare = min(spare, (deadline - finish - queue.fastest) / service.scale)
    return unit(spare)


@inlined
def _least_scale(state: State) -> float:
    scale = np.inf
    for q in range(len(state.services)):
        scale = min(scale, state.services[q].scale)
    return scale


@inlined
def _count(x: float) -> np.float32:
    """log2(1 + x) / 16: 0 gives 0, 65,535 gives 1."""
    return unit(fast_log2(1.0 + x) / np.float32(16.0))


@inlined
def _against(x: float, other: float) -> np.float32:
    """Give x / (x + other); 0 if x is not positive."""
    return unit(x / (x + other)) if x > 0.0 else np.float32(0.0)


step_rows = stepper(advance, observe)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
