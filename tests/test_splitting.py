"""Splitting a trace over nodes: nothing is lost, and nodes share as much as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.envs.caching.params import CachingParams
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import SettingsError
from edgegym.workload.generators import zipf
from edgegym.workload.places import node_of_places
from edgegym.workload.settings import SplitSettings, TraceSettings
from edgegym.workload.sources import Source
from edgegym.workload.splitting import (
    EARTH_RADIUS_M,
    _haversine_m,
    measured_overlap,
    nearest_site,
    split_by_client,
    split_by_overlap,
    spread_clients,
)
from edgegym.workload.trace import RequestTrace
from edgegym.workload.writers import write_trace

MELBOURNE_M = {"flinders street": (-37.8183, 144.9671), "tullamarine": (-37.6690, 144.8410)}


def with_clients(requests: int, clients: int, seed: int) -> RequestTrace:
    """Zipf requests of clients of whom some ask far more often than others."""
    trace = zipf(requests, 500, 0.9, seed)
    asking = zipf(requests, clients, 0.7, seed + 1).content
    return RequestTrace.from_arrays(trace.content, client=np.array([f"user {c}" for c in asking]))


def assert_only_nodes_changed(split: RequestTrace, whole: RequestTrace, nodes: int) -> None:
    """Every request is kept in order, and the nodes' requests are a partition of the trace."""
    for column in ("time", "content", "size"):
        assert np.array_equal(getattr(split, column), getattr(whole, column))
    parts = [np.flatnonzero(split.node == n) for n in range(nodes)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(whole)))


@settings(max_examples=150, deadline=None)
@given(
    ids=st.lists(st.integers(0, 30), min_size=1, max_size=300),
    nodes=st.integers(1, 5),
    overlap=st.floats(0, 1),
    weights=st.lists(st.floats(0.05, 10), min_size=5, max_size=5),
    seed=st.integers(0, 2**32),
)
def test_a_split_by_overlap_keeps_the_requests_and_meets_the_overlap(
    ids: list[int], nodes: int, overlap: float, weights: list[float], seed: int
) -> None:
    trace = RequestTrace.from_arrays(np.array(ids))
    split = split_by_overlap(trace, nodes, overlap, seed, weights[:nodes])
    assert_only_nodes_changed(split, trace, nodes)
    again = split_by_overlap(trace, nodes, overlap, seed, weights[:nodes])
    assert np.array_equal(split.node, again.node)
    requests = np.bincount(trace.content)
    reached = np.array([len(np.unique(split.node[trace.content == c])) for c in range(trace.contents)])
    # A content belongs to one node or to all, as far as its requests go.
    assert np.all((reached == 1) | (reached == np.minimum(requests, nodes)))
    enough = np.count_nonzero(requests >= nodes)
    if enough and nodes > 1:
        assert abs(measured_overlap(split, nodes) - overlap) * enough < 1 + 1e-9


def test_contents_of_all_popularities_are_shared_alike() -> None:
    trace = zipf(50_000, 3000, 0.8, 1)
    split = split_by_overlap(trace, 4, 0.3, seed=2)
    shared = np.array([len(np.unique(split.node[trace.content == c])) > 1 for c in range(trace.contents)])
    often = np.argsort(-np.bincount(trace.content))
    for ranks in (often[:100], often[100:1000]):
        assert np.mean(shared[ranks]) == pytest.approx(0.3, abs=0.011)
    # The share of the requests follows but for the first few contents, which carry 2 % each.
    assert np.mean(shared[trace.content]) == pytest.approx(0.3, abs=0.04)
    different = split_by_overlap(trace, 4, 0.3, seed=3)
    assert not np.array_equal(split.node, different.node)


@pytest.mark.parametrize("overlap", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 5.0)])
def test_nodes_get_the_requests_of_their_weights(overlap: float, weights: tuple[float, ...] | None) -> None:
    trace = zipf(40_000, 4000, 0.7, 1)
    split = split_by_overlap(trace, 3, overlap, 4, weights)
    share = np.bincount(split.node, minlength=3) / len(trace)
    expected = np.array(weights or (1.0, 1.0, 1.0))
    # Four standard errors of a share are .01; single contents are dealt out to nearer than that. But a shared content
    # with few requests reaches every node, whatever the weights: with unequal ones that moves .045 of the requests.
    np.testing.assert_allclose(share, expected / expected.sum(), atol=0.01 if weights is None else 0.055)


def test_requests_for_shared_contents_come_at_random() -> None:
    """No round robin: at a node, the other requests between two for a content are geometrically many."""
    trace = RequestTrace.from_arrays(np.zeros(30_000, np.int64))
    node = split_by_overlap(trace, 3, 1.0, seed=1).node
    gap = np.diff(np.flatnonzero(node == 0))
    share = np.array([np.mean(gap == k) for k in range(1, 5)])
    # Four standard errors of shares of some 10,000.
    np.testing.assert_allclose(share, (1 / 3) * (2 / 3) ** np.arange(4), atol=0.02)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=100),
    st.integers(1, 4),
    st.integers(0, 99),
)
def test_all_requests_of_a_client_reach_one_node(pairs: list[tuple[int, int]], nodes: int, seed: int) -> None:
    ids, clients = (np.array(column) for column in zip(*pairs, strict=True))
    trace = RequestTrace.from_arrays(ids, client=clients)
    assert [trace.clients[c] for c in trace.client] == list(map(str, clients))  # type: ignore[union-attr]
    node_of_client = spread_clients(trace, nodes, seed)
    split = split_by_client(trace, node_of_client)
    assert_only_nodes_changed(split, trace, nodes)
    assert all(len(np.unique(split.node[clients == c])) == 1 for c in np.unique(clients))
    # Dealt out by falling load, the largest surplus is below the load of one client.
    load = np.bincount(split.node, minlength=nodes)
    assert load.max() - load.min() <= np.bincount(clients).max()


def test_clients_by_weight_and_clients_of_a_part() -> None:
    trace = with_clients(20_000, 400, 1)
    split = split_by_client(trace, spread_clients(trace, 3, 0, (1, 1, 2)))
    np.testing.assert_allclose(np.bincount(split.node) / len(trace), [0.25, 0.25, 0.5], atol=0.001)
    part = split.part(5000, 9000)
    assert part.client is not None
    assert split.client is not None
    assert np.array_equal(part.client, split.client[5000:9000])
    assert part.clients == split.clients


def test_the_nearest_site_is_nearest_on_the_globe() -> None:
    # Degrees of longitude shrink towards the poles and meet at 180: neither flat distance would do.
    sites = [(60.0, 10.0), (60.4, 0.0), (0.0, 179.5)]
    assert nearest_site([60.0, 60.0, 1.0], [5.2, 4.8, -179.9], sites).tolist() == [0, 1, 2]
    assert nearest_site([10.0], [10.0], [(10.0, 11.0), (10.0, 9.0)]).tolist() == [0]
    places = np.radians(list(MELBOURNE_M.values()))
    distance = _haversine_m(*places[0], *places[1])
    # Spherical law of cosines.
    (a, b), (c, d) = places
    expected = EARTH_RADIUS_M * np.arccos(np.sin(a) * np.sin(c) + np.cos(a) * np.cos(c) * np.cos(b - d))
    assert distance == pytest.approx(expected, rel=1e-9)
    for wrong in ([(95.0, 0.0)], [(0.0, np.inf)], []):
        with pytest.raises(SettingsError, match="degrees"):
            nearest_site([0.0], [0.0], wrong)


@pytest.mark.parametrize(
    ("lines", "sites", "expected"),
    [
        ("client,node\nb,0\na,2\nnobody,1\n", None, [2, 0]),
        ("client,latitude,longitude\na,-37.82,144.97\nb,-37.67,144.84\n", list(MELBOURNE_M.values()), [0, 1]),
    ],
)
def test_places_of_clients(lines: str, sites: list | None, expected: list[int], tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(lines)
    assert node_of_places(file, ("a", "b"), sites).tolist() == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("name,node\na,0\n", r"line 1: found 'name,node', client,node or client,latitude,longitude"),
        ("", "line 1"),
        ("client,node\na,0\nb,-1\n", "line 3"),
        ("client,node\na,0\nb,1.5\n", "line 3"),
        ("client,node\na,0\nb,1,2\n", "line 3"),
        ("client,latitude,longitude\na,0\n", "line 2"),
        ("client,node\na,0\n", "1 of 2 clients.*'b'"),
        ("client,latitude,longitude\na,0,0\nb,1,1\n", "workload.split.sites"),
    ],
)
def test_places_that_cannot_be_used(lines: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "places.csv"
    file.write_text(lines)
    with pytest.raises(SettingsError, match=message) as caught:
        node_of_places(file, ("a", "b"))
    assert "places.csv" in str(caught.value)


def test_what_cannot_be_split_says_why() -> None:
    trace = zipf(100, 10, 0.5, 1)
    with pytest.raises(SettingsError, match="no clients; split it by overlap"):
        spread_clients(trace, 2, 0)
    with pytest.raises(SettingsError, match="overlap"):
        split_by_overlap(trace, 2, 1.5, 0)
    for nodes, weights in ((0, None), (2, (1.0,)), (2, (1.0, 0.0)), (2, (1.0, float("inf")))):
        with pytest.raises(SettingsError, match=r"nodes|weights"):
            split_by_overlap(trace, nodes, 0.5, 0, weights)
    for node in ([0], [0, -1], [0.0, 1.0]):
        with pytest.raises(SettingsError, match="node_of_client"):
            split_by_client(RequestTrace.from_arrays(np.array([1, 2]), client=np.array(["a", "b"])), node)
    for wrong in ({"by": "place"}, {"by": "client", "places": "x.csv"}, {"by": "overlap", "weights": (0.0,)}):
        with pytest.raises(SettingsError, match=r"places|share above 0"):
            SplitSettings.parse(wrong)


def test_a_trace_file_is_split_over_the_topology(tmp_path: Path) -> None:
    path = str(tmp_path / "t.csv")
    write_trace(path, with_clients(3000, 40, 1), "csv")
    by_overlap = TraceSettings(path=path, split=SplitSettings(by="overlap", overlap=0.4))
    whole = Source(by_overlap, nodes=3)
    trace = whole.episode(0).trace
    assert trace.nodes == 3
    assert measured_overlap(trace, 3) == pytest.approx(0.4, abs=0.01)
    assert "split over 3 nodes by overlap" in whole.provenance()
    # A content keeps its nodes in every part of the file.
    half = Source(by_overlap.model_copy(update={"part": (0.5, 1.0)}), nodes=3).episode(0).trace
    assert np.array_equal(half.node, trace.node[1500:])
    assert Source(by_overlap, nodes=1).episode(0).trace.nodes == 1
    assert Source(TraceSettings(path=path), nodes=3).episode(0).trace.nodes == 1

    by_client = Source(TraceSettings(path=path, split=SplitSettings(by="client", weights=(1, 3))), nodes=2)
    split = by_client.episode(0).trace
    assert np.bincount(split.node)[1] / 3000 == pytest.approx(0.75, abs=0.01)
    places = tmp_path / "places.csv"
    places.write_text("client,node\n" + "".join(f"user {c},{c % 2}\n" for c in range(40)))
    placed = Source(TraceSettings(path=path, split=SplitSettings(by="place", places=str(places))), nodes=2)
    trace = placed.episode(0).trace
    assert trace.client is not None
    assert all(trace.node[i] == int(trace.clients[trace.client[i]].split()[1]) % 2 for i in range(0, 3000, 37))
    # A changed file of places is read again.
    places.write_text("client,node\n" + "".join(f"user {c},0\n" for c in range(40)) + "\n")
    assert Source(placed.settings, nodes=2).episode(0).trace.nodes == 1


def test_a_split_trace_serves_an_environment(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_trace(path, zipf(2000, 200, 0.9, 1), "csv")
    params = CachingParams.parse(
        {
            "workload": {"kind": "trace", "path": str(path), "split": {"by": "overlap", "overlap": 0.5}},
            "topology": {"builder": "edge_cluster", "nodes": 4},
            "capacity": 10,
            "unit": "objects",
        }
    )
    assert CachingSystem(params).episode(0, {}).trace.nodes == 4


def test_a_file_with_nodes_is_not_split_and_a_place_must_exist(tmp_path: Path) -> None:
    path = str(tmp_path / "t.csv")
    write_trace(path, zipf(100, 20, 0.9, 1, nodes=3), "csv")
    with pytest.raises(SettingsError, match="3 nodes already"):
        Source(TraceSettings(path=path, split=SplitSettings(by="overlap")), nodes=3)
    split = SplitSettings(by="place", places=str(tmp_path / "nowhere.csv"))
    with pytest.raises(SettingsError, match=r"workload\.split\.places: .*nowhere\.csv is not a file"):
        Source(TraceSettings(path=path, split=split), nodes=3)
