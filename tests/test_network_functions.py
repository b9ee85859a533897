"""Network functions: capacities and masks against a naive account, queueing theory, determinism, mistakes."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgegym  # noqa: F401  # registers the environments
from edgegym.agents.policies import heuristics
from edgegym.decision.system import make_settings
from edgegym.envs.network_functions.params import NetworkFunctionsParams
from edgegym.envs.network_functions.state import ACTIVE, DONE, FAILED, PLACE, REJECTED, UNIT
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.envs.network_functions.workload import Episode
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.network.substrates import Substrate, compile_substrate

ENV = "EdgeGym/NetworkFunctions-v0"
SMALL: dict[str, Any] = {"builder": "waxman", "nodes": 9, "beta": 0.5, "cpu": (5, 20), "bandwidth": (5, 20), "paths": 4}
ABSTRACT: dict[str, Any] = {
    "substrate": SMALL,
    "workload": {"kind": "abstract", "requests": 30, "functions": (1, 4), "cpu": (0, 8), "bandwidth": (0, 8)},
}
SERVICES: dict[str, Any] = {
    "preset": "edge_tree",
    "substrate": {"tiers": (1, 2, 2), "memory": (2500, 2500), "bandwidth": (20, 40)},
    "workload": {"requests": 40, "delay_budget_s": (0.005, 0.3)},
}


def system_of(values: dict[str, Any], substrate: Substrate | None = None) -> NetworkFunctionsSystem:
    values = dict(values)
    params = make_settings(NetworkFunctionsSystem, values.pop("preset", None), values)
    assert isinstance(params, NetworkFunctionsParams)
    return NetworkFunctionsSystem(params, substrates=None if substrate is None else (substrate,))


def episode_of(count: int, **values: Any) -> Episode:
    """An episode of one-function requests from node 0 to node 1, in which nothing fails."""
    given_values = {
        "network": 0,
        "time_s": np.arange(count, dtype=float),
        "life_s": np.full(count, 10.0),
        "source": np.zeros(count, np.int64),
        "destination": np.ones(count, np.int64),
        "length": np.ones(count, np.int64),
        "function": np.zeros((count, 1), np.int64),
        "demand": np.ones((count, 1)),
        "bandwidth": np.zeros((count, 2)),
        "budget_s": np.full(count, np.inf),
        "failure_s": np.zeros(0),
        "element": np.zeros(0, np.int64),
    }
    return Episode(**{**given_values, **values})


def used(system: NetworkFunctionsSystem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computing, bandwidth and instances that are in use, added up anew from what each request holds."""
    state, r = system.state, system.state.rows[0]
    t, paths = int(r["network"]), system.substrates[int(r["network"])].paths
    cpu, bandwidth = np.zeros(state.cpu.shape[1], np.int64), np.zeros(state.bandwidth.shape[1], np.int64)
    flows = np.zeros(state.instances.shape[1:], np.int64)
    for q, request in enumerate(system.requests(0)):
        for k in range(request["placed"]):
            function = state.functions[0, q, k]
            v, kind = function["node"], function["kind"]
            cpu[v] += int(np.ceil(function["demand"] * state.busy[kind, state.device[t, v]] - 1e-6))
            flows[v, kind] += 1
        at = [request["source"], *state.functions["node"][0, q, : request["placed"]], request["destination"]]
        for s in range(request["routed"]):
            segment = state.segments[0, q, s]
            if segment["path"] >= 0:
                first = paths.first[at[s], at[s + 1], segment["path"]]
                hops = paths.hops[at[s], at[s + 1], segment["path"]]
                bandwidth[paths.links[first : first + hops]] += segment["bandwidth"]
    return cpu, bandwidth, flows


def check_account(system: NetworkFunctionsSystem) -> None:
    state, t = system.state, int(system.state.rows["network"][0])
    cpu, bandwidth, flows = used(system)
    assert (state.nodes["cpu"][0] == state.cpu[t] - cpu).all()
    assert (state.links["free"][0] == state.bandwidth[t] - bandwidth).all()
    assert (state.nodes["cpu"][0] >= 0).all()
    assert (state.links["free"][0] >= 0).all()
    assert (state.nodes["memory"][0] >= 0).all()
    running = state.instances["running"][0]
    assert (state.instances["flows"][0][running] == flows[running]).all()
    assert flows[~running].sum() == 0
    assert (state.nodes["memory"][0] == state.node_memory[t] - (running * state.memory).sum(axis=1)).all()


def feasible(system: NetworkFunctionsSystem) -> np.ndarray:
    """Which nodes can take the function that is asked for, by trying everything on copies."""
    state, r = system.state, system.state.rows[0]
    substrate, q, k, here = system.substrates[int(r["network"])], int(r["request"]), int(r["position"]), int(r["here"])
    request, function, t = system.requests(0)[q], state.functions[0, q, k], int(r["network"])
    kind, demand, paths = int(function["kind"]), float(function["demand"]), substrate.paths
    found = np.zeros(len(substrate.nodes), bool)

    def ways(a: int, b: int, need: int, free: np.ndarray) -> list[tuple[np.ndarray, float]]:
        result = []
        for j in range(paths.hops.shape[2]):
            links = paths.links[paths.first[a, b, j] :][: max(paths.hops[a, b, j], 0)]
            works = all(free[link] >= need and state.links["up"][0, link] for link in links)
            if paths.hops[a, b, j] >= 0 and works:
                result.append((links, float(paths.delay_s[a, b, j])))
        return result

    for v in range(len(found)):
        device = state.device[t, v]
        node, instance = state.nodes[0, v], state.instances[0, v, kind]
        busy = int(np.ceil(demand * state.busy[kind, device] - 1e-6))
        call_s, after = state.call_s[kind, device], int(node["cpu"]) - busy
        moment = float(node["moment"]) + state.calls[kind] * demand * call_s**2
        spare = np.ceil(state.cpu[t, v] / UNIT) - (state.cpu[t, v] - after) / UNIT
        inside = call_s + (state.fill_s[kind] / demand if demand else 0.0)
        inside += moment / (2 * spare) if moment > 0 else 0.0
        wait = max(instance["ready_s"] - r["clock_s"], 0) if instance["running"] else state.startup_s[kind]
        before = state.functions["node"][0, q, :k]
        if not node["up"] or after < 0 or wait > state.rules["startup_budget_s"][0]:
            continue
        if (not instance["running"] and node["memory"] < state.memory[kind]) or (
            system.params.distinct and v in before
        ):
            continue
        left = request["budget_s"] - r["spent_s"] - inside
        free = state.links["free"][0].copy()
        for links, delay_s in ways(here, v, int(state.segments["bandwidth"][0, q, k]), free):
            rest = left - delay_s
            if k + 1 < request["length"]:
                found[v] |= bool(rest >= paths.delay_s[v, request["destination"]].min())
                continue
            taken = free.copy()
            taken[links] -= state.segments["bandwidth"][0, q, k]
            onward = ways(v, int(request["destination"]), int(state.segments["bandwidth"][0, q, k + 1]), taken)
            found[v] |= any(delay <= rest for _, delay in onward)
    return found


@pytest.mark.parametrize(
    "values",
    [
        ABSTRACT,
        {**ABSTRACT, "distinct": True},
        {**ABSTRACT, "failures": {"link_mtbf_s": 400.0, "node_mtbf_s": 400.0}},
        {**ABSTRACT, "failures": {"link_mtbf_s": 400.0, "reroute": False}},
        SERVICES,
    ],
)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_nothing_is_ever_over_capacity_and_masks_are_exact(values: dict[str, Any], seed: int) -> None:
    env: Any = gym.make(ENV, disable_env_checker=True, **values).unwrapped
    rng, system = np.random.default_rng(seed), env.system
    seen, info = env.reset(seed=seed)
    over = False
    while not over:
        check_account(system)
        assert all(part.min() >= 0.0 and part.max() <= 1.0 for part in (seen["candidates"], seen["context"]))
        if system.state.rows["decision"][0] == PLACE:
            nodes = len(system.substrates[0].nodes)
            assert (env.action_masks()[1 : nodes + 1] == feasible(system)).all()
        # Rejecting at random exercises partial placements.
        allowed = np.flatnonzero(env.action_masks())
        action = int(rng.choice(allowed)) if rng.random() < 0.95 else 0
        seen, _, over, _, info = env.step(action)
    state, t = system.state, int(system.state.rows["network"][0])
    assert (state.nodes["cpu"][0] == state.cpu[t]).all()
    assert (state.nodes["memory"][0] == state.node_memory[t]).all()
    assert (state.links["free"][0] == state.bandwidth[t]).all()
    assert not state.instances["running"].any()
    assert np.abs(state.nodes["moment"]).max() == 0.0
    status = system.requests(0)["status"]
    assert np.isin(status, (DONE, REJECTED, FAILED)).all()
    metrics = info["metrics"]
    assert metrics["acceptance_ratio"] == pytest.approx((status != REJECTED).mean())
    assert metrics["invalid_actions"] == 0


def line(cpu: list[float], bandwidth: float = 100.0, delay_s: float = 0.001) -> Substrate:
    graph = nx.path_graph(len(cpu))
    nx.set_node_attributes(graph, dict(enumerate(cpu)), "cpu")
    nx.set_edge_attributes(graph, bandwidth, "bandwidth")
    nx.set_edge_attributes(graph, delay_s, "delay_s")
    return compile_substrate(graph, 2)


def play_first(system: NetworkFunctionsSystem, episode: Episode) -> dict[str, float]:
    """Take the first feasible candidate always."""
    from edgegym.decision.system import Decisions

    system.begin(0, 0, {"episode": episode})
    out = Decisions.empty(system)
    system.observe(out)
    while not out.done[0]:
        action = int(np.flatnonzero(out.mask[0])[1]) if out.mask[0].sum() > 1 else 0
        system.step(np.array([action]), np.ones(1, bool), out)
    return system.episode_metrics(0)


@pytest.mark.parametrize("law", ["exponential", "constant"])
def test_one_node_and_one_function_block_as_erlang_says(law: str) -> None:
    servers, load, count = 5, 4.0, 60_000
    rng = np.random.default_rng(1)
    time_s = np.cumsum(rng.exponential(1.0, count))
    life_s = rng.exponential(load, count) if law == "exponential" else np.full(count, load)
    found = play_first(system_of({}, line([float(servers), 0.0])), episode_of(count, time_s=time_s, life_s=life_s))
    blocking = 1.0
    for n in range(1, servers + 1):
        blocking = load * blocking / (n + load * blocking)
    assert 1.0 - found["acceptance_ratio"] == pytest.approx(blocking, abs=0.008)


def test_delay_without_load_is_the_sum_of_its_parts_and_a_budget_below_it_is_refused() -> None:
    services: dict[str, Any] = {
        "workload": {"kind": "services", "chains": [["intrusion_detection"]], "requests": 1},
        "devices": {"": "rtx_3090"},
    }
    system = system_of(services, line([0.0, 0.0, 1.0], delay_s=0.002))
    one = {"demand": np.full((1, 1), 2.0), "bandwidth": np.full((1, 2), 2.0), "life_s": np.full(1, 50.0)}
    found = play_first(system, episode_of(1, **one))
    costs = system.costs
    # There and back: three links; a batch of 64 packets at 300 a second; and the queue of its own calls.
    call_s, rate = costs.call_s[0, 0], 300.0 / 64
    own_queue = rate * call_s**2 / (2 * (1 - rate * call_s))
    expected = 3 * 0.002 + 63 / (2 * 300.0) + call_s + own_queue
    assert found["delay_mean_s"] == pytest.approx(expected, rel=1e-6)
    assert found["node_utilisation"] != found["node_utilisation"] or found["node_utilisation"] >= 0.0
    for budget, accepted in ((expected * 1.001, 1.0), (expected * 0.999, 0.0)):
        result = play_first(system, episode_of(1, budget_s=np.full(1, budget), **one))
        assert (result["acceptance_ratio"], result["flow_success"]) == (accepted, accepted)


def test_flows_share_an_instance_that_starts_up_and_is_torn_down_when_idle() -> None:
    services: dict[str, Any] = {
        "workload": {"kind": "services", "chains": [["firewall"]], "requests": 3, "startup_budget_s": 0.5},
        "idle_s": 5.0,
    }
    system = system_of(services, line([1.0, 0.0]))
    time_s, life_s = np.array([0.0, 0.25, 30.0]), np.array([2.0, 3.0, 1.0])
    found = play_first(system, episode_of(3, time_s=time_s, life_s=life_s))
    assert found["started_instances"] == 2.0
    assert found["startup_mean_s"] == pytest.approx((0.5 + 0.25 + 0.5) / 3)
    # Flows until 3.25 s, idle for 5 s more; the episode's averages end with the last arrival at 30 s.
    assert found["running_instances"] == pytest.approx((3.25 + 5.0) / 30.0)


def test_overload_breaks_the_delay_of_every_flow_on_the_node() -> None:
    services: dict[str, Any] = {
        "workload": {"kind": "services", "chains": [["traffic_classification"]], "requests": 2},
        "devices": {"": "jetson_nano_gpu"},
        "overload": "break",
    }
    system = system_of(services, line([0.8, 0.0]))
    rate = 0.7 / system.costs.busy[0, 0]
    both = {"demand": np.full((2, 1), rate), "budget_s": np.full(2, 0.5)}
    alone = play_first(system, episode_of(2, time_s=np.array([0.0, 100.0]), **both))
    together = play_first(system, episode_of(2, time_s=np.array([0.0, 1.0]), **both))
    assert (alone["flow_success"], together["flow_success"]) == (1.0, 0.0)
    assert together["deadline_misses"] == 1.0
    refusing = system_of({**services, "overload": "refuse"}, line([0.8, 0.0]))
    assert play_first(refusing, episode_of(2, time_s=np.array([0.0, 1.0]), **both))["acceptance_ratio"] == 0.5


def test_failed_links_are_led_around_and_failed_nodes_end_flows() -> None:
    graph = nx.cycle_graph(4)
    nx.set_node_attributes(graph, {0: 5.0, 1: 0.0, 2: 0.0, 3: 0.0}, "cpu")
    nx.set_edge_attributes(graph, 10.0, "bandwidth")
    nx.set_edge_attributes(graph, 0.001, "delay_s")
    ring = compile_substrate(graph, 2)
    direct = [tuple(sorted(pair)) for pair in ring.ends.tolist()].index((0, 1))
    values: dict[str, Any] = {"failures": {"link_mtbf_s": 1e9}}
    for element, rerouted, failed in (([direct], 1.0, 0.0), ([len(ring.ends)], 0.0, 0.5)):
        episode = episode_of(
            2,
            time_s=np.array([0.0, 5.0]),
            failure_s=np.array([2.0]),
            element=np.array(element),
            bandwidth=np.ones((2, 2)),
        )
        system = system_of(values, ring)
        found = play_first(system, episode)
        assert found["rerouted_segments"] == rerouted
        assert found["failed_flows"] == pytest.approx(2 * failed)
        # The failed node takes no further request; the failed link does no harm.
        assert found["acceptance_ratio"] == (1.0 if rerouted else 0.5)


def test_heuristics_never_err_and_nearest_nodes_can_be_offered_alone() -> None:
    for policy in heuristics(ENV):
        for values in (ABSTRACT, SERVICES):
            metrics = run_episodes(Task(ENV, values), policy, [3])[0].metrics
            assert metrics["invalid_actions"] == 0
            assert metrics["acceptance_ratio"] > 0.2
    few: Any = gym.make(ENV, candidates=3, **ABSTRACT).unwrapped
    every: Any = gym.make(ENV, **ABSTRACT).unwrapped
    few.reset(seed=1)
    every.reset(seed=1)
    offered = few.system.state.choices["node"][0, : few.system.state.rows["choices"][0]]
    allowed = np.flatnonzero(every.action_masks()[1:])
    hops = every.system.substrates[0].paths.hops[:, :, 0]
    r = every.system.state.rows[0]
    goal = every.system.requests(0)[0]["destination"]
    keys = {v: hops[r["here"], v] + hops[v, goal] for v in allowed}
    assert set(offered) <= set(allowed)
    assert max(keys[v] for v in offered) <= sorted(keys.values())[len(offered) - 1] + 1


def test_vector_row_equals_single_environment_with_services_and_failures() -> None:
    values = {**SERVICES, "failures": {"link_mtbf_s": 50.0, "repair_s": 10.0}}
    vector = gym.make_vec(ENV, num_envs=2, **values)
    single: Any = gym.make(ENV, **values)
    seen, _ = vector.reset(seed=7)
    alone, _ = single.reset(seed=8)
    rng = np.random.default_rng(0)
    over = False
    while not over:
        assert all((seen[name][1] == alone[name]).all() for name in alone)
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in seen["mask"]])
        seen, rewards, ended, _, _ = vector.step(actions)
        alone, reward, over, _, info = single.step(int(actions[1]))
        assert (rewards[1], ended[1]) == (reward, over)
    assert info["metrics"]["rerouted_segments"] + info["metrics"]["failed_flows"] > 0


def test_rewards_of_a_rejected_request_are_taken_back() -> None:
    env: Any = gym.make(ENV, reward={"placed": 0.1, "link_price": 0.3, "node_price": 0.2, "rejected": 0.5}, **ABSTRACT)
    _, info = env.reset(seed=2)
    total, over, paid = 0.0, False, 0.0
    while not over:
        r = env.unwrapped.system.state.rows[0]
        placing = r["position"] == 0
        action = int(np.flatnonzero(info["action_mask"])[-1]) if placing and info["action_mask"].sum() > 1 else 0
        length = env.unwrapped.system.requests(0)[r["request"]]["length"]
        _, reward, over, _, info = env.step(action)
        paid += 1.0 if action and length == 1 else 0.0
        total += reward
    accepted = env.unwrapped.system.requests(0)["status"] != REJECTED
    assert accepted.sum() == paid
    # Each rejected request comes to -0.5 whatever it was paid before.
    assert total + 0.5 * (~accepted).sum() <= 1.1 * paid + 1e-9


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"workload": {"kind": "services", "chains": [["firewal"]]}}, "unknown function 'firewal'"),
        ({"workload": {"kind": "services", "chains": []}}, "at least one"),
        ({"workload": {"kind": "services"}, "devices": {"": "no_such_card"}}, "devices: "),
        ({"workload": {"kind": "abstract", "functions": (0, 3)}}, "functions: needs 1 to 32"),
        ({"workload": {"kind": "abstract", "cpu": (5, 1)}}, "low <= high"),
        ({"workload": {"kind": "abstract", "endpoints": "edge"}}, "workload.endpoints"),
        ({"candidates": 0}, "candidates"),
    ],
)
def test_mistakes_are_named(values: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        system_of({"substrate": SMALL, **values})


def test_bad_episodes_are_named_and_impossible_chains_are_rejected() -> None:
    system = system_of({}, line([1.0, 1.0]))
    for bad, match in (
        (3, "an Episode is needed"),
        (episode_of(2, source=np.array([0, 9])), "episode.source"),
        (episode_of(2, time_s=np.array([1.0, 0.0])), "must not fall"),
        (episode_of(2, demand=-np.ones((2, 1))), "episode.demand"),
        (episode_of(2, network=4), "episode.network"),
    ):
        with pytest.raises(EdgeGymError, match=match):
            system.begin(0, 0, {"episode": bad})
    assert play_first(system, episode_of(3, demand=np.full((3, 1), 2.0)))["acceptance_ratio"] == 0.0
    assert ACTIVE not in system.requests(0)["status"]
