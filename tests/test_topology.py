"""Topologies: against networkx and an exhaustive search, the builders, graph files, and what a wrong one says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.cards import LinkCard, Provenance, load_card, save_card
from edgegym.errors import SettingsError
from edgegym.network.topology import Topology, TopologySettings, compile_topology, topology_from_settings


@st.composite
def networks(draw: st.DrawFn, nodes: int, rtt_s: st.SearchStrategy[float]) -> nx.Graph:
    """A connected graph with a random origin, at least one edge node, and random links."""
    n = draw(st.integers(2, nodes))
    roles = [draw(st.sampled_from(["edge", "router"])) for _ in range(n)]
    origin = draw(st.integers(0, n - 1))
    roles[origin - 1], roles[origin] = "edge", "origin"
    graph = nx.Graph()
    for i, role in enumerate(roles):
        graph.add_node(f"n{i}", role=role)
    pairs = {(draw(st.integers(0, i - 1)), i) for i in range(1, n)}
    pairs |= {pair for pair in itertools.combinations(range(n), 2) if draw(st.booleans())}
    for a, b in sorted(pairs):
        graph.add_edge(f"n{a}", f"n{b}", rtt_s=draw(rtt_s), rate_bps=draw(st.sampled_from([1e6, 1e7, 1e8, 1e9])))
    return graph


def best_path(graph: nx.Graph, start: str, end: str) -> tuple[int, int, float]:
    """Round trip in ms, hops and minus the rate of the best of all simple paths."""
    found = []
    for path in nx.all_simple_paths(graph, start, end):
        links = [graph.edges[pair] for pair in itertools.pairwise(path)]
        rtt_ms = sum(round(1e3 * link["rtt_s"]) for link in links)
        found.append((rtt_ms, len(links), -min(link["rate_bps"] for link in links)))
    return min(found)


@settings(max_examples=60, deadline=None)
@given(networks(6, st.integers(0, 4).map(lambda ms: ms / 1e3)))
def test_paths_are_the_best_of_all_paths(graph: nx.Graph) -> None:
    """Round trips of few whole milliseconds, so that ties are common."""
    topology = compile_topology(graph)
    for (i, a), (j, b) in itertools.permutations(enumerate(topology.nodes), 2):
        rtt_ms, hops, minus_rate = best_path(graph, a, b)
        assert topology.rtt_s[i, j] == rtt_ms / 1e3
        assert topology.hops[i, j] == hops
        assert topology.rate_bps[i, j] == -minus_rate


@settings(max_examples=40, deadline=None)
@given(networks(12, st.floats(1e-6, 0.5)))
def test_round_trips_equal_networkx_and_arrays_are_symmetric(graph: nx.Graph) -> None:
    topology = compile_topology(graph)
    for i, a in enumerate(topology.nodes):
        lengths = nx.single_source_dijkstra_path_length(graph, a, weight="rtt_s")
        # Every link is rounded to a picosecond.
        np.testing.assert_allclose(topology.rtt_s[i], [lengths[b] for b in topology.nodes], rtol=0, atol=12e-12)
    for array in (topology.rtt_s, topology.rate_bps, topology.hops):
        np.testing.assert_array_equal(array, array.T)
    assert np.all(np.diag(topology.rtt_s) == 0)
    assert np.all(np.isinf(np.diag(topology.rate_bps)))
    assert np.all(np.diag(topology.hops) == 0)


@settings(max_examples=60, deadline=None)
@given(networks(8, st.integers(0, 3).map(lambda ms: ms / 1e3)))
def test_nearest_sorts_the_other_edge_nodes(graph: nx.Graph) -> None:
    topology = compile_topology(graph)
    edges = len(topology.edge)
    assert topology.nearest.shape == (edges, edges - 1)
    for i, row in enumerate(topology.nearest):
        others = [j for j in range(edges) if j != i]
        expected = sorted(others, key=lambda j: (topology.rtt_s[topology.edge[i], topology.edge[j]], j))
        assert row.tolist() == expected


def test_the_default_is_one_edge_node_before_the_wide_area_network() -> None:
    topology = topology_from_settings(TopologySettings())
    card = load_card("wan_us_west", "link")
    assert topology.nodes == ("edge0", "origin")
    assert (topology.edge.tolist(), topology.origin) == ([0], 1)
    assert topology.rtt_s[0, 1] == card.rtt_s
    assert topology.rate_bps[0, 1] == card.rate_bps
    assert topology.nearest.shape == (1, 0)


def test_a_cluster_joins_its_edge_nodes_and_each_to_the_origin() -> None:
    topology = topology_from_settings(TopologySettings(builder="edge_cluster"))
    metro, wan = load_card("metro_fibre_50km", "link"), load_card("wan_us_west", "link")
    edge = topology.edge
    assert len(edge) == 4
    between = topology.rtt_s[np.ix_(edge, edge)][~np.eye(4, dtype=bool)]
    assert np.all(between == metro.rtt_s)
    assert np.all(topology.rtt_s[edge, topology.origin] == wan.rtt_s)
    assert np.all(topology.rate_bps[edge, topology.origin] == wan.rate_bps)


@pytest.mark.parametrize(("nodes", "farthest"), [(1, 0), (2, 1), (3, 1), (6, 3), (7, 3)])
def test_a_ring_is_as_wide_as_half_its_nodes(nodes: int, farthest: int) -> None:
    topology = topology_from_settings(TopologySettings(builder="edge_cluster", nodes=nodes, shape="ring"))
    assert topology.hops[np.ix_(topology.edge, topology.edge)].max() == farthest


@pytest.mark.parametrize(("branching", "depth"), [(2, 1), (2, 3), (3, 2), (1, 4)])
def test_in_a_tree_the_leaves_are_the_edge_nodes(branching: int, depth: int) -> None:
    topology = topology_from_settings(TopologySettings(builder="tree", branching=branching, depth=depth))
    metro, wan = load_card("metro_fibre_50km", "link"), load_card("wan_us_west", "link")
    assert len(topology.edge) == branching**depth
    assert np.all(topology.hops[topology.edge, topology.origin] == depth + 1)
    # Every link is rounded to a picosecond.
    np.testing.assert_allclose(
        topology.rtt_s[topology.edge, topology.origin], wan.rtt_s + depth * metro.rtt_s, atol=depth * 1e-12
    )
    assert np.all(topology.rate_bps[topology.edge, topology.origin] == min(wan.rate_bps, metro.rate_bps))


@pytest.mark.parametrize("builder", ["single_edge", "edge_cluster", "tree"])
def test_settings_survive_writing_and_are_hashable(builder: Any) -> None:
    chosen = TopologySettings(builder=builder)
    assert TopologySettings.parse(json.loads(chosen.model_dump_json())) == chosen
    assert hash(chosen) == hash(TopologySettings(builder=builder))


def test_arrays_are_read_only() -> None:
    topology = topology_from_settings(TopologySettings())
    with pytest.raises(ValueError, match="read-only"):
        topology.rtt_s[0, 0] = 1.0


def own_graph() -> nx.Graph:
    graph = nx.Graph()
    graph.add_node("cloud", role="origin")
    graph.add_node("a", role="edge", storage_gb=3, device="pi4")
    graph.add_node("b", role="edge")
    graph.add_edge("cloud", "a", link="wan_us_east", length_km=4000.5)
    graph.add_edge("a", "b", rtt_s=0.002, rate_bps=5e8)
    return graph


def check_own(topology: Topology) -> None:
    wan = load_card("wan_us_east", "link")
    index = {name: i for i, name in enumerate(topology.nodes)}
    assert topology.rtt_s[index["b"], topology.origin] == pytest.approx(wan.rtt_s + 0.002, abs=1e-12)
    assert topology.rate_bps[index["b"], topology.origin] == 5e8
    assert topology.graph.nodes["a"] == {"role": "edge", "storage_gb": 3, "device": "pi4"}
    assert topology.graph.edges["cloud", "a"]["length_km"] == 4000.5


def test_a_graph_from_json(tmp_path: Path) -> None:
    for key in ("edges", "links"):
        file = tmp_path / f"{key}.json"
        file.write_text(json.dumps(nx.node_link_data(own_graph(), edges=key)))
        check_own(topology_from_settings(TopologySettings(builder="file", path=str(file))))


def test_a_graph_from_graphml(tmp_path: Path) -> None:
    file = tmp_path / "net.graphml"
    nx.write_graphml(own_graph(), file)
    check_own(topology_from_settings(TopologySettings(builder="file", path=str(file))))


def test_a_link_card_beside_the_graph_file(tmp_path: Path) -> None:
    card = LinkCard(name="lab", provenance=Provenance(source="a test"), rtt_s=0.003, rate_bps=2e6)
    save_card(card, tmp_path / "cards" / "lab.yaml")
    graph = own_graph()
    graph.edges["cloud", "a"]["link"] = "cards/lab.yaml"
    file = tmp_path / "net.json"
    file.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
    topology = topology_from_settings(TopologySettings(builder="file", path=str(file)))
    assert topology.rtt_s[topology.edge[0], topology.origin] == 0.003


def test_a_number_on_the_edge_overrides_its_card() -> None:
    graph = own_graph()
    graph.edges["cloud", "a"]["rtt_s"] = 0.5
    topology = compile_topology(graph)
    assert topology.rtt_s[0, 1] == 0.5
    assert topology.rate_bps[0, 1] == load_card("wan_us_east", "link").rate_bps


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"builder": "star"}, "builder: "),
        ({"nodes": 4}, "nodes does not apply to builder 'single_edge'.*edge_cluster"),
        ({"builder": "tree", "nodes": 4}, "nodes does not apply to builder 'tree'"),
        ({"builder": "edge_cluster", "nodes": 0}, "nodes: .*greater than or equal to 1"),
        ({"builder": "edge_cluster", "edge_lnk": "x"}, "edge_lnk: unknown key.*'edge_link'"),
        ({"builder": "tree", "branching": 10, "depth": 10**9}, "more than 4096 nodes"),
        ({"builder": "file"}, "needs path"),
        ({"builder": "file", "path": "net.csv"}, "unknown file type.*json"),
        ({"builder": "file", "path": "nowhere.json"}, r"topology\.path: nowhere\.json: cannot be read"),
        ({"origin_link": "wan_us_wst"}, r"topology\.origin_link: .*Did you mean 'wan_us_west'"),
        ({"builder": "edge_cluster", "edge_link": "no.yaml"}, r"topology\.edge_link: no\.yaml: cannot be read"),
    ],
)
def test_wrong_settings_name_the_field(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        topology_from_settings(TopologySettings.parse(values))


def changed(**change: Any) -> nx.Graph:
    graph = own_graph()
    for name, value in change.items():
        if name == "drop":
            del graph.nodes["b"]["role"]
        elif name == "role":
            graph.nodes["b"]["role"] = value
        elif name == "alone":
            graph.add_node("c", role="edge")
        else:
            graph.edges["a", "b"][name] = value
    return graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (changed(drop=True), "node 'b': no role.*edge, origin, router"),
        (changed(role="edg"), "node 'b': unknown role 'edg'.*Did you mean 'edge'"),
        (changed(role="origin"), "2 nodes have the role 'origin'"),
        (changed(alone=True), "node 'c' has no path to the origin 'cloud'"),
        (changed(rtt_s=-1.0), "edge 'a' - 'b': rtt_s: .*-1.0"),
        (changed(rtt_s="fast"), "edge 'a' - 'b': rtt_s: .*'fast'"),
        (changed(rate_bps=0), "edge 'a' - 'b': rate_bps: "),
        (changed(link="wan_us"), "edge 'a' - 'b': link: unknown link card 'wan_us'"),
        (nx.DiGraph(own_graph()), "undirected"),
        (nx.MultiGraph(own_graph()), "parallel"),
    ],
)
def test_a_wrong_graph_names_node_or_edge(graph: nx.Graph, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        compile_topology(graph)


def test_an_edge_without_figures_asks_for_a_card() -> None:
    graph = own_graph()
    del graph.edges["a", "b"]["rate_bps"]
    with pytest.raises(SettingsError, match="edge 'a' - 'b': give it a link"):
        compile_topology(graph)


def test_no_edge_node() -> None:
    graph = nx.Graph()
    graph.add_node("cloud", role="origin")
    with pytest.raises(SettingsError, match="no node has the role 'edge'"):
        compile_topology(graph)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("net.json", "{"),
        ("net.json", "[1]"),
        ("net.json", '{"nodes": [{"x": 1}], "edges": []}'),
        ("net.json", '{"nodes": 3, "edges": []}'),
        ("net.graphml", "<graphml"),
        ("net.graphml", "<html></html>"),
        ("net.json", '{"directed": true, "nodes": [{"id": 1}], "edges": []}'),
    ],
)
def test_a_damaged_graph_file_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=rf"topology\.path: .*{name}: "):
        topology_from_settings(TopologySettings(builder="file", path=str(tmp_path / name)))
