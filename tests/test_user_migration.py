"""User migration: the clairvoyant optimum against brute force, capacity, bounds and bad input."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.bounds.user_migration import Clairvoyant, clairvoyant_plan, joint_bound
from edgegym.decision.system import Decisions
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.viterbi import plan
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/UserMigration-v0"
SMALL: dict[str, Any] = {"workload": {"kind": "city", "users": 10, "slots": 12, "rings": 1}}


def make(**changes: Any) -> UserMigrationSystem:
    return UserMigrationSystem(UserMigrationParams.parse({**SMALL, **changes}))


def play(system: UserMigrationSystem, seed: int, rng: np.random.Generator, options: Any = None) -> dict[str, float]:
    system.begin(0, seed, options or {})
    decisions = Decisions.empty(system)
    system.observe(decisions)
    while not decisions.done[0]:
        busy = system.state.sites["load"][0]
        assert np.all(busy <= system.tables.capacity * system.tables.full + 1e-9)
        allowed = np.flatnonzero(decisions.mask[0])
        system.step(rng.choice(allowed, 1), np.ones(1, np.bool_), decisions)
        assert np.all((decisions.candidates >= 0) & (decisions.candidates <= 1))
        assert np.all((decisions.context >= 0) & (decisions.context <= 1))
    return system.episode_metrics(0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
def test_viterbi_is_the_best_of_all_ways(seed: int, slots: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    cell = rng.integers(-1, sites, slots).astype(np.int32)
    near, move, handover = rng.random((sites, sites)), rng.random((sites, sites)), 4.0 * rng.random() ** 3
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    best = np.inf
    for way in product(range(sites), repeat=slots):
        cost = 0.0
        for t, site in enumerate(way):
            if cell[t] < 0:
                continue
            new = t == 0 or cell[t - 1] < 0
            before = cell[t] if new else way[t - 1]
            handed = 0.0 if new or cell[t] == cell[t - 1] else handover
            cost += near[cell[t], site] + (move[before, site] if site != before else handed)
        best = min(best, cost)
    assert plan(cell, near, move, handover)[1] == pytest.approx(best, abs=1e-12)


def naive_optimum(cell: np.ndarray, near: np.ndarray, move: np.ndarray, handover: float) -> float:
    """Forward dynamic programme over a layered graph, one session after the other."""
    total, value = 0.0, None
    for t, here in enumerate(cell):
        if here < 0:
            continue
        new = t == 0 or cell[t - 1] < 0
        step = move + np.diag(np.full(len(move), 0.0 if new or cell[t - 1] == here else handover))
        if new:
            total += 0.0 if value is None else value.min()
            value = step[here]
        else:
            value = (value[:, None] + step).min(axis=0)
        value = value + near[here]
    return float(total + (0.0 if value is None else value.min()))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(2, 40),
    st.sampled_from(["uniform", "constant", "hops", "dear"]),
    st.sampled_from([0.0, 0.05, 9.0]),
)
def test_viterbi_agrees_with_a_forward_programme(seed: int, slots: int, sites: int, kind: str, handover: float) -> None:
    rng = np.random.default_rng(seed)
    near = rng.random((sites, sites)) * rng.choice([0.01, 1.0, 100.0])
    apart = np.abs(np.subtract.outer(np.arange(sites), np.arange(sites)))
    move = {
        "uniform": lambda: (lambda m: m + m.T)(rng.random((sites, sites))),
        "constant": lambda: np.full((sites, sites), 0.3),
        "hops": lambda: 2.0 - 0.8**apart,
        "dear": lambda: 1.0 + 50.0 * (lambda m: m + m.T)(rng.random((sites, sites)) ** 4),
    }[kind]()
    np.fill_diagonal(move, 0.0)
    cell = np.where(rng.random(slots) < 0.1, -1, rng.integers(0, sites, slots)).astype(np.int32)
    assert plan(cell, near, move, handover)[1] == pytest.approx(naive_optimum(cell, near, move, handover), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_viterbi_is_exact_at_full_size_where_nothing_is_pruned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    near, move = 0.01 * rng.random((200, 200)), 1.0 + rng.random((200, 200))
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    cell = rng.integers(0, 200, 100).astype(np.int32)
    assert plan(cell, near, move, 0.05)[1] == pytest.approx(naive_optimum(cell, near, move, 0.05), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.floats(0.0, 20.0), st.sampled_from(["manhattan", "gauss_markov"]))
def test_no_plan_and_no_policy_beats_the_clairvoyant_optimum(seed: int, slots: int, ratio: float, model: str) -> None:
    cost = {"kind": "exponential", "beta_c": 1.0 + ratio, "beta_l": -ratio}
    system = make(cost=cost, workload={"kind": "city", "model": model, "users": 4, "slots": slots, "rings": 1})
    rng, episode = np.random.default_rng(seed), system.episode(seed, {})
    system.begin(0, seed, {})
    best = -system.follow(0, clairvoyant_plan(system, episode))
    for lazy in (0.0, 0.5, 0.95):
        drawn = rng.integers(0, 7, episode.place.shape)
        kept = np.where(rng.random(drawn.shape) < lazy, episode.place[0], drawn)
        system.begin(0, seed, {})
        assert -system.follow(0, kept) >= best - 1e-9
    found = play(system, seed, rng)
    assert found["cost_per_slot"] * found["user_slots"] >= best - 1e-9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_clairvoyant_optimum_is_never_beaten_and_reached_by_its_plan(seed: int) -> None:
    system = make(cost={"kind": "exponential"})
    episode = system.episode(seed, {})
    costs = sum(plan(episode.place[:, u], *system.single_costs(k))[1] for u, k in enumerate(episode.service))
    system.begin(0, seed, {})
    assert -system.follow(0, clairvoyant_plan(system, episode)) == pytest.approx(costs, abs=1e-9)
    rng = np.random.default_rng(seed)
    assert play(system, seed, rng)["cost_per_slot"] * episode.place.size >= costs - 1e-9


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_joint_bound_is_never_beaten_under_capacity(seed: int) -> None:
    system = make(cost={"kind": "edge", "servers": 0.5})
    episode = system.episode(seed, {})
    bound = joint_bound(system, episode, 10)
    metrics = play(system, seed, np.random.default_rng(seed))
    assert metrics["cost_per_slot"] * metrics["user_slots"] >= bound - 1e-9


def test_rewards_add_up_to_the_cost() -> None:
    task = Task(ENV, SMALL)
    for result in run_episodes(task, Clairvoyant(), range(2)):
        assert result.metrics["cost_per_slot"] > 0.0
    from edgegym.agents.heuristics.user_migration import threshold

    for result in run_episodes(task, threshold(2), range(2)):
        assert -result.total == pytest.approx(result.metrics["cost_per_slot"] * result.metrics["user_slots"])


def test_regret_is_nothing_for_the_clairvoyant_choice() -> None:
    system = make(cost={"kind": "exponential"}, reward={"signal": "regret"}, candidates=8)
    episode = system.episode(3, {})
    system.begin(0, 3, {})
    assert system.follow(0, clairvoyant_plan(system, episode)) == 0.0
    decisions = Decisions.empty(system)
    system.begin(0, 3, {})
    while not decisions.done[0]:
        system.step(np.zeros(1, np.int64), np.ones(1, np.bool_), decisions)
        assert decisions.reward[0] <= 0.0


def test_users_outside_every_cell_cost_nothing() -> None:
    system = make()
    place = np.full((6, 1), -1, np.int32)
    place[[0, 1, 4]] = 2
    episode = Episode(place, np.zeros(1, np.int32), np.full(1, -1, np.int32))
    assert play(system, 0, np.random.default_rng(0), {"episode": episode})["user_slots"] == 3.0
    with pytest.raises(SettingsError, match="none of the 7 cells"):
        system.begin(0, 0, {"episode": Episode(place + 9, episode.service, episode.start)})


def test_sites_without_servers_host_nobody() -> None:
    system = make(cost={"kind": "edge", "servers": (0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)})
    play(system, 1, np.random.default_rng(0))
    assert system.state.sites["load"][0, 0] == 0.0
    with pytest.raises(SettingsError, match="servers"):
        make(cost={"kind": "edge", "servers": 0.0})


def test_too_many_services_are_refused() -> None:
    with pytest.raises(SettingsError, match="give more servers or fewer users"):
        make(cost={"kind": "edge", "servers": 0.15}).begin(0, 0, {})


def test_stop_and_copy_is_precopy_without_rounds() -> None:
    service = {"name": "x", "state_bytes": 125e6, "dirty_bytes_s": 0.0, "requests_hz": 1.0, "request_bytes": 0.0,
               "macs": 1e8, "deadline_s": 1.0}  # fmt: skip
    for rounds, downtime in ((0, 1.1), (3, 0.1)):
        tables = make(cost={"kind": "edge", "rounds": rounds}, services=[service]).tables
        assert tables.downtime[0, 0, 1] == pytest.approx(downtime)
        assert tables.sent[0, 0, 1] == pytest.approx(125e6)


def test_recorded_taxis_reach_the_known_reference_points(data_folder: Path) -> None:
    from edgegym.agents.heuristics.user_migration import threshold

    task = Task(ENV, {"preset": "sf_taxi", "observe": "cell", "workload": {"part": (0.8, 1.0)}})
    for policy, cost in ((threshold(1), 0.20821), (Clairvoyant(), 0.16893)):
        results = run_episodes(task, policy, range(68))
        slots = sum(result.metrics["user_slots"] for result in results)
        assert sum(-result.total for result in results) / slots == pytest.approx(cost, abs=1e-5)
