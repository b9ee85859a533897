"""Request scheduling: heuristics, fitted rules and bounds."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgegym.agents.bounds.request_scheduling import hindsight_value, pooled_srpt
from edgegym.agents.policies import fitted_heuristics, heuristics, policy_named
from edgegym.evaluation.harness import Task, run_episodes

from .scheduling_systems import ENV, PARK, PLAIN, SITE, episode_of, play, system_of


def test_pooled_srpt_against_small_steps() -> None:
    rng = np.random.default_rng(1)
    arrival, work = np.sort(rng.integers(0, 60, 12)).astype(float), rng.integers(1, 12, 12).astype(float)
    left, done, now = work.copy(), np.zeros(12), 0
    while (left > 0).any():
        ready = np.flatnonzero((arrival <= now) & (left > 0))
        if len(ready):
            served = ready[np.argmin(left[ready])]
            left[served] -= 1
            done[served] = now + 1
        now += 1
    assert pooled_srpt(arrival, work, 1.0) == pytest.approx((done - arrival).mean())
    assert pooled_srpt(arrival, work, 2.0) == pytest.approx(pooled_srpt(arrival, work / 2.0, 1.0))


def test_no_sequence_of_actions_beats_the_hindsight_optimum() -> None:
    streams = [{"task": "images", "deadline_s": 0.06}, {"task": "images", "deadline_s": 0.09, "priority": "high"}]
    system = system_of(
        workload={"kind": "streams", "streams": streams},
        tasks={"images": ["efficientnet_b0", "mobilenet_v2_050"]},
        servers=[
            {"device": "jetson_nano_gpu", "memory_bytes": 4e9},
            {"device": "jetson_tx2_nx_gpu", "memory_bytes": 4e9},
        ],
        topology={"builder": "single_edge"},
    )
    rng = np.random.default_rng(0)
    episode = episode_of(np.sort(rng.uniform(0.0, 0.02, 5)), stream=rng.integers(2, size=5))
    best = 0.0
    for code in range(5**5):
        actions = [code // 5**i % 5 for i in range(5)]
        play(system, episode, actions)
        best = max(best, system.episode_metrics(0)["accurate_goodput"])
    assert hindsight_value(system, episode) == pytest.approx(best, abs=1e-6)


def test_heuristics_fit_and_are_kept(tmp_path: Path) -> None:
    task = Task(ENV, {**PARK, "workload": {"jobs": 100}})
    said: list[str] = []
    rules = fitted_heuristics(ENV, task.system(), range(2), "mean_sojourn", tmp_path, lambda text, _: said.append(text))
    assert [rule.name for rule in rules] == ["Size-aware rule", "SITA"]
    again = fitted_heuristics(ENV, task.system(), range(2), "mean_sojourn", tmp_path, lambda text, _: said.append(""))
    assert "" not in said
    for first, second in zip(rules, again, strict=True):
        assert run_episodes(task, first, [7])[0].total == run_episodes(task, second, [7])[0].total
    site = Task(ENV, {**SITE, "workload": {"seconds": 0.2}})
    found = fitted_heuristics(ENV, site.system(), range(1), "accurate_goodput", tmp_path, lambda text, _: None)
    assert [rule.name for rule in found] == ["Accuracy scaling"]


def test_deadlines_make_feasible_rules_better_than_delay_alone() -> None:
    task = Task(ENV, {**SITE, "workload": {"seconds": 5.0}})
    found = {
        p.name: np.mean([r.metrics["accurate_goodput"] for r in run_episodes(task, p, range(4))])
        for p in heuristics(ENV)
    }
    assert found["Most accurate feasible"] > found["Earliest feasible"] > found["Uniform"]
    assert found["Earliest feasible"] >= found["SED"]


def test_edf_is_in_time_whenever_some_order_is() -> None:
    """Jackson's rule: of jobs that all wait, the earliest due date first has the least largest lateness."""
    rng, feasible, lost = np.random.default_rng(1), 0, 0
    for _ in range(60):
        work, due = rng.uniform(0.2, 1.5, 5), rng.uniform(1.5, 7.0, 5)
        streams = [{"task": "job", "deadline_s": float(d)} for d in (1.5, *due)]
        values = {**PLAIN, "workload": {"kind": "streams", "streams": streams}, "servers": [{"rate": 1.0}]}
        # The first one is in service while the others arrive.
        arrival = np.array([0.0, 0.01, 0.02, 0.03, 0.04, 0.05])
        episode = episode_of(arrival, [1.0, *work], range(6))
        ends = (1.0 + np.cumsum(work[list(order)]) - arrival[1:][list(order)] - due[list(order)]
                for order in permutations(range(5)))  # fmt: skip
        possible = any((late <= 0.0).all() for late in ends)
        share = {
            name: run_episodes(Task(ENV, values), policy_named(ENV, name), [0], {"episode": episode})[0].metrics
            for name in ("EDF", "SED")
        }
        assert (share["EDF"]["slo_attainment"] == 1.0) == possible
        feasible += possible
        lost += possible and share["SED"]["slo_attainment"] < 1.0
    assert feasible > 5
    assert lost > 0


@pytest.mark.parametrize("order", ["fcfs", "edf", "strict_priority", "weighted_priority"])
@pytest.mark.parametrize("values", [{}, {"hold": {"step_s": 0.005, "most": 2}}])
def test_every_heuristic_serves_or_refuses_everyone(order: str, values: dict[str, Any]) -> None:
    discipline = {"order": order, "max_batch": 4, "window_s": 0.002, "drop_late": True}
    task = Task(ENV, {**SITE, **values, "workload": {"seconds": 0.5}, "discipline": discipline})
    for policy in heuristics(ENV, task.system()):
        metrics = run_episodes(task, policy, [3])[0].metrics
        served = 1.0 - metrics["rejected"] - metrics["dropped"]
        assert 0.0 <= metrics["slo_attainment"] <= served + 1e-9, policy.name
        assert metrics["invalid_actions"] == 0.0
        assert metrics["held"] == 0.0 or policy.name == "Uniform"
