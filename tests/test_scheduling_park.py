"""Request scheduling: Park's load balancing against its specification."""

from __future__ import annotations

import heapq

import numpy as np
import pytest
from numpy.typing import NDArray

from edgegym.agents.policies import policy_named
from edgegym.evaluation.harness import Task, run_episodes

from .scheduling_systems import ENV, PARK


def park_by_events(seed: int, jobs: int = 1000) -> float:
    """Mean response time of Park's load balancing under the shortest expected delay, by events and queues."""
    rng = np.random.RandomState(seed)
    rates = [0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05]
    queues: list[list[tuple[int, int]]] = [[] for _ in rates]  # of (arrival, duration), the first one in service
    ends = [0] * len(rates)
    events: list[tuple[int, int, int]] = []
    now, total = 0, 0
    for _ in range(jobs):
        size = int((rng.pareto(1.5) + 1.0) * 100.0)
        now += int(rng.exponential(55.0))
        while events and events[0][0] <= now:
            time, _, server = heapq.heappop(events)
            total += time - queues[server].pop(0)[0]
            if queues[server]:
                ends[server] = time + queues[server][0][1]
                heapq.heappush(events, (ends[server], 0, server))
        left = [ends[s] - now + sum(d for _, d in queue[1:]) if queue else 0 for s, queue in enumerate(queues)]
        chosen = int(np.argmin([wait + size / rate for wait, rate in zip(left, rates, strict=True)]))
        queues[chosen].append((now, int(size / rates[chosen])))
        if len(queues[chosen]) == 1:
            ends[chosen] = now + queues[chosen][0][1]
            heapq.heappush(events, (ends[chosen], 0, chosen))
    while events:
        time, _, server = heapq.heappop(events)
        total += time - queues[server].pop(0)[0]
        if queues[server]:
            heapq.heappush(events, (time + queues[server][0][1], 0, server))
    return total / jobs


def test_park_agrees_with_its_specification_on_equal_seeds() -> None:
    results = run_episodes(Task(ENV, PARK), policy_named(ENV, "SED"), range(40, 50))
    for seed, result in zip(range(40, 50), results, strict=True):
        assert result.metrics["mean_sojourn"] == pytest.approx(park_by_events(seed), rel=1e-3)
        assert -result.total / 1000 == pytest.approx(result.metrics["mean_sojourn"])


def test_order_of_the_park_heuristics() -> None:
    task, seeds = Task(ENV, PARK), range(40)

    def mean(name: str) -> NDArray[np.float64]:
        return np.array([r.metrics["mean_sojourn"] for r in run_episodes(task, policy_named(ENV, name), seeds)])

    sed, bound = mean("SED"), mean("Pooled SRPT")
    ratio = {name: float(np.median(mean(name) / sed)) for name in ("JSQ", "Power of two", "Weighted random", "Uniform")}
    assert 1.0 < ratio["JSQ"] < ratio["Power of two"] < ratio["Weighted random"] < ratio["Uniform"]
    assert ratio["Uniform"] > 10.0
    assert (bound < sed).all()
