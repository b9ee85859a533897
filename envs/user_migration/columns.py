"""What an agent sees of a decision: the named columns, computed for one row.

Costs are shown as x / (x + 1), hops as x / (x + 8): 0 stays 0, and nothing leaves [0, 1]. Nothing is clairvoyant.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import fast_log2, unit
from edgegym.decision.stepping import stepper
from edgegym.envs.user_migration.charges import choice_cost, congestion, distance, move_cost, near_cost
from edgegym.envs.user_migration.foresight import chance, next_near, outlook
from edgegym.envs.user_migration.kernel import advance
from edgegym.envs.user_migration.state import CELL, NOWHERE, PREDICTION, State

CANDIDATE_FEATURES = (
    "stay",
    "at_user",
    "from_user",
    "from_service",
    "near",
    "move",
    "congestion",
    "likely",
    "next_near",
    "outlook",
    "along",
    "utilisation",
    "beyond",
)
CONTEXT_FEATURES = (
    "offset",
    "in_cell",
    "at_site",
    "dwell",
    "overspent",
    "position",
    "load",
    "demand",
    "urgency",
    "handed",
)
HOPS = 8.0
"""Hops shown as one half."""


@inlined
def share(x: float, half: float) -> np.float32:
    """A number from 0 on as x / (x + half)."""
    return unit(x / (x + half))


@inlined
def observe(state: State, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed."""
    r = state.rows[row]
    candidates[row], context[row], mask[row] = 0.0, 0.0, 0
    mask[row, 0] = 1
    if not r.pending:
        return
    u, nominees = r.user, state.nominees[row]
    least, least_total = np.inf, np.inf
    for k in range(len(nominees)):
        if nominees[k] != NOWHERE:
            mask[row, k] = 1
            _observe_candidate(state, row, u, nominees[k], candidates[row, k])
            ahead = _outlook(state, row, u, nominees[k])
            least, least_total = min(least, ahead), min(least_total, choice_cost(state, row, u, nominees[k]) + ahead)
    for k in range(len(nominees)):
        if nominees[k] != NOWHERE:
            ahead = _outlook(state, row, u, nominees[k])
            candidates[row, k, 9] = share(ahead - least, 1.0)
            candidates[row, k, 12] = share(choice_cost(state, row, u, nominees[k]) + ahead - least_total, 0.1)
    _observe_context(state, row, u, context[row])


@inlined
def _outlook(state: State, row: int, u: int, site: int) -> float:
    if state.rules[0].plane or state.rules[0].observe < PREDICTION:
        return 0.0
    return outlook(state, row, u, site)


@inlined
def _observe_candidate(state: State, row: int, u: int, site: int, out: np.ndarray) -> None:
    user, rules = state.users[row, u], state.rules[0]
    out[0] = site == user.site
    out[1] = site == user.cell
    out[2] = share(distance(state, user.cell, site), HOPS)
    out[3] = share(distance(state, user.site, site), HOPS)
    out[4] = share(near_cost(state, user.kind, user.cell, site), 1.0)
    out[5] = share(move_cost(state, row, u, site), 1.0)
    if rules.plane:
        return
    out[6] = share(congestion(state, row, u, site), 1.0)
    if rules.observe == PREDICTION:
        out[7] = unit(chance(state, row, u, site))
        out[8] = share(next_near(state, row, u, site), 1.0)
    if rules.observe > CELL:
        out[10] = _along(state, user.before, user.cell, site)
    if state.capacity[site] > 0.0:
        out[11] = unit(state.sites[row, site].load / state.capacity[site])


@inlined
def _along(state: State, before: int, cell: int, site: int) -> np.float32:
    """(1 + cosine) / 2 of the angle between the user's last change of cell and the way from it to a site."""
    ax, ay = state.xy[cell, 0] - state.xy[before, 0], state.xy[cell, 1] - state.xy[before, 1]
    bx, by = state.xy[site, 0] - state.xy[cell, 0], state.xy[site, 1] - state.xy[cell, 1]
    squares = (ax * ax + ay * ay) * (bx * bx + by * by)
    return unit(0.5 + 0.5 * (ax * bx + ay * by) / np.sqrt(squares)) if squares > 0.0 else np.float32(0.5)


@inlined
def _observe_context(state: State, row: int, u: int, out: np.ndarray) -> None:
    r, user, rules = state.rows[row], state.users[row, u], state.rules[0]
    out[0] = share(distance(state, user.cell, user.site), HOPS)
    out[1] = unit(fast_log2(1.0 + user.in_cell) / np.float32(10.0))
    out[2] = unit(fast_log2(1.0 + user.at_site) / np.float32(10.0))
    if rules.observe == PREDICTION and not rules.plane:
        out[3] = unit(chance(state, row, u, user.cell))
    out[4] = share(user.queue, 1.0)
    out[5] = unit(u / r.users)
    if not rules.plane and state.load[user.kind] > 0.0:
        out[6] = unit(state.sites[row, user.site].load / max(state.capacity[user.site], 1e-9))
        out[7] = share(state.load[user.kind], 0.1)
        out[8] = share(state.work[user.kind], 0.1)
    out[9] = user.handed


step_rows = stepper(advance, observe)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
