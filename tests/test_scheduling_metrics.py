"""Request scheduling: the metrics against their definitions, and overload."""

from __future__ import annotations

import numpy as np
import pytest

from edgegym.agents.policies import policy_named
from edgegym.decision.system import Decisions
from edgegym.envs.request_scheduling.accounting import METRICS, jain
from edgegym.envs.request_scheduling.state import DROPPED, REJECTED, SERVED
from edgegym.evaluation.harness import Task, run_episodes

from .scheduling_systems import ENV, SITE, site


def test_overload_stays_bounded_and_reports_drops() -> None:
    arrivals = {"kind": "poisson", "rate": 3000.0}
    workload = {"seconds": 2.0, "streams": [{"arrivals": arrivals, "deadline_s": 0.1}]}
    task = Task(ENV, {**SITE, "workload": workload, "discipline": {"most_queued": 20, "drop_late": True}})
    metrics = run_episodes(task, policy_named(ENV, "JSQ"), [0])[0].metrics
    assert metrics["rejected"] + metrics["dropped"] > 0.5
    assert metrics["p99_sojourn"] < 0.1 + 1e-9


def test_jains_index() -> None:
    assert jain(np.array([0.4, 0.4, 0.4])) == pytest.approx(1.0)
    assert jain(np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)


def test_a_flood_never_fills_a_queue_beyond_its_limit() -> None:
    arrivals = {"kind": "poisson", "rate": 3000.0}
    workload = {"seconds": 1.0, "streams": [{"arrivals": arrivals, "deadline_s": 0.1}]}
    system = site(workload=workload, discipline={"most_queued": 7})
    system.begin(0, 0, {})
    memory, decisions, most = system.memory_bytes(), Decisions.empty(system), 0
    system.observe(decisions)
    while not decisions.done[0]:
        last = np.flatnonzero(decisions.mask[0])[-1:]
        system.step(last, np.ones(1, np.bool_), decisions)
        most = max(most, int(system.state.servers["assigned"].max()))
    assert most == 7
    assert system.memory_bytes() == memory
    assert system.episode_metrics(0)["rejected"] > 0.5


def test_metrics_are_what_their_definitions_say() -> None:
    system = site(workload={"seconds": 1.5}, discipline={"drop_late": True})
    system.begin(0, 5, {})
    decisions, rng = Decisions.empty(system), np.random.default_rng(0)
    system.observe(decisions)
    while not decisions.done[0]:
        allowed = np.flatnonzero(decisions.mask[0])
        system.step(rng.choice(allowed, 1), np.ones(1, np.bool_), decisions)
    found, requests = system.episode_metrics(0), system.requests(0)
    assert list(found) == [metric.name for metric in METRICS]
    accuracy = dict(enumerate(system.fleet.accuracy))
    weight = {0: 4.0, 1: 2.0, 2: 1.0}
    served = [q for q in requests if q["fate"] == SERVED]
    in_time = [q for q in served if q["response"] <= q["deadline"]]
    n = len(requests)
    assert found["slo_attainment"] == pytest.approx(len(in_time) / n)
    assert found["goodput"] == pytest.approx(len(in_time) / requests["arrival"].max())
    worth = sum(weight[int(q["priority"])] * accuracy[int(q["model"])] for q in in_time)
    assert found["accurate_goodput"] == pytest.approx(worth / sum(weight[int(q["priority"])] for q in requests))
    assert found["accuracy"] == pytest.approx(np.mean([accuracy[int(q["model"])] for q in served]))
    assert found["rejected"] == pytest.approx(sum(q["fate"] == REJECTED for q in requests) / n)
    assert found["dropped"] == pytest.approx(sum(q["fate"] == DROPPED for q in requests) / n)
    times = [1.0 / system.fleet.rate[q["server"], q["model"], 0] for q in served]
    joules = sum(seconds * system.fleet.power[q["server"]] for seconds, q in zip(times, served, strict=True))
    assert found["energy_j"] == pytest.approx(joules / len(served))
    end = max(q["response"] - 0.5 * system.fleet.rtt[q["origin"], q["server"]] for q in served)
    assert found["utilisation"] == pytest.approx(sum(times) / len(system.fleet.slots) / end)
    arrived, answered = (np.bincount([q["stream"] for q in some], minlength=4) for some in (requests, in_time))
    share = answered / arrived
    assert found["fairness"] == pytest.approx(share.sum() ** 2 / (4 * (share**2).sum()))
    for priority, suffix in ((None, ""), (0, "_high"), (1, "_normal"), (2, "_low")):
        sojourn = np.array([q["response"] - q["arrival"] for q in served if priority in (None, q["priority"])])
        assert found[f"mean_sojourn{suffix}"] == pytest.approx(sojourn.mean())
        for level in (50, 95, 99):
            assert found[f"p{level}_sojourn{suffix}"] == pytest.approx(np.percentile(sojourn, level))
