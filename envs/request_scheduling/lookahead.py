"""The regret signal: what a choice is worth against that of a base rule, knowing the requests to come.

Both choices are followed by the base rule on the requests that really come: accuracy scaling
(:class:`~edgegym.envs.request_scheduling.reward.AccuracyScaling`), with plain settings the greedy rule, the earliest
answer among equals. A request that is held back follows that rule when it is released. Servers are reduced to the time
at which they are free, which is exact for first come, first served with one slot, no batches, no loading and no ways,
and else a stand-in.

Since the difference holds all that the choice does to later requests, it may be credited at once, and gamma may be 0:
what is learned then is the best single departure from the rule. The sum of the regrets of an episode is what a policy
gains on the rule in all (S. Kakade and J. Langford, ICML 2002), so a larger gamma also learns how departures add up.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.request_scheduling.server import expected_s, free_at, work_of
from edgegym.envs.request_scheduling.state import NONE, TYPICAL_WAIT_S, Fleet, State

TAKEN, BASE = 0, 1
"""The two branches."""


@inlined
def regret(state: State, fleet: Fleet, row: int, request: int, server: int, model: int) -> float:
    """Value of sending a request to ``server`` (NONE: rejecting it), less that of the rule's choice.

    Returns:
        In units of the reward; where nothing is paid for answers in time, in units of the request's shortest service
        time, so that large requests do not drown the small ones. Cut to the setting ``clip`` either way, since a few
        choices delay hundreds of requests and would drown the rest. The scale does not depend on the choice.
    """
    free, now = state.free[row], state.rows[row].now
    _fork(state, fleet, row, request)
    value = _place(state, fleet, row, request, server, model, now, free[TAKEN])
    value -= _follow(state, fleet, row, request, now, free[BASE])
    return _clipped(state, fleet, row, request, value + _aftermath(state, fleet, row, NONE, np.inf))


@inlined
def regret_of_holding(state: State, fleet: Fleet, row: int, request: int) -> float:
    """Value of holding a request back, less that of the rule's choice, as :func:`regret` counts it."""
    free, now = state.free[row], state.rows[row].now
    _fork(state, fleet, row, request)
    value = -_follow(state, fleet, row, request, now, free[BASE])
    value += _aftermath(state, fleet, row, request, now + state.rules[0].hold)
    return _clipped(state, fleet, row, request, value)


@inlined
def _fork(state: State, fleet: Fleet, row: int, request: int) -> None:
    """Let both branches begin with the servers as they are."""
    free = state.free[row]
    for s in range(free.shape[1]):
        free[TAKEN, s] = free_at(state, fleet, row, s, request)
        free[BASE, s] = free[TAKEN, s]


@inlined
def _aftermath(state: State, fleet: Fleet, row: int, held: int, release: float) -> float:
    """What later requests gain in the branch that was taken; ``held`` (or NONE) is placed there at ``release``."""
    r, free, value = state.rows[row], state.free[row], 0.0
    last = min(r.next + state.rules[0].horizon, r.requests)
    for later in range(r.next, last):
        arrival = state.requests[row, later].arrival
        if held != NONE and release <= arrival:
            value += _follow(state, fleet, row, held, release, free[TAKEN])
            held = NONE
        if held == NONE and _same(free, arrival):
            break
        value += _follow(state, fleet, row, later, arrival, free[TAKEN])
        value -= _follow(state, fleet, row, later, arrival, free[BASE])
    if held != NONE:
        value += _follow(state, fleet, row, held, release, free[TAKEN])
    return value


@inlined
def _clipped(state: State, fleet: Fleet, row: int, request: int, value: float) -> float:
    clip = state.rules[0].clip
    return min(max(value / _scale(state, fleet, row, request), -clip), clip)


@inlined
def _scale(state: State, fleet: Fleet, row: int, request: int) -> float:
    rules, q = state.rules[0], state.requests[row, request]
    if rules.slo_reward > 0.0 or rules.goodput_reward > 0.0 or rules.latency_reward == 0.0:
        return 1.0
    least = np.inf
    for server in range(state.servers.shape[1]):
        for v in range(rules.variants):
            model = fleet.variant[q.task, v]
            if model != NONE and fleet.rate[server, model, 0] > 0.0:
                least = min(least, expected_s(fleet, server, model, 1, q.size))
    return rules.latency_reward * max(least, 1e-9)


@inlined
def _same(free: np.ndarray, time: float) -> bool:
    """Whether both branches look the same to whoever comes at ``time`` or later."""
    same = True
    for server in range(free.shape[1]):
        same = same and max(free[TAKEN, server], time) == max(free[BASE, server], time)
    return same


@inlined
def _place(
    state: State, fleet: Fleet, row: int, request: int, server: int, model: int, sent: float, free: np.ndarray
) -> float:
    """Value of a request to itself at a server, which is then free later; ``sent``: s, when it is sent there."""
    if server == NONE:
        return -state.rules[0].reject_reward * state.requests[row, request].weight
    rules, q = state.rules[0], state.requests[row, request]
    begin = max(free[server], sent + _way(state, fleet, row, request, server))
    free[server] = begin + work_of(state, fleet, server, model, q.size)
    late = max(_response(state, fleet, row, request, server, model, begin) - q.arrival - rules.tail_s, 0.0)
    return _worth(state, fleet, row, request, server, model, begin, q.deadline) - rules.tail_reward * late


@inlined
def _follow(state: State, fleet: Fleet, row: int, request: int, sent: float, free: np.ndarray) -> float:
    """Value of a request to itself where the base rule sends it, which is then free later."""
    rules, q = state.rules[0], state.requests[row, request]
    best_server, best_model, least = NONE, NONE, np.inf
    rejected = -rules.reject_reward * q.weight
    best = rules.favour[q.priority] / q.weight * rejected if rules.reject else -np.inf
    for server in range(len(free)):
        ready = sent + _way(state, fleet, row, request, server)
        begin = max(free[server], ready)
        for v in range(rules.variants):
            model = fleet.variant[q.task, v]
            if model == NONE or fleet.rate[server, model, 0] == 0.0:
                continue
            seconds = expected_s(fleet, server, model, 1, q.size)
            liked = _liked(state, fleet, row, request, server, model, begin, begin - ready)
            if liked > best or (liked == best and best_server != NONE and begin + seconds < least):
                best, best_server, best_model, least = liked, server, model, begin + seconds
    if best_server != NONE:
        return _place(state, fleet, row, request, best_server, best_model, sent, free)
    return rejected if rules.reject else -np.inf


@inlined
def _liked(
    state: State, fleet: Fleet, row: int, request: int, server: int, model: int, begin: float, wait: float
) -> float:
    """How much the base rule likes a place: the equation in :class:`~.reward.AccuracyScaling`."""
    rules, q = state.rules[0], state.requests[row, request]
    charge = rules.charge * expected_s(fleet, server, model, 1, q.size) * wait
    if rules.bend != 0.0 and wait > 0.0:
        charge *= (wait / TYPICAL_WAIT_S) ** rules.bend
    early = rules.margin * (q.deadline - q.arrival) if q.deadline < np.inf else 0.0
    worth = _worth(state, fleet, row, request, server, model, begin, q.deadline - early)
    return rules.favour[q.priority] / q.weight * worth - charge


@inlined
def _way(state: State, fleet: Fleet, row: int, request: int, server: int) -> float:
    """Seconds that a request takes to reach a server."""
    q = state.requests[row, request]
    return 0.5 * fleet.rtt[q.origin, server] + fleet.byte[q.origin, server] * q.payload


@inlined
def _worth(
    state: State, fleet: Fleet, row: int, request: int, server: int, model: int, begin: float, deadline: float
) -> float:
    """The reward's terms for one request but for its tail, by a deadline."""
    rules, q = state.rules[0], state.requests[row, request]
    response = _response(state, fleet, row, request, server, model, begin)
    worth = -rules.latency_reward * (response - q.arrival)
    worth -= rules.energy_reward * fleet.power[server] * work_of(state, fleet, server, model, q.size)
    if response <= deadline:
        worth += rules.slo_reward + rules.goodput_reward * q.weight * fleet.accuracy[model]
    return worth


@inlined
def _response(state: State, fleet: Fleet, row: int, request: int, server: int, model: int, begin: float) -> float:
    """When a request that begins to be served is answered, seconds."""
    q = state.requests[row, request]
    return begin + expected_s(fleet, server, model, 1, q.size) + 0.5 * fleet.rtt[q.origin, server]
