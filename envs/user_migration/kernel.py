"""The transitions of user migration, scalar code for one row.

A slot opens with the users' new cells; those that are there are asked one after another; when all have answered the
slot closes: it pays, with the loads that the answers left at the sites.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from edgegym.decision.inlining import inlined
from edgegym.envs.user_migration.state import MOTION, NOWHERE, PREDICTION, State
from edgegym.mobility.hex_plane import packed_hops, packed_towards

TINY = 1e-12


@inlined
def distance(state: State, a: int, b: int) -> int:
    """Hops between two places."""
    return packed_hops(a, b) if state.rules[0].plane else state.hops[a, b]


@inlined
def near_cost(state: State, kind: int, cell: int, site: int) -> float:
    """Cost of a slot without the service time."""
    if state.rules[0].plane:
        return state.near[kind, 0, packed_hops(cell, site)]
    return state.near[kind, cell, site]


@inlined
def move_cost(state: State, row: int, u: int, site: int) -> float:
    """Cost of the asked user's migration to a site; where the service stays, that of a handover."""
    user = state.users[row, u]
    if site == user.site:
        return state.rules[0].handover if user.handed else 0.0
    if state.rules[0].plane:
        return state.move[user.kind, 0, packed_hops(user.site, site)]
    return state.move[user.kind, user.site, site]


@inlined
def busy(state: State, row: int, site: int, more: float) -> float:
    """1 / (1 - utilisation) of a site with some more load: the factor of its service times."""
    capacity = state.capacity[site]
    return 1.0 / (1.0 - min((state.sites[row, site].load + more) / capacity, 0.99)) if capacity > 0.0 else 100.0


@inlined
def congestion(state: State, row: int, u: int, site: int) -> float:
    """What the asked user's service adds to the service times of a site: its own, and what it costs the others."""
    if state.rules[0].plane:
        return 0.0
    kind = state.users[row, u].kind
    work, load = state.work[kind], state.load[kind]
    if load == 0.0:
        return 0.0
    others = state.sites[row, site].work
    return (others + work) * busy(state, row, site, load) - others * busy(state, row, site, 0.0)


@inlined
def has_room(state: State, row: int, u: int, site: int) -> bool:
    """Whether a site can take the asked user's service."""
    if state.rules[0].plane:
        return True
    load = state.load[state.users[row, u].kind]
    return state.sites[row, site].load + load <= state.capacity[site] * state.rules[0].full + TINY


@inlined
def put(state: State, row: int, u: int, sign: float) -> None:
    """Add (1) or take away (-1) a user's load at its service's site."""
    user = state.users[row, u]
    if not state.rules[0].plane:
        state.sites[row, user.site].load += sign * state.load[user.kind]
        state.sites[row, user.site].work += sign * state.work[user.kind]


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
        user.site, user.cell, user.queue = start[u], NOWHERE, 0.0
        if start[u] != NOWHERE:
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
        _nominate(state, row, r.user)


@inlined
def stays(state: State, row: int, u: int) -> bool:
    """Whether the service may stay where it is."""
    user = state.users[row, u]
    return distance(state, user.cell, user.site) < state.rules[0].reach


@inlined
def _nominate(state: State, row: int, u: int) -> None:
    user, nominees = state.users[row, u], state.nominees[row]
    nominees[:] = NOWHERE
    nominees[0] = user.site if stays(state, row, u) else user.cell
    if state.rules[0].plane:
        far = packed_hops(user.cell, user.site)
        for ring in range(min(far, len(nominees) - 1)):
            if ring > 0 or nominees[0] != user.cell:
                nominees[1 + ring] = packed_towards(user.site, user.cell, ring)
        return
    count = _add(state, row, u, 1, user.cell)
    if state.rules[0].observe == PREDICTION:
        x = state.chain[user.before, user.cell]
        count = _add(state, row, u, count, _best_by_outlook(state, row, u, x))
        for k in range(state.likely.shape[1]):
            count = _add(state, row, u, count, state.likely[x, k])
    if state.rules[0].observe >= MOTION:
        count = _add(state, row, u, count, user.before)
    count = _add(state, row, u, count, _least_loaded(state, row, u))
    for k in range(state.nearest.shape[1]):
        if count == len(nominees):
            return
        count = _add(state, row, u, count, state.nearest[user.cell, k])


@inlined
def _add(state: State, row: int, u: int, count: int, site: int) -> int:
    """Append a site with room that is not nominated yet."""
    nominees = state.nominees[row]
    if count == len(nominees) or not has_room(state, row, u, site):
        return count
    for k in range(count):
        if nominees[k] == site:
            return count
    nominees[count] = site
    return count + 1


@inlined
def _best_by_outlook(state: State, row: int, u: int, x: int) -> int:
    """The site with the least cost of this slot and to go by the chain."""
    user = state.users[row, u]
    near, move, outlook = (
        state.near[user.kind, user.cell],
        state.move[user.kind, user.site],
        state.outlook[user.kind, x],
    )
    best, least = user.site, np.inf
    for s in range(len(near)):
        cost = near[s] + move[s] + outlook[s]
        if cost < least and has_room(state, row, u, s):
            best, least = s, cost
    return best


@inlined
def _least_loaded(state: State, row: int, u: int) -> int:
    """The least utilised of the seven sites nearest to the user."""
    user = state.users[row, u]
    best, least = user.cell, np.inf
    for k in range(min(7, state.nearest.shape[1])):
        s = state.nearest[user.cell, k]
        if state.capacity[s] > 0.0:
            utilisation = state.sites[row, s].load / state.capacity[s]
            if utilisation < least:
                best, least = s, utilisation
    return best


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
def choice_cost(state: State, row: int, u: int, site: int) -> float:
    """Cost of this slot that a choice for the asked user causes."""
    user = state.users[row, u]
    near = near_cost(state, user.kind, user.cell, site)
    return move_cost(state, row, u, site) + near + congestion(state, row, u, site)


@inlined
def _regret(state: State, row: int, u: int, action: int) -> float:
    """What a candidate costs beyond the best one, over this slot and the user's known path on empty sites."""
    nominees, future = state.nominees[row], state.future[row, state.rows[row].slot, u]
    least, chosen = np.inf, 0.0
    for k in range(len(nominees)):
        if nominees[k] != NOWHERE:
            cost = choice_cost(state, row, u, nominees[k]) + future[nominees[k]]
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
        factor = 1.0 if rules.plane or state.load[user.kind] == 0.0 else busy(state, row, user.site, 0.0)
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
