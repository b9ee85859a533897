"""What an agent sees of a decision: the named columns, computed for one row.

Times, energies and sizes span orders of magnitude and are in octaves: "oct" is .5 + log2(x) / 40, with 1e-6 in place of
anything smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.decision.scaling import fast_exp2, fast_log2, unit
from edgegym.envs.request_scheduling.kernel import advance, allowed, candidates_before, model_of, server_of
from edgegym.envs.request_scheduling.server import expected_s, free_at, swap_s
from edgegym.envs.request_scheduling.state import NONE, Fleet, State

CANDIDATE_FEATURES = (
    "finish",
    "next_finish",
    "wait",
    "service",
    "network",
    "swap",
    "energy",
    "queue",
    "relative_finish",
    "relative_next",
    "speed",
    "forming",
    "slack",
    "feasible",
    "accuracy",
    "quickest",
    "reject",
    "hold",
)
LOG_COLUMNS = 8
"""The first columns are written as plain numbers and put in octaves together."""
CONTEXT_FEATURES = (
    "size",
    "relative_size",
    "priority",
    "deadline",
    "held",
    "gap",
    "in_system",
    "idle",
    "in_time",
    "best_finish",
    "best_wait",
)
LEAST = np.float32(1e-6)
OCTAVE = np.float32(1.0 / 40.0)
HALF = np.float32(0.5)


@inlined
def observe(
    state: State, fleet: Fleet, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray
) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed.

    Args:
        state: the arrays of all rows.
        fleet: the constant tables.
        row: which row.
        candidates: (rows, candidates, candidate features) float32; this row is written.
        context: (rows, context features) float32; likewise.
        mask: (rows, candidates) int8; likewise.
    """
    request = state.rows[row].pending
    candidates[row], context[row], mask[row] = 0.0, 0.0, 0
    mask[row, 0] = 1
    if request == NONE:
        return
    _write_pairs(state, fleet, row, request, candidates[row], mask[row])
    finish, service, wait = _least(candidates[row], mask[row])
    _write_next(state, fleet, row, request, candidates[row], mask[row])
    for k in range(candidates_before(state), state.servers.shape[1] * state.rules[0].variants):
        out = candidates[row, k]
        if mask[row, k] and out[0] > 0.0:
            out[8], out[10] = finish / out[0], service / max(out[3], LEAST)
    for k in range(mask.shape[1]):
        if mask[row, k]:
            for f in range(LOG_COLUMNS):
                candidates[row, k, f] = octaves(candidates[row, k, f])
    _write_others(state, fleet, row, request, candidates[row], mask[row])
    _write_context(state, fleet, row, request, finish, wait, context[row])


@inlined
def _write_pairs(state: State, fleet: Fleet, row: int, request: int, candidates: np.ndarray, mask: np.ndarray) -> None:
    """Every allowed pair of server and variant, its first columns as plain numbers."""
    r, q, rules = state.rows[row], state.requests[row, request], state.rules[0]
    lasts, least, quickest = q.deadline - q.arrival, np.inf, NONE
    for server in range(state.servers.shape[1]):
        s, there = state.servers[row, server], 0.5 * fleet.rtt[q.origin, server]
        there += fleet.byte[q.origin, server] * q.payload
        wait = max(free_at(state, fleet, row, server, request) - r.now - there, 0.0)
        for v in range(rules.variants):
            k = candidates_before(state) + server * rules.variants + v
            if not (allowed(state, fleet, row, k) and _serves(state, fleet, row, k)):
                continue
            out, model = candidates[k], model_of(state, fleet, row, k)
            mask[k] = 1
            seconds, swap = expected_s(fleet, server, model, 1, q.size), swap_s(state, fleet, row, server, model)
            finish = there + wait + swap + seconds + 0.5 * fleet.rtt[q.origin, server]
            out[0], out[2], out[3], out[4] = finish, wait, seconds, finish - wait - swap - seconds
            out[5], out[6], out[7] = swap, fleet.power[server] * seconds, 1.0 + s.assigned
            out[11] = (state.forming[row, server, model] % rules.batch) / rules.batch
            out[12], out[13] = 1.0, r.now + finish <= q.deadline
            if lasts < np.inf:
                out[12] = unit(0.5 + 0.5 * (q.deadline - r.now - finish) / lasts)
            out[14] = fleet.accuracy[model]
            if finish < least:
                least, quickest = finish, k
    if quickest != NONE:
        candidates[quickest, 15] = 1.0


@inlined
def _serves(state: State, fleet: Fleet, row: int, k: int) -> bool:
    """Whether a pair's server can serve its variant; candidate 0 is allowed anyway."""
    model = model_of(state, fleet, row, k)
    return model != NONE and fleet.rate[server_of(state, k), model, 0] > 0.0


@inlined
def _least(candidates: np.ndarray, mask: np.ndarray) -> tuple[Any, Any, Any]:
    """Least finish, service and wait over the allowed pairs; 0 where there is none."""
    finish, service, wait = np.float32(np.inf), np.float32(np.inf), np.float32(np.inf)
    for k in range(len(mask)):
        if mask[k] and candidates[k, 7] > 0.0:
            finish, service = min(finish, candidates[k, 0]), min(service, candidates[k, 3])
            wait = min(wait, candidates[k, 2])
    if finish == np.inf:
        return np.float32(0.0), np.float32(0.0), np.float32(0.0)
    return finish, service, wait


@inlined
def _write_next(state: State, fleet: Fleet, row: int, request: int, candidates: np.ndarray, mask: np.ndarray) -> None:
    """When another such request of typical size would finish that came right after: ``next_finish``."""
    rules, size = state.rules[0], fast_exp2(state.rows[row].log_size) / state.requests[row, request].size
    first = candidates_before(state)
    best, second, best_server = np.float32(np.inf), np.float32(np.inf), NONE
    for server in range(state.servers.shape[1]):
        least = _typical(candidates, mask, first + server * rules.variants, rules.variants, size)
        if least < best:
            best, second, best_server = least, best, server
        elif least < second:
            second = least
    for server in range(state.servers.shape[1]):
        k = first + server * rules.variants
        own = _typical(candidates, mask, k, rules.variants, size)
        other = second if server == best_server else best
        for pair in range(k, k + rules.variants):
            if mask[pair] and candidates[pair, 7] > 0.0:
                after = min(other, own + candidates[pair, 3] / max(fleet.slots[server], 1))
                candidates[pair, 1], candidates[pair, 9] = after, best / max(after, LEAST)


@inlined
def _typical(candidates: np.ndarray, mask: np.ndarray, k: int, variants: int, size: float) -> np.float32:
    """Finish of a request ``size`` times as large at the server whose pairs begin at ``k``; inf where it cannot go."""
    least = np.float32(np.inf)
    for pair in range(k, k + variants):
        if mask[pair] and candidates[pair, 7] > 0.0:
            least = min(least, candidates[pair, 0] + candidates[pair, 3] * (np.float32(size) - np.float32(1.0)))
    return least


@inlined
def _write_others(state: State, fleet: Fleet, row: int, request: int, candidates: np.ndarray, mask: np.ndarray) -> None:
    """The candidates that send the request nowhere."""
    if state.rules[0].reject:
        candidates[0] = 0.0
        candidates[0, 16] = 1.0
    last = len(mask) - 1
    if server_of(state, last) >= state.servers.shape[1] and allowed(state, fleet, row, last):
        mask[last] = 1
        candidates[last, 17] = 1.0


@inlined
def _write_context(
    state: State, fleet: Fleet, row: int, request: int, finish: float, wait: float, out: np.ndarray
) -> None:
    r, q, rules = state.rows[row], state.requests[row, request], state.rules[0]
    servers = state.servers.shape[1]
    out[0] = octaves(q.size)
    out[1] = octaves(q.size / max(fast_exp2(r.log_size), LEAST))
    out[2] = np.float32(0.5) * (2 - q.priority)
    out[3] = octaves(q.deadline - r.now) if q.deadline < np.inf else np.float32(1.0)
    out[4] = q.holds / max(rules.most_holds, 1)
    out[5] = octaves(r.gap)
    out[6] = octaves(1.0 + r.in_system)
    for server in range(servers):
        out[7] += np.float32(state.servers[row, server].running < fleet.slots[server]) / servers
    out[7] = unit(out[7])
    out[8] = unit(r.in_time)
    out[9], out[10] = octaves(finish), octaves(wait)


@inlined
def octaves(x: float) -> np.float32:
    """A number that is not negative on a logarithmic scale: 1 gives .5, each octave 1/40."""
    return unit(fast_log2(max(np.float32(x), LEAST)) * OCTAVE + HALF)


@njit(cache=True, _nrt=False)
def step_rows(state, fleet, actions, active, candidates, context, mask, reward, done) -> None:  # type: ignore[no-untyped-def]
    """Advance the active rows by one decision and write every row's pending decision.

    Args:
        state: the arrays of all rows.
        fleet: the constant tables.
        actions: (rows,) int64.
        active: (rows,) bool.
        candidates: written, as are all that follow; see :class:`~edgegym.decision.system.Decisions`.
        context: written.
        mask: written.
        reward: written.
        done: written.
    """
    for row in range(len(actions)):
        r = state.rows[row]
        reward[row] = 0.0
        if active[row]:
            r.signal = 0.0
            advance(state, fleet, row, actions[row], mask.shape[1])
            reward[row], r.reward = r.signal if state.rules[0].horizon > 0 else r.reward, 0.0
        done[row] = r.pending == NONE
        observe(state, fleet, row, candidates, context, mask)
