"""Which sites the asked user's service is offered, scalar code for one row."""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.user_migration.charges import choice_cost, distance, has_room
from edgegym.envs.user_migration.foresight import likely, outlook
from edgegym.envs.user_migration.state import MOTION, NOWHERE, PREDICTION, State
from edgegym.mobility.hex_plane import packed_hops, packed_towards

LIKELY = 3
"""Most probable next cells that are nominated."""


@inlined
def stays(state: State, row: int, u: int) -> bool:
    """Whether the service may stay where it is."""
    user = state.users[row, u]
    return distance(state, user.cell, user.site) < state.rules[0].reach


@inlined
def nominate(state: State, row: int, u: int) -> None:
    """List the candidates of the asked user: 0 is to stay where that is allowed, the others have room."""
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
        count = _add(state, row, u, count, _best_by_outlook(state, row, u))
        cell = NOWHERE
        for _ in range(LIKELY):
            cell = likely(state, row, u, cell)
            if cell == NOWHERE:
                break
            count = _add(state, row, u, count, cell)
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
def _best_by_outlook(state: State, row: int, u: int) -> int:
    """The site with the least cost of this slot and to go by the predictor."""
    best, least = state.users[row, u].site, np.inf
    for s in range(len(state.hops)):
        cost = choice_cost(state, row, u, s) + outlook(state, row, u, s)
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
