"""The clairvoyant plan under capacity: no user can mend it; above the bound, below what does not see ahead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgegym.agents.bounds.joint_plan import ClairvoyantPlan, best_responses
from edgegym.agents.bounds.user_migration import joint_bound
from edgegym.agents.policies import policy_named
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/UserMigration-v0"
SMALL: dict[str, Any] = {"workload": {"kind": "city", "users": 12, "slots": 14, "rings": 1}}


def system_of(**changes: Any) -> UserMigrationSystem:
    cost = {"kind": "edge", "servers": 0.5}
    return UserMigrationSystem(UserMigrationParams.parse({**SMALL, "cost": cost, **changes}))


def played(system: UserMigrationSystem, plan: np.ndarray, seed: int) -> float:
    system.begin(0, seed, {})
    return -system.follow(0, plan)


def test_no_change_of_one_users_plan_helps() -> None:
    system, rng = system_of(), np.random.default_rng(0)
    episode = system.episode(5, {})
    plan = best_responses(system.tables, episode.place, episode.service, 40)
    best = played(system, plan, 5)
    for _ in range(300):
        other, user = plan.copy(), rng.integers(plan.shape[1])
        start, length = rng.integers(plan.shape[0]), rng.integers(1, 6)
        other[start : start + length, user] = rng.integers(7)
        assert played(system, other, 5) >= best - 1e-9


def test_plan_lies_between_the_bound_and_the_look_ahead() -> None:
    settings = {**SMALL, "cost": {"kind": "edge", "servers": 0.5}}
    task, seeds = Task(ENV, settings), range(3)
    planned = run_episodes(task, ClairvoyantPlan(), seeds)
    ahead = run_episodes(task, policy_named(ENV, "Markov look-ahead", task.system()), seeds)
    assert np.mean([-one.total for one in planned]) < np.mean([-one.total for one in ahead])
    system = system_of()
    for seed, one in zip(seeds, planned, strict=True):
        assert -one.total >= joint_bound(system, system.episode(seed, {}), 10)


def test_lonely_users_have_the_shortest_ways() -> None:
    """With very many servers nobody is in anyone's way."""
    from edgegym.agents.bounds.user_migration import clairvoyant_plan

    system = system_of(cost={"kind": "edge", "servers": 1e6})
    episode = system.episode(7, {})
    plan = best_responses(system.tables, episode.place, episode.service, 1)
    assert played(system, plan, 7) == pytest.approx(played(system, clairvoyant_plan(system, episode), 7), abs=1e-5)
