"""Generated and recorded mobility: laws of the walks, readers and their errors, the Markov chain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgegym.errors import TraceError
from edgegym.mobility import walks
from edgegym.mobility.hex_plane import HALF, PACKED_CELLS, hops, pack, packed_cell, unpack, unpack_q, unpack_s
from edgegym.mobility.markov import fit_chain, log_loss
from edgegym.mobility.motion import spacing_of
from edgegym.mobility.sites import OUTSIDE, hex_cover, hex_layout, nearest_site, read_sites, rounded_hops
from edgegym.mobility.traces import Track, read_taxis, split_users

EXTENT = np.array([2000.0, 1500.0])
COMMON = (50, 100, 10.0, EXTENT, (5.0, 15.0))


def test_hex_walk_moves_one_hop_in_every_direction_alike() -> None:
    path = walks.hex_walk(np.random.default_rng(0), 200, 500, 1.0 / 12.0)
    steps = np.diff(path, axis=0).reshape(-1, 2)
    moved = steps[hops(steps) > 0]
    assert hops(steps).max() == 1
    assert abs(len(moved) / len(steps) - 0.5) < 0.01
    assert np.allclose(np.unique(moved, axis=0, return_counts=True)[1] / len(moved), 1.0 / 6.0, atol=0.01)


def test_packed_cells_are_unpacked() -> None:
    cells = np.random.default_rng(0).integers(-HALF, HALF, (500, 2))
    cells[:3] = (-HALF, -HALF), (HALF - 1, HALF - 1), (0, 0)
    places = pack(cells)
    assert places.min() >= 0
    assert places.max() < PACKED_CELLS
    assert np.array_equal(unpack(places), cells)
    for place, (q, s) in zip(places.tolist(), cells.tolist(), strict=True):
        assert (unpack_q(place), unpack_s(place), packed_cell(q, s)) == (q, s, place)
    with pytest.raises(ValueError, match="must lie between"):
        pack((HALF, 0))


def test_who_arrives_rests_until_the_slot_ends() -> None:
    """So every destination is a position, and from it no longer way is made than the speed allows."""
    at = walks.random_waypoint(np.random.default_rng(2), 40, 300, 10.0, EXTENT, (30.0, 30.0))
    step = np.hypot(*np.diff(at, axis=0).transpose(2, 0, 1))
    turned = np.abs(step - 300.0) > 1e-6
    assert step.max() <= 300.0 + 1e-6
    assert 0.1 < turned.mean() < 0.5


def test_sites_at_one_place_count_once_in_the_spacing() -> None:
    line = np.array([[0.0, 0.0], [100.0, 0.0], [200.0, 0.0]])
    assert spacing_of(line) == spacing_of(np.repeat(line, 3, axis=0)) == 100.0
    assert spacing_of(line[:1]) == spacing_of(np.repeat(line[:1], 4, axis=0)) == 1.0


@pytest.mark.parametrize("model", ["manhattan", "random_waypoint", "gauss_markov"])
def test_users_stay_in_the_rectangle_at_their_speed(model: str) -> None:
    extra = {"manhattan": (125.0, 0.3), "random_waypoint": (), "gauss_markov": (0.9,)}[model]
    at = getattr(walks, model)(np.random.default_rng(1), *COMMON, *extra)
    assert at.shape == (100, 50, 2)
    assert at.min() >= 0.0
    assert np.all(at.max(axis=(0, 1)) <= EXTENT)
    speed = np.hypot(*np.diff(at, axis=0).transpose(2, 0, 1)) / 10.0
    assert 1.0 < speed.mean() < 16.0
    if model == "manhattan":
        assert np.all(np.min(np.abs(at / 125.0 - np.round(at / 125.0)), axis=-1) < 1e-6)
        assert np.all(speed <= 15.0 + 1e-6)


@pytest.mark.parametrize("model", ["manhattan", "random_waypoint", "gauss_markov"])
def test_users_begin_where_they_are_told(model: str) -> None:
    extra = {"manhattan": (125.0, 0.3), "random_waypoint": (), "gauss_markov": (0.9,)}[model]
    start = np.random.default_rng(3).uniform(0.0, EXTENT, (50, 2))
    at = getattr(walks, model)(np.random.default_rng(1), *COMMON, *extra, start)[0]
    off = 0.5 * 125.0 if model == "manhattan" else 0.0
    assert np.abs(at - start).max() <= off + 1e-9


def test_hexagons_cover_their_rectangle() -> None:
    rng = np.random.default_rng(0)
    for size in ((0.0, 0.0), (1300.0, 200.0), (210.0, 2900.0)):
        centres = hex_cover(np.array([-50.0, 20.0]), np.array([-50.0, 20.0]) + size, 200.0)
        points = np.array([-50.0, 20.0]) + rng.random((500, 2)) * size
        assert np.all(nearest_site(points, centres, 200.0 / np.sqrt(3.0) + 1e-9) >= 0)
        apart = np.hypot(*(centres[:, None] - centres).transpose(2, 0, 1))
        assert np.all(apart[apart > 0] > 200.0 - 1e-9)


def test_nearest_site_leaves_out_who_is_outside() -> None:
    sites = hex_layout(1, 100.0)
    found = nearest_site(np.array([sites[3] + 1.0, (1e5, 0.0), (np.nan, 0.0)]), sites, 100.0)
    assert found.tolist() == [3, OUTSIDE, OUTSIDE]


def test_chain_learns_a_deterministic_tour() -> None:
    trace = np.tile([0, 0, 1, 1, 2, 2], 50).astype(np.int32)[:, None]
    chain = fit_chain(trace, 4)
    assert np.allclose(chain.next_cell.sum(axis=1), 1.0)
    assert np.allclose(np.asarray(chain.transition.sum(axis=1)), 1.0)
    assert chain.next_cell[chain.state[0, 1], 2] == pytest.approx(0.5, abs=0.02)
    assert log_loss(chain, trace) == pytest.approx(np.log(2.0), abs=0.02)


def test_gaps_end_sessions_and_short_ones_are_left_out() -> None:
    track = Track(np.array([0, 1, 3, 4, 5, 6, 7]), np.array([1, 1, 2, 2, 2, OUTSIDE, 1], np.int32))
    left = track.without_short_sessions(3)
    assert left.slot.tolist() == [3, 4, 5, 6]
    assert left.cell.tolist() == [2, 2, 2, OUTSIDE]
    parts = [set(split_users(10, part, 0).tolist()) for part in ((0.0, 0.6), (0.6, 0.8), (0.8, 1.0))]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert set.union(*parts) == set(range(10))


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    path = tmp_path / "taxi.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TraceError, match=r"taxi\.npz"):
        read_taxis(path)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"cell_of_user": np.array([[3]])}, "cells 1 to 2 need positions"),
        ({"cell_of_user": np.array([[-1]])}, r"whole numbers from 0 \(off\) on"),
        ({"cell_of_user": np.array([[1.5]])}, r"whole numbers from 0 \(off\) on"),
        ({"cell_latlon": np.array([[1.0, np.nan], [0.0, 0.0]])}, "finite degrees"),
        ({"slot_seconds": np.array(0.0)}, r"one number above 0 \(found 0\.0\)"),
        ({"slot_seconds": np.array([60.0, 60.0])}, "one number above 0"),
    ],
)
def test_archives_with_values_that_are_none_are_named(
    tmp_path: Path, changes: dict[str, np.ndarray], wrong: str
) -> None:
    arrays = {"cell_of_user": np.array([[1]]), "cell_latlon": np.zeros((2, 2)), "slot_seconds": np.array(60)}
    np.savez(tmp_path / "taxi.npz", **{**arrays, **changes})
    with pytest.raises(TraceError, match=rf"taxi\.npz: .*{wrong}"):
        read_taxis(tmp_path / "taxi.npz")


def test_taxis_have_the_published_metric(data_folder: Path) -> None:
    taxis = read_taxis(data_folder / "mobility/sf_taxi/sf_taxi_cells_20080531.npz")
    distance = rounded_hops(taxis.sites.position, 0.01)
    assert (distance.max(), distance[distance > 0].min()) == (38, 2)
    assert sum(len(track.without_short_sessions(10).slot) for track in taxis.tracks) == 229_396


def test_melbourne_has_125_sites(data_folder: Path) -> None:
    sites = read_sites(data_folder / "mobility/eua/site-optus-melbCBD.csv")
    assert (len(sites.name), sites.name[0], sites.degrees) == (125, "10003026", True)


def test_columns_that_nobody_asks_for_may_stand_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "sites.csv"
    path.write_text("x,y,note,note\n1,2,a,b\n")
    assert read_sites(path).position.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a,b\n1,2\n", "latitude and longitude, or x_m and y_m, are needed; neither"),
        ("lat,lon,x,y\n1,2,3,4\n", "needed; both"),
        ("lat,lon\n1,2\n91,2\n", "line 3: latitude 91"),
        ("x,y\n1,2\n\n1,nan\n", "line 4: y is 'nan'"),
        ("x,y\n1,2\n1\n", "line 3: has 1 fields, the head line 2"),
        ("x,y\n", "holds no rows"),
        ("x,y,X\n1,2,3\n", "column 'X' stands in the head line twice"),
        ("x,y\n" + "1,2\n" * 1025, "has 1025 sites, and 1024 are the most"),
    ],
)
def test_tables_of_sites_say_what_is_wrong(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=rf"sites\.csv.*{wrong}"):
        read_sites(path)
