"""Finite Markov decision processes of service migration, solved exactly: value and policy iteration, long-run costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError

Values = NDArray[np.float64]
"""(states,) discounted cost to go."""
Policy = NDArray[np.int64]
"""(states,) the state that each state's action leads to before the user moves."""
SAME = 1e-12
"""Actions whose values differ by less are tied; policy iteration then keeps the old one, or it could cycle."""


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


def check_numbers(rings: int, move: float) -> None:
    """Refuse numbers that no disc of hexagons has: fewer than 2 rings, or r outside 0 to 1/6."""
    if rings < 2:
        raise SettingsError(f"rings: {rings} found; at least 2 are needed.")
    if not 0.0 <= move <= 1.0 / 6.0 + 1e-15:
        raise SettingsError(f"move: r = {move} found; a probability from 0 to 1/6 is needed, for each of 6 neighbours.")
