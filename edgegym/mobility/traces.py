"""Readers of recorded mobility: the San Francisco taxis over real cells, and a user's own table of cells."""

from __future__ import annotations

import csv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.mobility.sites import OUTSIDE


@dataclass(frozen=True)
class CellTrace:
    """Who was in which cell.

    Attributes:
        cell: (slots, users) int32, index of the cell, or -1 while a user is off, outside every cell, or not recorded.
        site: (cells, 2) degrees latitude and longitude.
        slot_s: length of a slot, seconds.
    """

    cell: NDArray[np.int32]
    site: NDArray[np.float64]
    slot_s: float


def read_taxis(path: Path) -> CellTrace:
    """San Francisco taxis: ``cell_of_user`` (slots, users) with 0 for off, ``cell_latlon`` and ``slot_seconds``.

    Raises:
        TraceError: for a file that is damaged, lacks an array, or names a cell without a position.
    """
    names = ("cell_of_user", "cell_latlon", "slot_seconds")
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise TraceError(f"{path}: no array {missing[0]!r}; {', '.join(names)} are needed.")
            cell, site, slot_s = (np.asarray(file[name]) for name in names)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path}: cannot be read as .npz ({error}).") from None
    if cell.ndim != 2 or site.ndim != 2 or site.shape[1] != 2 or cell.max(initial=0) > len(site):
        raise TraceError(f"{path}: shapes {cell.shape} and {site.shape}; cells 1 to {len(site)} need positions.")
    return CellTrace(cell.astype(np.int32) - 1, site.astype(np.float64), float(slot_s))


def read_cells(path: Path, site: NDArray[np.float64], slot_s: float) -> CellTrace:
    """A table ``slot,user,cell`` (whole numbers from 0 on, with a head line); what is not in it is a gap.

    Raises:
        TraceError: naming the line, for a cell without a position or a number that is none.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not {"slot", "user", "cell"} <= set(reader.fieldnames or ()):
                raise TraceError(f"{path}: the head line must name slot, user and cell.")
            rows = [_row(path, line, row, len(site)) for line, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read ({error}).") from None
    if not rows:
        raise TraceError(f"{path}: holds no rows.")
    slot, user, place = np.array(rows).T
    cell = np.full((slot.max() + 1, user.max() + 1), OUTSIDE, np.int32)
    cell[slot, user] = place
    return CellTrace(cell, site, slot_s)


def _row(path: Path, line: int, row: dict[str, str], cells: int) -> tuple[int, int, int]:
    try:
        slot, user, cell = (int(row[name]) for name in ("slot", "user", "cell"))
    except (TypeError, ValueError):
        raise TraceError(f"{path}, line {line}: slot, user and cell must be whole numbers.") from None
    if slot < 0 or user < 0 or not 0 <= cell < cells:
        raise TraceError(f"{path}, line {line}: cell {cell} is none of the {cells} cells, or a number is negative.")
    return slot, user, cell


def without_short_sessions(cell: NDArray[np.int32], least: int) -> NDArray[np.int32]:
    """The trace without sessions (runs of slots between gaps) of fewer than ``least`` slots."""
    found = cell.copy()
    for column in found.T:
        edges = np.flatnonzero(np.diff(np.r_[False, column != OUTSIDE, False]))
        for start, stop in edges.reshape(-1, 2):
            if stop - start < least:
                column[start:stop] = OUTSIDE
    return found


def split_users(users: int, part: tuple[float, float], seed: int) -> NDArray[np.int64]:
    """Indices of a part of the users in an order that ``seed`` fixes, so that disjoint parts share no user."""
    order = np.random.default_rng(seed).permutation(users)
    return order[slice(*(round(share * users) for share in part))]
