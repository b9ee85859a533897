"""Inference batching against the exact process, a naive simulation, exhaustive search, and its own invariants."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from edgegym.agents.bounds.inference_batching import Fluid, Hindsight
from edgegym.agents.heuristics import inference_batching
from edgegym.agents.heuristics.inference_batching import fitted_heuristics, greedy
from edgegym.agents.heuristics.inference_batching_search import LARGEST_GRID, best_on_grid
from edgegym.agents.policies import heuristics, policy_named
from edgegym.decision.policy import ScorePolicy, UniformPolicy
from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.inference_batching.reference import play_reference
from edgegym.envs.inference_batching.system import InferenceBatchingSystem
from edgegym.envs.inference_batching.workload import Episode
from edgegym.errors import EdgeGymError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.queueing.batching_smdp import BatchingQueue, minimum_batch, solve

ENV = "EdgeGym/InferenceBatching-v0"
FAST = {"setup_s": 0.002, "per_item_s": 0.0005, "accuracy": 0.7, "bytes": 10.0}
GOOD = {"setup_s": 0.006, "per_item_s": 0.002, "accuracy": 0.8, "bytes": 20.0}
TWO_QUEUES: dict[str, Any] = {
    "queues": [{"variants": [FAST, GOOD], "slo_s": 0.03}, {"variants": [GOOD], "slo_s": 0.06, "weight": 2.0}],
    "workload": {"arrivals": {"kind": "poisson", "rate": 400.0}, "requests": 300},
    "memory_bytes": 40.0,
    "load_bytes_per_s": 1e4,
}


def make(rows: int = 1, **settings: Any) -> InferenceBatchingSystem:
    values = {**TWO_QUEUES, **settings}
    return InferenceBatchingSystem(make_settings(InferenceBatchingSystem, None, values), rows)  # type: ignore[arg-type]


def play(
    system: InferenceBatchingSystem, seed: int, choose: Any, options: Any = None
) -> tuple[float, dict[str, float]]:
    """Step one episode; ``choose`` maps the mask to an action."""
    system.begin(0, seed, options or {})
    out, total = Decisions.empty(system), 0.0
    system.observe(out)
    while not out.done[0]:
        system.step(np.array([choose(out.mask[0] > 0)]), np.ones(1, np.bool_), out)
        total += float(out.reward[0])
    return total, system.episode_metrics(0)


def at_random(seed: int) -> Any:
    """Chooses an allowed candidate uniformly."""
    rng = np.random.default_rng(seed)
    return lambda mask: rng.choice(np.flatnonzero(mask))


@pytest.mark.parametrize("load", [0.4, 0.7])
@pytest.mark.parametrize("smallest", [1, 4])
def test_simulated_latency_is_that_of_the_exact_process(load: float, smallest: int) -> None:
    queue = BatchingQueue.of_load(load)
    exact = solve(queue, minimum_batch(queue, smallest)).latency_s
    workload = {"arrivals": {"kind": "poisson", "rate": queue.rate_per_s}, "requests": 200_000}
    task = Task(ENV, {"preset": "smdp", "workload": workload})
    enough = np.log2(1 + smallest) / 16 - 1e-4
    policy = ScorePolicy("minimum", lambda c: np.where(c.wait > 0, 0.0, np.where(c.waiting >= enough, c.batch, -1.0)))
    found = [result.metrics["mean_latency_s"] for result in run_episodes(task, policy, range(16))]
    deviation = np.std(found, ddof=1) / np.sqrt(len(found))
    assert found[0] == pytest.approx(exact, rel=0.01)
    assert abs(np.mean(found) - exact) < 4 * deviation
    assert np.mean(found) == pytest.approx(exact, rel=2e-3)


def test_greedy_equals_a_naive_simulation() -> None:
    system = make(queues=[{"variants": [FAST], "slo_s": None}], drop="never", batches=[1, 2, 4, 8])
    task = Task(ENV, system.params.model_dump(mode="json"))
    arrival = system.episode(5, {}).arrival_s
    free, served, latency = 0.0, 0, []
    while served < len(arrival):
        free = max(free, arrival[served])
        size = min(8, int((arrival[served:] <= free).sum()))
        free += FAST["setup_s"] + FAST["per_item_s"] * size
        latency += list(free - arrival[served : served + size])
        served += size
    found = run_episodes(task, ScorePolicy("greedy", greedy), [5])[0].metrics
    assert found["mean_latency_s"] == pytest.approx(np.mean(latency), rel=1e-12)
    assert found["p99_latency_s"] == pytest.approx(np.quantile(latency, 0.99), rel=1e-12)


@pytest.mark.parametrize("drop", ["never", "expired", "late"])
def test_invariants_under_random_play(drop: str) -> None:
    system, rng = make(drop=drop), np.random.default_rng(1)
    for seed in range(3):
        total, metrics = play(system, seed, lambda mask: rng.choice(np.flatnonzero(mask)))
        log = system.log(0)
        assert len(log.latency_s) == 300
        assert total == pytest.approx(float((log.weight * np.where(log.in_time, log.accuracy, 0)).sum()))
        assert metrics["utilisation"] <= 1.0 + 1e-12
        assert metrics["slo_attainment"] + metrics["drop_rate"] + metrics["late_rate"] == pytest.approx(1.0)
        assert drop != "late" or metrics["late_rate"] == 0.0
        state, finish = system.state, np.unique(system.state.finish[0][~np.isnan(system.state.finish[0])])
        assert np.all(np.diff(finish) >= state.latency[:, 1].min() - 1e-12)  # one batch at a time


def test_loading_takes_time_and_evicts_the_least_recently_used() -> None:
    episode = Episode(np.array([0.0, 0.0, 1.0, 2.0]), np.array([0, 1, 0, 0]))
    system = make(workload={"requests": 4}, memory_bytes=30.0, batches=[1])
    # Queue 0's variants fit together; queue 1's is loaded in place of both, the fast one beside it later.
    actions = iter([2, 3, 1, 1])
    play(system, 0, lambda mask: next(actions), {"episode": episode})
    finish = np.sort(system.state.finish[0, :4])
    fast, good = 0.0025, 0.008
    load_fast, load_good = 10 / 1e4, 20 / 1e4
    assert finish == pytest.approx([good, good + load_good + good, 1 + load_fast + fast, 2 + fast])
    assert system.episode_metrics(0)["loads"] == 2


def test_waiting_ends_with_an_arrival_or_the_timer() -> None:
    episode = Episode(np.array([0.0, 0.004, 0.5]), np.zeros(3, np.int64))
    system = make(workload={"requests": 3}, wait_s=0.01)
    system.begin(0, 0, {"episode": episode})
    out = Decisions.empty(system)
    for expected in (0.004, 0.014, 0.024):
        system.step(np.zeros(1, np.int64), np.ones(1, np.bool_), out)
        assert system.state.rows["now"][0] == pytest.approx(expected)


def test_shortfall_is_goodput_less_a_constant() -> None:
    paid = {name: make(reward={"goodput": 0.0, name: 1.0}) for name in ("goodput", "shortfall")}
    constants = []
    for seed in range(3):
        totals = {name: play(system, 7, at_random(seed))[0] for name, system in paid.items()}
        constants.append(totals["goodput"] - totals["shortfall"])
    assert constants == pytest.approx([constants[0]] * 3)


def test_overload_drops_and_ends() -> None:
    system = make(workload={"arrivals": {"kind": "poisson", "rate": 1e5}, "requests": 5000})
    memory = None
    for seed in range(2):
        _, metrics = play(system, seed, lambda mask: int(np.flatnonzero(mask)[-1]))
        assert metrics["drop_rate"] > 0.5
        assert memory in (None, system.memory_bytes())
        memory = system.memory_bytes()


def test_advantage_is_zero_for_the_reference_and_never_shown_to_evaluation() -> None:
    system = make(reward={"signal": "advantage"})
    system.begin(0, 3, {})
    play_reference(system.state, 0)
    by_reference = system.episode_metrics(0)["goodput_accuracy"]
    task = Task(ENV, {**TWO_QUEUES, "reward": {"signal": "advantage"}})
    assert task.system().params.reward.signal == "terms"  # type: ignore[attr-defined]
    uniform = run_episodes(task, UniformPolicy(), [3])[0].metrics["goodput_accuracy"]
    rng = np.random.default_rng(0)
    total, _ = play(system, 3, lambda mask: rng.choice(np.flatnonzero(mask)))
    assert uniform < by_reference
    assert total < 0.0


def test_reference_keeps_to_its_variants_and_the_signals_add_up_to_the_gain_over_it() -> None:
    """Without discount and over an endless horizon the sum of signals is what the actions earn more than the rule."""
    system = make(reward={"signal": "advantage", "reference": [0, 2], "horizon_s": 1e6}, memory_bytes=None)
    earned = make(memory_bytes=None)
    for seed in range(4):
        system.begin(0, seed, {})
        play_reference(system.state, 0)
        assert set(system.state.served_by[0][system.state.served_by[0] >= 0]) <= {0, 2}
        log = system.log(0)
        by_rule = float((log.weight * np.where(log.in_time, log.accuracy, 0.0)).sum())
        assert play(system, seed, at_random(seed))[0] == pytest.approx(play(earned, seed, at_random(seed))[0] - by_rule)


def test_rates_are_unbiased_from_the_start() -> None:
    """The mean of the rates of a Poisson stream is its rate, however little time has passed."""
    system = make(8, queues=[{"variants": [FAST], "slo_s": 1.0}], wait_s=0.01)
    expected = 400.0 * system.tables.services["item"][0]
    out, found, active = Decisions.empty(system), [], np.ones(8, np.bool_)
    for seed in range(40):
        for row in range(8):
            system.begin(row, 8 * seed + row, {})
        while system.state.rows["now"][:8].min() < 0.2:
            system.step(np.zeros(8, np.int64), active & (system.state.rows["now"][:8] < 0.2), out)
        found.append(out.context[:, 2:4] / (1.0 - out.context[:, 2:4]))
    assert np.mean(found, axis=(0, 1)) == pytest.approx(expected, rel=0.05)


def exhaustive(system: InferenceBatchingSystem, arrival: Any, begins: Any, heads: Any, free: float) -> float:
    """Best worth by trying every drop and batch."""
    best, tables = 0.0, system.tables
    for q, head in enumerate(heads):
        if head == begins[q + 1]:
            continue
        moved = (*heads[:q], head + 1, *heads[q + 1 :])
        best = max(best, exhaustive(system, arrival, begins, moved, free))
        for v in np.flatnonzero(tables.variants["queue"] == q):
            for size in range(1, min(begins[q + 1] - head, system.params.batches[-1]) + 1):
                finish = max(free, arrival[head + size - 1]) + tables.latency[v, size]
                in_time = int((arrival[head : head + size] >= finish - tables.services["slo"][q]).sum())
                gain = in_time * tables.services["weight"][q] * tables.variants["accuracy"][v]
                moved = (*heads[:q], head + size, *heads[q + 1 :])
                best = max(best, gain + exhaustive(system, arrival, begins, moved, finish))
    return best


@pytest.mark.parametrize("seed", range(4))
def test_hindsight_is_the_exhaustive_optimum_and_below_the_fluid_bound(seed: int) -> None:
    workload = {"arrivals": {"kind": "poisson", "rate": 600.0}, "requests": 6}
    system = make(workload=workload, memory_bytes=None)
    arrival, begins = system.episode(seed, {}).by_queue(2)
    found = Hindsight().worth(system, arrival, begins)
    assert found == pytest.approx(exhaustive(system, arrival, begins, tuple(begins[:-1]), 0.0))
    assert found <= Fluid().worth(system, arrival, begins) + 1e-9


def test_no_heuristic_beats_the_bounds() -> None:
    task = Task(ENV, {**TWO_QUEUES, "workload": {"arrivals": {"kind": "poisson", "rate": 900.0}, "requests": 24}})
    limits = [[r.metrics["goodput_accuracy"] for r in run_episodes(task, b, range(4))] for b in (Fluid(), Hindsight())]
    for policy in heuristics(ENV):
        reached = [result.metrics["goodput_accuracy"] for result in run_episodes(task, policy, range(4))]
        for limit in limits:
            assert np.all(np.array(reached) <= np.array(limit) + 1e-9), policy.name


def test_fitted_heuristics_are_kept(tmp_path: Any) -> None:
    system = make(workload={"arrivals": {"kind": "poisson", "rate": 400.0}, "requests": 60})
    first = fitted_heuristics(system, [1, 2], "goodput_accuracy", tmp_path, lambda text, done: None)
    again = fitted_heuristics(system, [1, 2], "goodput_accuracy", tmp_path, lambda text, done: None)
    assert [policy.description for policy in first] == [policy.description for policy in again]
    assert policy_named(ENV, "timeout").name == "Timeout"


def test_fitted_heuristics_are_fitted_anew_on_another_grid(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    system = make(workload={"arrivals": {"kind": "poisson", "rate": 400.0}, "requests": 60})
    fitted = [fitted_heuristics(system, [1], "goodput_accuracy", tmp_path, lambda text, done: None)]
    monkeypatch.setattr(inference_batching, "_grids", lambda system: {"Deferred": [[0.123], [True]]})
    fitted.append(fitted_heuristics(system, [1], "goodput_accuracy", tmp_path, lambda text, done: None))
    assert [policy.name for policy in fitted[1]] == ["Deferred, fitted"]
    assert "0.123" in fitted[1][0].description


def test_small_grids_are_tried_whole_and_large_ones_by_coordinates() -> None:
    """A lone peak that no coordinate leads to shows which search it was; a sum over the axes has no such trap."""
    asked: list[tuple[int, ...]] = []

    def lone_peak(*point: int) -> float:
        asked.append(point)
        return float(point == (3,) * len(point))

    def separable(*point: int) -> float:
        asked.append(point)
        return -sum(abs(value - i % 4) for i, value in enumerate(point))

    assert best_on_grid(lone_peak, [range(4)] * 2) == (3, 3)
    assert best_on_grid(lone_peak, [range(4)] * 8) == (0,) * 8
    asked.clear()
    assert best_on_grid(separable, [range(4)] * 8) == (0, 1, 2, 3) * 2
    assert len(asked) == len(set(asked)) <= LARGEST_GRID


def test_early_drop_plans_for_many_queues() -> None:
    queue = {"variants": [FAST, {**GOOD, "accuracy": 0.9}], "slo_s": 1.0}
    system = make(queues=[queue] * 24, memory_bytes=None, workload={"requests": 100})
    task = Task(ENV, system.params.model_dump(mode="json"))
    found = run_episodes(task, policy_named(ENV, "Early drop"), [0])[0].metrics
    assert 0.7 < found["accuracy"] <= 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batches": [4, 2]}, "rising sizes"),
        ({"queues": [{"variants": ["no_such_model"]}]}, "unknown model card"),
        ({"memory_bytes": 15.0}, "raise memory_bytes"),
        ({"drop": "sometimes"}, "drop"),
        ({"workload": {"speed": [2.0, 1.0]}}, "rising order"),
        ({"device": "no_such_device", "queues": [{"variants": ["resnet18"]}]}, "unknown device card"),
        (
            {"queues": [{"variants": ["resnet18", "resnet50"]}], "memory_bytes": 1e6},
            "resnet18 needs .* raise memory_bytes",
        ),
        (
            {"queues": [{"variants": ["resnet18"]}], "device": "mcu_cortex_m7", "memory_bytes": None},
            "resnet18 needs .* raise memory_bytes",
        ),
        ({"reward": {"reference": [0, 3]}}, "queues from 0 to 2"),
        ({"reward": {"reference": [0, 1]}}, "one variant of each queue"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(EdgeGymError, match=message):
        make(**settings)


@pytest.mark.parametrize(
    ("arrival", "queue", "message"),
    [
        ([1.0, 0.5], [0, 0], "found 0.5 at place 1; .* in order"),
        ([-1.0], [0], "found -1 at place 0; finite times from 0 on"),
        ([0.0, np.nan], [0, 0], "found nan at place 1"),
        ([0.0, np.inf], [0, 0], "found inf at place 1"),
        ([0.0], [2], "found 2, but there are 2 queues"),
        ([0.0], [-1], "least -1"),
        ([0.0], [0.5], "whole numbers"),
        ([0.0, 1.0], [0], "2 arrivals and 1 queues"),
        ([], [], "at least one"),
    ],
)
def test_bad_episodes_are_refused(arrival: list[float], queue: list[float], message: str) -> None:
    with pytest.raises(EdgeGymError, match=message):
        make().begin(0, 0, {"episode": Episode(np.array(arrival), np.array(queue or np.zeros(0, np.int64)))})


@pytest.mark.skipif("EDGEGYM_DATA" not in os.environ, reason="EDGEGYM_DATA is not set")
def test_published_trace_is_served() -> None:
    path = "$EDGEGYM_DATA/requests/azure_llm_2023/AzureLLMInferenceTrace_code.csv.gz"
    workload = {"arrivals": {"kind": "trace", "path": path, "rate": 2000.0}, "requests": 500}
    result = run_episodes(Task(ENV, {"workload": workload}), policy_named(ENV, "EDF"), [0])[0]
    assert 0.0 < result.metrics["goodput_accuracy"] <= 0.77692
