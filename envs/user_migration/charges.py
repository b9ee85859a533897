"""Costs, loads and room as one decision meets them: look-ups in the tables, scalar code for one row."""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.user_migration.cost_settings import FULLEST
from edgegym.envs.user_migration.state import State
from edgegym.mobility.hex_plane import packed_hops

TINY = 1e-12
"""Servers by which a site may be overfull: what rounding leaves of loads that came and went."""


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
def idle_share(load: float, capacity: float) -> float:
    """1 - utilisation of a site, at the least 1 - ``FULLEST``: what its service times are divided by."""
    return 1.0 - (min(load / capacity, FULLEST) if capacity > 0.0 else FULLEST)


@inlined
def stretch(load: float, capacity: float) -> float:
    """The factor of a site's service times."""
    return 1.0 / idle_share(load, capacity)


@inlined
def congestion(state: State, row: int, u: int, site: int) -> float:
    """What the asked user's service adds to the service times of a site: its own, and what it costs the others."""
    if state.rules[0].plane:
        return 0.0
    kind = state.users[row, u].kind
    work, load = state.work[kind], state.load[kind]
    if load == 0.0:
        return 0.0
    others, capacity = state.sites[row, site], state.capacity[site]
    return (others.work + work) * stretch(others.load + load, capacity) - others.work * stretch(others.load, capacity)


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


@inlined
def choice_cost(state: State, row: int, u: int, site: int) -> float:
    """Cost of this slot that a choice for the asked user causes."""
    user = state.users[row, u]
    near = near_cost(state, user.kind, user.cell, site)
    return move_cost(state, row, u, site) + near + congestion(state, row, u, site)
