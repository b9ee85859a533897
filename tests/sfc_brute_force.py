"""What is feasible in network functions, by trying everything."""

from __future__ import annotations

from itertools import pairwise

import networkx as nx
import numpy as np

from edgegym.envs.network_functions.state import RELIEVE, UNIT
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.network.substrates import Substrate


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
