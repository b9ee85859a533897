"""A user's own position trace: a table of users, times and places, resampled to slots.

- A row says where a user is at a time: in a cell, or at a position. Rows may stand in any order; a row that repeats
  another is dropped, and two places of one user at one time are an error.
- Two rows of a user that are more than ``gap_s`` apart end a session: the user is away in between, its service ends,
  and the next one begins free in the user's cell. Within a session the last position holds until the next row, or the
  user moves on the straight line to it.
- A slot begins every ``slot_s`` from the earliest row of the file on. The user's place in a slot is that at its
  beginning, so a session covers the slots that begin between its first and its last row.
- The cell of a position is that of the nearest site. Farther than the coverage from every site a user is away, and
  these slots are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.mobility.csv_table import CsvTable, read_table
from edgegym.mobility.sites import MOST_SITES, OUTSIDE, Sites, hex_cover, nearest_site, read_positions, to_metres
from edgegym.mobility.traces import Recording, Track

ROUNDING_S = 1e-6
"""Times this far apart are the same: what is left of a microsecond in a number of seconds since 1970."""


@dataclass(frozen=True)
class Sampling:
    """How rows become slots.

    Attributes:
        slot_s: length of a slot, seconds.
        gap_s: rows of a user farther apart end a session, seconds.
        interpolated: whether users move straight from position to position; else they stay until the next row, as they
            always do in cells.
    """

    slot_s: float
    gap_s: float
    interpolated: bool


@dataclass(frozen=True)
class Fixes:
    """The rows of a position trace, by user and time.

    Attributes:
        path: of the file.
        start: (users + 1,) where each user's rows begin; users go by name.
        time_s: (rows,) seconds since the earliest row.
        place: (rows, 2) positions, or (rows, 1) numbers of cells.
        degrees: whether positions are latitude and longitude; None for cells.
    """

    path: Path
    start: NDArray[np.int64]
    time_s: NDArray[np.float64]
    place: NDArray[np.float64]
    degrees: bool | None


def read_fixes(path: Path, columns: Mapping[str, str], sites: Sites | None) -> Fixes:
    """Read a CSV file, plain, gzip or xz.

    Columns are ``user``, ``time`` (seconds, or dates and times as in ISO 8601, UTC without an offset), and ``cell``
    (names of sites), or ``x_m`` and ``y_m``, or ``latitude`` and ``longitude``. Others are not read. Where a file has
    more than one kind of place, those in ``columns`` count, and without any positions come before cells.

    Args:
        path: of the file.
        columns: names of columns in this file by the names above, where they differ.
        sites: whose names ``cell`` holds; None where there are none.

    Raises:
        TraceError: naming file, line and mend.
    """
    table = read_table(path, columns)
    name = np.array(table.texts("user"))
    time_s = _times(table)
    positions = table.has("x_m", "y_m") or table.has("latitude", "longitude")
    if table.has("cell") and ("cell" in columns or not positions):
        degrees, place = None, _cells(table, sites)[:, None]
    else:
        place, degrees = read_positions(table)
    users, user = np.unique(name, return_inverse=True)
    order = np.lexsort((time_s, user))
    again = (np.diff(user[order]) == 0) & (np.diff(time_s[order]) == 0.0)
    differs = again & (np.diff(place[order], axis=0) != 0.0).any(axis=1)
    if differs.any():
        first, second = sorted(order[np.flatnonzero(differs)[0] :][:2])
        raise table.wrong(
            int(second),
            f"user {name[second]} is at another place at the same time in line {table.lines[first]}; keep one of them",
        )
    order = order[np.r_[True, ~again]]
    start = np.searchsorted(user[order], np.arange(len(users) + 1))
    return Fixes(path, start, time_s[order] - time_s.min(), place[order], degrees)


def recorded(fixes: Fixes, sites: Sites, coverage_m: float, sampling: Sampling) -> Recording:
    """Users by slots and cells; who is never in a cell is left out.

    Raises:
        TraceError: if nobody is in a cell in any slot, with what was found.
    """
    if fixes.degrees is not None and fixes.degrees != sites.degrees:
        kinds = ("metres", "degrees")
        raise TraceError(
            f"{fixes.path}: positions are {kinds[fixes.degrees]} but those of the sites {kinds[sites.degrees]}; give "
            "both in the same kind."
        )
    moving = replace(sampling, interpolated=sampling.interpolated and fixes.degrees is not None)
    tracks = []
    for first, last in zip(fixes.start[:-1], fixes.start[1:], strict=True):
        slot, place = _slots(fixes.time_s[first:last], fixes.place[first:last], moving)
        if fixes.degrees is None:
            tracks.append(Track(slot, place[:, 0].astype(np.int32)))
        else:
            position = sites.in_metres(place)
            cell = nearest_site(position, sites.metres, coverage_m)
            # Between two rows an interpolated position shows the way to the next one, which nobody knows yet.
            tracks.append(Track(slot, cell, None if moving.interpolated else position))
    _check_presence(fixes, tracks, coverage_m, sampling)
    covered = tuple(track for track in tracks if (track.cell != OUTSIDE).any())
    return Recording(covered, sites, sampling.slot_s)


def over_hexagons(fixes: Fixes, spacing_m: float) -> tuple[Fixes, Sites]:
    """The trace in metres, and sites at the centres of hexagons over the area of all its positions.

    Raises:
        TraceError: for a trace of cells, which needs sites of its own, and an area of more than 1,024 hexagons.
    """
    if fixes.degrees is None:
        raise TraceError(f"{fixes.path}: cells need positions for their distances; give workload.sites.")
    xy = to_metres(fixes.place) if fixes.degrees else fixes.place
    low, high = xy.min(axis=0), xy.max(axis=0)
    count = np.prod((high - low) / spacing_m + 1.0) / np.sqrt(0.75)
    if count > MOST_SITES:
        width, height = (high - low) / 1000.0
        raise TraceError(
            f"{fixes.path}: positions span {width:.4g} km by {height:.4g} km, about {count:.3g} hexagons of "
            f"workload.spacing_m {spacing_m:g}, and {MOST_SITES} are the most; raise spacing_m, leave far positions "
            "out, or give workload.sites."
        )
    return replace(fixes, place=xy, degrees=False), Sites.of_metres(hex_cover(low, high, spacing_m))


def _slots(
    time_s: NDArray[np.float64], place: NDArray[np.float64], sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The slots (n,) that begin within one user's sessions, and its places (n, 1 or 2) at their beginnings."""
    breaks = np.flatnonzero(np.diff(time_s) > sampling.gap_s)
    first, last = time_s[np.r_[0, breaks + 1]], time_s[np.r_[breaks, len(time_s) - 1]]
    begin = np.ceil((first - ROUNDING_S) / sampling.slot_s).astype(np.int64)
    end = np.floor((last + ROUNDING_S) / sampling.slot_s).astype(np.int64) + 1
    length = np.maximum(end - begin, 0)
    slot = np.repeat(begin - (np.cumsum(length) - length), length) + np.arange(length.sum())
    at = slot * sampling.slot_s
    if sampling.interpolated:
        return slot, np.stack([np.interp(at, time_s, column) for column in place.T], axis=1)
    return slot, place[np.searchsorted(time_s, at + ROUNDING_S, side="right") - 1]


def _times(table: CsvTable) -> NDArray[np.float64]:
    """(rows,) seconds."""
    texts = table.texts("time")
    if "T" not in texts[0] and ":" not in texts[0]:
        return table.numbers("time")
    found = np.empty(len(texts))
    for row, text in enumerate(texts):
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise table.wrong(row, f"time is {text!r}; give seconds in every row, or ISO 8601 in every row") from None
        found[row] = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return found


def _cells(table: CsvTable, sites: Sites | None) -> NDArray[np.float64]:
    """(rows,) numbers of the cells that a trace names."""
    if sites is None:
        raise TraceError(f"{table.path}: cells need positions for their distances; give workload.sites.")
    found = np.empty(len(table.lines))
    for row, name in enumerate(table.texts("cell")):
        if name not in sites.number:
            known = ", ".join(sites.name[:3])
            raise table.wrong(row, f"cell {name!r} is none of the {len(sites.name)} sites ({known}, ...); mend either")
        found[row] = sites.number[name]
    return found


def _check_presence(fixes: Fixes, tracks: list[Track], coverage_m: float, sampling: Sampling) -> None:
    if not any(len(track.slot) for track in tracks):
        steps = np.concatenate(
            [np.diff(fixes.time_s[a:b]) for a, b in zip(fixes.start[:-1], fixes.start[1:], strict=True)]
        )
        found = f"{np.median(steps):.4g} s apart in the median" if len(steps) else "one a user"
        raise TraceError(
            f"{fixes.path}: nobody is there when a slot begins: rows are {found}, workload.gap_s is "
            f"{sampling.gap_s:g}, slots last {sampling.slot_s:g} s. Are times seconds? Else raise gap_s."
        )
    if all((track.cell == OUTSIDE).all() for track in tracks):
        raise TraceError(
            f"{fixes.path}: everybody is farther than workload.coverage_m {coverage_m:g} from every site; raise it, or "
            "check that trace and sites are of the same area (latitude before longitude)."
        )
