"""Recorded mobility: who was in which cell, slot by slot; sessions, parts of the users, the San Francisco taxis."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.mobility.motion import Walks
from edgegym.mobility.sites import OUTSIDE, Sites


@dataclass(frozen=True)
class Track:
    """One recorded user.

    Attributes:
        slot: (n,) int64, growing: the slots in which it is known where the user is. What is between is a gap.
        cell: (n,) int32, -1 where the user is beyond every cell.
        position: (n, 2) on the map of the sites, or None where only cells are known.
    """

    slot: NDArray[np.int64]
    cell: NDArray[np.int32]
    position: NDArray[np.float64] | None = None

    def part(self, kept: NDArray[np.bool_]) -> Track:
        """The track in some of its slots (n,)."""
        return Track(self.slot[kept], self.cell[kept], None if self.position is None else self.position[kept])

    def without_short_sessions(self, least: int) -> Track:
        """The track without sessions of fewer than ``least`` slots; what is beyond every cell belongs to none."""
        ends = np.flatnonzero((np.diff(self.slot) > 1) | (np.diff(self.cell == OUTSIDE))) + 1
        run = np.searchsorted(ends, np.arange(len(self.slot)), side="right")
        return self.part((np.bincount(run)[run] >= least) | (self.cell == OUTSIDE)) if len(self.slot) else self


@dataclass(frozen=True)
class Recording:
    """Recorded users.

    Attributes:
        tracks: one a user.
        sites: of the cells.
        slot_s: length of a slot, seconds.
        slots: length of the recording; None where slots without anybody mean nothing.
    """

    tracks: tuple[Track, ...]
    sites: Sites
    slot_s: float
    slots: int | None = None


def read_taxis(path: Path) -> Recording:
    """San Francisco taxis: ``cell_of_user`` (slots, users) with 0 for off, ``cell_latlon`` and ``slot_seconds``.

    Raises:
        TraceError: for a file that is damaged, lacks an array, names a cell without a position, or has values that
            are none.
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
    if cell.dtype.kind not in "iu":
        raise TraceError(f"{path}: cell_of_user must hold whole numbers from 0 (off) on.")
    if cell.ndim != 2 or site.ndim != 2 or site.shape[1] != 2 or cell.max(initial=0) > len(site):
        raise TraceError(f"{path}: shapes {cell.shape} and {site.shape}; cells 1 to {len(site)} need positions.")
    if cell.min(initial=0) < 0:
        raise TraceError(f"{path}: cell_of_user must hold whole numbers from 0 (off) on.")
    if site.dtype.kind not in "iuf" or not np.isfinite(site).all():
        raise TraceError(f"{path}: cell_latlon must hold finite degrees.")
    if slot_s.shape != () or slot_s.dtype.kind not in "iuf" or not 0.0 < slot_s < np.inf:
        raise TraceError(f"{path}: slot_seconds must be one number above 0 (found {slot_s.tolist()!r}).")
    columns = cell.T.astype(np.int32) - 1
    tracks = tuple(Track(np.flatnonzero(column != OUTSIDE), column[column != OUTSIDE]) for column in columns)
    numbers = tuple(str(number) for number in range(1, 1 + len(site)))
    return Recording(tracks, Sites(numbers, site.astype(np.float64), degrees=True), float(slot_s), len(cell))


def together(tracks: Sequence[Track], slots: int | None = None) -> Walks:
    """Users of one clock side by side.

    Args:
        tracks: of the users.
        slots: of the recording, all of which are kept; if left out, slots in which nobody is there are left out but for
            one between two others.
    """
    if slots is None:
        present = np.unique(np.concatenate([track.slot for track in tracks]))
        place = np.arange(len(present)) + np.r_[0, np.cumsum(np.diff(present) > 1)] if len(present) else present
        slots = int(place[-1]) + 1 if len(place) else 1
        rows = [place[np.searchsorted(present, track.slot)] for track in tracks]
    else:
        rows = [track.slot for track in tracks]
    cell = np.full((slots, len(tracks)), OUTSIDE, np.int32)
    position = None if tracks[0].position is None else np.full((*cell.shape, 2), np.nan)
    outside = np.zeros(slots, np.int64)
    for u, (row, track) in enumerate(zip(rows, tracks, strict=True)):
        cell[row, u] = track.cell
        outside[row] += track.cell == OUTSIDE
        if position is not None:
            position[row, u] = track.position
    return Walks(cell, position, outside)


def apart(tracks: Sequence[Track]) -> Walks:
    """Users side by side who need not share a clock: each from its first slot on, without its long gaps."""
    walks = [together([track]) for track in tracks]
    slots = max(len(walk.cell) for walk in walks)
    cell = np.full((slots, len(walks)), OUTSIDE, np.int32)
    position = None if walks[0].position is None else np.full((*cell.shape, 2), np.nan)
    for u, walk in enumerate(walks):
        cell[: len(walk.cell), u] = walk.cell[:, 0]
        if position is not None and walk.position is not None:
            position[: len(walk.cell), u] = walk.position[:, 0]
    return Walks(cell, position)


def split_users(users: int, part: tuple[float, float], seed: int) -> NDArray[np.int64]:
    """Indices of a part of the users in an order that ``seed`` fixes, so that disjoint parts share no user."""
    order = np.random.default_rng(seed).permutation(users)
    return order[slice(*(round(share * users) for share in part))]
