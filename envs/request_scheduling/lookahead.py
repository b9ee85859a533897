"""The regret signal: what a choice is worth against the greedy one, knowing the requests to come.

Both choices are followed by the greedy rule on the requests that really come: each takes whatever is worth most to
itself, less a charge for its service times its wait and the weight of its class, the earliest among equals; where
latency alone counts and nothing is charged that is the shortest expected delay. A request that is held back follows
that rule when it is released. Servers are reduced to the time at which they are free, which is exact for first come,
first served with one slot, no batches, no loading and no ways, and else a stand-in. Since the difference holds all that
the choice does to later requests, it is credited at once, and gamma may be 0.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.request_scheduling.server import expected_s, free_at, work_of
from edgegym.envs.request_scheduling.state import NONE, Fleet, State

TAKEN, GREEDY = 0, 1
"""The two branches."""


@inlined
def regret(state: State, fleet: Fleet, row: int, request: int, server: int, model: int) -> float:
    """Value of sending a request to ``server`` (NONE: rejecting it), less that of the greedy choice.

    Returns:
        In units of the reward; where nothing is paid for answers in time, in units of the request's shortest service
        time, so that large requests do not drown the small ones. Cut to the setting ``clip`` either way, since a few
        choices delay hundreds of requests and would drown the rest. The scale does not depend on the choice.
    """
    free, now = state.free[row], state.rows[row].now
    _fork(state, fleet, row, request)
    value = _place(state, fleet, row, request, server, model, now, free[TAKEN])
    value -= _greedy(state, fleet, row, request, now, free[GREEDY])
    return _clipped(state, fleet, row, request, value + _aftermath(state, fleet, row, NONE, np.inf))


@inlined
def regret_of_holding(state: State, fleet: Fleet, row: int, request: int) -> float:
    """Value of holding a request back, less that of the greedy choice, as :func:`regret` counts it."""
    free, now = state.free[row], state.rows[row].now
    _fork(state, fleet, row, request)
    value = -_greedy(state, fleet, row, request, now, free[GREEDY])
    value += _aftermath(state, fleet, row, request, now + state.rules[0].hold)
    return _clipped(state, fleet, row, request, value)


@inlined
def _fork(state: State, fleet: Fleet, row: int, request: int) -> None:
    """Let both branches begin with the servers as they are."""
    free = state.free[row]
    for s in range(free.shape[1]):
        free[TAKEN, s] = free_at(state, fleet, row, s, request)
        free[GREEDY, s] = free[TAKEN, s]


@inlined
def _aftermath(state: State, fleet: Fleet, row: int, held: int, release: float) -> float:
    """What later requests gain in the branch that was taken; ``held`` (or NONE) is placed there at ``release``."""
    r, free, value = state.rows[row], state.free[row], 0.0
    last = min(r.next + state.rules[0].horizon, r.requests)
    for later in range(r.next, last):
        arrival = state.requests[row, later].arrival
        if held != NONE and release <= arrival:
            value += _greedy(state, fleet, row, held, release, free[TAKEN])
            held = NONE
        if held == NONE and _same(free, arrival):
            break
        value += _greedy(state, fleet, row, later, arrival, free[TAKEN])
        value -= _greedy(state, fleet, row, later, arrival, free[GREEDY])
    if held != NONE:
        value += _greedy(state, fleet, row, held, release, free[TAKEN])
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
        same = same and max(free[TAKEN, server], time) == max(free[GREEDY, server], time)
    return same


@inlined
def _place(
    state: State, fleet: Fleet, row: int, request: int, server: int, model: int, sent: float, free: np.ndarray
) -> float:
    """Value of a request to itself at a server, which is then free later; ``sent``: s, when it is sent there."""
    if server == NONE:
        return -state.rules[0].reject_reward * state.requests[row, request].weight
    begin = max(free[server], sent + _way(state, fleet, row, request, server))
    free[server] = begin + work_of(state, fleet, server, model, state.requests[row, request].size)
    return _worth(state, fleet, row, request, server, model, begin)


@inlined
def _greedy(state: State, fleet: Fleet, row: int, request: int, sent: float, free: np.ndarray) -> float:
    """Value of a request to itself at the place that it likes best, which is then free later."""
    rules, q = state.rules[0], state.requests[row, request]
    best_server, best_model, least = NONE, NONE, np.inf
    best = -rules.reject_reward * q.weight if rules.reject else -np.inf
    for server in range(len(free)):
        ready = sent + _way(state, fleet, row, request, server)
        begin = max(free[server], ready)
        for v in range(rules.variants):
            model = fleet.variant[q.task, v]
            if model == NONE or fleet.rate[server, model, 0] == 0.0:
                continue
            seconds = expected_s(fleet, server, model, 1, q.size)
            liked = _worth(state, fleet, row, request, server, model, begin)
            liked -= rules.charge * q.weight * seconds * (begin - ready)
            if liked > best or (liked == best and best_server != NONE and begin + seconds < least):
                best, best_server, best_model, least = liked, server, model, begin + seconds
    if best_server != NONE:
        return _place(state, fleet, row, request, best_server, best_model, sent, free)
    return best


@inlined
def _way(state: State, fleet: Fleet, row: int, request: int, server: int) -> float:
    """Seconds that a request takes to reach a server."""
    q = state.requests[row, request]
    return 0.5 * fleet.rtt[q.origin, server] + fleet.byte[q.origin, server] * q.payload


@inlined
def _worth(state: State, fleet: Fleet, row: int, request: int, server: int, model: int, begin: float) -> float:
    """The reward's terms for one request."""
    rules, q = state.rules[0], state.requests[row, request]
    response = begin + expected_s(fleet, server, model, 1, q.size) + 0.5 * fleet.rtt[q.origin, server]
    worth = -rules.latency_reward * (response - q.arrival)
    worth -= rules.tail_reward * max(response - q.arrival - rules.tail_s, 0.0)
    worth -= rules.energy_reward * fleet.power[server] * work_of(state, fleet, server, model, q.size)
    if response <= q.deadline:
        worth += rules.slo_reward + rules.goodput_reward * q.weight * fleet.accuracy[model]
    return worth
