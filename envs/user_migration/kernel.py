"""The transitions of user migration, scalar code for one row.

A slot opens with the users' new cells; those that are there are asked one after another; when all have answered the
slot closes: it pays, with the loads that the answers left at the sites.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.user_migration.charges import choice_cost, has_room, move_cost, near_cost, put, stretch
from edgegym.envs.user_migration.nomination import nominate
from edgegym.envs.user_migration.state import NOWHERE, State
from edgegym.mobility.hex_plane import packed_hops


@njit(cache=True, _nrt=False)
def begin(state: State, row: int, slots: int, users: int, start: np.ndarray) -> None:
    """Start a row whose cells and services are loaded; ``start`` (users,) may name the first sites."""
    r = state.rows[row]
    r.slot, r.slots, r.users, r.user, r.pending = 0, slots, users, -1, True
    r.invalid, r.reward, r.factor, r.discounted = 0, 0.0, 1.0, 0.0
    for s in range(state.sites.shape[1]):
        state.sites[row, s].load, state.sites[row, s].work = 0.0, 0.0
    for u in range(users):
        user = state.users[row, u]
        user.site, user.cell, user.queue = NOWHERE, NOWHERE, 0.0
        if start[u] != NOWHERE and state.place[row, 0, u] != NOWHERE:
            user.site = start[u]
            user.cell = user.before = state.place[row, 0, u]
            user.at_site = 0
            user.in_cell = -1
            put(state, row, u, 1.0)
    open_slot(state, row)


@inlined
def open_slot(state: State, row: int) -> None:
    """Let users leave, move and arrive, and ask the first of them; slots without any pass by."""
    r = state.rows[row]
    while r.pending:
        for u in range(r.users):
            user = state.users[row, u]
            if state.place[row, r.slot, u] == NOWHERE and user.cell != NOWHERE:
                put(state, row, u, -1.0)
                user.cell = user.site = NOWHERE
        for u in range(r.users):
            if state.place[row, r.slot, u] != NOWHERE:
                _enter(state, row, u, state.place[row, r.slot, u])
        r.user = -1
        _ask_next(state, row)
        if r.user < r.users:
            return
        close_slot(state, row)


@inlined
def _enter(state: State, row: int, u: int, cell: int) -> None:
    user = state.users[row, u]
    user.paid, user.handed = 0.0, False
    if user.cell == NOWHERE:
        user.before, user.in_cell, user.at_site, user.queue = cell, 0, 0, 0.0
        user.site = cell if state.rules[0].plane else _first_site(state, row, u, cell)
        put(state, row, u, 1.0)
    elif cell != user.cell:
        user.before, user.in_cell, user.handed = user.cell, 0, True
    else:
        user.in_cell += 1
    user.at_site += 1
    user.cell = cell


@inlined
def _first_site(state: State, row: int, u: int, cell: int) -> int:
    """The nearest site with room; :meth:`UserMigrationSystem.begin` has made sure that there is one."""
    for k in range(state.nearest.shape[1]):
        if has_room(state, row, u, state.nearest[cell, k]):
            return state.nearest[cell, k]
    return cell


@inlined
def _ask_next(state: State, row: int) -> None:
    """Go on to the next user that is there, lift its load and nominate sites for it."""
    r = state.rows[row]
    r.user += 1
    while r.user < r.users and state.users[row, r.user].cell == NOWHERE:
        r.user += 1
    if r.user < r.users:
        put(state, row, r.user, -1.0)
        nominate(state, row, r.user)


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Put the asked user's service where the chosen candidate says and ask the next one."""
    r = state.rows[row]
    if not r.pending:
        return
    nominees = state.nominees[row]
    if action < 0 or action >= len(nominees) or nominees[action] == NOWHERE:
        r.invalid += 1
        action = 0
    if state.rules[0].regret:
        r.reward -= _regret(state, row, r.user, action)
    settle(state, row, r.user, nominees[action])
    _ask_next(state, row)
    if r.user == r.users:
        close_slot(state, row)
        open_slot(state, row)


@inlined
def _regret(state: State, row: int, u: int, action: int) -> float:
    """What a candidate costs beyond the best one, over this slot and the user's known path on empty sites."""
    nominees, future = state.nominees[row], state.future[row, state.rows[row].slot, u]
    saved = 1.0 - state.rules[0].migration
    least, chosen = np.inf, 0.0
    for k in range(len(nominees)):
        if nominees[k] != NOWHERE:
            cost = choice_cost(state, row, u, nominees[k]) - saved * move_cost(state, row, u, nominees[k])
            cost += future[nominees[k]]
            least = min(least, cost)
            if k == action:
                chosen = cost
    return chosen - least


@inlined
def settle(state: State, row: int, u: int, site: int) -> None:
    """Migrate the asked user's service, or leave it, and log what that takes."""
    r, user = state.rows[row], state.users[row, u]
    entry = state.log[row, r.slot]
    paid = move_cost(state, row, u, site)
    if site != user.site:
        i, j = (0, packed_hops(user.site, site)) if state.rules[0].plane else (user.site, site)
        entry.migrations += 1
        entry.sent += state.sent[user.kind, i, j]
        entry.downtime += state.downtime[user.kind, i, j]
        entry.energy += state.move_energy[user.kind, i, j]
        user.site, user.at_site = site, 0
        user.queue = max(user.queue + paid - state.rules[0].budget, 0.0)
    else:
        entry.downtime += state.rules[0].handover_s if user.handed else 0.0
        user.queue = max(user.queue - state.rules[0].budget, 0.0)
    user.paid = paid
    put(state, row, u, 1.0)


@inlined
def close_slot(state: State, row: int) -> None:
    """Charge all users with the final loads, and go on to the next slot."""
    r, rules = state.rows[row], state.rules[0]
    entry = state.log[row, r.slot]
    for u in range(r.users):
        user = state.users[row, u]
        if user.cell == NOWHERE:
            state.delays[row, r.slot, u] = np.nan
            continue
        factor = 1.0
        if not rules.plane and state.load[user.kind] > 0.0:
            factor = stretch(state.sites[row, user.site].load, state.capacity[user.site])
        near = near_cost(state, user.kind, user.cell, user.site)
        entry.cost += user.paid + near + state.work[user.kind] * factor
        entry.users += 1
        _log_delay(state, row, u, factor)
    entry.balance = _balance(state, row)
    if not rules.regret:
        r.reward -= entry.cost
    r.discounted += r.factor * entry.cost
    r.factor *= rules.discount
    r.slot += 1
    r.pending = r.slot < r.slots


@inlined
def _log_delay(state: State, row: int, u: int, factor: float) -> None:
    r, user = state.rows[row], state.users[row, u]
    if state.rules[0].plane:
        return
    entry = state.log[row, r.slot]
    delay = state.latency[user.kind, user.cell, user.site] + state.seconds[user.kind] * factor
    missed = delay > state.deadline[user.kind]
    entry.latency += delay
    entry.energy += state.energy[user.kind, user.cell, user.site]
    entry.misses += missed
    if state.deadline[user.kind] == state.rules[0].tightest:
        entry.tight += 1
        entry.tight_misses += missed
    state.delays[row, r.slot, u] = delay


@inlined
def _balance(state: State, row: int) -> float:
    """Jain's index (sum x)^2 / (n sum x^2) of the sites' utilisations; 1 where nothing runs."""
    total, squares, count = 0.0, 0.0, 0
    for s in range(state.sites.shape[1]):
        if 0.0 < state.capacity[s] < np.inf:
            x = state.sites[row, s].load / state.capacity[s]
            total, squares, count = total + x, squares + x * x, count + 1
    return total * total / (count * squares) if squares > 0.0 else 1.0


@njit(cache=True, _nrt=False)
def follow(state: State, row: int, plan: np.ndarray) -> None:
    """Play a row that has just begun by a plan.

    Args:
        state: the arrays of all rows.
        row: which one.
        plan: (slots, users) places of the services; entries of users that are away are not read. Where a site has no
            room the service stays, and where it cannot stay it goes to the user.
    """
    r = state.rows[row]
    while r.pending:
        user, target = state.users[row, r.user], plan[r.slot, r.user]
        if target == user.site:
            target = state.nominees[row, 0]
        elif not has_room(state, row, r.user, target):
            target = user.site
        settle(state, row, r.user, target)
        _ask_next(state, row)
        if r.user == r.users:
            close_slot(state, row)
            open_slot(state, row)
