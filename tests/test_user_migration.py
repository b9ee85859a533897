"""User migration: bounds that nothing beats, metrics against a naive account, capacity, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from edgegym.agents.bounds.user_migration import Clairvoyant, bounds, clairvoyant_plan, joint_bound
from edgegym.agents.heuristics.user_migration import heuristics, move_probability, threshold
from edgegym.decision.policy import Policy
from edgegym.decision.system import Decisions
from edgegym.envs.user_migration.params import PRESETS, UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.viterbi import plan
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.settings import merged

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


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(2, 30),
    st.floats(0.0, 20.0),
    st.sampled_from(["manhattan", "gauss_markov"]),
    st.sampled_from([None, 2]),
    st.sampled_from(["distance", "graph"]),
)
def test_no_plan_and_no_policy_beats_the_clairvoyant_optimum(
    seed: int, slots: int, ratio: float, model: str, reach: int | None, backhaul: str
) -> None:
    cost = {"kind": "exponential", "beta_c": 1.0 + ratio, "beta_l": -ratio}
    workload = {"kind": "city", "model": model, "users": 4, "slots": slots, "rings": 1}
    system = make(cost=cost, workload=workload, observe="motion", reach=reach, backhaul={"kind": backhaul})
    rng, drawn = np.random.default_rng(seed), system.episode(seed, {})
    place = np.where(rng.random(drawn.place.shape) < 0.15, -1, drawn.place).astype(np.int32)
    episode = Episode(place, drawn.service, drawn.start)
    options = {"episode": episode}
    system.begin(0, seed, options)
    best = -system.follow(0, clairvoyant_plan(system, episode))
    for lazy in (0.0, 0.5, 0.95):
        anywhere = rng.integers(0, 7, place.shape)
        kept = np.where(rng.random(place.shape) < lazy, anywhere[0], anywhere)
        system.begin(0, seed, options)
        assert -system.follow(0, kept) >= best - 1e-9
    found = play(system, seed, rng, options)
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
    for result in run_episodes(task, threshold(2), range(2)):
        assert -result.total == pytest.approx(result.metrics["cost_per_slot"] * result.metrics["user_slots"])


def test_metrics_are_those_of_a_naive_account() -> None:
    system = make(cost={"kind": "edge", "servers": 2.0, "energy": 0.01}, observe="motion")
    tables, episode = system.tables, system.episode(7, {})
    plan_of = np.random.default_rng(7).integers(0, 7, episode.place.shape)
    plan_of[:, 0] = episode.place[:, 0]
    system.begin(0, 7, {})
    system.follow(0, plan_of)
    sites, before = episode.place[0].copy(), episode.place[0].copy()
    cost, down, sent, joules, moves = 0.0, 0.0, 0.0, 0.0, 0
    delays, limits, balance = [], [], []
    for cells, wanted in zip(episode.place, plan_of, strict=True):
        for u, kind in enumerate(episode.service):
            if wanted[u] != sites[u]:
                moves += 1
                cost += tables.move[kind, sites[u], wanted[u]]
                down += tables.downtime[kind, sites[u], wanted[u]]
                sent += tables.sent[kind, sites[u], wanted[u]]
                joules += tables.move_energy[kind, sites[u], wanted[u]]
            elif cells[u] != before[u]:
                cost, down = cost + 0.05, down + 0.05
        sites, before = wanted.copy(), cells
        load = np.bincount(sites, tables.load[episode.service], 7)
        for u, kind in enumerate(episode.service):
            stretch = 1.0 / (1.0 - load[sites[u]] / 2.0)
            cost += tables.near[kind, cells[u], sites[u]] + tables.work[kind] * stretch
            joules += tables.energy[kind, cells[u], sites[u]]
            delays.append(tables.latency[kind, cells[u], sites[u]] + tables.seconds[kind] * stretch)
            limits.append(system.params.services[kind].deadline_s)
        balance.append(load.sum() ** 2 / (7 * (load**2).sum()))
    late, tight = np.array(delays) > limits, np.array(limits) == 0.02
    wanted_metrics = {
        "cost_per_slot": cost / 120,
        "latency_mean_s": np.mean(delays),
        "latency_p95_s": np.quantile(delays, 0.95),
        "deadline_misses": late.mean(),
        "motion_to_photon_misses": late[tight].mean(),
        "migrations_per_slot": moves / 120,
        "migrations_per_hour": moves / 120 * 360,
        "bytes_per_hour": sent / 120 * 360,
        "downtime": down / 1200,
        "energy_j": joules / 120,
        "load_balance": np.mean(balance),
        "user_slots": 120,
    }
    found = system.episode_metrics(0)
    for name, value in wanted_metrics.items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


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
    with pytest.raises(SettingsError, match="cell -2 is none"):
        system.begin(0, 0, {"episode": Episode(place - 1, episode.service, episode.start)})


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


def test_users_of_melbourne_begin_at_recorded_positions(data_folder: Path) -> None:
    users = data_folder / "mobility/eua/users-melbcbd-generated.csv"
    workload = {"model": "random_waypoint", "starts": str(users), "users": 400, "slots": 30}
    values = merged(PRESETS["melbourne"], {"workload": workload, "observe": "cell"})
    system = UserMigrationSystem(UserMigrationParams.parse(values))
    sites, at = system.source.xy, system.episode(5, {}).position
    assert at is not None
    recorded = system.source.sites.in_metres(np.loadtxt(users, delimiter=",", skiprows=1))
    distance = cdist(at[0], recorded)
    assert distance.min(axis=1).max() < 1e-6
    assert len(np.unique(distance.argmin(axis=1))) == 400
    both = np.concatenate([sites, recorded])
    assert np.all((at >= both.min(axis=0) - 1e-9) & (at <= both.max(axis=0) + 1e-9))
    system.begin(0, 5, {})
    system.follow(0, system.episode(5, {}).place)
    assert 0.0 < system.episode_metrics(0)["load_balance"] < 1.0
    with pytest.raises(SettingsError, match="'starts' needs 'sites'"):
        make(workload={"kind": "city", "starts": "x.csv"})


def test_recorded_taxis_reach_the_known_reference_points(data_folder: Path) -> None:
    task = Task(ENV, {"preset": "sf_taxi", "observe": "cell", "workload": {"part": (0.8, 1.0)}})
    for policy, cost in ((threshold(1), 0.20821), (Clairvoyant(), 0.16893)):
        results = run_episodes(task, policy, range(68))
        slots = sum(result.metrics["user_slots"] for result in results)
        assert sum(-result.total for result in results) / slots == pytest.approx(cost, abs=1e-5)


@pytest.mark.parametrize(
    ("trace", "expected"), [([[0, 1], [0, 2], [1, -1]], 2 / 18), ([[0, 1]], 0.0), ([[0, -1], [-1, 1]], 0.0)]
)
def test_move_probability_counts_known_steps(trace: list[list[int]], expected: float) -> None:
    assert move_probability(np.array(trace, np.int32)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"place": np.zeros(4, np.int32)}, r"place \(4,\) must be \(slots, users\)"),
        ({"place": np.full((4, 2), 0.5)}, "place must hold whole numbers"),
        ({"service": np.array([0, 4], np.int32)}, "services must lie in 0 to 3"),
        ({"start": np.array([0, 7], np.int32)}, "cell 7 is none of the 7 cells"),
        ({"position": np.zeros((4, 2))}, r"position \(4, 2\) must be \(slots, users, 2\)"),
        ({"position": np.full((4, 2, 2), np.nan)}, "position must be finite"),
        ({"outside": np.zeros(3, np.int64)}, r"outside \(3,\) must be \(slots,\)"),
    ],
)
def test_episodes_that_do_not_fit_are_refused(changes: dict[str, Any], wrong: str) -> None:
    two = np.zeros(2, np.int32)
    episode = {"place": np.zeros((4, 2), np.int32), "service": two, "start": two, **changes}
    with pytest.raises(SettingsError, match=f"reset option 'episode': {wrong}"):
        make().begin(0, 0, {"episode": Episode(**episode)})


@pytest.mark.parametrize(
    ("cost", "wrong"),
    [
        ({"kind": "exponential", "beta_c": 0.5, "beta_l": -1.0}, r"beta_c \+ beta_l mu\^x must not be negative"),
        ({"kind": "exponential", "delta_l": -1e-3, "theta": 1.1}, "delta_c .* must not be negative"),
        ({"kind": "exponential", "beta_c": float("nan")}, "beta_c"),
        ({"kind": "edge", "servers": [1.0, float("nan")]}, "servers"),
        ({"kind": "edge", "servers": float("inf")}, "servers"),
    ],
)
def test_costs_that_are_none_are_refused(cost: dict[str, Any], wrong: str) -> None:
    with pytest.raises(SettingsError, match=wrong):
        make(cost=cost)


def test_a_cost_that_only_grows_from_above_zero_is_taken() -> None:
    make(cost={"kind": "exponential", "beta_c": -1.5, "beta_l": 1.0, "mu": 2.0})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cost", [{"kind": "exponential"}, {"kind": "edge", "servers": 4.0}])
def test_one_site_leaves_nothing_to_decide(tmp_path: Path, cost: dict[str, Any]) -> None:
    (tmp_path / "sites.csv").write_text("x,y\n0,0\n")
    workload = {"kind": "city", "users": 3, "slots": 5, "sites": str(tmp_path / "sites.csv")}
    task = Task(ENV, {"workload": workload, "cost": cost})
    system = task.system()
    first, *others = [costs_of(task, policy) for policy in heuristics(system)]
    assert all(other == first for other in others)
    assert all(np.all(np.array(costs_of(task, bound)) <= np.array(first) + 1e-12) for bound in bounds(system))


def costs_of(task: Task, policy: Policy) -> list[float]:
    return [result.metrics["cost_per_slot"] for result in run_episodes(task, policy, range(2))]
