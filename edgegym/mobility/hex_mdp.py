"""Service migration on a disc of hexagons as a Markov decision process.

The problem of S. Wang, R. Urgaonkar, M. Zafer, T. He, K. Chan and K. K. Leung, "Dynamic Service Migration in Mobile
Edge Computing Based on Markov Decision Process" (IEEE/ACM ToN 2019). The state is the offset of the user from its
service. In each slot the policy picks a new offset a, pays c_m(hops from d to a) + c_d(hops of a), and the user moves
to each of its six neighbours with probability r. In the outermost ring the service must move to an inner ring.

Hops are hex hops (:mod:`~edgegym.mobility.hex_plane`), not rounded Euclidean distances as in the authors' program.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgegym.mobility.hex_plane import DIRECTIONS, disc, hops, pack, towards
from edgegym.mobility.hop_costs import HopCosts
from edgegym.mobility.migration_mdp import MigrationMdp, Policy, check_numbers


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
        check_numbers(rings, move)
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
