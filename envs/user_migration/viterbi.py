"""The cheapest way of one service whose user's cells are all known, by dynamic programming with K^2 steps a slot.

The least cost V(t, s) of the slots after t, of a service that is at site s in slot t, follows backwards from

    V(t, s) = min over s' of  move(s, s') + near(cell(t + 1), s') + price(t + 1, s') + V(t + 1, s'),

where staying (s' = s) costs the handover in place of a migration, if the cell changed. A price is what a site takes
in a slot beside that: nothing where users do not meet, a multiplier of a relaxation, what others leave of its servers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.user_migration.state import NOWHERE
from edgegym.mobility.markov import relax


@njit(cache=True)
def cost_to_go(
    cell: NDArray[np.int32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    far: NDArray[np.bool_] | None = None,
    price: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Least cost of the slots after each one of the same session, by the site chosen in it.

    Args:
        cell: (slots,) of the user, -1 while away, which ends a session.
        near: (cells, sites) cost of a slot.
        move: (sites, sites) cost of a migration, symmetric, 0 on the diagonal.
        handover: cost of staying in a slot in which the cell changed.
        far: (cells, sites) whether a service cannot stay at a site; None where it can everywhere.
        price: (slots, sites) cost of being at a site in a slot, beside ``near``; None for nothing.

    Returns:
        (slots, sites) float64.
    """
    slots, sites = len(cell), len(move)
    after, total, best = np.zeros((slots, sites)), np.empty(sites), np.empty(sites)
    for t in range(slots - 2, -1, -1):
        if cell[t + 1] == NOWHERE or cell[t] == NOWHERE:
            continue
        handed = handover if cell[t + 1] != cell[t] else 0.0
        for s in range(sites):
            total[s] = _slot_cost(near[cell[t + 1], s], price, t + 1, s) + after[t + 1, s]
        for s in range(sites):
            best[s] = np.inf if far is not None and far[cell[t + 1], s] else total[s] + handed
        relax(total, move, best)
        after[t] = best
    return after


@njit(cache=True)
def plan(
    cell: NDArray[np.int32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    far: NDArray[np.bool_] | None = None,
    price: NDArray[np.float64] | None = None,
    start: int = NOWHERE,
    anywhere: bool = False,
) -> tuple[NDArray[np.int32], float]:
    """The optimal sites and their cost, forwards through :func:`cost_to_go`, whose arguments come first.

    Args:
        cell: of the user.
        near: cost of a slot.
        move: cost of a migration.
        handover: cost of staying when the cell changed.
        far: where a service cannot stay.
        price: beside ``near``.
        start: site where the session of the first slot starts; -1 for the user's cell, as in all other sessions.
        anywhere: whether every session starts where it likes without paying for the way there.

    Returns:
        (slots,) int32 sites, -1 while away, and their cost, prices included. Of equal ones the first counts.
    """
    after = cost_to_go(cell, near, move, handover, far, price)
    chosen, total, site = np.full(len(cell), NOWHERE, np.int32), 0.0, NOWHERE
    for t in range(len(cell)):
        if cell[t] == NOWHERE:
            continue
        new = t == 0 or cell[t - 1] == NOWHERE
        if new:
            site = start if t == 0 and start != NOWHERE else cell[t]
        handed = handover if not new and cell[t] != cell[t - 1] else 0.0
        best, least, paid = site, np.inf, 0.0
        for to in range(len(move)):
            if far is not None and to == site and far[cell[t], site]:
                continue
            moved = 0.0 if new and anywhere else handed if to == site else move[site, to]
            slot = _slot_cost(moved + near[cell[t], to], price, t, to)
            if slot + after[t, to] < least:
                best, least, paid = to, slot + after[t, to], slot
        total += paid
        chosen[t] = site = best
    return chosen, total


@njit(cache=True)
def _slot_cost(cost, price, t, s):  # type: ignore[no-untyped-def]
    """A slot's cost and the price of its site, if there are prices."""
    return cost if price is None else cost + price[t, s]
