"""Minimum cuts and list scheduling of graphs: against trying everything, the paper's example and both known traps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import permutations, product

import numpy as np
import pytest

from edgegym.calibration.zoo import graph_of
from edgegym.cards import load_card
from edgegym.partition import SplitDag, balanced_plan, best_cut, dads, fastest_plan, layer_tasks, list_schedule
from edgegym.partition.chain import CutCosts
from edgegym.partition.placement import upward_ranks

RATE_BPS = 8e6


def random_dag(rng: np.random.Generator, nodes: int, density: float = 0.4) -> SplitDag:
    edges = {(int(rng.integers(head)), head) for head in range(1, nodes)}
    edges |= {(tail, head) for head in range(1, nodes) for tail in range(head) if rng.random() < density}
    device, server = rng.exponential(1.0, nodes), rng.exponential(0.3, nodes)
    device[0] = server[0] = 0.0
    return SplitDag(device, server, rng.exponential(0.7e6, nodes), tuple(sorted(edges)))


def valid_plans(dag: SplitDag) -> Iterator[np.ndarray]:
    for rest in product([False, True], repeat=len(dag.device_s) - 1):
        plan = np.array([False, *rest])
        if all(plan[head] or not plan[tail] for tail, head in dag.edges):
            yield plan


def naive_times(dag: SplitDag, plan: np.ndarray) -> list[float]:
    device = sum(dag.device_s[node] for node in range(len(plan)) if not plan[node])
    server = sum(dag.server_s[node] for node in range(len(plan)) if plan[node])
    crossing = [
        dag.out_bytes[node]
        for node in range(len(plan))
        if not plan[node] and any(plan[h] for t, h in dag.edges if t == node)
    ]
    return [device, 8 * sum(crossing) / RATE_BPS, server]


def test_fastest_and_balanced_plans_against_all_plans() -> None:
    """300 random graphs: latency is the least of all plans; the maximum lies between its bound and the least + 5 %."""
    rng = np.random.default_rng(7)
    excess = []
    for _ in range(300):
        dag = random_dag(rng, int(rng.integers(3, 9)))
        times = np.array([naive_times(dag, plan) for plan in valid_plans(dag)])
        fastest, balanced = fastest_plan(dag, RATE_BPS), balanced_plan(dag, RATE_BPS)
        assert dag.is_valid(fastest.on_server)
        assert fastest.latency_s == pytest.approx(times.sum(axis=1).min(), rel=1e-9)
        assert fastest.times_s == pytest.approx(naive_times(dag, fastest.on_server))
        assert dag.is_valid(balanced.on_server)
        least = times.max(axis=1).min()
        assert balanced.bound_s <= least * (1 + 1e-9)
        excess.append(balanced.interval_s / least - 1)
    assert min(excess) >= -1e-9
    assert np.mean(np.array(excess) < 1e-9) > 0.9
    assert np.mean(excess) < 0.01


def test_a_tensor_with_several_readers_is_sent_once() -> None:
    """Two readers behind one costly layer: counted twice, its tensor (1 s) would look dearer than staying (1.5 s)."""
    dag = SplitDag(
        np.array([0.0, 0.1, 0.75, 0.75]), np.zeros(4), np.array([5e6, 1e6, 1.0, 1.0]), ((0, 1), (1, 2), (1, 3))
    )
    plan = fastest_plan(dag, RATE_BPS)
    assert plan.on_server.tolist() == [False, False, True, True]
    assert plan.latency_s == pytest.approx(1.1)


def test_nothing_returns_from_the_server() -> None:
    """Layer 1 is slow on the device, layer 2 slow on the server: sending 1's tensor back for free would win."""
    dag = SplitDag(np.array([0.0, 5.0, 0.1]), np.array([0.0, 0.1, 5.0]), np.array([1e3, 9e6, 1.0]), ((0, 1), (1, 2)))
    plan = fastest_plan(dag, RATE_BPS)
    assert dag.is_valid(plan.on_server)
    assert plan.latency_s == pytest.approx(5.1, abs=0.01)


@pytest.mark.parametrize("name", ["alexnet", "squeezenet1_1", "resnet50", "efficientnet_b0", "yolov3_tiny"])
def test_plans_of_networks(name: str) -> None:
    """No slower than any cut of the order; on a chain the same. Well below a second for 238 layers."""
    graph, pi, server = (
        graph_of(name),
        load_card("raspberry_pi_4", "device"),
        load_card("jetson_agx_orin_gpu", "device"),
    )
    dag = SplitDag.of(graph, pi, server)
    began = time.process_time()
    plan = fastest_plan(dag, RATE_BPS)
    assert time.process_time() - began < 2.0
    layers = [np.append(0, np.cumsum(times[1:])) for times in (dag.device_s, dag.server_s)]
    sent = np.array([cut.bytes for cut in graph.cuts], float)
    cut, latency = best_cut(CutCosts(layers[0], layers[1][-1] - layers[1], sent).latency_s(RATE_BPS))
    assert plan.latency_s <= latency * (1 + 1e-9)
    if name == "alexnet":
        assert plan.latency_s == pytest.approx(float(latency))
        assert np.count_nonzero(~plan.on_server) == cut + 1


def test_dads_balances_only_under_heavy_load() -> None:
    dag = random_dag(np.random.default_rng(3), 8)
    fastest, balanced = fastest_plan(dag, RATE_BPS), balanced_plan(dag, RATE_BPS)
    assert dads(dag, RATE_BPS, fastest.interval_s * 1.01).latency_s == fastest.latency_s
    assert dads(dag, RATE_BPS, fastest.interval_s).interval_s == balanced.interval_s <= fastest.interval_s


# Topcuoglu et al. 2002, figure 1 and table 1.
EXAMPLE_COMPUTE = [
    (14, 16, 9), (13, 19, 18), (11, 13, 19), (13, 8, 17), (12, 13, 10),
    (13, 16, 9), (7, 15, 11), (5, 11, 14), (18, 12, 20), (21, 7, 16),
]  # fmt: skip
EXAMPLE_EDGES = {
    (0, 1): 18, (0, 2): 12, (0, 3): 9, (0, 4): 11, (0, 5): 14, (1, 7): 19, (1, 8): 16, (2, 6): 23,
    (3, 7): 27, (3, 8): 23, (4, 8): 13, (5, 7): 15, (6, 9): 17, (7, 9): 11, (8, 9): 13,
}  # fmt: skip


def test_schedule_of_the_papers_example() -> None:
    compute, rate, edges = np.array(EXAMPLE_COMPUTE, float), np.full((3, 3), 8.0), dict(EXAMPLE_EDGES)
    ranks = upward_ranks(compute, edges, rate, np.zeros((3, 3)))
    assert ranks == pytest.approx([108, 77, 80, 80, 69, 63.333, 42.667, 35.667, 44.333, 14.667], abs=1e-3)
    assert list_schedule(compute, edges, rate).makespan_s == pytest.approx(80.0)


def check_schedule(found, compute, edges, rate, delay) -> None:
    for (tail, head), sent in edges.items():
        a, b = found.machine[tail], found.machine[head]
        hop = 0 if a == b else delay[a, b] + 8 * sent / rate[a, b]
        assert found.start_s[head] >= found.finish_s[tail] + hop - 1e-9
    for machine in range(compute.shape[1]):
        mine = np.flatnonzero(found.machine == machine)
        mine = mine[np.lexsort((found.finish_s[mine], found.start_s[mine]))]
        assert np.all(found.start_s[mine][1:] >= found.finish_s[mine][:-1] - 1e-9)
    assert found.finish_s - found.start_s == pytest.approx(compute[np.arange(len(compute)), found.machine])


def least_makespan(compute, edges, rate, delay) -> float:
    """The least over all orders and machines, each task as early as the order allows."""
    tasks, machines = compute.shape
    best = np.inf
    orders = [o for o in permutations(range(tasks)) if all(o.index(t) < o.index(h) for t, h in edges)]
    for order, where in product(orders, product(range(machines), repeat=tasks)):
        free, finish = np.zeros(machines), np.zeros(tasks)
        for task in order:
            m = where[task]
            ready = [
                finish[t] + (0 if where[t] == m else delay[where[t], m] + 8 * sent / rate[where[t], m])
                for (t, h), sent in edges.items()
                if h == task
            ]
            finish[task] = max([free[m], *ready]) + compute[task, m]
            free[m] = finish[task]
        best = min(best, finish.max())
    return best


def test_schedules_are_valid_and_near_the_best() -> None:
    rng = np.random.default_rng(5)
    ratios = []
    for _ in range(15):
        dag = random_dag(rng, 5)
        compute = rng.exponential(1.0, (5, 2))
        edges = {edge: float(dag.out_bytes[edge[0]]) for edge in dag.edges}
        rate, delay = rng.uniform(4e6, 4e7, (2, 2)), rng.uniform(0, 0.2, (2, 2))
        found = list_schedule(compute, edges, rate, delay)
        check_schedule(found, compute, edges, rate, delay)
        ratios.append(found.makespan_s / least_makespan(compute, edges, rate, delay))
    assert min(ratios) >= 1 - 1e-9
    assert np.mean(ratios) < 1.25


def test_layers_are_placed_over_device_edge_and_cloud() -> None:
    cards = [load_card(name, "device") for name in ("raspberry_pi_4", "jetson_nano_gpu", "rtx_3090")]
    compute, edges = layer_tasks(graph_of("squeezenet1_1"), cards, input_bytes=150_528)
    rate, delay = np.full((3, 3), 5e6), np.full((3, 3), 0.02)
    found = list_schedule(compute, edges, rate, delay)
    assert found.machine[0] == 0
    check_schedule(found, compute, edges, rate, delay)
    single = list_schedule(compute[:, :1], edges, rate[:1, :1])
    assert single.makespan_s == pytest.approx(compute[1:, 0].sum())
