"""Edge nodes under a rule of cooperation: a naive simulation, LRU where they must agree, and invariants."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.agents.heuristics.caching import CachingReplay
from edgegym.agents.heuristics.caching_cooperation import CooperativeReplay, cooperative_heuristics
from edgegym.decision.draws import below
from edgegym.envs.caching.accounting import METRICS
from edgegym.envs.caching.cooperation import CLUSTER_RULES, replay_cluster
from edgegym.envs.caching.params import PRESETS, CachingParams
from edgegym.envs.caching.state import HIT, NEIGHBOUR, ORIGIN, REFUSED
from edgegym.envs.caching.system import CachingSystem
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.settings import merged
from edgegym.workload.trace import RequestTrace

ENV = "EdgeGym/ContentCaching-v0"
ONE_NODE: dict[str, dict[str, Any]] = {
    "bytes": {"workload": {"kind": "shot_noise", "requests": 3000}},
    "objects": {"workload": {"kind": "zipf", "requests": 3000, "contents": 500}, "capacity": 20, "unit": "objects"},
}
CLUSTER: dict[str, Any] = {"preset": "edge_cluster", "workload": {"requests": 4000}}


class Naive:
    """The nodes in plain Python: each cache an ordered dictionary, oldest use first; (outcome, seconds) per request."""

    def __init__(self, nodes: int, room: list[int], capacity: int, fetch_s: np.ndarray, byte_s: np.ndarray) -> None:
        self.cached: list[OrderedDict[int, int]] = [OrderedDict() for _ in range(nodes)]
        self.room, self.capacity, self.fetch_s, self.byte_s = room, capacity, fetch_s, byte_s
        self.evictions = 0

    def admit(self, n: int, x: int) -> int:
        """Evict by LRU until the content fits; REFUSED if it never does."""
        if self.room[x] > self.capacity:
            return REFUSED
        while sum(self.cached[n].values()) + self.room[x] > self.capacity:
            self.cached[n].popitem(last=False)
            self.evictions += 1
        self.cached[n][x] = self.room[x]
        assert sum(self.cached[n].values()) <= self.capacity
        return 0

    def look_up(self, n: int, x: int, size: int) -> tuple[int, float]:
        holders = [m for m in range(len(self.cached)) if x in self.cached[m]]
        if n in holders:
            self.cached[n].move_to_end(x)
            return HIT, 0.0
        if holders:
            source = min(holders, key=lambda m: (self.fetch_s[n, m], m))
            self.cached[source].move_to_end(x)
            return NEIGHBOUR | REFUSED, self.fetch_s[n, source] + self.byte_s[n, source] * size
        return ORIGIN | self.admit(n, x), self.fetch_s[n, -1] + self.byte_s[n, -1] * size

    def partition(self, n: int, x: int, size: int, home: int) -> tuple[int, float]:
        hit = x in self.cached[home]
        legs = ([(n, home)] if home != n else []) + ([] if hit else [(home, len(self.cached))])
        seconds = sum(self.fetch_s[leg] for leg in legs) + size * max([self.byte_s[leg] for leg in legs], default=0)
        if not hit:
            return ORIGIN | self.admit(home, x), seconds
        self.cached[home].move_to_end(x)
        return (HIT if home == n else NEIGHBOUR | REFUSED), seconds


@pytest.mark.parametrize("rule", CLUSTER_RULES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 5), capacity=st.integers(1, 15), sized=st.booleans())
def test_a_rule_equals_its_naive_simulation(rule: str, seed: int, nodes: int, capacity: int, sized: bool) -> None:
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 9, 15)
    content, node = rng.integers(0, 15, 200), rng.integers(0, nodes, 200)
    trace = RequestTrace.from_arrays(content, size=size[content], node=node)
    fetch_s, byte_s = rng.integers(1, 4, (nodes, nodes + 1)) / 100, rng.random((nodes, nodes + 1)) / 100
    near = np.array([np.argsort(fetch_s[n, :nodes], kind="stable") for n in range(nodes)])
    near = np.array([[m for m in near[n] if m != n] for n in range(nodes)], np.int32).reshape(nodes, nodes - 1)
    room = trace.size if sized else np.ones_like(trace.size)
    result = replay_cluster(trace, room, capacity, rule, near, fetch_s, byte_s, seed)
    naive = Naive(nodes, room.tolist(), capacity, fetch_s, byte_s)
    for i, (x, n) in enumerate(zip(trace.content.tolist(), trace.node.tolist(), strict=True)):
        bytes = int(trace.size[x])
        if rule == "Hash partition":
            outcome, seconds = naive.partition(n, x, bytes, below(seed, x, nodes))
        else:
            outcome, seconds = naive.look_up(n, x, bytes)
        assert result.outcome[i] == outcome, i
        assert result.retrieval_s[i] == pytest.approx(seconds), i
    assert result.evictions.sum() == naive.evictions


@pytest.mark.parametrize("rule", CLUSTER_RULES)
@pytest.mark.parametrize("case", ONE_NODE)
def test_one_node_alone_is_lru(rule: str, case: str) -> None:
    task = Task(ENV, ONE_NODE[case])
    cooperating, lru = (
        run_episodes(task, policy, range(2)) for policy in (CooperativeReplay(rule), CachingReplay("LRU"))
    )
    for one, other in zip(cooperating, lru, strict=True):
        assert one.metrics == other.metrics
        assert one.total == other.total
        assert np.array_equal(one.series["hit_ratio"], other.series["hit_ratio"])


def test_without_shared_contents_looking_up_is_lru() -> None:
    task = Task(ENV, merged(CLUSTER, {"workload": {"overlap": 0.0}}))
    alone, lru = (
        run_episodes(task, policy, range(2))
        for policy in (CooperativeReplay("LRU look-up, no copy"), CachingReplay("LRU"))
    )
    for one, other in zip(alone, lru, strict=True):
        assert one.metrics == other.metrics
        assert one.total == other.total


def played(policy: CooperativeReplay | CachingReplay, topology: dict[str, Any]) -> dict[str, float]:
    task = Task(ENV, merged(CLUSTER, {"topology": topology, "workload": {"requests": 20_000, "overlap": 1.0}}))
    return dict(run_episodes(task, policy, [1])[0].metrics)


@pytest.mark.parametrize("builder", ["edge_cluster", "tree", "geant"])
def test_one_copy_of_each_content_saves_backhaul_and_costs_local_hits(builder: str) -> None:
    lru = played(CachingReplay("LRU"), {"builder": builder})
    for rule in CLUSTER_RULES:
        metrics = played(CooperativeReplay(rule), {"builder": builder})
        assert set(metrics) == {metric.name for metric in METRICS}
        assert metrics["backhaul_bytes"] < 0.97 * lru["backhaul_bytes"]
        assert metrics["hit_ratio"] < lru["hit_ratio"]
        assert metrics["neighbour_hit_ratio"] > lru["neighbour_hit_ratio"]
        assert 0 < metrics["hit_ratio"] + metrics["neighbour_hit_ratio"] < 1


def test_a_partitioned_content_hits_at_its_home_only() -> None:
    params = CachingParams.parse(merged(PRESETS["edge_cluster"], {"workload": {"requests": 5000}}))
    system = CachingSystem(params)
    trace, state = system.episode(3, {}).trace, system.state
    network = (state.near, state.fetch_s, state.byte_s)
    result = replay_cluster(trace, trace.size, int(trace.size.sum() // 20), "Hash partition", *network, seed=3)
    hit = (result.outcome & HIT) > 0
    homes: dict[int, int] = {}
    for x, n in zip(trace.content[hit].tolist(), trace.node[hit].tolist(), strict=True):
        assert homes.setdefault(x, n) == n
    assert set(homes.values()) == {0, 1, 2, 3}
    assert np.all((result.retrieval_s == 0) == hit)


def test_they_are_shown_for_several_nodes_only() -> None:
    assert [policy.name for policy in cooperative_heuristics()] == list(CLUSTER_RULES)
    assert cooperative_heuristics(CachingSystem(CachingParams())) == []
    several = CachingSystem(CachingParams.parse(PRESETS["edge_cluster"]))
    assert len(cooperative_heuristics(several)) == len(CLUSTER_RULES)
    assert all(policy.kind == "heuristic" and policy.description for policy in cooperative_heuristics(several))
