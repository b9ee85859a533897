"""Every strategy of a network of caches against a naive simulation on random graphs."""

from __future__ import annotations

import itertools
from collections import Counter, OrderedDict

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.decision.draws import below, uniform
from edgegym.envs.caching.capacity import Unit
from edgegym.envs.caching.cooperation import STRATEGIES, CacheNetwork, cache_network, replay_network
from edgegym.envs.caching.cooperation.run import places
from edgegym.envs.caching.state import HIT, NEIGHBOUR, ORIGIN
from edgegym.workload.trace import RequestTrace


class Naive:
    """The same network in plain Python: paths from networkx, caches that are ordered dictionaries, oldest use first."""

    def __init__(self, graph: nx.Graph, network: CacheNetwork, size: list[int], strategy: str, seed: int) -> None:
        self.graph, self.network, self.size, self.strategy, self.seed = graph, network, size, strategy, seed
        self.cache_of = {network.nodes[n]: k for k, n in enumerate(network.routes.cache_node)}
        self.capacity = {name: int(network.capacity[k]) for name, k in self.cache_of.items()}
        self.cached: dict[str, OrderedDict[int, int]] = {name: OrderedDict() for name in self.cache_of}
        origin, home = places(network, len(size), seed)
        self.origin = [network.nodes[n] for n in origin]
        self.home = [network.nodes[network.routes.cache_node[k]] for k in home]
        self.centrality = nx.betweenness_centrality(graph, weight="rtt_s")
        self.carried: Counter[frozenset[str]] = Counter()

    def path(self, a: str, b: str) -> list[str]:
        return nx.shortest_path(self.graph, a, b, weight="rtt_s")

    def delay_s(self, path: list[str]) -> float:
        return sum(self.graph.edges[pair]["rtt_s"] / 2 for pair in itertools.pairwise(path))

    def admit(self, name: str, x: int) -> None:
        cache, need = self.cached[name], self.size[x] if self.network.unit == "bytes" else 1
        if x in cache or need > self.capacity[name]:
            return
        while sum(cache.values()) + need > self.capacity[name]:
            cache.popitem(last=False)
        cache[x] = need

    def route(self, user: str, x: int) -> list[str]:
        shortest = self.path(user, self.origin[x])
        if self.strategy.startswith("Hash"):
            return self.path(user, self.home[x]) + self.path(self.home[x], self.origin[x])[1:]
        if not self.strategy.startswith(("Look-up", "Nearest")):
            return shortest
        local = next((i for i, name in enumerate(shortest) if name in self.cached), None)
        if local is None:
            return shortest
        ways = [self.path(shortest[local], name) for name in self.cached if x in self.cached[name]]
        return shortest[:local] + min([*ways, shortest[local:]], key=self.delay_s)

    def serve(self, t: int, user: str, x: int) -> tuple[int, float]:
        route, origin = self.route(user, x), self.origin[x]
        asked = [i for i, name in enumerate(route) if name in self.cached]
        asked = asked[:1] if self.strategy == "EDGE" else asked
        found = [i for i in asked if x in self.cached[route[i]]] + [i for i, name in enumerate(route) if name == origin]
        back = route[: min(found) + 1][::-1]
        latency_s = 2 * self.delay_s(back)
        from_origin = back[0] == origin
        if not from_origin:
            self.cached[back[0]].move_to_end(x)
        elif self.strategy.endswith(("asymmetric", "multicast")):
            latency_s = self.delay_s(back) + self.delay_s(self.path(origin, user))
            back = self.path(user, origin)[::-1]
        on_way = [name for name in back[1:] if name in self.cached]
        links = {frozenset(pair) for pair in itertools.pairwise(back)}
        for pair in itertools.pairwise(back):
            self.carried[frozenset(pair)] += self.size[x]
        self.copy(t, x, on_way, from_origin)
        if from_origin and self.strategy.endswith("multicast"):
            for pair in itertools.pairwise(self.path(self.home[x], origin)):
                if frozenset(pair) not in links:
                    self.carried[frozenset(pair)] += self.size[x]
            self.admit(self.home[x], x)
        return (ORIGIN if from_origin else NEIGHBOUR if on_way else HIT), latency_s

    def copy(self, t: int, x: int, on_way: list[str], from_origin: bool) -> None:
        draw = t * (3 * len(self.network.nodes) + 1)
        c = len(on_way)
        for i, name in enumerate(on_way, 1):
            ahead = sum(self.capacity[other] for other in on_way[i - 1 :])
            keeps = {
                "No cache": False,
                "LCE": True,
                "Nearest replica": True,
                "EDGE": i == c,
                "Look-up, copy": i == c,
                "Look-up, no copy": i == c and from_origin,
                "LCD": i == 1,
                "CL4M": i == max(range(1, c + 1), key=lambda j: (self.centrality[on_way[j - 1]], j)),
                "Random choice": i == 1 + below(self.seed, draw, c),
                "ProbCache": uniform(self.seed, draw + i) < ahead / (10 * self.capacity[name]) * i / c,
                "Hash routing, edge copy": name == self.home[x] or i == c,
            }
            if keeps.get(self.strategy, name == self.home[x]):
                self.admit(name, x)


def random_graph(rng: np.random.Generator) -> nx.Graph:
    """A connected graph with one or two origins, an edge node, and delays that leave no ties."""
    n = int(rng.integers(4, 9))
    graph = nx.Graph()
    roles = ["origin", rng.choice(["origin", "router"]), "edge", *rng.choice(["edge", "router"], n - 3)]
    for i, role in enumerate(rng.permutation(roles)):
        graph.add_node(f"n{i}", role=str(role))
    pairs = [(int(rng.integers(i)), i) for i in range(1, n)] + [tuple(rng.choice(n, 2, False)) for _ in range(n // 2)]
    for a, b in pairs:
        graph.add_edge(f"n{a}", f"n{b}", rtt_s=round(float(rng.uniform(1e-3, 0.1)), 12), rate_bps=1e9)
    return graph


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_strategy_equals_its_naive_simulation(strategy: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng)
    sites = [node for node, role in graph.nodes(data="role") if role != "origin"]
    unit: Unit = "bytes" if rng.random() < 0.5 else "objects"
    most = 12 if unit == "bytes" else 4
    kept = rng.permutation(sites)[: rng.integers(1, len(sites) + 1)]
    network = cache_network(graph, {str(name): int(rng.integers(1, most)) for name in kept}, unit)
    size = rng.integers(1, 6, 12)
    content = rng.integers(0, 12, 150)
    node = rng.integers(0, len(network.receivers), 150)
    trace = RequestTrace.from_arrays(content, size=size[content], node=node)
    result = replay_network(trace, network, strategy, seed, warmup=0)
    naive = Naive(graph, network, trace.size.tolist(), strategy, seed)
    for t, (x, n) in enumerate(zip(trace.content.tolist(), trace.node, strict=True)):
        outcome, latency_s = naive.serve(t, network.nodes[network.receivers[n]], x)
        assert result.outcome[t] == outcome, t
        assert result.latency_s[t] == pytest.approx(latency_s), t
    carried = [naive.carried[frozenset(pair)] for pair in network.links]
    assert result.link_bytes.tolist() == carried
