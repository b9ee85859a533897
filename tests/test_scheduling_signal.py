"""Request scheduling: what training sees, columns and rewards, against naive simulations."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from edgegym.agents.dispatch_rules import accuracy_scaling, base_rule
from edgegym.decision.policy import ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions
from edgegym.envs.request_scheduling.state import SERVED
from edgegym.evaluation.harness import Task

from .scheduling_systems import ENV, PARK, PLAIN, SITE, episode_of, system_of


@pytest.mark.parametrize("values", [PARK, {**SITE, "reward": {"signal": "regret"}, "hold": {"step_s": 0.01}}])
def test_vector_row_equals_single_environment_and_columns_are_in_range(values: dict[str, Any]) -> None:
    short = {"workload": {"jobs": 60}} if values is PARK else {"workload": {"seconds": 0.3}}
    vector: Any = gym.make_vec(ENV, num_envs=3, **values, **short)
    single: Any = gym.make(ENV, **values, **short)
    seen, _ = vector.reset(seed=20)
    alone, _ = single.reset(seed=22)
    rng, ended = np.random.default_rng(0), 0
    for _ in range(250):
        assert all(np.array_equal(seen[name][2], alone[name]) for name in alone)
        assert all(((seen[name] >= 0.0) & (seen[name] <= 1.0)).all() for name in ("candidates", "context"))
        actions = rng.integers(vector.single_action_space.n, size=3)
        seen, rewards, over, _, _ = vector.step(actions)
        if ended:
            alone, _ = single.reset()
            ended = 0
            continue
        alone, reward, ended, _, _ = single.step(int(actions[2]))
        assert (rewards[2], over[2]) == (reward, ended)


@pytest.mark.parametrize("charge", [0.0, 0.2])
def test_regret_is_the_difference_of_two_simulations(charge: float) -> None:
    values = {**PLAIN, "reject": False, "servers": [{"rate": 1.0}, {"rate": 0.4}]}
    reward = {"latency": 1.0, "goodput": 0.0, "signal": "regret", "horizon": 1000, "clip": 1e9}
    reward["base"] = {"charge": charge}
    values["reward"] = reward
    system, rng = system_of(**values), np.random.default_rng(2)
    episode = episode_of(np.cumsum(rng.exponential(1.0, 80)), rng.exponential(size=80) + 0.05)

    def cost(prefix: list[int]) -> float:
        free, total = np.zeros(2), 0.0
        for i, (time, size) in enumerate(zip(episode.arrival_s, episode.size, strict=True)):
            service, wait = size / np.array([1.0, 0.4]), np.maximum(free - time, 0.0)
            finish = time + wait + service
            disliked = finish + charge * 2.0 * service * wait  # worth counts per unit of weight: normal weighs 2
            chosen = prefix[i] if i < len(prefix) else int(disliked.argmin())
            free[chosen] = finish[chosen]
            total += finish[chosen] - time
        return total

    system.begin(0, 0, {"episode": episode})
    decisions = Decisions.empty(system)
    taken: list[int] = []
    for i in range(80):
        action = int(rng.integers(2))
        expected = (cost(taken) - cost([*taken, action])) / episode.size[i]
        taken.append(action)
        system.step(np.array([action]), np.ones(1, np.bool_), decisions)
        assert decisions.reward[0] == pytest.approx(expected, abs=1e-6)
    assert not Task(ENV, values).system().rules["horizon"][0]  # type: ignore[attr-defined]


def test_regrets_of_an_episode_add_up_to_the_gain_on_the_base_rule() -> None:
    """The performance difference lemma, with accuracy scaling simulated naively as the rule."""
    charge, bend, favour, margin = 0.3, -0.4, -0.5, 0.1
    rates, deadlines, weights = np.array([1.0, 0.4]), np.array([3.0, 6.0]), np.array([4.0, 1.0])
    streams = [
        {"task": "job", "deadline_s": 3.0, "priority": "high"},
        {"task": "job", "deadline_s": 6.0, "priority": "low"},
    ]
    values: dict[str, Any] = {
        **PLAIN,
        "servers": [{"rate": rate} for rate in rates],
        "workload": {"kind": "streams", "streams": streams},
        "reward": {
            "goodput": 1.0, "signal": "regret", "horizon": 1000, "clip": 1e9,
            "base": {"charge": charge, "bend": bend, "favour": favour, "margin": margin},
        },
    }  # fmt: skip
    system, rng = system_of(**values), np.random.default_rng(3)
    episode = episode_of(
        np.cumsum(rng.exponential(0.8, 200)), rng.exponential(size=200) + 0.05, rng.integers(2, size=200)
    )

    free, base = np.zeros(2), 0.0
    for time, size, kind in zip(episode.arrival_s, episode.size, episode.stream, strict=True):
        service, wait = size / rates, np.maximum(free - time, 0.0)
        in_time = wait + service < (1.0 - margin) * deadlines[kind]
        cost = charge * service * wait * (np.maximum(wait, 1e-9) / 0.03) ** bend
        liked = in_time * 2.0 ** (favour * (1.0 - kind)) - cost
        best = int(np.lexsort((wait + service, -liked))[0])
        if liked[best] > 0.0:
            base += weights[kind] * (wait + service <= deadlines[kind])[best]
            free[best] = time + (wait + service)[best]

    system.begin(0, 0, {"episode": episode})
    decisions, regrets, seen = Decisions.empty(system), 0.0, 0
    while not decisions.done[0]:
        system.step(rng.integers(3, size=1), np.ones(1, np.bool_), decisions)
        regrets += float(decisions.reward[0])
        seen += 1
    requests = system.requests(0)
    gained = requests["weight"][(requests["fate"] == SERVED) & (requests["response"] <= requests["deadline"])].sum()
    assert seen == 200
    assert gained - base == pytest.approx(regrets, abs=1e-6)
    assert gained < base


def test_regret_of_holding_places_the_request_greedily_when_it_is_released() -> None:
    rates = np.array([1.0, 0.4])
    values = {**PLAIN, "reject": False, "servers": [{"rate": rate} for rate in rates], "hold": {"step_s": 0.7}}
    values["reward"] = {"latency": 1.0, "goodput": 0.0, "signal": "regret", "horizon": 1000, "clip": 1e9}
    system, rng = system_of(**values), np.random.default_rng(4)
    episode = episode_of(np.cumsum(rng.exponential(1.0, 60)), rng.exponential(size=60) + 0.05)

    def cost(held: int | None) -> float:
        sent = episode.arrival_s.copy()
        if held is not None:
            sent[held] += 0.7
        free, total = np.zeros(2), 0.0
        for i in np.argsort(sent):
            finish = np.maximum(free, sent[i]) + episode.size[i] / rates
            total += finish.min() - episode.arrival_s[i]
            free[finish.argmin()] = finish.min()
        return total

    decisions = Decisions.empty(system)
    for held in range(0, 60, 7):
        system.begin(0, 0, {"episode": episode})
        system.observe(decisions)
        for _ in range(held):
            quickest = decisions.candidates[0, :2, system.candidate_features.index("quickest")].argmax()
            system.step(np.array([quickest]), np.ones(1, np.bool_), decisions)
        system.step(np.array([2]), np.ones(1, np.bool_), decisions)
        assert decisions.reward[0] == pytest.approx((cost(None) - cost(held)) / episode.size[held], abs=1e-6)


def test_the_tail_term_counts_what_exceeds_its_limit() -> None:
    reward = {"goodput": 0.0, "tail": 2.0, "tail_s": 1.5}
    system = system_of(**PLAIN, reject=False, servers=[{"rate": 1.0}], reward=reward)
    system.begin(0, 0, {"episode": episode_of([0.0, 0.1, 0.2])})
    decisions, total = Decisions.empty(system), 0.0
    while not decisions.done[0]:
        system.step(np.zeros(1, np.int64), np.ones(1, np.bool_), decisions)
        total += float(decisions.reward[0])
    assert total == pytest.approx(-2.0 * ((1.9 - 1.5) + (2.8 - 1.5)))
    signal = system_of(**PLAIN, servers=[{"rate": 1.0}], reward={**reward, "signal": "regret"})
    signal.begin(0, 0, {"episode": episode_of([0.0, 0.1, 0.2])})
    decisions = Decisions.empty(signal)
    signal.step(np.ones(1, np.int64), np.ones(1, np.bool_), decisions)
    signal.step(np.ones(1, np.int64), np.ones(1, np.bool_), decisions)
    # Greedy rejects rather than pay for .4 s; whoever comes third is rejected in both branches.
    assert decisions.reward[0] == pytest.approx(-2.0 * 0.4)


@pytest.mark.parametrize("parameters", [(0.0, 0.0, 0.0, 0.0), (-0.7, -1.3, -0.6, 0.04), (0.5, 1.0, 1.0, 1.0)])
def test_the_heuristic_chooses_as_the_base_rule_does(parameters: tuple[float, ...]) -> None:
    found = np.array(parameters)
    reward = {"signal": "regret", "clip": 1e9, "horizon": 2000, "base": base_rule(found).model_dump()}
    system = system_of(preset="edge_site", workload={"seconds": 2.0}, reward=reward)
    rule, regrets = ScorePolicy("rule", lambda columns: accuracy_scaling(columns, found)), []
    system.begin(0, 5, {})
    out = Decisions.empty(system)
    system.observe(out)
    while not out.done[0]:
        columns = Columns(out.candidates, out.context, system.candidate_features, system.context_features)
        system.step(rule.act(columns, out.mask.astype(np.bool_)), np.ones(1, np.bool_), out)
        regrets.append(float(out.reward[0]))
    assert len(regrets) > 300
    assert np.abs(regrets).max() < 1e-9
