"""What users have shown of their motion up to each slot: the inputs of a recurrent predictor. Nothing looks ahead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edgegym.mobility.markov import cells_before
from edgegym.mobility.sites import OUTSIDE

CELLS = ("x", "y", "step_x", "step_y", "entered", "age")
"""Inputs from cells alone: where the cell lies, from where the user came into it, whether just now, and since when."""
MOTION = (*CELLS, "offset_x", "offset_y", "move_x", "move_y")
"""Beside those the position within the cell, and the movement since the slot before: speed and heading."""
MOVE_SCALE = 5.0
"""A movement by a fifth of the distance between sites in a slot is shown as one."""


@dataclass(frozen=True)
class Walks:
    """Where users were.

    Attributes:
        cell: (slots, users) int32, -1 while a user is away.
        position: (slots, users, 2) on the map of the sites, or None where only cells are known.
        outside: (slots,) users that are away because they are beyond every cell; None where nobody ever is.
    """

    cell: NDArray[np.int32]
    position: NDArray[np.float64] | None = None
    outside: NDArray[np.int64] | None = None


def spacing_of(xy: NDArray[np.float64]) -> float:
    """Median distance of the sites (sites, 2) from their nearest neighbours, in the unit of ``xy``.

    Sites at one place count as one; 1 if they all are.
    """
    places = np.unique(xy, axis=0)
    if len(places) < 2:
        return 1.0
    distance, _ = cKDTree(places).query(places, [2])
    return float(np.median(distance))


def ages(cell: NDArray[np.int32]) -> NDArray[np.int64]:
    """(slots, users) slots since the user entered its cell, 0 in the first one and while it is away."""
    age = np.zeros(cell.shape, np.int64)
    for t in range(1, len(cell)):
        age[t] = np.where((cell[t] == cell[t - 1]) & (cell[t] != OUTSIDE), age[t - 1] + 1, 0)
    return age


def motion_inputs(walks: Walks, xy: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float32]:
    """(slots, users, inputs) the inputs of these names, 0 while a user is away.

    Args:
        walks: where the users were.
        xy: (cells, 2) positions of the cells' sites.
        names: :data:`CELLS` or :data:`MOTION`; the latter needs positions.
    """
    cell, unit = walks.cell, spacing_of(xy)
    there = cell != OUTSIDE
    here = np.where(there, cell, 0)
    before = np.where(there, cells_before(cell), 0)
    age = ages(cell)
    scale = max(float(np.ptp(xy, axis=0).max()) / 2.0, 1e-12)
    found = [(xy[here] - xy.mean(axis=0)) / scale, (xy[here] - xy[before]) / unit]
    entered = there & (age == 0) & (before != here)
    found += [entered[..., None], np.log2(1.0 + age)[..., None] / 4.0]
    if names == MOTION:
        assert walks.position is not None
        moved = np.zeros_like(walks.position)
        moved[1:] = np.where((there[1:] & there[:-1])[..., None], np.diff(walks.position, axis=0), 0.0)
        found += [2.0 * (walks.position - xy[here]) / unit, MOVE_SCALE * moved / unit]
    inputs = np.concatenate(found, axis=-1).astype(np.float32)
    return np.where(there[..., None], inputs, np.float32(0.0))
