"""Policies that draw or count, against slow models that share their draws, and the static placement in episodes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.cli.replay import replay_file
from edgegym.agents.heuristics.caching import Static
from edgegym.decision.draws import below, uniform
from edgegym.envs.caching.replay import REPLAY_POLICIES, replay
from edgegym.envs.caching.replay.heaps import content_of, remove, rise, tie_of
from edgegym.envs.caching.replay.linear_rule import WEIGHTS, linear_rule
from edgegym.envs.caching.replay.q_lru import replay_q_lru
from edgegym.envs.caching.replay.static import most_requested
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.workload.generators import zipf, zipf_weights

from .test_replay import workloads

ENV = "EdgeGym/ContentCaching-v0"
Log = list[tuple[int, int]]
Workload = tuple[list[int], list[int], int]


def slow_hyperbolic(content: list[int], size: list[int], capacity: int, seed: int) -> tuple[list[int], Log]:
    table: list[list[int]] = []
    outcomes: list[int] = []
    log: Log = []
    for t, x in enumerate(content):
        known = next((entry for entry in table if entry[0] == x), None)
        if known:
            known[2] += 1
            outcomes.append(1)
            continue
        outcomes.append(2 if size[x] <= capacity else 0)
        while outcomes[-1] and sum(size[y] for y, _, _ in table) + size[x] > capacity:
            drawn = [below(seed, 64 * len(log) + k, len(table)) for k in range(64)]
            gap = min(drawn, key=lambda g: Fraction(table[g][2], (t - table[g][1]) * size[table[g][0]]))
            log.append((table[gap][0], t))
            table[gap], table[-1] = table[-1], table[gap]
            table.pop()
        if outcomes[-1]:
            table.append([x, t, 1])
    return outcomes, log


def slow_lecar(content: list[int], size: list[int], capacity: int, seed: int) -> tuple[list[int], Log]:
    """With the weights, the histories and their discount written as in the paper."""
    cached: dict[int, list[int]] = {}
    history: dict[str, list[tuple[int, int]]] = {"LRU": [], "LFU": []}
    weight = {"LRU": 0.5, "LFU": 0.5}
    outcomes: list[int] = []
    log: Log = []
    for t, x in enumerate(content):
        if x in cached:
            cached[x] = [t, cached[x][1] + 1]
            outcomes.append(1)
            continue
        for expert, other in (("LRU", "LFU"), ("LFU", "LRU")):
            for entry in [entry for entry in history[expert] if entry[0] == x]:
                history[expert].remove(entry)
                weight[other] *= math.exp(0.45 * (0.005 ** (1 / capacity)) ** (t - entry[1]))
                weight = {name: value / sum(weight.values()) for name, value in weight.items()}
        outcomes.append(2 if size[x] <= capacity else 0)
        while outcomes[-1] and sum(size[y] for y in cached) + size[x] > capacity:
            named = {
                "LRU": min(cached, key=lambda y: cached[y][0]),
                "LFU": min(cached, key=lambda y: (cached[y][1], cached[y][0])),
            }
            expert = "LRU" if uniform(seed, len(log)) < weight["LRU"] else "LFU"
            victim = named[expert]
            del cached[victim]
            log.append((victim, t))
            if named["LRU"] != named["LFU"] and size[victim] <= capacity // 2:
                history[expert].append((victim, t))
                while sum(size[y] for y, _ in history[expert]) > capacity // 2:
                    history[expert].pop(0)
        if outcomes[-1]:
            cached[x] = [t, 1]
    return outcomes, log


def slow_q_lru(content: list[int], size: list[int], capacity: int, seed: int) -> tuple[list[int], Log]:
    cached: list[int] = []
    outcomes: list[int] = []
    log: Log = []
    for t, x in enumerate(content):
        if x in cached:
            cached.remove(x)
            cached.append(x)
            outcomes.append(1)
        elif size[x] > capacity or uniform(seed, t) >= 0.1:
            outcomes.append(0)
        else:
            while sum(size[y] for y in cached) + size[x] > capacity:
                log.append((cached.pop(0), t))
            cached.append(x)
            outcomes.append(2)
    return outcomes, log


SLOW: dict[str, Callable[[list[int], list[int], int, int], tuple[list[int], Log]]] = {
    "Hyperbolic": slow_hyperbolic,
    "LeCaR": slow_lecar,
    "q-LRU": slow_q_lru,
}


@pytest.mark.parametrize("policy", SLOW)
@given(workload=workloads(), seed=st.integers(0, 2**62))
@settings(max_examples=60, deadline=None)
def test_kernel_equals_slow_model(policy: str, workload: Workload, seed: int) -> None:
    content, size, capacity = workload
    result = replay(np.array(content), np.array(size), capacity, policy, seed, log=True)
    outcomes, log = SLOW[policy](content, size, capacity, seed)
    assert result.outcome.tolist() == outcomes
    assert list(zip(result.evicted.tolist(), result.evicted_at.tolist(), strict=True)) == log


def slow_linear_rule(
    content: list[int], size: list[int], capacity: int, seed: int, weights: list[float], sample: int
) -> tuple[list[int], Log]:
    """Every request is remembered with its age in half-lives; an object's decayed counts are sums over them."""
    uses: dict[int, list[int]] = {}
    ages: dict[int, list[float]] = {}
    table: list[int] = []
    outcomes: list[int] = []
    log: Log = []
    draws = 0
    for t, x in enumerate(content):
        uses.setdefault(x, []).append(t)
        room = capacity * len(uses) / sum(size[y] for y in uses)
        if len(uses[x]) > 1:
            ages[x] = [age + (t - uses[x][-2]) / room for age in ages[x]]
        ages.setdefault(x, []).append(0.0)

        def score(y: int, t: int, room: float, incoming: bool = False) -> float:
            since = t - uses[y][-1]
            gap = uses[y][-1] - uses[y][-2] if len(uses[y]) > 1 else 1e7
            short, long = (sum(2 ** (-(age + since / room) / half) for age in ages[y]) + 1e-6 for half in (2, 20))
            columns = (
                -math.log(since + 1),
                math.log(short),
                math.log(long),
                -math.log(gap + since + 1),
                math.log(len(uses[y])),
                float(incoming),
                -math.log(size[y]),
            )
            return sum(weight * column for weight, column in zip(weights, columns, strict=True))

        if x in table:
            outcomes.append(1)
            continue
        outcomes.append(2 if size[x] <= capacity else 0)
        while outcomes[-1] and sum(size[y] for y in table) + size[x] > capacity:
            drawn = [below(seed, draws + k, len(table)) for k in range(sample)]
            draws += sample
            gap = min(drawn, key=lambda g: score(table[g], t, room))
            if score(table[gap], t, room) < score(x, t, room, incoming=True):
                log.append((table[gap], t))
                table[gap], table[-1] = table[-1], table[gap]
                table.pop()
            else:
                outcomes[-1] = 0
        if outcomes[-1]:
            table.append(x)
    return outcomes, log


@given(workload=workloads(), seed=st.integers(0, 2**62), sample=st.integers(1, 9), unit=st.booleans())
@settings(max_examples=80, deadline=None)
def test_linear_rule_equals_slow_model(workload: Workload, seed: int, sample: int, unit: bool) -> None:
    content, size, capacity = workload
    size = [1] * len(size) if unit else size
    # Irrational weights: no two objects have equal scores by chance, which rounding would tell apart.
    weights = np.random.default_rng(seed).normal(size=WEIGHTS)
    outcome = np.empty(len(content), np.uint8)
    log = np.empty((2, len(content)), np.int32)
    arrays = np.array(content, np.int32), np.array(size, np.int64)
    evictions = linear_rule(*arrays, capacity, seed, weights, sample, outcome, log[0], log[1])
    outcomes, expected = slow_linear_rule(content, size, capacity, seed, weights.tolist(), sample)
    assert outcome.tolist() == outcomes
    assert list(zip(*log[:, :evictions].tolist(), strict=True)) == expected


@pytest.mark.parametrize(("weight", "policy"), [(0, "LRU"), (4, "top")])
def test_single_weights_of_the_linear_rule_are_known_policies(weight: int, policy: str) -> None:
    """Age alone is LRU by sampling; requests so far alone come to hold the most popular contents."""
    requests, capacity, alpha = 400_000, 200, 0.9
    trace = zipf(requests, 2000, alpha, 3)
    weights = np.zeros(WEIGHTS)
    weights[weight] = 1.0
    outcome, none = np.empty(requests, np.uint8), np.empty(0, np.int32)
    linear_rule(trace.content, trace.size, capacity, 1, weights, 16, outcome, none, none)
    hit = (outcome[requests // 2 :] == 1).mean()
    top = np.sort(zipf_weights(2000, alpha))[::-1][:capacity].sum()
    lru = replay(trace.content, trace.size, capacity, "LRU").hit[requests // 2 :].mean()
    assert hit == pytest.approx(lru if policy == "LRU" else top, abs=0.01)
    assert top - lru > 0.05


@given(workload=workloads(), seed=st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_q_lru_that_admits_all_is_lru_and_none_is_empty(workload: Workload, seed: int) -> None:
    content, size = np.array(workload[0], np.int32), np.array(workload[1], np.int64)
    outcome, none = np.empty(len(content), np.uint8), np.empty(0, np.int32)
    replay_q_lru(content, size, workload[2], seed, 1.0, outcome, none, none)
    assert np.array_equal(outcome, replay(content, size, workload[2], "LRU").outcome)
    replay_q_lru(content, size, workload[2], seed, 0.0, outcome, none, none)
    assert not outcome.any()


@given(rows=st.lists(st.integers(0, 3), min_size=1, max_size=30), data=st.data())
def test_heap_stays_a_heap_when_any_entry_is_removed(rows: list[int], data: st.DataObject) -> None:
    heap, place = np.empty((len(rows), 2), np.int64), np.full(len(rows), -1, np.int32)
    for x, priority in enumerate(rows):
        rise(heap, place, x, np.int64(priority), tie_of(0, x))
    left = set(range(len(rows)))
    while left:
        x = data.draw(st.sampled_from(sorted(left)))
        remove(heap, place, len(left), place[x])
        left.remove(x)
        entries = [tuple(entry) for entry in heap[: len(left)].tolist()]
        assert {int(content_of(tie)) for _, tie in entries} == left
        assert all(place[content_of(tie)] == row for row, (_, tie) in enumerate(entries))
        assert all(entries[(row - 1) // 2] < entries[row] for row in range(1, len(entries)))
        assert place[x] == -1


@given(workload=workloads())
@settings(max_examples=60, deadline=None)
def test_static_takes_the_most_requests_per_size(workload: Workload) -> None:
    content, size, capacity = workload
    count = Counter(content)
    expected: set[int] = set()
    for x in sorted(count, key=lambda x: (-count[x] / size[x], x)):
        if sum(size[y] for y in expected) + size[x] <= capacity:
            expected.add(x)
    held = most_requested(np.array(content, np.int32), np.array(size, np.int64), capacity)
    assert set(np.flatnonzero(held).tolist()) == expected


@given(workload=workloads(most=1))
@settings(max_examples=30, deadline=None)
def test_static_by_hindsight_is_the_best_fixed_set(workload: Workload) -> None:
    content, size, capacity = np.array(workload[0], np.int32), np.array(workload[1], np.int64), workload[2]
    hits = int(most_requested(content, size, capacity)[content].sum())
    assert hits == sum(sorted(np.bincount(content).tolist(), reverse=True)[:capacity])


def test_static_in_an_episode_of_several_nodes() -> None:
    task = Task(ENV, {"preset": "edge_cluster", "workload": {"requests": 4000}, "warmup": 0.25})
    result = run_episodes(task, Static(), [3])[0].metrics
    system = task.system()
    episode = system.episode(3, {})
    trace, capacity = episode.trace, system.capacity_of(episode)
    requests = list(zip(trace.content.tolist(), trace.node.tolist(), strict=True))
    held: list[set[int]] = []
    for n in range(trace.nodes):
        count = Counter(x for x, node in requests[:1000] if node == n)
        held.append(set())
        for x in sorted(count, key=lambda x: (-count[x] / trace.size[x], x)):
            if sum(trace.size[y] for y in held[n]) + trace.size[x] <= capacity:
                held[n].add(x)
    own = [x in held[n] for x, n in requests[1000:]]
    near = [any(x in each for each in held) and x not in held[n] for x, n in requests[1000:]]
    assert result["hit_ratio"] == pytest.approx(np.mean(own))
    assert result["neighbour_hit_ratio"] == pytest.approx(np.mean(near))
    assert 0 < result["hit_ratio"] < 1
    assert result["neighbour_hit_ratio"] > 0
    assert (result["evictions"], result["admissions_refused"]) == (0, 3000 - sum(own))
    origin = [x for (x, _), a, b in zip(requests[1000:], own, near, strict=True) if not a and not b]
    assert result["backhaul_bytes"] == trace.size[origin].sum()


def test_static_without_a_warmup_is_empty() -> None:
    task = Task(ENV, {"workload": {"kind": "shot_noise", "requests": 500}, "warmup": 0})
    assert run_episodes(task, Static(), [0])[0].metrics["hit_ratio"] == 0


def test_command_replays_every_policy(tmp_path: Path) -> None:
    trace = zipf(400, 60, 0.9, 1)
    path = tmp_path / "trace.csv"
    path.write_text("time,id,size\n" + "".join(f"{t},{x},1\n" for t, x in enumerate(trace.content)))
    for name in REPLAY_POLICIES:
        result = replay_file(path, name.lower(), "10", "csv", "objects", 0.5, 3)
        assert result["policy"] == name
        expected = replay(trace.content, trace.size, 10, name, seed=3).hit[200:].mean()
        assert result["object_miss_ratio"] == pytest.approx(1 - expected)
