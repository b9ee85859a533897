"""The cheapest way of one service whose user's cells are all known, by dynamic programming with K^2 steps a slot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.mobility.markov import relax

AWAY = -1


@njit(cache=True)
def cost_to_go(
    cell: NDArray[np.int32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    far: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Least cost of the slots after each one of the same session, by the site chosen in it.

    Args:
        cell: (slots,) of the user, -1 while away, which ends a session.
        near: (cells, sites) cost of a slot.
        move: (sites, sites) cost of a migration, symmetric, 0 on the diagonal.
        handover: cost of staying in a slot in which the cell changed.
        far: (cells, sites) whether a service cannot stay at a site; None where it can everywhere.

    Returns:
        (slots, sites) float64.
    """
    slots, sites = len(cell), len(move)
    after, total, best = np.zeros((slots, sites)), np.empty(sites), np.empty(sites)
    for t in range(slots - 2, -1, -1):
        if cell[t + 1] == AWAY or cell[t] == AWAY:
            continue
        handed = handover if cell[t + 1] != cell[t] else 0.0
        for s in range(sites):
            total[s] = near[cell[t + 1], s] + after[t + 1, s]
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
    start: int = AWAY,
) -> tuple[NDArray[np.int32], float]:
    """The optimal sites (slots,) and their cost, as in :func:`cost_to_go`.

    A session starts free in the user's cell, but one of the first slot where ``start`` says, if it does.
    """
    after = cost_to_go(cell, near, move, handover, far)
    chosen, total, site = np.full(len(cell), AWAY, np.int32), 0.0, AWAY
    for t in range(len(cell)):
        if cell[t] == AWAY:
            continue
        new = t == 0 or cell[t - 1] == AWAY
        if new:
            site = start if t == 0 and start != AWAY else cell[t]
        handed = handover if not new and cell[t] != cell[t - 1] else 0.0
        best, least = site, near[cell[t], site] + after[t, site] + handed
        if far is not None and far[cell[t], site]:
            least = np.inf
        for to in range(len(move)):
            cost = move[site, to] + near[cell[t], to] + after[t, to]
            if to != site and cost < least:
                best, least = to, cost
        total += near[cell[t], best] + (move[site, best] if best != site else handed)
        chosen[t] = site = best
    return chosen, total
