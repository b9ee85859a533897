"""The cost to go of a service whose user's next departure is forecast, and who follows a Markov chain from then on.

While the user is in its cell, the service may migrate in every slot; when the user leaves, the chain's cost to go takes
over. So a forecast of the dwell time and of the next cell bends the chain's outlook, which knows neither speed nor
position.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.mobility.markov import relax

UNLIKELY = 1e-3
"""Next cells below this probability count as going where the others go."""


@njit(cache=True)
def departure_outlook(
    cell: NDArray[np.int32],
    state: NDArray[np.int32],
    leave: NDArray[np.float32],
    towards: NDArray[np.float32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    after: NDArray[np.float64],
    arrival: NDArray[np.float64],
    entered: NDArray[np.int32],
    discount: float,
) -> NDArray[np.float32]:
    """Cost to go after each slot of one user, by the site of its service.

    Args:
        cell: (slots,) of the user, -1 while away.
        state: (slots,) of the chain.
        leave: (slots, horizon) probability of leaving after 1, 2, ... slots for who is still there.
        towards: (slots, cells) probability of being the next other cell.
        near: (cells, sites) cost of a slot.
        move: (sites, sites) cost of a migration, symmetric, 0 on the diagonal.
        after: (states, sites) cost to go by the chain.
        arrival: (states, sites) cost of the slot in which a state is entered, before its decision, and to go.
        entered: (cells, cells) state of the chain after going from a cell to another.
        discount: of each slot.

    Returns:
        (slots, sites) float32.
    """
    slots, horizon = leave.shape
    sites = len(move)
    found = np.zeros((slots, sites), np.float32)
    gone, total, stay = np.empty(sites), np.empty(sites), np.empty(sites)
    for t in range(slots):
        here = cell[t]
        if here < 0:
            continue
        gone[:] = 0.0
        weight = 0.0
        for c in range(towards.shape[1]):
            if towards[t, c] > UNLIKELY:
                weight += towards[t, c]
                gone += towards[t, c] * arrival[entered[here, c]]
        if weight > 0.0:
            gone /= weight
        value = after[state[t]].copy()
        for h in range(horizon - 1, -1, -1):
            total[:] = near[here] + value
            stay[:] = total
            relax(total, move, stay)
            chance = leave[t, h] if weight > 0.0 else 0.0
            value[:] = discount * (chance * gone + (1.0 - chance) * stay)
        found[t] = value
    return found
