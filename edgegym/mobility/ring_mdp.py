"""The one-dimensional approximation of :mod:`~edgegym.mobility.hex_mdp`: the state is the ring that the user is in.

From ring 0 < d < N the user goes outward with probability 2.5 r and inward with 1.5 r: the means over a ring's cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError
from edgegym.mobility.hop_costs import HopCosts
from edgegym.mobility.migration_mdp import SAME, MigrationMdp, Values, check_numbers


class RingMdp(MigrationMdp):
    """The one-dimensional approximation: the state is the ring 0 .. N.

    Args:
        rings: N, at least 2.
        move: r, probability of each neighbour, at most 1/6.
        discount: gamma.
        costs: of hops.

    Raises:
        SettingsError: for numbers out of range.
    """

    def __init__(self, rings: int, move: float, discount: float, costs: HopCosts | None = None) -> None:
        check_numbers(rings, move)
        costs = costs or HopCosts()
        d = np.arange(rings + 1)
        cost = costs.migration(np.abs(d[:, None] - d)) + costs.delay(d)
        cost[rings, rings] = np.inf
        super().__init__(cost, _ring_transition(rings, move), discount)
        object.__setattr__(self, "rings", rings)
        object.__setattr__(self, "move", move)
        object.__setattr__(self, "costs", costs)

    rings: int
    move: float
    costs: HopCosts

    @property
    def bound(self) -> float:
        """What the policy of this approximation costs at most beyond the optimum in two dimensions, in any state.

        gamma r k / (1 - gamma) with k = max over x of c_m(x + 2) - c_m(x).
        """
        x = np.arange(self.rings - 1)
        k = float((self.costs.migration(x + 2) - self.costs.migration(x)).max())
        return self.discount * self.move * k / (1.0 - self.discount)

    def closed_form(self, first: int, last: int, ends: tuple[float, float]) -> Values:
        """Values of rings ``first`` to ``last``, between which the policy stays, from those at the two ends.

        V(d) = A1 m1^d + A2 m2^d + D + B theta^d, which solves V(d) = phi1 V(d - 1) + phi2 V(d + 1) + phi3 + phi4
        theta^d inside (0 < d < N).

        Raises:
            SettingsError: for an interval outside the rings, or theta = 0 or a resonance, where the form is another.
        """
        if not 0 <= first < last <= self.rings:
            raise SettingsError(f"closed form: rings {first} to {last} do not lie in 0 to {self.rings}.")
        c = self.costs
        p, q = 2.5 * self.move, 1.5 * self.move
        stays = 1.0 - self.discount * (1.0 - p - q)
        phi1, phi2, phi3, phi4 = (
            self.discount * q / stays,
            self.discount * p / stays,
            c.delta_c / stays,
            c.delta_l / stays,
        )
        root = np.sqrt(1.0 - 4.0 * phi1 * phi2)
        d = np.arange(first, last + 1)
        resonance = 1.0 - phi1 / c.theta - phi2 * c.theta if c.theta > 0 else 0.0
        if phi2 == 0.0 or abs(resonance) < SAME:
            raise SettingsError("closed form: needs r > 0, gamma > 0, theta > 0 and theta other than m1 and m2.")
        particular = phi3 / (1.0 - phi1 - phi2) + phi4 / resonance * c.theta**d
        # Powers count from the end where each term is largest, so that none overflows.
        growing = ((1.0 + root) / (2.0 * phi2)) ** (d - last)
        falling = ((1.0 - root) / (2.0 * phi2)) ** (d - first)
        basis = np.array([[growing[0], falling[0]], [growing[-1], falling[-1]]])
        a = np.linalg.solve(basis, np.array(ends) - particular[[0, -1]])
        return np.asarray(a[0] * growing + a[1] * falling + particular)


def _ring_transition(rings: int, move: float) -> NDArray[np.float64]:
    matrix = np.zeros((rings + 1, rings + 1))
    matrix[0, 1] = 6.0 * move
    for d in range(1, rings):
        matrix[d, d + 1], matrix[d, d - 1] = 2.5 * move, 1.5 * move
    matrix[rings, rings - 1] = move
    np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
    return matrix
