"""Request scheduling: Park against its specification, the simulation against a naive one, bounds, and mistakes."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray

from edgegym.agents.bounds.request_scheduling import hindsight_value, pooled_srpt
from edgegym.agents.policies import fitted_heuristics, heuristics, policy_named
from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.request_scheduling.accounting import jain
from edgegym.envs.request_scheduling.params import RequestSchedulingParams
from edgegym.envs.request_scheduling.state import DROPPED, REJECTED, SERVED
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.envs.request_scheduling.workload import Episode
from edgegym.errors import CardError, EdgeGymError, SettingsError, TraceError
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/RequestScheduling-v0"
PARK = {"preset": "park_load_balance"}
SITE = {"preset": "edge_site"}
PLAIN: dict[str, Any] = {
    "tasks": {"job": ()},
    "access_link": None,
    "topology": {"builder": "single_edge"},
    "workload": {"kind": "streams", "streams": [{"task": "job"}]},
}


def system_of(rows: int = 1, preset: str | None = None, **values: Any) -> RequestSchedulingSystem:
    params = make_settings(RequestSchedulingSystem, preset, values)
    assert isinstance(params, RequestSchedulingParams)
    return RequestSchedulingSystem(params, rows)


def site(**values: Any) -> RequestSchedulingSystem:
    return system_of(preset="edge_site", **values)


def episode_of(arrival: Any, size: Any = None, stream: Any = None) -> Episode:
    times = np.asarray(arrival, np.float64)
    sizes = np.ones(len(times)) if size is None else np.asarray(size, np.float64)
    return Episode(times, sizes, np.zeros(len(times), np.int32) if stream is None else np.asarray(stream, np.int32))


def play(system: RequestSchedulingSystem, episode: Episode, actions: Any) -> NDArray[Any]:
    """Take the given candidates one after another; the requests."""
    system.begin(0, 0, {"episode": episode})
    decisions = Decisions.empty(system)
    system.observe(decisions)
    for action in actions:
        assert not decisions.done[0]
        system.step(np.array([action]), np.ones(1, np.bool_), decisions)
    assert decisions.done[0]
    return system.requests(0)


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


def test_regret_is_the_difference_of_two_simulations() -> None:
    values = {**PLAIN, "reject": False, "servers": [{"rate": 1.0}, {"rate": 0.4}]}
    values["reward"] = {"latency": 1.0, "goodput": 0.0, "signal": "regret", "horizon": 1000, "clip": 1e9}
    system, rng = system_of(**values), np.random.default_rng(2)
    episode = episode_of(np.cumsum(rng.exponential(1.0, 80)), rng.exponential(size=80) + 0.05)

    def cost(prefix: list[int]) -> float:
        free, total = np.zeros(2), 0.0
        for i, (time, size) in enumerate(zip(episode.arrival_s, episode.size, strict=True)):
            finish = np.maximum(free, time) + size / np.array([1.0, 0.4])
            chosen = prefix[i] if i < len(prefix) else int(finish.argmin())
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


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"servers": [{"device": "jetson_nano_gpu", "memory_bytes": 1e6}]}, SettingsError, "hold no model"),
        ({"tasks": {"classification": ["resnet99"]}}, CardError, "resnet99"),
        ({"workload": {"streams": [{"task": "speech"}]}}, SettingsError, "task 'speech'"),
        ({"workload": {"streams": [{"origin": 7}]}}, SettingsError, "edge nodes 0..1"),
        ({"servers": [{"device": "jetson_nano_gpu", "site": 7}]}, SettingsError, "edge nodes 0..1"),
        ({"servers": [{"rate": 1.0, "device": "jetson_nano_gpu"}]}, SettingsError, "one of them"),
        ({"servers": [{"device": "jetson_nano_gpu", "resident": ["vgg16"]}]}, SettingsError, "vgg16"),
        ({"tasks": {"classification": []}}, SettingsError, "plain work"),
    ],
)
def test_bad_settings_say_what_is_wrong(values: dict[str, Any], error: type[EdgeGymError], message: str) -> None:
    with pytest.raises(error, match=message):
        site(**values)


def test_bad_episodes_say_what_is_wrong() -> None:
    with pytest.raises(TraceError, match=r"arrival_s\[1\] is 1.0"):
        episode_of([2.0, 1.0])
    with pytest.raises(TraceError, match=r"arrival_s\[0\] is -1.0"):
        episode_of([-1.0, 1.0])
    with pytest.raises(TraceError, match=r"size\[0\] is 0.0"):
        episode_of([1.0], [0.0])
    with pytest.raises(TraceError, match="one each"):
        episode_of([1.0], [1.0, 2.0])
    system = system_of(preset="park_load_balance")
    with pytest.raises(SettingsError, match=r"streams 0\.\.0"):
        system.begin(0, 0, {"episode": episode_of([1.0], stream=[1])})
    with pytest.raises(SettingsError, match="an Episode is needed"):
        system.begin(0, 0, {"episode": 3})
    with pytest.raises(EdgeGymError, match="reset option 'trace'"):
        system.begin(0, 0, {"trace": 3})


def test_azure_traces_feed_streams_by_part(data_folder: Path) -> None:
    path = str(data_folder / "requests" / "azure_llm_2023" / "AzureLLMInferenceTrace_code.csv.gz")
    stream = {"arrivals": {"kind": "trace", "path": path, "rate": 100.0}, "size": {"kind": "mark"}, "deadline_s": 0.2}
    workload = {"seconds": 5.0, "streams": [stream]}
    early, late = (site(workload={**workload, "part": part}) for part in ((0.0, 0.5), (0.5, 1.0)))
    first, second = early.episode(1, {}), late.episode(1, {})
    assert len(first.arrival_s) > 0
    assert not np.array_equal(first.size[:20], second.size[:20])
    with pytest.raises(SettingsError, match="no mark 'tokens'"):
        site(workload={"streams": [{**stream, "size": {"kind": "mark", "name": "tokens"}}]}).begin(0, 0, {})
