"""Hexagonal cells in axial coordinates (q, s).

Hops are counted in cells: max(|dq|, |ds|, |dq + ds|). (The authors' program of :mod:`~edgegym.mobility.hex_mdp` counts
ceil(Euclidean distance / cell) instead, which differs a little off the six axes.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.compiling import inlined, njit

DIRECTIONS = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
"""Steps to the six neighbours, in order of rotation."""
BITS = 15
"""A packed cell is q + HALF, shifted by this many bits, plus s + HALF."""
HALF = 1 << (BITS - 1)
"""Coordinates from -HALF to HALF - 1 can be packed into one number."""
PACKED_CELLS = 1 << (2 * BITS)
"""Packed cells are numbers from 0 up to but not this."""


def hops(offset: ArrayLike) -> NDArray[np.int64]:
    """(...) hops of offsets (..., 2)."""
    d = np.asarray(offset, np.int64)
    return np.abs(np.stack([d[..., 0], d[..., 1], d[..., 0] + d[..., 1]])).max(axis=0)


def disc(rings: int) -> NDArray[np.int64]:
    """(1 + 3 rings (rings + 1), 2) all cells within ``rings`` hops of the origin, by ring; the origin first."""
    span = np.arange(-rings, rings + 1)
    cells = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1).reshape(-1, 2)
    distance = hops(cells)
    order = np.argsort(distance, kind="stable")
    return cells[order][distance[order] <= rings]


def rotated(cells: ArrayLike) -> NDArray[np.int64]:
    """Cells (..., 2) turned by 60 degrees about the origin."""
    c = np.asarray(cells, np.int64)
    return np.stack([-c[..., 1], c[..., 0] + c[..., 1]], axis=-1)


def reflected(cells: ArrayLike) -> NDArray[np.int64]:
    """Cells (..., 2) reflected at an axis through the origin."""
    return np.asarray(cells, np.int64)[..., ::-1]


def pack(cells: ArrayLike) -> NDArray[np.int32]:
    """(...) int32, one number from 0 on for each cell (..., 2), for arrays that hold a place in one integer.

    Raises:
        ValueError: for a coordinate outside -HALF to HALF - 1.
    """
    c = np.asarray(cells, np.int64) + HALF
    if np.any((c < 0) | (c >= 2 * HALF)):
        raise ValueError(f"coordinates must lie between {-HALF} and {HALF - 1}")
    return ((c[..., 0] << BITS) + c[..., 1]).astype(np.int32)


def unpack(places: ArrayLike) -> NDArray[np.int64]:
    """(..., 2) cells of packed ones (...): what :func:`pack` was given."""
    packed = np.asarray(places, np.int64)
    return np.stack([(packed >> BITS) - HALF, (packed & (2 * HALF - 1)) - HALF], axis=-1)


@inlined
def packed_cell(q: int, s: int) -> int:
    """A cell as one number: :func:`pack` of one, unchecked."""
    return ((q + HALF) << BITS) + s + HALF


@inlined
def unpack_q(place: int) -> int:
    """Coordinate q of a packed cell."""
    return (place >> BITS) - HALF


@inlined
def unpack_s(place: int) -> int:
    """Coordinate s of a packed cell."""
    return (place & (2 * HALF - 1)) - HALF


@inlined
def packed_hops(a: int, b: int) -> int:
    """Hops between two packed cells."""
    dq, ds = unpack_q(a) - unpack_q(b), unpack_s(a) - unpack_s(b)
    return max(abs(dq), abs(ds), abs(dq + ds))


@inlined
def packed_towards(start: int, end: int, left: int) -> int:
    """The packed cell on a shortest path from ``start`` to ``end`` that is ``left`` hops from the end.

    It is the cell nearest to that point of the straight line: cube rounding, as in drawing a line of hexagons.
    """
    total = packed_hops(start, end)
    if left >= total:
        return start
    q, s = unpack_q(end), unpack_s(end)
    part = left / total
    x, y = (unpack_q(start) - q) * part, (unpack_s(start) - s) * part
    z = -x - y
    a, b, c = np.floor(x + 0.5), np.floor(y + 0.5), np.floor(z + 0.5)
    off_a, off_b, off_c = abs(a - x), abs(b - y), abs(c - z)
    if off_a > off_b and off_a > off_c:
        a = -b - c
    elif off_b > off_c:
        b = -a - c
    return packed_cell(q + int(a), s + int(b))


@njit(cache=True)
def towards(starts: NDArray[np.int32], left: int, end: int) -> NDArray[np.int32]:
    """:func:`packed_towards` one end, for many starts."""
    return np.array([packed_towards(start, end, left) for start in starts], np.int32)
