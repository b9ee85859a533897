"""The look-ahead's cost to go against a naive replay, and as continuation of a regret."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.decision.system import Decisions
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.rollout import rollout_costs
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.viterbi import cost_to_go
from edgegym.errors import SettingsError


def replayed(cell: Any, near: Any, move: Any, handover: float, outlook: Any, discount: float, weight: float) -> Any:
    """From every slot and site, follow the look-ahead forwards."""
    slots, sites = outlook.shape
    found = np.zeros((slots, sites))
    for start in range(slots):
        for first in range(sites):
            site, factor = first, 1.0
            for t in range(start + 1, slots):
                if cell[t] < 0 or cell[t - 1] < 0:
                    break
                factor *= discount
                paid = move[site].copy()
                paid[site] = handover if cell[t] != cell[t - 1] else 0.0
                to = (weight * paid + near[cell[t]] + outlook[t]).argmin()
                found[start, first] += factor * (paid[to] + near[cell[t], to])
                site = to
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 4))
def test_rollout_is_the_replay_and_never_below_the_optimum(seed: int, slots: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    cell = rng.integers(-1, sites, slots).astype(np.int32)
    near, move, handover = rng.random((sites, sites)), rng.random((sites, sites)), 0.3 * rng.random()
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    outlook = rng.random((slots, sites)).astype(np.float32)
    for discount, weight in ((1.0, 1.0), (0.9, 0.5)):
        found = rollout_costs(cell, near, move, handover, outlook, discount, weight)
        expected = replayed(cell, near, move, handover, outlook, discount, weight)
        np.testing.assert_allclose(found, expected, atol=1e-9)
    assert np.all(
        rollout_costs(cell, near, move, handover, outlook, 1.0, 1.0) >= cost_to_go(cell, near, move, handover) - 1e-9
    )


def test_regret_is_never_negative_and_its_best_candidate_has_none() -> None:
    reward = {"signal": "regret", "continuation": "lookahead", "migration": 0.5}
    small = {"workload": {"kind": "city", "users": 10, "slots": 8, "rings": 1}, "reward": reward}
    system = UserMigrationSystem(UserMigrationParams.parse(small))
    rng, found = np.random.default_rng(0), []
    for _ in range(6):
        decisions = Decisions.empty(system)
        system.begin(0, 3, {})
        system.observe(decisions)
        while not decisions.done[0]:
            system.step(rng.choice(np.flatnonzero(decisions.mask[0]), 1), np.ones(1, np.bool_), decisions)
            found.append(float(decisions.reward[0]))
    assert max(found) == 0.0
    assert min(found) < 0.0


def test_the_look_ahead_needs_a_prediction() -> None:
    with pytest.raises(SettingsError, match="observe: prediction"):
        UserMigrationParams.parse({"observe": "cell", "reward": {"signal": "regret", "continuation": "lookahead"}})
