"""Request scheduling: queues, disciplines, batches, loading and ways against naive simulations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgegym.decision.system import Decisions
from edgegym.envs.request_scheduling.state import DROPPED, REJECTED, SERVED

from .scheduling_systems import PLAIN, episode_of, play, system_of


def naive_fifo(arrival: NDArray[Any], work: NDArray[Any], chosen: NDArray[Any], servers: int) -> NDArray[np.float64]:
    free, response = np.zeros(servers), np.zeros(len(arrival))
    for i, server in enumerate(chosen):
        free[server] = response[i] = max(free[server], arrival[i]) + work[i, server]
    return response


def test_first_come_first_served_is_the_recursion_of_free_times() -> None:
    rng = np.random.default_rng(3)
    rates = np.array([0.5, 1.0, 2.0])
    system = system_of(**{**PLAIN, "servers": [{"rate": float(rate)} for rate in rates], "reject": False})
    episode = episode_of(np.cumsum(rng.exponential(0.4, 500)), rng.pareto(1.5, 500) + 0.1)
    chosen = rng.integers(3, size=500)
    requests = play(system, episode, chosen)
    expected = naive_fifo(episode.arrival_s, episode.size[:, None] / rates, chosen, 3)
    assert requests["response"] == pytest.approx(expected)
    metrics = system.episode_metrics(0)
    sojourn = expected - episode.arrival_s
    assert metrics["p99_sojourn"] == pytest.approx(np.quantile(sojourn, 0.99))
    busy = np.array([(episode.size / rates[s])[chosen == s].sum() for s in range(3)])
    assert metrics["utilisation"] == pytest.approx((busy / expected.max()).mean())


@pytest.mark.parametrize("access_link", [None, "5g_first_hop"])
def test_expected_finish_is_what_happens_without_batches(access_link: str | None) -> None:
    values = {**PLAIN, "access_link": access_link, "reject": False}
    system = system_of(**{**values, "servers": [{"rate": 30.0}, {"rate": 90.0}]})
    rng = np.random.default_rng(5)
    # Service takes about as long as the way, so that some requests are always on it.
    episode = episode_of(np.cumsum(rng.exponential(0.02, 300)), rng.exponential(size=300) + 0.01)
    system.begin(0, 0, {"episode": episode})
    decisions, expected = Decisions.empty(system), []
    system.observe(decisions)
    while not decisions.done[0]:
        action = int(rng.integers(2))
        expected.append(2.0 ** (40.0 * (float(decisions.candidates[0, action, 0]) - 0.5)))
        system.step(np.array([action]), np.ones(1, np.bool_), decisions)
    requests = system.requests(0)
    assert requests["response"] - requests["arrival"] == pytest.approx(np.array(expected), rel=1e-4)


def test_disciplines_order_the_queue() -> None:
    streams = [
        {"task": "job", "priority": "low", "deadline_s": 2.0},
        {"task": "job", "priority": "high", "deadline_s": 9.0},
        {"task": "job", "priority": "normal", "deadline_s": 5.0},
    ]
    workload = {"kind": "streams", "streams": streams}
    # The first one is in service while the others, low, high and normal, arrive.
    episode = episode_of([0.0, 0.1, 0.2, 0.9], stream=[0, 0, 1, 2])
    expected = {
        "fcfs": [1, 2, 3],
        "edf": [1, 3, 2],  # due at 2.1, 9.2 and 5.9
        "strict_priority": [2, 3, 1],
        "weighted_priority": [2, 3, 1],  # at 1.0: .9, 3.2, .2; at 2.0: 1.9 and 2.2
    }
    for order, served in expected.items():
        values = {**PLAIN, "workload": workload, "servers": [{"rate": 1.0}], "reject": False}
        requests = play(system_of(**values, discipline={"order": order}), episode, [0] * 4)
        assert np.argsort(requests["response"]).tolist() == [0, *served], order


def test_batches_form_up_to_the_largest_and_wait_for_their_window() -> None:
    values = {**PLAIN, "servers": [{"rate": 1.0}], "reject": False}
    episode = episode_of([0.0, 0.1, 0.2, 0.3, 0.4])
    greedy = play(system_of(**values, discipline={"max_batch": 3}), episode, [0] * 5)
    # A plain server takes as long for a batch as for its requests one by one.
    assert greedy["response"] == pytest.approx([1.0, 4.0, 4.0, 4.0, 5.0])
    waits = play(system_of(**values, discipline={"max_batch": 3, "window_s": 0.25}), episode, [0] * 5)
    assert waits["response"] == pytest.approx([3.2, 3.2, 3.2, 5.2, 5.2])
    alone = play(system_of(**values, discipline={"max_batch": 3, "window_s": 0.25}), episode_of([1.0]), [0])
    assert alone["response"] == pytest.approx([2.25])


def test_late_requests_are_dropped_and_refused_ones_counted() -> None:
    workload = {"kind": "streams", "streams": [{"task": "job", "deadline_s": 2.5}]}
    values = {**PLAIN, "workload": workload, "servers": [{"rate": 1.0}], "discipline": {"drop_late": True}}
    system = system_of(**values)
    requests = play(system, episode_of([0.0, 0.1, 0.2, 0.3]), [1, 1, 1, 0])
    assert requests["fate"].tolist() == [SERVED, SERVED, DROPPED, REJECTED]
    metrics = system.episode_metrics(0)
    assert (metrics["dropped"], metrics["rejected"], metrics["slo_attainment"]) == (0.25, 0.25, 0.5)


def test_co_runners_slow_a_batch_down() -> None:
    values = {**PLAIN, "servers": [{"rate": 1.0, "slots": 2, "per_co_runner": 0.5}], "reject": False}
    requests = play(system_of(**values), episode_of([0.0, 0.5, 0.6]), [0, 0, 0])
    assert requests["response"] == pytest.approx([1.0, 2.0, 2.5])


def test_models_are_swapped_by_least_recent_use() -> None:
    card_bytes = 4.0 * 3_504_872
    server = {"device": "jetson_nano_gpu", "memory_bytes": 50e6, "storage_bytes_s": 1e6, "resident": ["mobilenet_v2"]}
    tasks = {"images": ["mobilenet_v2", "mobilenet_v2_050"]}
    workload = {"kind": "streams", "streams": [{"task": "images"}]}
    system = system_of(workload=workload, tasks=tasks, servers=[server], topology={"builder": "single_edge"})
    requests = play(system, episode_of([0.0, 100.0, 200.0, 300.0]), [1, 2, 1, 1])
    memory = system.fleet.memory[0]
    assert memory.max() < 50e6 < memory.sum()
    sojourn = requests["response"] - requests["arrival"]
    assert sojourn[3] == pytest.approx(sojourn[0])
    assert sojourn[2] - sojourn[0] == pytest.approx(card_bytes / 1e6)
    assert system.state.servers["loads"][0, 0] == 2


def test_ways_and_holding_back_take_their_time() -> None:
    link_s = 0.0258  # round trip of the access link
    workload = {"kind": "streams", "streams": [{"task": "job", "payload_bytes": 1e6}]}
    values = {**PLAIN, "workload": workload, "access_link": "5g_first_hop", "servers": [{"rate": 1.0}]}
    system = system_of(**values, hold={"step_s": 0.5, "most": 1})
    requests = play(system, episode_of([1.0]), [2, 1])
    way = 8e6 / 434e6
    assert requests["response"] == pytest.approx([1.0 + 0.5 + link_s + way + 1.0])
    assert requests["holds"].tolist() == [1]


def test_requests_on_their_way_count_in_every_order_of_service() -> None:
    """A second request sent right behind the first expects to wait for it, though the server is still idle."""
    streams = [{"task": "job", "payload_bytes": 1e6, "deadline_s": 5.0}]
    values = {**PLAIN, "workload": {"kind": "streams", "streams": streams}, "access_link": "5g_first_hop"}
    for order in ("fcfs", "edf", "strict_priority", "weighted_priority"):
        system = system_of(**values, servers=[{"rate": 1.0}], reject=False, discipline={"order": order})
        system.begin(0, 0, {"episode": episode_of([0.0, 0.001])})
        decisions = Decisions.empty(system)
        system.step(np.zeros(1, np.int64), np.ones(1, np.bool_), decisions)
        wait = 2.0 ** (40.0 * (float(decisions.candidates[0, 0, system.candidate_features.index("wait")]) - 0.5))
        assert wait == pytest.approx(1.0, abs=0.05), order
