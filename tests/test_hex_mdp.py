"""The exact migration problem on hexagons: analytic checks, and the environment against its Markov chain."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.heuristics.user_migration import DiscPolicy
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.mobility.hex_mdp import HexMdp
from edgegym.mobility.hex_plane import pack, reflected, rotated
from edgegym.mobility.hop_costs import HopCosts
from edgegym.mobility.ring_mdp import RingMdp

ENV = "EdgeGym/UserMigration-v0"
MOVE = 1.0 / 12.0
CASES = [(ratio, discount) for ratio in (0, 1, 4, 10) for discount in (0.5, 0.9, 0.99)]


def problem(ratio: float, discount: float, move: float = MOVE, rings: int = 10) -> HexMdp:
    return HexMdp(rings, move, discount, HopCosts.of_ratio(ratio))


def optimum(mdp: HexMdp) -> np.ndarray:
    return mdp.evaluate(mdp.policy_iteration())


@pytest.mark.parametrize(("ratio", "discount"), CASES)
def test_policy_and_value_iteration_agree_and_candidates_on_paths_suffice(ratio: float, discount: float) -> None:
    mdp = problem(ratio, discount)
    assert len(mdp.cells) == 331
    best = optimum(mdp)
    assert np.abs(best - mdp.value_iteration()).max() < 1e-8
    assert np.all(best >= -1e-12)
    assert np.abs(optimum(mdp.on_paths()) - best).max() < 1e-8


@pytest.mark.parametrize(("ratio", "discount"), CASES)
def test_optimum_and_ring_policy_and_bound_are_in_order(ratio: float, discount: float) -> None:
    mdp, ring = problem(ratio, discount), RingMdp(10, MOVE, discount, HopCosts.of_ratio(ratio))
    best, mapped = optimum(mdp), mdp.evaluate(mdp.from_rings(ring.policy_iteration()))
    assert np.all(best <= mapped + 1e-9)
    assert np.all(mapped <= best + ring.bound + 1e-9)
    for policy in (mdp.never, mdp.always, mdp.myopic, mdp.threshold(3)):
        assert np.all(best <= mdp.evaluate(policy) + 1e-9)


def test_values_are_symmetric_and_do_not_fall_with_the_migration_cost() -> None:
    values = [optimum(problem(ratio, 0.9)) for ratio in (0, 1, 4, 10)]
    cells = problem(1, 0.9).cells
    place = {tuple(cell): i for i, cell in enumerate(cells.tolist())}
    for turned in (rotated(cells), reflected(cells)):
        same = values[1][[place[tuple(cell)] for cell in turned.tolist()]]
        assert np.abs(same - values[1]).max() < 1e-9
    assert all(np.all(low <= high + 1e-9) for low, high in pairwise(values))


@pytest.mark.parametrize("discount", [0.5, 0.9, 0.99])
def test_expensive_migration_happens_in_the_outer_ring_alone(discount: float) -> None:
    policy = RingMdp(10, MOVE, discount, HopCosts.of_ratio(1000)).policy_iteration()
    assert np.array_equal(policy[:-1], np.arange(10))
    assert policy[-1] < 10
    assert abs(optimum(problem(1, discount, move=0.0))[0]) < 1e-12


@pytest.mark.parametrize(("ratio", "discount"), CASES)
def test_closed_form_between_migrations(ratio: float, discount: float) -> None:
    ring = RingMdp(10, MOVE, discount, HopCosts.of_ratio(ratio))
    policy = ring.policy_iteration()
    value = ring.evaluate(policy)
    stays = 1.0 - discount * (1.0 - 4.0 * MOVE)
    for d in range(1, 10):
        if policy[d] == d:
            right = discount * MOVE * (1.5 * value[d - 1] + 2.5 * value[d + 1]) + 1.0 - 0.8**d
            assert abs(value[d] - right / stays) < 1e-10
    last = next((d for d in range(11) if policy[d] != d), 10)
    if last >= 1:
        assert np.abs(ring.closed_form(0, last, (value[0], value[last])) - value[: last + 1]).max() < 1e-9


def test_simulated_discounted_cost_of_a_fixed_policy() -> None:
    mdp, policy = problem(1, 0.9), problem(1, 0.9).threshold(2)
    rng, runs = np.random.default_rng(0), 20_000
    state, total, cumulative = np.zeros(runs, np.int64), np.zeros(runs), mdp.transition.cumsum(axis=1)
    for t in range(200):
        action = policy[state]
        total += 0.9**t * mdp.cost[state, action]
        state = (cumulative[action] < rng.random(runs)[:, None]).sum(axis=1).clip(max=330)
    assert abs(total.mean() - mdp.evaluate(policy)[0]) < 3.0 * total.std() / np.sqrt(runs)


def test_environment_has_the_long_run_cost_of_its_markov_chain() -> None:
    from edgegym.agents.bounds.user_migration import walked

    values = {"workload": {"kind": "hex_walk", "slots": 10_000}, "cost": {"kind": "exponential"}, "reach": 5}
    system = UserMigrationSystem(UserMigrationParams.parse(values))
    mdp = problem(1, 0.9, rings=5)
    for policy in (mdp.never, mdp.threshold(2)):
        found = []
        for seed in range(20):
            episode = system.episode(seed, {})
            system.begin(0, seed, {})
            system.follow(0, walked(episode.place, episode.start, mdp.cells, policy))
            found.append(system.episode_metrics(0)["cost_per_slot"])
        error = np.std(found, ddof=1) / np.sqrt(len(found))
        assert abs(np.mean(found) - mdp.long_run_cost(policy)) < 4.0 * error


def naive_values(rings: int, move: float, discount: float, costs: HopCosts) -> dict[tuple[int, int, int], float]:
    """Values by cube coordinates: Bellman's equation over dictionaries, swept until nothing changes."""

    def length(cell: tuple[int, int, int]) -> int:
        return sum(map(abs, cell)) // 2

    def paid(cell: tuple[int, int, int], to: tuple[int, int, int]) -> float:
        x, y = length((cell[0] - to[0], cell[1] - to[1], cell[2] - to[2])), length(to)
        migration = costs.beta_c + costs.beta_l * costs.mu**x if x else 0.0
        return migration + (costs.delta_c + costs.delta_l * costs.theta**y if y else 0.0)

    span = range(-rings, rings + 1)
    cells = [(a, b, -a - b) for a in span for b in span if abs(a + b) <= rings]
    steps = [(1, -1, 0), (1, 0, -1), (0, 1, -1), (-1, 1, 0), (-1, 0, 1), (0, -1, 1)]
    value = dict.fromkeys(cells, 0.0)
    change = 1.0
    while change > 1e-9 * (1.0 - discount):
        after = {}
        for a in cells:
            ends = [(a[0] + p, a[1] + q, a[2] + r) for p, q, r in steps]
            after[a] = sum(move * value.get(end, value[a]) for end in ends) + (1.0 - 6.0 * move) * value[a]
        new = {
            d: min(paid(d, a) + discount * after[a] for a in cells if not (length(d) == rings and length(a) == rings))
            for d in cells
        }
        change = max(abs(new[d] - value[d]) for d in cells)
        value = new
    return value


@settings(max_examples=12, deadline=None)
@given(
    st.integers(2, 3),
    st.floats(0.0, 1.0 / 6.0),
    st.floats(0.0, 0.95),
    st.floats(0.0, 25.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.floats(0.1, 5.0),
)
def test_any_settings_have_the_values_of_an_independent_solver(
    rings: int, move: float, discount: float, ratio: float, mu: float, theta: float, delta: float
) -> None:
    costs = HopCosts(beta_c=1.0 + ratio, beta_l=-ratio, mu=mu, theta=theta, delta_c=delta, delta_l=-delta)
    mdp = HexMdp(rings, move, discount, costs)
    wanted = naive_values(rings, move, discount, costs)
    found = optimum(mdp)
    for (q, s), value in zip(mdp.cells.tolist(), found, strict=True):
        assert value == pytest.approx(wanted[q, s, -q - s], abs=1e-5)
    assert np.abs(found - mdp.value_iteration()).max() < 1e-8


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.floats(0.0, 1.0 / 6.0), st.floats(0.0, 0.95), st.floats(0.0, 25.0), st.floats(0.0, 1.0))
def test_rings_have_the_values_of_plain_sweeps(
    rings: int, move: float, discount: float, ratio: float, theta: float
) -> None:
    ring = RingMdp(rings, move, discount, HopCosts(beta_c=1.0 + ratio, beta_l=-ratio, theta=theta))
    value = [0.0] * (rings + 1)
    for _ in range(600):
        after = [6 * move * value[1] + (1 - 6 * move) * value[0]]
        for d in range(1, rings):
            out, back = 2.5 * move, 1.5 * move
            after.append(out * value[d + 1] + back * value[d - 1] + (1 - out - back) * value[d])
        after.append(move * value[rings - 1] + (1 - move) * value[rings])
        value = [
            min(
                (1.0 + ratio - ratio * 0.8 ** abs(d - a) if a != d else 0.0)
                + (1.0 - theta**a if a else 0.0)
                + discount * after[a]
                for a in range(rings + 1)
                if d < rings or a < rings
            )
            for d in range(rings + 1)
        ]
    assert ring.evaluate(ring.policy_iteration()) == pytest.approx(np.array(value), abs=1e-5)


def test_bad_numbers_are_named() -> None:
    for rings, move, discount in ((1, 0.1, 0.9), (5, 0.2, 0.9), (5, 0.1, 1.0)):
        with pytest.raises(SettingsError):
            HexMdp(rings, move, discount)
    with pytest.raises(ValueError, match="coordinates"):
        pack((1 << 20, 0))


def test_the_optimum_of_the_plane_is_computed_once_for_each_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    solved = []
    iteration = HexMdp.policy_iteration
    monkeypatch.setattr(HexMdp, "policy_iteration", lambda mdp: solved.append(mdp.discount) or iteration(mdp))
    plane = {"preset": "hex_mdp", "reach": 3, "workload": {"kind": "hex_walk", "slots": 20}}
    policy, totals = DiscPolicy(), []
    for changed in ({"discount": 0.9}, {"discount": 0.5}, {"reach": 4}, {"discount": 0.9}):
        totals.append([one.total for one in run_episodes(Task(ENV, {**plane, **changed}), policy, range(3))])
    assert solved[0] == solved[3] == 0.9
    assert len(solved) == 4
    assert totals[0] == totals[3]


@pytest.mark.parametrize(
    ("cells", "start", "wrong"),
    [([[0, 0], [0, 1]], (-5, 3), "starts 5 hops from its user"), ([[0, 0], None], (0, 0), "a user is away")],
)
def test_the_optimum_of_the_plane_says_for_whom_it_is_not(cells: list[Any], start: tuple[int, int], wrong: str) -> None:
    place = np.array([[-1 if cell is None else int(pack(cell))] for cell in cells], np.int32)
    episode = Episode(place=place, service=np.zeros(1, np.int32), start=np.array([int(pack(start))], np.int32))
    system = Task(ENV, {"preset": "hex_mdp", "reach": 3}).system()
    with pytest.raises(SettingsError, match=wrong):
        DiscPolicy().play(system, 0, {"episode": episode})
