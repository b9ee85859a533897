"""The network between sites: hops and delays of paths against networkx, shapes, errors, and the energy of transfers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import yaml

from edgegym.cards import load_card
from edgegym.cards.work import Work
from edgegym.envs.user_migration.backhaul import BackhaulSettings, GraphBackhaul, backhaul_of
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.mobility.hex_plane import disc, hops
from edgegym.mobility.sites import Sites, hex_layout, rounded_hops

METRO, WAN = "metro_fibre_50km", "wan_us_east"
SMALL: dict[str, Any] = {"workload": {"kind": "city", "users": 8, "slots": 6, "rings": 1}}


def system_of(**changes: Any) -> UserMigrationSystem:
    return UserMigrationSystem(UserMigrationParams.parse({**SMALL, **changes}))


def graph_of(sites: Sites, **settings: Any) -> np.ndarray:
    found: BackhaulSettings = GraphBackhaul.parse({"kind": "graph", **settings})
    return backhaul_of(found, sites, sites.metres, 1.0, METRO, lambda name: load_card(name, "link").rtt_s).hops


def test_without_a_graph_hops_are_straight_distances() -> None:
    system = system_of()
    assert np.array_equal(system.backhaul.hops, rounded_hops(system.source.xy, 500.0))


def test_gabriel_links_of_hexagons_join_neighbours() -> None:
    cells = disc(3)
    found = graph_of(Sites.of_metres(hex_layout(3, 500.0)))
    assert np.array_equal(found, hops(cells[:, None] - cells))


def test_paths_are_those_of_networkx_with_cards_of_different_speed(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    names = tuple(f"s{i}" for i in range(14))
    sites = Sites(names, rng.random((14, 2)), degrees=False)
    tree = nx.random_labeled_tree(14, seed=2)
    graph = nx.compose(tree, nx.gnm_random_graph(14, 12, seed=1))
    for a, b in graph.edges:
        graph.edges[a, b]["link"] = str(rng.choice([METRO, WAN]))
    rows = [f"{names[a]},{names[b]},{graph.edges[a, b]['link']}" for a, b in graph.edges]
    (tmp_path / "links.csv").write_text("source,target,link\n" + "\n".join(rows))
    settings = GraphBackhaul.parse({"kind": "graph", "shape": "links", "path": str(tmp_path / "links.csv")})

    def delay(name: str) -> float:
        return load_card(name, "link").rtt_s + 0.001

    backhaul = backhaul_of(settings, sites, sites.metres, 1.0, METRO, delay)
    for a, b in graph.edges:
        graph.edges[a, b]["weight"] = delay(graph.edges[a, b]["link"]) + 1e-9
    wanted = dict(nx.all_pairs_dijkstra_path_length(graph))
    seconds = np.tensordot([delay(card) + 1e-9 for card in backhaul.cards], backhaul.links, axes=1)
    for a in range(14):
        for b in range(14):
            assert seconds[a, b] == pytest.approx(wanted[a][b], abs=1e-7)
    assert np.array_equal(backhaul.links, backhaul.links.transpose(0, 2, 1))


def test_shapes() -> None:
    line = Sites.of_metres(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.1], [3.0, 0.0], [9.0, 0.0]]))
    assert graph_of(line, shape="nearest", neighbours=2)[0].tolist() == [0, 1, 1, 2, 2]
    assert graph_of(line, shape="star", hub=4)[0].tolist() == [0, 2, 2, 2, 1]
    assert graph_of(line, shape="star")[2].tolist() == [1, 1, 0, 1, 1]
    circle = np.array([[np.cos(a), np.sin(a)] for a in (0.3, 2.0, 1.0, 4.0, 5.5, 3.1)])
    assert graph_of(Sites.of_metres(circle), shape="ring")[0].tolist() == [0, 2, 1, 2, 1, 3]
    links = [[0, 1], [1, 2], [2, 3], [3, 4], [4, 0]]
    assert graph_of(line, shape="links", links=links)[0].tolist() == [0, 1, 2, 2, 1]


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"shape": "nearest", "neighbours": 1}, r"no path between sites '0' and '2'.*raise backhaul\.neighbours"),
        ({"shape": "links", "links": [[0, 1], [2, 3]]}, "no path between sites '0' and '2'.*add a link"),
        ({"shape": "links", "links": [[0, 1], [1, 0]]}, "links 1 and 2 both join '1' and '0'"),
        ({"shape": "links", "links": [[0, 0]]}, "joins site '0' to itself"),
        ({"shape": "links", "links": [[0, 7]]}, "'7' is none of the 4 sites"),
        ({"shape": "star", "hub": "x"}, "'x' is none of the 4 sites"),
        ({"shape": "links"}, "needs 'links' or 'path'"),
        ({"links": [[0, 1]]}, "no other shape has either"),
        ({"hub": 1}, "goes with shape 'star' alone"),
    ],
)
def test_graphs_that_do_not_join_are_refused(settings: dict[str, Any], wrong: str) -> None:
    pairs = Sites.of_metres(np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0], [10.0, 0.0]]))
    with pytest.raises(SettingsError, match=wrong):
        graph_of(pairs, **settings)


def test_unknown_cards_of_a_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("source,target,link\n0,1,metro_fiber_50km\n")
    with pytest.raises(SettingsError, match=r"links\.csv: column link: .*Did you mean 'metro_fibre_50km'"):
        graph_of(Sites.of_metres(np.eye(2)), shape="links", path=str(tmp_path / "links.csv"))


def test_graph_costs_are_played() -> None:
    system = system_of(backhaul={"kind": "graph", "shape": "ring"})
    assert system.backhaul.hops.max() == 3
    system.begin(0, 0, {})
    system.follow(0, system.episode(0, {}).place)
    assert np.isfinite(system.episode_metrics(0)["cost_per_slot"])
    plane = {"kind": "hex_walk"}
    with pytest.raises(SettingsError, match="no network between its sites"):
        system_of(workload=plane, cost={"kind": "exponential"}, reach=5, backhaul={"kind": "graph"})


def test_slowest_link_of_the_path_carries_a_migration(tmp_path: Path) -> None:
    links = ["source,target,link", *(f"0,{site},{METRO if site < 6 else WAN}" for site in range(1, 7))]
    (tmp_path / "links.csv").write_text("\n".join(links))
    graph = {"kind": "graph", "shape": "links", "path": str(tmp_path / "links.csv")}
    service = {"name": "x", "state_bytes": 1e8, "dirty_bytes_s": 0.0, "requests_hz": 1.0, "request_bytes": 0.0,
               "macs": 1e8, "deadline_s": 1.0}  # fmt: skip
    tables = system_of(backhaul=graph, services=[service], cost={"kind": "edge", "rounds": 0}).tables
    for path, slowest in (((1, 0), METRO), ((1, 2), METRO), ((1, 6), WAN), ((6, 0), WAN)):
        rate = 0.1 * load_card(slowest, "link").rate_bps / 8.0
        assert tables.downtime[(0, *path)] == pytest.approx(0.1 + 1e8 / rate)


def test_energy_is_what_cards_state(tmp_path: Path) -> None:
    card = load_card(METRO, "link").model_dump(mode="json", exclude_none=True) | {"name": "mine", "j_per_byte": 3e-8}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(card))
    cost = {"kind": "edge", "backhaul_link": str(tmp_path / "mine.yaml")}
    system = system_of(cost=cost)
    assert system.tables.metered == ("server", "radio", "backhaul")
    device, radio = load_card("jetson_agx_orin_gpu", "device"), load_card("5g_first_hop", "link").radio
    assert device.power is not None
    assert radio is not None
    episode = system.episode(0, {})
    cells = np.array([[0, 3], [2, 3]], np.int32)
    begun = Episode(cells, episode.service[:2], np.full(2, -1, np.int32))
    system.begin(0, 0, {"episode": begun})
    system.follow(0, np.array([[0, 1], [0, 3]]))
    joules = 0.0
    for u, hops_by_slot in ((0, (0, 1)), (1, (1, 0))):
        service = system.params.services[begun.service[u]]
        work = Work.of(np.array(service.macs), np.array(0.02 * service.macs), np.array(0.01 * service.macs))
        for away in hops_by_slot:
            request = device.power.active_w * float(device.latency_s(work))
            request += service.request_bytes * (radio.up_j_per_byte + 3e-8 * away)
            joules += 10.0 * service.requests_hz * request
    joules += 3e-8 * float(system.tables.sent[begun.service[1], 3, 1] + system.tables.sent[begun.service[1], 1, 3])
    assert system.episode_metrics(0)["energy_j"] == pytest.approx(joules / 4.0)
    dear = system_of(cost={**cost, "energy": 0.5})
    assert np.allclose(dear.tables.near - system.tables.near, 0.5 * system.tables.energy)
    assert np.allclose(dear.tables.move - system.tables.move, 0.5 * system.tables.move_energy)


def test_energy_that_no_card_states_is_unknown() -> None:
    mute = {"kind": "edge", "device": "snapdragon_855", "access_link": METRO}
    system = system_of(cost=mute)
    system.begin(0, 0, {})
    system.follow(0, system.episode(0, {}).place)
    assert np.isnan(system.episode_metrics(0)["energy_j"])
    with pytest.raises(SettingsError, match="neither device snapdragon_855"):
        system_of(cost={**mute, "energy": 1.0})
