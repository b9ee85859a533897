"""Networks of caches: replays of single nodes, theory, conservation laws and published orders."""

from __future__ import annotations

import itertools
from collections import Counter

import networkx as nx
import numpy as np
import pytest

from edgegym.envs.caching.cooperation import (
    STRATEGIES,
    CacheNetwork,
    cache_network,
    inner_routers,
    replay_network,
    separate_origins,
    share_evenly,
)
from edgegym.envs.caching.cooperation.run import places
from edgegym.envs.caching.replay import replay
from edgegym.envs.caching.state import HIT, NEIGHBOUR, ORIGIN
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.network.geant import great_circle_km
from edgegym.network.topology import TopologySettings, graph_from_settings, topology_from_settings
from edgegym.workload import theory
from edgegym.workload.generators import zipf, zipf_weights
from edgegym.workload.trace import RequestTrace

MEASURES = ("hit_ratio", "internal_load", "external_load")


def geant() -> nx.Graph:
    return separate_origins(graph_from_settings(TopologySettings(builder="geant")))


def tree() -> nx.Graph:
    """Three children each, three levels; the origin stands at the root."""
    graph = graph_from_settings(TopologySettings(builder="tree", branching=3, depth=3))
    graph.edges["router0", "origin"]["rtt_s"] = 0.0
    return graph


def study(graph: nx.Graph, total: int = 500) -> CacheNetwork:
    return cache_network(graph, share_evenly(total, [name for name in inner_routers(graph) if name != "router0"]))


def requests(network: CacheNetwork, seed: int, length: int = 90_000) -> RequestTrace:
    return zipf(length, 10_000, 0.8, seed, nodes=len(network.receivers))


def test_two_caches_in_a_line_by_hand() -> None:
    """User - a - b - origin, one content each: LCE fills both, LCD moves a content down one cache per request."""
    graph = nx.Graph()
    for name, role in {"user": "edge", "a": "router", "b": "router", "o": "origin"}.items():
        graph.add_node(name, role=role)
    for pair, ms in {("user", "a"): 2, ("a", "b"): 4, ("b", "o"): 20}.items():
        graph.add_edge(*pair, rtt_s=ms / 1e3, rate_bps=1e9)
    network = cache_network(graph, {"a": 1, "b": 1})
    trace = RequestTrace.from_arrays(np.array([0, 0, 0, 1, 0, 1]))
    everywhere = replay_network(trace, network, "LCE")
    assert everywhere.outcome.tolist() == [ORIGIN, HIT, HIT, ORIGIN, ORIGIN, ORIGIN]
    down = replay_network(trace, network, "LCD")
    assert down.outcome.tolist() == [ORIGIN, NEIGHBOUR, HIT, ORIGIN, HIT, NEIGHBOUR]
    np.testing.assert_allclose(down.latency_s, [0.026, 0.006, 0.002, 0.026, 0.002, 0.006])
    assert dict(zip(network.links, down.link_bytes.tolist(), strict=True)) == {
        ("user", "a"): 6,
        ("a", "b"): 4,
        ("b", "o"): 2,
    }
    assert (down.hit_ratio, down.local_hit_ratio, down.backhaul_bytes) == (4 / 6, 2 / 6, 2)
    assert (down.internal_load, down.external_load) == pytest.approx((10 / 6, 2 / 6))


def test_edge_is_lru_in_every_first_cache() -> None:
    graph = geant()
    network = study(graph)
    trace = requests(network, 3)
    result = replay_network(trace, network, "EDGE", seed=5)
    origin, _ = places(network, trace.contents, 5)
    first = np.full(len(trace), -1)
    for receiver, source in itertools.product(range(len(network.receivers)), network.origins):
        path, node = [], network.receivers[receiver]
        while node != source:
            node = network.routes.next_hop[node, source]
            path.append(network.routes.cache_at[node])
        first[(trace.node == receiver) & (origin[trace.content] == source)] = next((k for k in path if k >= 0), -1)
    hit = np.zeros(len(trace), bool)
    for k in range(len(network.capacity)):
        mine = np.flatnonzero(first == k)
        hit[mine] = replay(trace.content[mine], np.ones(trace.contents), int(network.capacity[k]), "LRU").hit
    assert hit.any()
    assert np.array_equal(result.outcome == HIT, hit)
    assert not np.any(result.outcome == NEIGHBOUR)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("graph", [geant(), tree()], ids=["geant", "tree"])
def test_links_carry_what_users_ask_and_origins_give(graph: nx.Graph, strategy: str) -> None:
    network = study(graph)
    trace = requests(network, 1, 20_000)
    result = replay_network(trace, network, strategy, seed=1, warmup=5_000)
    load = dict(zip(network.links, result.link_bytes.tolist(), strict=True))
    asked = np.bincount(trace.node[5_000:], minlength=len(network.receivers))
    for receiver, count in zip(network.receivers, asked, strict=True):
        (access,) = [bytes for link, bytes in load.items() if network.nodes[receiver] in link]
        assert access == count
    assert result.external_load == pytest.approx(1 - result.hit_ratio)
    assert result.backhaul_bytes == np.count_nonzero(result.outcome[5_000:] == ORIGIN)
    assert result.link_load.sum() == pytest.approx(result.internal_load + result.external_load)
    assert 0 <= result.local_hit_ratio <= result.hit_ratio < 1


def test_routes_are_shortest() -> None:
    graph = geant()
    network = study(graph)
    distance = dict(nx.all_pairs_dijkstra_path_length(_with_card_delays(graph), weight="rtt_s"))
    for a, b in itertools.product(range(len(network.nodes)), repeat=2):
        node, walked_s = a, 0.0
        while node != b:
            step = network.routes.next_hop[node, b]
            walked_s += network.routes.link_delay_s[network.routes.link[node, step]]
            node = step
        assert walked_s == pytest.approx(distance[network.nodes[a]][network.nodes[b]] / 2, abs=1e-11)
        assert network.routes.distance_s[a, b] == pytest.approx(walked_s, abs=1e-11)


def _with_card_delays(graph: nx.Graph) -> nx.Graph:
    wan_s = topology_from_settings(TopologySettings()).rtt_s[0, 1]
    for _, _, data in graph.edges(data=True):
        data.setdefault("rtt_s", wan_s)
    return graph


def test_the_published_order_on_geant() -> None:
    network = study(geant())
    found: dict[str, list[float]] = {}
    for strategy in ("No cache", "EDGE", "LCE", "LCD", "ProbCache", "Hash routing"):
        runs = [replay_network(requests(network, s), network, strategy, s, 30_000) for s in range(3)]
        found[strategy] = [float(np.mean([getattr(run, name) for run in runs])) for name in MEASURES]
    hit, internal, external = (dict(zip(found, column, strict=True)) for column in zip(*found.values(), strict=True))
    assert hit["EDGE"] + 0.03 < hit["LCE"]
    assert hit["LCE"] + 0.03 < min(hit["LCD"], hit["ProbCache"])
    assert abs(hit["LCD"] - hit["ProbCache"]) < 0.03
    assert max(hit["LCD"], hit["ProbCache"]) + 0.05 < hit["Hash routing"]
    assert min(external, key=external.__getitem__) == "Hash routing"
    assert internal["Hash routing"] > 1.1 * internal["No cache"]


def test_hash_routing_in_a_tree_costs_the_latency_that_theory_says() -> None:
    """A home is 47/12 links from a user and 21/12 from the root on average; without caches the root is 3 links away."""
    network = study(tree(), 600)
    trace = requests(network, 2)
    plain, hashed = (replay_network(trace, network, name, 2, 30_000) for name in ("No cache", "Hash routing"))
    expected = (47 / 12 + (1 - hashed.hit_ratio) * 21 / 12) / 3
    assert hashed.mean_latency_s / plain.mean_latency_s == pytest.approx(expected, rel=0.02)
    assert expected > 1.6


def test_hit_ratios_follow_the_che_approximation() -> None:
    """Hash routing acts as one LRU cache of the total capacity; a leaf's router, under EDGE, as one of its own."""
    network = study(tree(), 600)
    trace, popularity = zipf(300_000, 10_000, 0.8, 4, nodes=27), zipf_weights(10_000, 0.8)
    for strategy, capacity in (("Hash routing", 600), ("EDGE", 50)):
        result = replay_network(trace, network, strategy, 4, 100_000)
        assert result.hit_ratio == pytest.approx(theory.lru(popularity, capacity).hit_ratio, abs=0.01), strategy


def test_geant_is_the_map_of_2012() -> None:
    graph = graph_from_settings(TopologySettings(builder="geant"))
    roles = Counter(role for _, role in graph.nodes(data="role"))
    assert roles == {"edge": 8, "router": 32, "origin": 1}
    assert graph.number_of_edges() == 61 + 13
    assert len(inner_routers(graph)) == 19
    assert graph.edges["uk", "is"]["rtt_s"] == pytest.approx(2 * 1890 * 1.468 / 299_792, rel=0.01)
    assert great_circle_km(0, 0, 0, 90) == pytest.approx(6371 * np.pi / 2)
    topology = topology_from_settings(TopologySettings(builder="geant"))
    assert len(topology.edge) == 8
    same = topology_from_settings(TopologySettings(builder="geant", edge_link="metro_fibre_50km"))
    assert same.rtt_s[:40, :40].max() < topology.rtt_s[:40, :40].max()


def test_origins_are_one_per_gateway() -> None:
    network = study(geant())
    assert len(network.origins) == 13 == network.external.sum()
    origin, home = places(network, 50_000, 0)
    assert np.bincount(origin, minlength=len(network.nodes))[network.origins] == pytest.approx(50_000 / 13, rel=0.1)
    assert np.bincount(home) / 50_000 == pytest.approx(network.capacity / 500, rel=0.1)


def test_shares_add_up() -> None:
    assert share_evenly(500, "abc") == {"a": 167, "b": 167, "c": 166}


def test_errors_name_what_is_wrong() -> None:
    graph, trace = tree(), zipf(100, 10, 0.8, 0, nodes=30)
    network = study(graph)
    for arguments, message in (
        ((trace, network, "LCX"), "unknown strategy 'LCX'.*Did you mean 'LC"),
        ((trace, network, "LCE"), "requests at .* nodes, but 27 receivers"),
        ((zipf(100, 10, 0.8, 0), network, "LCE", 0, 100), "warmup: 100 requests found; 0 to 99"),
    ):
        with pytest.raises(EdgeGymError, match=message):
            replay_network(*arguments)
    for capacity in ({}, {"origin": 5}, {"router1": 0}, {"router99": 5}):
        with pytest.raises(SettingsError, match="cache network"):
            cache_network(graph, capacity)
    graph.add_node("router1", role="roter")
    with pytest.raises(SettingsError, match="node 'router1': role 'roter' found; edge, origin, router"):
        cache_network(graph, {"router2": 5})
