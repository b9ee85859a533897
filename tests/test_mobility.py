"""Generated and recorded mobility: laws of the walks, readers and their errors, the Markov chain."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgegym.errors import TraceError
from edgegym.mobility import walks
from edgegym.mobility.hex_plane import hops
from edgegym.mobility.markov import fit_chain, log_loss
from edgegym.mobility.sites import OUTSIDE, hex_layout, nearest_site, read_sites, rounded_hops
from edgegym.mobility.traces import read_cells, read_taxis, split_users, without_short_sessions

COMMON = (50, 100, 10.0, 2000.0, (5.0, 15.0))


def test_hex_walk_moves_one_hop_in_every_direction_alike() -> None:
    path = walks.hex_walk(np.random.default_rng(0), 200, 500, 1.0 / 12.0)
    steps = np.diff(path, axis=0).reshape(-1, 2)
    moved = steps[hops(steps) > 0]
    assert hops(steps).max() == 1
    assert abs(len(moved) / len(steps) - 0.5) < 0.01
    assert np.allclose(np.unique(moved, axis=0, return_counts=True)[1] / len(moved), 1.0 / 6.0, atol=0.01)


@pytest.mark.parametrize("model", ["manhattan", "random_waypoint", "gauss_markov"])
def test_users_stay_in_the_square_at_their_speed(model: str) -> None:
    extra = {"manhattan": (125.0, 0.3), "random_waypoint": (), "gauss_markov": (0.9,)}[model]
    at = getattr(walks, model)(np.random.default_rng(1), *COMMON, *extra)
    assert at.shape == (100, 50, 2)
    assert at.min() >= 0.0
    assert at.max() <= 2000.0
    speed = np.hypot(*np.diff(at, axis=0).transpose(2, 0, 1)) / 10.0
    assert 1.0 < speed.mean() < 16.0
    if model == "manhattan":
        assert np.all(np.min(np.abs(at / 125.0 - np.round(at / 125.0)), axis=-1) < 1e-6)
        assert np.all(speed <= 15.0 + 1e-6)


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
    column = np.array([1, 1, -1, 2, 2, 2, -1], np.int32)[:, None]
    assert without_short_sessions(column, 3)[:, 0].tolist() == [-1, -1, -1, 2, 2, 2, -1]
    parts = [set(split_users(10, part, 0).tolist()) for part in ((0.0, 0.6), (0.6, 0.8), (0.8, 1.0))]
    assert [len(part) for part in parts] == [6, 2, 2]
    assert set.union(*parts) == set(range(10))


@pytest.mark.parametrize(
    "text", ["slot,user\n", "slot,user,cell\n0,0,9\n", "slot,user,cell\n0,x,0\n", "slot,user,cell\n"]
)
def test_tables_of_cells_say_what_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cells.csv"
    path.write_text(text)
    with pytest.raises(TraceError, match=r"cells\.csv"):
        read_cells(path, np.zeros((3, 2)), 60.0)


def test_missing_slots_of_a_table_are_gaps(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    path.write_text("slot,user,cell\n0,0,1\n2,0,2\n")
    assert read_cells(path, np.zeros((3, 2)), 60.0).cell[:, 0].tolist() == [1, -1, 2]


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    path = tmp_path / "taxi.npz"
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(TraceError, match=r"taxi\.npz"):
        read_taxis(path)


def test_taxis_have_the_published_metric(data_folder: Path) -> None:
    trace = read_taxis(data_folder / "mobility/sf_taxi/sf_taxi_cells_20080531.npz")
    distance = rounded_hops(trace.site, 0.01)
    assert (distance.max(), distance[distance > 0].min()) == (38, 2)
    assert (without_short_sessions(trace.cell, 10) != OUTSIDE).sum() == 229_396


def test_melbourne_has_125_sites(data_folder: Path) -> None:
    assert read_sites(data_folder / "mobility/eua/site-optus-melbCBD.csv").shape == (125, 2)
