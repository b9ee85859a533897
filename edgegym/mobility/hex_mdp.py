"""Service migration on a disc of hexagons as a Markov decision process, and its one-dimensional approximation.

The problem of S. Wang, R. Urgaonkar, M. Zafer, T. He, K. Chan and K. K. Leung, "Dynamic Service Migration in Mobile
Edge Computing Based on Markov Decision Process" (IEEE/ACM ToN 2019). The state is the offset of the user from its
service. In each slot the policy picks a new offset a, pays c_m(hops from d to a) + c_d(hops of a), and the user moves
to each of its six neighbours with probability r. In the outermost ring the service must move to an inner ring.

Hops are hex hops (:mod:`~edgegym.mobility.hex_plane`), not rounded Euclidean distances as in the authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from edgegym.errors import SettingsError
from edgegym.mobility.hex_plane import DIRECTIONS, disc, hops, pack, towards
from edgegym.settings import Settings

Values = NDArray[np.float64]
"""(states,) discounted cost to go."""
Policy = NDArray[np.int64]
"""(states,) the state that each state's action leads to before the user moves."""
SAME = 1e-12
"""Actions whose values differ by less are tied; policy iteration then keeps the old one, or it could cycle."""


class HopCosts(Settings):
    """Constant-plus-exponential costs of migrating over x hops and of serving a user y hops away; 0 for 0 hops."""

    beta_c: float = 2.0
    """c_m(x) = beta_c + beta_l mu^x."""
    beta_l: float = -1.0
    """See ``beta_c``."""
    mu: float = Field(0.8, ge=0)
    """See ``beta_c``."""
    delta_c: float = 1.0
    """c_d(y) = delta_c + delta_l theta^y."""
    delta_l: float = -1.0
    """See ``delta_c``."""
    theta: float = Field(0.8, ge=0)
    """See ``delta_c``."""

    @classmethod
    def of_ratio(cls, ratio: float) -> HopCosts:
        """The published family: beta_c = 1 + R, beta_l = -R, all else as by default."""
        return cls(beta_c=1.0 + ratio, beta_l=-ratio)

    def migration(self, distance: ArrayLike) -> NDArray[np.float64]:
        """c_m, the shape of ``distance`` in hops."""
        x = np.asarray(distance, np.float64)
        return np.where(x > 0, self.beta_c + self.beta_l * self.mu**x, 0.0)

    def delay(self, distance: ArrayLike) -> NDArray[np.float64]:
        """c_d, the shape of ``distance`` in hops."""
        y = np.asarray(distance, np.float64)
        return np.where(y > 0, self.delta_c + self.delta_l * self.theta**y, 0.0)


@dataclass(frozen=True)
class MigrationMdp:
    """A finite problem: pay ``cost[d, a]``, then move from a by ``transition``.

    Attributes:
        cost: (states, states), infinite where the action is forbidden.
        transition: (states, states) probabilities of the user's move after the action.
        discount: gamma, from 0 up to but not 1.
    """

    cost: NDArray[np.float64]
    transition: NDArray[np.float64]
    discount: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.discount < 1.0:
            raise SettingsError(f"discount: {self.discount} found; a number from 0 up to but not 1 is needed.")

    def action_values(self, values: Values) -> NDArray[np.float64]:
        """(states, actions) cost of an action if ``values`` follow."""
        return np.asarray(self.cost + self.discount * (self.transition @ values)[None, :])

    def evaluate(self, policy: Policy) -> Values:
        """Exact values of a policy: the solution of (I - gamma P) V = C."""
        states = np.arange(len(policy))
        kept = np.eye(len(policy)) - self.discount * self.transition[policy]
        return np.asarray(np.linalg.solve(kept, self.cost[states, policy]), np.float64)

    def value_iteration(self, tolerance: float = 1e-11, most: int = 1_000_000) -> Values:
        """Optimal values; the error is at most ``tolerance``.

        Raises:
            SettingsError: if ``most`` sweeps are not enough, which a discount very near 1 may need.
        """
        values = np.zeros(len(self.cost))
        for _ in range(most):
            new = self.action_values(values).min(axis=1)
            change = float(np.abs(new - values).max())
            values = new
            if change * self.discount <= tolerance * (1.0 - self.discount):
                return values
        raise SettingsError(f"value iteration: {most} sweeps did not reach {tolerance}; use policy iteration.")

    def policy_iteration(self) -> Policy:
        """An optimal policy. Of tied actions the old one is kept, at first the one that is best for one slot."""
        policy = self.cost.argmin(axis=1)
        states = np.arange(len(policy))
        while True:
            q = self.action_values(self.evaluate(policy))
            kept = q[states, policy]
            best = q.argmin(axis=1)
            better = q[states, best] < kept - SAME * np.maximum(1.0, np.abs(kept))
            if not better.any():
                return policy
            policy = np.where(better, best, policy)

    def long_run_cost(self, policy: Policy, start: int = 0) -> float:
        """Undiscounted mean cost per slot of a policy from a state on (limit of the Cesaro means).

        The stationary law is that of the recurrent class which is reached; with several the mean over them.
        """
        chain = self.transition[policy]
        states = np.arange(len(policy))
        lazy = 0.5 * (np.eye(len(policy)) + chain)  # aperiodic, with the same stationary laws
        for _ in range(64):
            lazy = lazy @ lazy
            lazy /= lazy.sum(axis=1, keepdims=True)
        return float(lazy[start] @ self.cost[states, policy])


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
        _check(rings, move)
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


class HexMdp(MigrationMdp):
    """The exact problem on the disc.

    Args:
        rings: N, at least 2; the disc has 1 + 3 N (N + 1) cells.
        move: r, probability of each neighbour, at most 1/6.
        discount: gamma.
        costs: of hops.

    Attributes:
        cells: (states, 2) axial coordinates of the offset from service to user, the origin first.

    Raises:
        SettingsError: for numbers out of range.
    """

    cells: NDArray[np.int64]
    ring: NDArray[np.int64]
    rings: int

    def __init__(self, rings: int, move: float, discount: float, costs: HopCosts | None = None) -> None:
        _check(rings, move)
        costs = costs or HopCosts()
        cells = disc(rings)
        ring = hops(cells)
        cost = costs.migration(hops(cells[:, None] - cells)) + costs.delay(ring)
        cost[np.ix_(ring == rings, ring == rings)] = np.inf
        super().__init__(cost, _disc_transition(cells, rings, move), discount)
        object.__setattr__(self, "cells", cells)
        object.__setattr__(self, "ring", ring)
        object.__setattr__(self, "rings", rings)

    @cached_property
    def paths(self) -> NDArray[np.int64]:
        """(states, rings) the cell of each ring 0 .. N - 1 on a shortest path from a state to the origin, -1 beyond."""
        places, origin = pack(self.cells), int(pack((0, 0)))
        index = {int(place): i for i, place in enumerate(places)}
        found = np.full((len(places), self.rings), -1)
        for ring in range(self.rings):
            inner = self.ring > ring
            found[inner, ring] = [index[int(place)] for place in towards(places[inner], ring, origin)]
        return found

    @property
    def never(self) -> Policy:
        """Stay; in the outermost ring move to the user."""
        return np.where(self.ring < self.rings, np.arange(len(self.ring)), 0)

    @property
    def always(self) -> Policy:
        """Move to the user."""
        return np.zeros(len(self.ring), np.int64)

    @property
    def myopic(self) -> Policy:
        """The least cost of this slot."""
        return self.cost.argmin(axis=1)

    def threshold(self, distance: int) -> Policy:
        """Move to the user from ``distance`` hops on (at the latest in the outermost ring)."""
        return np.where(self.ring < min(distance, self.rings), np.arange(len(self.ring)), 0)

    def from_rings(self, policy: Policy) -> Policy:
        """A policy over rings (:class:`RingMdp`) on the disc: to the nearest cell of the target ring."""
        target = policy[self.ring]
        states = np.arange(len(self.ring))
        outward = target > self.ring
        if outward.any():
            # No policy that is optimal for non-negative costs does this; any nearest cell will do.
            distance = hops(self.cells[outward][:, None] - self.cells)
            distance = np.where(self.ring == target[outward][:, None], distance, np.iinfo(np.int64).max)
            states[outward] = distance.argmin(axis=1)
        inward = target < self.ring
        states[inward] = self.paths[inward, target[inward]]
        return states

    def on_paths(self) -> HexMdp:
        """The same problem with the actions of the environment: stay, or a cell on a shortest path to the user."""
        allowed = np.zeros(self.cost.shape, np.bool_)
        states = np.arange(len(self.ring))
        allowed[states, states] = True
        for ring in range(self.rings):
            inner = self.paths[:, ring] >= 0
            allowed[states[inner], self.paths[inner, ring]] = True
        other = object.__new__(HexMdp)
        for name, value in vars(self).items():
            object.__setattr__(other, name, value)
        object.__setattr__(other, "cost", np.where(allowed, self.cost, np.inf))
        return other


def _check(rings: int, move: float) -> None:
    if rings < 2:
        raise SettingsError(f"rings: {rings} found; at least 2 are needed.")
    if not 0.0 <= move <= 1.0 / 6.0 + 1e-15:
        raise SettingsError(f"move: r = {move} found; a probability from 0 to 1/6 is needed, for each of 6 neighbours.")


def _ring_transition(rings: int, move: float) -> NDArray[np.float64]:
    matrix = np.zeros((rings + 1, rings + 1))
    matrix[0, 1] = 6.0 * move
    for d in range(1, rings):
        matrix[d, d + 1], matrix[d, d - 1] = 2.5 * move, 1.5 * move
    matrix[rings, rings - 1] = move
    np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
    return matrix


def _disc_transition(cells: NDArray[np.int64], rings: int, move: float) -> NDArray[np.float64]:
    index = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    matrix = np.zeros((len(cells), len(cells)))
    for i, (q, s) in enumerate(cells.tolist()):
        for dq, ds in DIRECTIONS:
            j = index.get((q + dq, s + ds))
            if j is not None:
                matrix[i, j] += move
    np.fill_diagonal(matrix, 1.0 - matrix.sum(axis=1))
    return matrix
