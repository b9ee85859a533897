"""Substrates: generators against their definitions, tables of paths against networkx, facts, and mistakes."""

from __future__ import annotations

import json
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from edgegym.errors import SettingsError
from edgegym.network.substrates import SubstrateSettings, compile_substrate, substrates_from_settings
from edgegym.network.substrates.generators import gabriel_graph, waxman_graph
from edgegym.network.substrates.paths import DETOUR
from edgegym.network.substrates.settings import substrate_graph


def settings_of(**values: Any) -> SubstrateSettings:
    return SubstrateSettings.parse(values)


@pytest.mark.parametrize(
    "values",
    [{"nodes": 30}, {"builder": "gabriel", "nodes": 30}, {"builder": "hierarchical"}, {"builder": "nsfnet"}],
)
def test_paths_are_the_shortest_simple_ones(values: dict[str, Any]) -> None:
    settings = settings_of(**values)
    graph = substrate_graph(settings, settings.seed)
    substrate = compile_substrate(graph, settings.paths)
    names, paths = list(graph), substrate.paths
    rng = np.random.default_rng(0)
    for a, b in rng.integers(len(names), size=(40, 2)):
        if a == b:
            assert paths.hops[a, b].tolist() == [0] + [-1] * (settings.paths - 1)
            continue
        expected = [len(path) - 1 for path in islice(nx.shortest_simple_paths(graph, names[a], names[b]), 10)]
        expected = [hops for hops in expected if hops <= expected[0] + DETOUR]
        assert [int(hops) for hops in paths.hops[a, b] if hops >= 0] == expected
        seen = set()
        for j, hops in enumerate(expected):
            links = paths.links_of(a, b, j)
            part = nx.Graph([tuple(substrate.ends[link]) for link in links])
            # Exactly the links of one simple path from a to b, each path once.
            assert len(set(links)) == hops == nx.shortest_path_length(part, a, b)
            assert substrate.delay_s[links].sum() == pytest.approx(paths.delay_s[a, b, j])
            assert paths.delay_s[a, b, j] == paths.delay_s[b, a, j]
            assert links.tolist() == paths.links_of(b, a, j).tolist()[::-1]
            assert a in substrate.ends[links[0]]
            seen.add(tuple(sorted(links)))
        assert len(seen) == len(expected)


def test_waxman_links_are_as_many_as_expected_and_gabriel_follows_its_definition() -> None:
    rng = np.random.default_rng(3)
    counts, expected = [], []
    for _ in range(20):
        state = rng.bit_generator.state
        counts.append(waxman_graph(100, 0.5, 0.2, 1.0, rng).number_of_edges())
        again = np.random.default_rng()
        again.bit_generator.state = state
        x, y = again.random((100, 2)).T
        km = np.hypot(x[:, None] - x, y[:, None] - y)
        expected.append((0.2 * np.exp(-km / (0.5 * km.max())))[np.triu_indices(100, 1)].sum())
    assert np.mean(counts) == pytest.approx(np.mean(expected), abs=4 * np.sqrt(500 / 20))
    position = np.random.default_rng(5).random((25, 2)) * 10.0
    graph = gabriel_graph(25, 10.0, np.random.default_rng(5))
    for a in range(25):
        for b in range(a + 1, 25):
            centre, radius = (position[a] + position[b]) / 2, np.hypot(*(position[a] - position[b])) / 2
            empty = all(np.hypot(*(position[c] - centre)) >= radius for c in range(25) if c not in (a, b))
            assert graph.has_edge(f"n{a}", f"n{b}") == empty


def test_reference_networks_and_capacities() -> None:
    abilene = substrates_from_settings(settings_of(builder="abilene"))[0]
    assert (len(abilene.nodes), len(abilene.ends)) == (11, 14)
    nsfnet = substrates_from_settings(settings_of(builder="nsfnet"))[0]
    assert (len(nsfnet.nodes), len(nsfnet.ends)) == (14, 21)
    first, second = substrates_from_settings(settings_of(nodes=20, networks=2, seed=4))
    again = substrates_from_settings(settings_of(nodes=20, seed=5))[0]
    assert (second.cpu == again.cpu).all()
    assert (second.ends == again.ends).all()
    assert not np.array_equal(first.cpu, second.cpu)
    assert second.cpu.min() >= 50
    assert second.bandwidth.max() <= 100
    sparse = substrates_from_settings(settings_of(nodes=12, beta=0.01))[0]
    assert (sparse.paths.hops[:, :, 0] >= 0).all()


def write(path: Path, nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> str:
    path.write_text(json.dumps({"nodes": nodes, "edges": edges}))
    return str(path)


def test_mistakes_are_named(tmp_path: Path) -> None:
    a, b, c = ({"id": name, "cpu": 1.0} for name in "abc")
    ab = {"source": "a", "target": "b", "bandwidth": 1.0, "delay_s": 0.001}
    given = {"builder": "file", "cpu": None, "bandwidth": None}
    for nodes, edges, match in (
        ([a, b, c], [ab], "'c' has no path to 'a'"),
        ([a, {"id": "b"}], [ab], "node 'b': no cpu"),
        ([a, b], [{**ab, "delay_s": -1}], "delay_s: a finite number"),
        ([a, b], [{"source": "a", "target": "b", "km": 1.0}], "no bandwidth"),
        ([a, b], [{"source": "a", "target": "b", "bandwidth": 1.0}], "no delay_s and no km"),
    ):
        path = write(tmp_path / "graph.json", nodes, edges)
        with pytest.raises(SettingsError, match=match):
            compile_substrate(substrate_graph(settings_of(path=path, **given), 0), 3)
    with pytest.raises(SettingsError, match="needs path"):
        settings_of(builder="file")
    with pytest.raises(SettingsError, match="low <= high"):
        settings_of(cpu=(10, 5))


def test_trees_hold_each_beginning_of_a_path_once() -> None:
    substrate = substrates_from_settings(settings_of(builder="gabriel", nodes=30, paths=4))[0]
    paths = substrate.paths
    for a in range(30):
        beginnings = {()}
        for b, j in np.argwhere(paths.hops[a] > 0):
            links = tuple(paths.links_of(a, b, j).tolist())
            beginnings |= {links[: i + 1] for i in range(len(links))}
        size = int(paths.leaf[a].max()) + 1
        assert size <= len(beginnings)
        # Vertex numbers rise along a path, so that all is known of a parent before its children.
        assert (paths.parent[a, 1 : len(beginnings)] < np.arange(1, len(beginnings))).all()
        assert (paths.link[a, len(beginnings) :] == 0).all()


INVENTED: dict[str, Any] = {
    "directed": False,
    "multigraph": False,
    "graph": {
        "name": "tiny",
        "demands": {"0": {"1": 12.5, "2": 3.0}, "1": {"0": 4.0}, "2": {}},
        "stats": {"nodes": 3, "links": 3, "avg_degree": 2.0},
    },
    "nodes": [
        {"name": "Here", "pos": [8.5, 47.4], "id": 0},
        {"name": "There", "pos": [9.5, 47.4], "id": 1},
        {"name": "Nowhere", "pos": [9.0, 48.4], "id": 2},
    ],
    "edges": [
        {"dist": 204.0, "ecmp_fwd": {"uni": 40.0}, "ecmp_bwd": {"uni": 60.0}, "source": 0, "target": 1},
        {"dist": 102.0, "ecmp_fwd": {"uni": 10.0}, "ecmp_bwd": {"uni": 10.0}, "source": 1, "target": 2},
        {"dist": 51.0, "ecmp_fwd": {"uni": 10.0}, "ecmp_bwd": {"uni": 10.0}, "source": 0, "target": 2},
    ],
}
"""An invented network in the format that topohub documents."""


def test_topohub_is_optional_and_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(builder="topohub", name="sndlib/tiny")
    monkeypatch.setitem(sys.modules, "topohub", None)
    with pytest.raises(SettingsError, match="pip install topohub"):
        substrates_from_settings(settings)
    module: Any = type(sys)("topohub")
    stored = {
        "sndlib/tiny": INVENTED,
        "sndlib/alike": {**INVENTED, "nodes": [{"name": "R", "id": i} for i in range(3)]},
    }
    module.get = lambda name: json.loads(json.dumps(stored[name]))
    monkeypatch.setitem(sys.modules, "topohub", module)
    substrate = substrates_from_settings(settings)[0]
    assert substrate.nodes == ("Here", "There", "Nowhere")
    assert substrate.ends.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert substrate.delay_s == pytest.approx([0.001, 0.00025, 0.0005], rel=0.03)
    assert (substrate.cpu >= 50).all()
    # Names that several nodes have tell none of them apart.
    assert substrates_from_settings(settings_of(builder="topohub", name="sndlib/alike"))[0].nodes == ("0", "1", "2")
    with pytest.raises(SettingsError, match=r"no topology 'sndlib/none'.*gabriel/25/0"):
        substrates_from_settings(settings_of(builder="topohub", name="sndlib/none"))
    with pytest.raises(SettingsError, match="node 'Here': no cpu"):
        substrates_from_settings(settings_of(builder="topohub", name="sndlib/tiny", cpu=None))


@pytest.mark.parametrize(
    ("name", "nodes", "links"), [("sndlib/abilene", 12, 15), ("sndlib/germany50", 50, 88), ("gabriel/25/0", 25, None)]
)
def test_networks_of_the_real_package(name: str, nodes: int, links: int | None) -> None:
    pytest.importorskip("topohub", reason="the optional package topohub is not installed")
    substrate = substrates_from_settings(settings_of(builder="topohub", name=name, paths=3))[0]
    assert len(substrate.nodes) == nodes
    assert links is None or len(substrate.ends) == links
    assert (substrate.delay_s > 0.0).all()
