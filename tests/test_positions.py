"""Position traces of one's own: sessions and slots against a naive reading, coverage, errors, and recorded users."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.decision.system import Decisions
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.errors import EdgeGymError, TraceError
from edgegym.mobility.positions import Fixes, Sampling, over_hexagons, read_fixes, recorded
from edgegym.mobility.sites import OUTSIDE, Sites
from edgegym.mobility.traces import Track, apart, together

LINE = Sites.of_metres(np.array([[0.0, 0.0], [100.0, 0.0], [200.0, 0.0]]))
EXPONENTIAL = {"kind": "exponential"}


def fixes_of(path: Path, text: str, columns: dict[str, str] | None = None, sites: Sites | None = LINE) -> Fixes:
    path.write_text(text)
    return read_fixes(path, columns or {}, sites)


def naive(rows: list[tuple[int, float]], slot_s: int, gap_s: int, interpolated: bool) -> dict[int, float]:
    """Position of one user (sorted rows of time and x) in each slot in which it is there, one slot after the other."""
    found = {}
    for slot in range(rows[-1][0] // slot_s + 1):
        time = slot * slot_s
        before = [row for row in rows if row[0] <= time]
        after = [row for row in rows if row[0] >= time]
        if not before or not after:
            continue
        (t0, x0), (t1, x1) = before[-1], after[0]
        if t1 - t0 > gap_s:
            continue
        found[slot] = x0 + (x1 - x0) * (time - t0) / (t1 - t0) if interpolated and t1 > t0 else x0
    return found


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 200)), min_size=1, max_size=25, unique_by=lambda row: row[0]),
    st.integers(1, 40),
    st.integers(1, 80),
    st.booleans(),
)
def test_slots_are_those_of_a_naive_reading(
    rows: list[tuple[int, float]], slot_s: int, gap_s: int, interpolated: bool
) -> None:
    rows = sorted([*rows, (0, 7.0)] if all(time for time, _ in rows) else rows)
    time_s, x = np.array(rows, np.float64).T
    place = np.stack([x, np.zeros_like(x)], axis=1)
    trace = Fixes(Path("x"), np.array([0, len(rows)]), time_s, place, False)
    track = recorded(trace, LINE, 1e9, Sampling(slot_s, gap_s, interpolated)).tracks[0]
    wanted = naive(rows, slot_s, gap_s, interpolated)
    assert track.slot.tolist() == list(wanted)
    way = np.array(list(wanted.values()))
    # The nearest of sites at 0, 100 and 200 m; ties and rounding apart.
    clear = np.abs(way % 100.0 - 50.0) > 1e-6
    assert track.cell[clear].tolist() == np.minimum((way[clear] + 50.0) // 100.0, 2).tolist()
    # A position on the way to the next row would show where that is.
    assert (track.position is None) == interpolated
    if track.position is not None:
        assert np.allclose(track.position[:, 0], way)


def test_order_of_rows_and_repeated_rows_do_not_matter(tmp_path: Path) -> None:
    rows = ["b,60,100,0", "a,0,0,0", "b,0,0,0", "a,60,200,0", "a,0,0,0"]
    found = []
    for text in (rows, sorted(set(rows))):
        trace = fixes_of(tmp_path / "x.csv", "user,time,x,y\n" + "\n".join(text))
        found.append(recorded(trace, LINE, 1e9, Sampling(60.0, 300.0, False)).tracks)
    for one, other in zip(*found, strict=True):
        assert (one.slot.tolist(), one.cell.tolist()) == (other.slot.tolist(), other.cell.tolist())


def test_cells_metres_and_degrees_say_the_same(tmp_path: Path) -> None:
    cells = "user,time,cell\nu,0,0\nu,60,2\n"
    metres = "USER,Timestamp,X,Y,speed\nu,1970-01-01T00:00:00Z,1,1,9\nu,1970-01-01 00:01:00,199,0,9\n"
    tracks = []
    for text in (cells, metres):
        trace = fixes_of(tmp_path / "x.csv", text)
        tracks.append(recorded(trace, LINE, 50.0, Sampling(60.0, 300.0, True)).tracks[0])
    degrees = Sites(LINE.name, 1.0 + LINE.position[:, ::-1] / 111_195.0, degrees=True)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"who,time,lat,lon\nu,0,1,1\nu,60,1,1.0018\n"))
    trace = read_fixes(tmp_path / "x.csv.gz", {"user": "who"}, degrees)
    tracks.append(recorded(trace, degrees, 50.0, Sampling(60.0, 300.0, True)).tracks[0])
    for track in tracks:
        assert (track.slot.tolist(), track.cell.tolist()) == ([0, 1], [0, 2])


def test_columns_say_which_of_several_places_counts(tmp_path: Path) -> None:
    text = "user,time,cell,px,lat,lon,x,y\nu,0,2,1,3,4,5,6\n"
    for columns, place in (
        ({"cell": "cell"}, [2.0]),
        ({"latitude": "lat"}, [3.0, 4.0]),
        ({"x_m": "px"}, [1.0, 6.0]),
    ):
        assert fixes_of(tmp_path / "x.csv", text, columns).place[0].tolist() == place
    with pytest.raises(TraceError, match="both found"):
        fixes_of(tmp_path / "x.csv", text)
    with pytest.raises(TraceError, match="no column who in the head line"):
        fixes_of(tmp_path / "x.csv", text, {"user": "who"})


def test_hexagons_are_laid_over_the_area(tmp_path: Path) -> None:
    trace, sites = over_hexagons(fixes_of(tmp_path / "x.csv", "user,time,lat,lon\nu,0,1,1\nu,60,1.01,1.02\n"), 300.0)
    track = recorded(trace, sites, 300.0, Sampling(60.0, 300.0, False)).tracks[0]
    assert (track.cell >= 0).all()
    assert sites.metres.max(axis=0) == pytest.approx((2224.0, 1112.0), abs=400.0)
    with pytest.raises(TraceError, match="raise spacing_m"):
        over_hexagons(fixes_of(tmp_path / "x.csv", "user,time,x,y\nu,0,0,0\nu,1,1e6,1e6\n"), 300.0)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("user,x,y\nu,1,1\n", "no column time or time_s or timestamp in the head line"),
        ("user,time,lng\nu,1,1\n", "neither found in the head line"),
        ("user,time,x,y\nu,1,1,1\nu,2,NaN,1\n", "line 3: x is 'NaN'; give a number or leave the row out"),
        ("user,time,x,y\nu,1,1,1\nu,x,1,1\n", "line 3: time is 'x'"),
        ("user,time,x,y\nu,1,1,\n", "line 2: y is empty"),
        ("user,time,x,y\nu,2020-01-01T00:00:00,1,1\nu,7,1,1\n", "line 3: time is '7'; give seconds in every row"),
        ("user,time,x,y\nu,1,1,1\nv,1,1,1\nu,1,2,1\n", "line 4: user u is at another place at the same time in line 2"),
        ("user,time,cell\nu,1,9\n", "line 2: cell '9' is none of the 3 sites"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(TraceError, match=rf"mine\.csv.*{wrong}"):
        fixes_of(tmp_path / "mine.csv", text)


def test_nobody_there_or_covered_is_an_error(tmp_path: Path) -> None:
    sampling = Sampling(60.0, 300.0, False)
    late = fixes_of(tmp_path / "x.csv", "user,time,x,y\nu,0,9e9,0\nu,60,9e9,0\n")
    with pytest.raises(TraceError, match=r"farther than workload\.coverage_m 100 from every site"):
        recorded(late, LINE, 100.0, sampling)
    sparse = fixes_of(tmp_path / "x.csv", "user,time,x,y\nu,0,0,0\nv,1,0,0\nv,1000,0,0\n")
    assert [len(track.slot) for track in recorded(sparse, LINE, 100.0, sampling).tracks] == [1]
    nobody = fixes_of(tmp_path / "x.csv", "user,time,x,y\nu,0,0,0\nu,999000,0,0\n")
    with pytest.raises(TraceError, match=r"9.99e.05 s apart in the median.*Are times seconds"):
        recorded(Fixes(nobody.path, nobody.start, nobody.time_s + 7.0, nobody.place, False), LINE, 100.0, sampling)
    with pytest.raises(TraceError, match="metres but those of the sites degrees"):
        recorded(late, Sites(LINE.name, LINE.position / 1e3, degrees=True), 100.0, sampling)


def test_users_share_a_clock_or_stand_apart() -> None:
    tracks = [
        Track(np.array([5, 6, 90]), np.array([0, 1, OUTSIDE], np.int32)),
        Track(np.array([6, 7]), np.array([2, 2], np.int32)),
    ]
    shared = together(tracks)
    assert shared.cell.T.tolist() == [[0, 1, -1, -1, -1], [-1, 2, 2, -1, -1]]
    assert shared.outside is not None
    assert shared.outside.tolist() == [0, 0, 0, 0, 1]
    assert together(tracks, 100).cell.shape == (100, 2)
    assert apart(tracks).cell.T.tolist() == [[0, 1, -1, -1], [2, 2, -1, -1]]


def system_of(folder: Path, rows: list[str], workload: dict[str, Any], **more: Any) -> UserMigrationSystem:
    (folder / "trace.csv").write_text("user,time,x,y\n" + "\n".join(rows))
    base = {"kind": "trace", "path": str(folder / "trace.csv"), "part": [0, 1], "fitted_on": [0, 1], "least_slots": 1}
    return UserMigrationSystem(UserMigrationParams.parse({"workload": {**base, **workload}, **more}))


def commuters(users: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.normal(0.0, 120.0, (30, users, 2)), axis=0) + 1000.0
    return [f"u{u},{60 * t},{at[t, u, 0]},{at[t, u, 1]}" for t in range(30) for u in range(users) if rng.random() < 0.9]


@pytest.mark.parametrize("cost", [EXPONENTIAL, {"kind": "edge", "servers": 0.3}])
def test_recorded_users_meet_at_sites(tmp_path: Path, cost: dict[str, Any]) -> None:
    system = system_of(tmp_path, commuters(6), {"users": 4, "between": "interpolate"}, cost=cost)
    decisions = Decisions.empty(system)
    system.begin(0, 0, {})
    served = int((system.episode(0, {}).place >= 0).sum())
    rng, most = np.random.default_rng(0), 0.0
    system.observe(decisions)
    while not decisions.done[0]:
        system.step(rng.choice(np.flatnonzero(decisions.mask[0]), 1), np.ones(1, np.bool_), decisions)
        load = system.state.sites["load"][0]
        assert np.all((load >= -1e-9) & (load <= system.tables.capacity * system.tables.full + 1e-9))
        most = max(most, float(load.sum()))
    metrics = system.episode_metrics(0)
    assert metrics["user_slots"] == served
    assert metrics["outside"] == 0.0
    assert np.isfinite(metrics["latency_p95_s"]) == (cost["kind"] == "edge")
    assert (most > 0.0) == (cost["kind"] == "edge")


def test_slots_beyond_the_coverage_are_counted(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_text("site,x,y\nmast,0,0\n")
    rows = ["u,0,0,0", "u,60,0,0", "u,120,5000,0", "u,180,0,0"]
    system = system_of(tmp_path, rows, {"sites": str(tmp_path / "sites.csv")}, cost=EXPONENTIAL)
    system.begin(0, 0, {})
    system.follow(0, system.episode(0, {}).place)
    assert (system.episode_metrics(0)["outside"], system.episode_metrics(0)["user_slots"]) == (0.25, 3.0)


def test_windows_and_parts(tmp_path: Path) -> None:
    system = system_of(tmp_path, commuters(10), {"users": 3, "slots": 5, "part": [0.5, 1.0]}, cost=EXPONENTIAL)
    assert {system.episode(seed, {}).place.shape for seed in range(8)} == {(5, 3)}
    for workload, wrong in (
        ({"users": 9, "part": [0.5, 1.0]}, "has 5 users"),
        ({"part": [0.0, 0.01]}, "holds none of the 10 users"),
        ({"least_slots": 99}, "no session"),
        ({"columns": {"when": "time"}}, "none of the columns"),
        ({"sites": "none.csv"}, "workload.sites"),
    ):
        with pytest.raises(EdgeGymError, match=wrong):
            system_of(tmp_path, commuters(10), workload, cost=EXPONENTIAL)


def test_taxis_may_contend(data_folder: Path) -> None:
    settings = {"workload": {"kind": "taxi", "users": 40}, "cost": {"kind": "edge", "servers": 0.5}, "observe": "cell"}
    system = UserMigrationSystem(UserMigrationParams.parse(settings))
    episode = system.episode(1, {})
    system.begin(0, 1, {})
    system.follow(0, episode.place)
    metrics = system.episode_metrics(0)
    assert metrics["user_slots"] == (episode.place >= 0).sum() > 0
    assert 0.0 < metrics["latency_mean_s"] < metrics["latency_p95_s"]
