"""Network functions: thousands of random episodes against a naive account, and masks against brute force."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgegym.decision.system import Decisions
from edgegym.envs.network_functions.state import DONE, FAILED, PLACE, REJECTED, RELIEVE, UNIT
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.network.substrates import Substrate, SubstrateSettings, substrates_from_settings
from edgegym.settings import merged

from .sfc_account import INVARIANTS, violated
from .sfc_systems import system_of

ROWS = 128
EVERYTHING: dict[str, Any] = {
    "failures": {"link_mtbf_s": 60.0, "node_mtbf_s": 60.0, "repair_s": 5.0},
    "congestion": {"above": 0.6, "until": 0.4},
    "idle_s": 2.0,
}


def choice(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def substrates() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "builder": choice("waxman", "gabriel", "nsfnet"),
            "nodes": st.integers(3, 8),
            "beta": choice(0.2, 0.8),
            "paths": choice(1, 4, 64),
            "networks": choice(1, 2),
            "memory": choice(None, (300, 600)),
            "seed": st.integers(0, 3),
        }
    )


def rules() -> st.SearchStrategy[dict[str, Any]]:
    mtbf = choice(None, 60.0)
    return st.fixed_dictionaries(
        {
            "distinct": st.booleans(),
            "overload": choice("refuse", "refuse", "break"),
            "idle_s": choice(0.0, 2.0),
            "candidates": choice(None, None, 3),
            "failures": st.fixed_dictionaries(
                {
                    "link_mtbf_s": mtbf,
                    "node_mtbf_s": mtbf,
                    "repair_s": choice(2.0, 10.0),
                    "reroute": choice(True, True, False),
                }
            ),
            "congestion": choice({}, {"above": 0.5, "until": 0.3}, {"above": 0.3, "until": 0.3}),
            "update_s": choice(0.0, 0.1),
        }
    )


def workloads() -> st.SearchStrategy[dict[str, Any]]:
    """Abstract or of services, with capacities for either."""
    common = {
        "requests": choice(20),
        "arrivals": choice({"kind": "poisson", "rate": 2.0}),
        "life_s": choice(3.0, 6.0),
        "delay_budget_s": choice(None, (0.005, 0.05)),
    }
    abstract = {
        "kind": choice("abstract"),
        "functions": choice((1, 4)),
        "cpu": choice((0, 8)),
        "bandwidth": choice((0, 8)),
    }
    services = {"kind": choice("services"), "startup_budget_s": choice(None, 1.0), "rate": choice((0.5, 5.0))}
    with_capacities = {
        "abstract": {"cpu": (8, 24), "bandwidth": (8, 30)},
        "services": {"cpu": (1, 2), "bandwidth": (8, 30)},
    }
    return st.one_of(st.fixed_dictionaries(common | abstract), st.fixed_dictionaries(common | services)).map(
        lambda workload: {"workload": workload, "substrate": with_capacities[workload["kind"]]}
    )


def random_actions(out: Decisions, rng: np.random.Generator) -> np.ndarray:
    """Some allowed candidate of every row; at times the fallback, which exercises partial placements."""
    draw = np.where(out.mask > 0, rng.random(out.mask.shape), -1.0)
    draw[:, 0] -= 0.95
    return draw.argmax(axis=1)


def check_end(system: NetworkFunctionsSystem) -> None:
    """Everything is back to the last micro-unit."""
    state, t = system.state, system.state.rows["network"]
    assert (state.nodes["cpu"] == state.cpu[t]).all()
    assert (state.nodes["memory"] == state.node_memory[t]).all()
    assert (state.nodes["moment"] == 0.0).all()
    assert (state.links["free"] == state.bandwidth[t]).all()
    assert not state.instances["running"].any()
    assert not state.links["congested"].any()
    assert (state.rows["cpu_used"] == 0).all()
    assert (state.rows["bandwidth_used"] == 0).all()
    assert np.isin(state.requests["status"], (DONE, REJECTED, FAILED)).all()
    assert (state.rows["invalid"] == 0).all()


# 20 settings of 128 rows each.
@settings(max_examples=20, deadline=None)
@given(substrate=substrates(), rule=rules(), workload=workloads(), seed=st.integers(0, 2**31))
@example(
    substrate={"builder": "gabriel", "nodes": 8, "paths": 4},
    rule=EVERYTHING,
    workload={
        "substrate": {"cpu": (4, 16), "bandwidth": (8, 20)},
        "workload": {
            "kind": "abstract",
            "requests": 20,
            "arrivals": {"kind": "poisson", "rate": 2.0},
            "life_s": 5.0,
            "functions": (1, 4),
            "cpu": (0, 4),
            "bandwidth": (0, 6),
        },
    },
    seed=0,
)
def test_nothing_is_over_capacity_and_all_returns_at_departure_in_thousands_of_random_episodes(
    substrate: dict[str, Any], rule: dict[str, Any], workload: dict[str, Any], seed: int
) -> None:
    system = system_of(merged(merged(rule, workload), {"substrate": substrate}), rows=ROWS)
    for row in range(ROWS):
        system.begin(row, seed + row, {})
    rng, out = np.random.default_rng(seed), Decisions.empty(system)
    system.observe(out)
    relieves, breaks = system.params.congestion.above is not None, system.params.overload == "break"
    while not out.done.all():
        found = violated(system.state, relieves, breaks)
        assert not found.any(), [name for name, count in zip(INVARIANTS, found, strict=True) if count]
        assert out.candidates.min() >= 0.0
        assert out.candidates.max() <= 1.0
        assert (out.context >= 0.0).all()
        assert (out.context <= 1.0).all()
        system.step(random_actions(out, rng), ~out.done, out)
    check_end(system)


def test_the_account_notices_what_it_is_there_for() -> None:
    """Each resource that is off by one micro-unit, and each flow that stays too long, is found."""

    def spoilt(change: Any) -> int:
        system = system_of({"substrate": {"nodes": 6}, "workload": {"kind": "abstract", "requests": 16}, **EVERYTHING})
        system.begin(0, 0, {})
        out, rng = Decisions.empty(system), np.random.default_rng(0)
        system.observe(out)
        for _ in range(30):
            system.step(random_actions(out, rng), ~out.done, out)
        assert not violated(system.state, True, False).any()
        change(system.state)
        return int(violated(system.state, True, False).sum())

    def bump(array: str, name: str, amount: int = 1) -> Any:
        def change(state: Any) -> None:
            getattr(state, array)[name][0, 0] += amount

        return change

    for change in (
        bump("links", "free"),
        bump("links", "faults"),
        bump("nodes", "cpu"),
        bump("nodes", "memory"),
        bump("nodes", "flows"),
        bump("nodes", "around"),
        lambda state: state.rows["cpu_used"].__iadd__(1),
        lambda state: state.rows["running"].__iadd__(1),
        lambda state: state.requests["end_s"].__imul__(0.0),
        lambda state: state.requests["path_s"].__iadd__(1e-3),
        lambda state: state.links["congested"].__ior__(True),
    ):
        assert spoilt(change) > 0


class BruteForce:
    """What is feasible, by trying every simple path of a network: independent of the tables and of the kernel."""

    def __init__(self, system: NetworkFunctionsSystem, substrate: Substrate) -> None:
        self.system, self.substrate = system, substrate
        graph = nx.Graph()
        graph.add_edges_from((int(a), int(b), {"link": i}) for i, (a, b) in enumerate(substrate.ends))
        self.ways: dict[tuple[int, int], list[tuple[list[int], float]]] = {}
        for a in graph:
            for b, fewest in nx.single_source_shortest_path_length(graph, a).items():
                found = [[a]] if a == b else list(nx.all_simple_paths(graph, a, b, cutoff=fewest + 4))
                walked = [[graph.edges[pair]["link"] for pair in pairwise(path)] for path in found]
                self.ways[a, b] = [(links, float(substrate.delay_s[links].sum())) for links in walked]
        # With all simple paths in the table, which of them come first does not matter.
        assert max(map(len, self.ways.values())) <= substrate.paths.hops.shape[2]

    def open_ways(self, a: int, b: int, need: int, free: np.ndarray) -> list[tuple[list[int], float]]:
        state, ends = self.system.state, self.substrate.ends
        up = state.links["up"][0] & state.nodes["up"][0][ends].all(axis=1)
        return [way for way in self.ways[a, b] if all(up[link] and free[link] >= need for link in way[0])]

    def hosts(self, q: int, k: int, v: int) -> tuple[bool, float]:
        """Whether a node can serve a function, and the delay that counts."""
        state, params = self.system.state, self.system.params
        r, function, costs = state.rows[0], state.functions[0, q, k], self.system.costs
        kind, demand, device = int(function["kind"]), float(function["demand"]), state.device[0, v]
        node, instance = state.nodes[0, v], state.instances[0, v, kind]
        busy = int(np.ceil(demand * costs.busy[kind, device] * UNIT - 1e-6))
        wait_s = max(instance["ready_s"] - r["clock_s"], 0.0) if instance["running"] else costs.startup_s[kind]
        limit_s = params.workload.startup_budget_s
        possible = bool(node["up"]) and (limit_s is None or wait_s <= limit_s)
        possible &= bool(instance["running"]) or costs.memory[kind] <= node["memory"] / UNIT
        possible &= not (params.distinct and v in state.functions["node"][0, q, :k])
        delay_s = costs.call_s[kind, device] + (costs.fill_s[kind] / demand if demand else 0.0)
        if params.overload == "break":
            return possible, delay_s
        moment = float(node["moment"]) + costs.calls[kind] * demand * costs.call_s[kind, device] ** 2
        used = (state.cpu[0, v] - node["cpu"] + busy) / UNIT
        spare = np.ceil(self.substrate.cpu[v]) - used
        if moment > 0.0:
            delay_s += moment / (2.0 * spare) if spare > 0.0 else 10.0
        return possible and busy <= node["cpu"], delay_s

    def nodes(self) -> np.ndarray:
        """Which nodes can take the function that is asked for."""
        state, r = self.system.state, self.system.state.rows[0]
        q, k, here = int(r["request"]), int(r["position"]), int(r["here"])
        request, need = self.system.requests(0)[q], state.segments["bandwidth"][0, q]
        goal, free = int(request["destination"]), state.links["free"][0]
        found = np.zeros(len(self.substrate.nodes), bool)
        for v in range(len(found)):
            possible, inside_s = self.hosts(q, k, v)
            left_s = request["budget_s"] - r["spent_s"] - inside_s
            for links, delay_s in self.open_ways(here, v, int(need[k]), free) if possible else []:
                rest_s = left_s - delay_s
                if k + 1 < request["length"]:
                    found[v] |= bool(rest_s >= min(way for _, way in self.ways[v, goal]))
                    continue
                taken = free.copy()
                taken[links] -= need[k]
                found[v] |= any(way <= rest_s for _, way in self.open_ways(v, goal, int(need[k + 1]), taken))
        return found

    def paths(self) -> np.ndarray:
        """Which paths a segment can take that is led anew."""
        state, r, table = self.system.state, self.system.state.rows[0], self.substrate.paths
        q, s, here = int(r["flow"]), int(r["position"]), int(r["here"])
        request, need = self.system.requests(0)[q], int(state.segments["bandwidth"][0, q, s])
        head = int(request["destination"] if s == request["length"] else state.functions["node"][0, q, s])
        free, capacity = state.links["free"][0], state.bandwidth[0]
        open_ways = [tuple(links) for links, _ in self.open_ways(here, head, need, free)]
        found = np.zeros(table.hops.shape[2], bool)
        for j in np.flatnonzero(table.hops[here, head] >= 0):
            links = table.links_of(here, head, j)
            found[j] = tuple(links) in open_ways
            found[j] &= r["spent_s"] + self.substrate.delay_s[links].sum() <= request["budget_s"]
            if r["decision"] == RELIEVE:
                used = (capacity - free + need)[links]
                calm = (used <= np.floor(self.system.params.congestion.above * capacity[links])).all()
                found[j] &= calm and not state.links["congested"][0, links].any() and j != r["present"]
        return found


@settings(max_examples=60, deadline=None)
@given(
    graph=choice({"builder": "waxman", "nodes": 6, "beta": 0.7}, {"builder": "gabriel", "nodes": 8}),
    rule=rules(),
    workload=workloads(),
    seed=st.integers(0, 2**31),
)
def test_masks_forbid_exactly_what_brute_force_finds_infeasible(
    graph: dict[str, Any], rule: dict[str, Any], workload: dict[str, Any], seed: int
) -> None:
    values = {**merged(rule, workload), "candidates": None}
    memory = {"memory": (300, 600)}
    substrate = substrates_from_settings(
        SubstrateSettings.parse({**graph, **workload["substrate"], **memory, "paths": 64, "seed": seed % 4})
    )[0]
    system = system_of(values, substrate)
    system.begin(0, seed, {})
    judge, out, rng = BruteForce(system, substrate), Decisions.empty(system), np.random.default_rng(seed)
    system.observe(out)
    while not out.done[0]:
        expected = judge.nodes() if system.state.rows["decision"][0] == PLACE else judge.paths()
        allowed = out.mask[0, 1:].astype(bool)
        assert (allowed[: len(expected)] == expected[: len(allowed)]).all()
        assert not allowed[len(expected) :].any()
        assert system.state.rows["choices"][0] == expected.sum()
        system.step(random_actions(out, rng), np.ones(1, bool), out)
