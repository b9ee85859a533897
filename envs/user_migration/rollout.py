"""The cost to go of the look-ahead: what a service costs from a site on if the look-ahead decides all later slots.

Choosing the least expected cost to go of a policy improves on that policy (the rollout algorithm: D. Bertsekas,
J. Tsitsiklis, C. Wu, "Rollout algorithms for combinatorial optimization", Journal of Heuristics 3, 1997). A clairvoyant
continuation would not do: it would move in time later on, so it makes waiting look better than it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.user_migration.state import NOWHERE


@njit(cache=True)
def rollout_costs(
    cell: NDArray[np.int32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    outlook: NDArray[np.float32],
    discount: float,
    migration: float,
) -> NDArray[np.float64]:
    """Discounted cost of the slots after each one of the same session, by the site chosen in it.

    Args:
        cell: (slots,) of the user, -1 while away, which ends a session.
        near: (cells, sites) cost of a slot.
        move: (sites, sites) cost of a migration, symmetric, 0 on the diagonal.
        handover: cost of staying in a slot in which the cell changed.
        outlook: (slots, sites) what the look-ahead expects after each slot, by the site of the service.
        discount: of each slot.
        migration: weight of migrations when the look-ahead chooses.

    Returns:
        (slots, sites) float64.
    """
    slots, sites = outlook.shape
    after, paid, judged = np.zeros((slots, sites)), np.empty(sites), np.empty(sites)
    least, cost = np.empty(sites), np.empty(sites)
    for t in range(slots - 2, -1, -1):
        if cell[t + 1] == NOWHERE or cell[t] == NOWHERE:
            continue
        handed = handover if cell[t + 1] != cell[t] else 0.0
        for s in range(sites):
            slot = near[cell[t + 1], s]
            paid[s], judged[s] = slot + after[t + 1, s], slot + outlook[t + 1, s]
            least[s], cost[s] = migration * handed + judged[s], handed + paid[s]
        cheapest = judged.argmin()
        enough = judged[cheapest] + migration * move[cheapest].max()
        for to in range(sites):
            if to != cheapest and judged[to] >= enough:
                continue
            for s in range(sites):
                judgement = migration * move[s, to] + judged[to]
                if s != to and judgement < least[s]:
                    least[s], cost[s] = judgement, move[s, to] + paid[to]
        for s in range(sites):
            after[t, s] = discount * cost[s]
    return after
