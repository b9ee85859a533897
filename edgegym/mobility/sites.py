"""Edge sites on a map: layouts, files of sites, the nearest site of a position, and hops between sites."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edgegym.errors import TraceError
from edgegym.mobility.hex_plane import disc

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere with the mean radius of the earth, 6,371 km."""
OUTSIDE = -1
"""Cell of a user that no site covers, or of whom nothing is known."""


def hex_layout(rings: int, spacing_m: float) -> NDArray[np.float64]:
    """(sites, 2) metres: sites at the centres of a disc of hexagons, shifted so that all coordinates are positive."""
    cells = disc(rings).astype(np.float64)
    x = spacing_m * (cells[:, 0] + 0.5 * cells[:, 1])
    y = spacing_m * np.sqrt(0.75) * cells[:, 1]
    xy = np.stack([x, y], axis=1)
    return np.asarray(xy - xy.min(axis=0))


def to_metres(latlon: NDArray[np.float64], origin: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    """(n, 2) metres east and north of ``origin`` (of the least latitude and longitude if left out), on a plane."""
    origin = latlon.min(axis=0) if origin is None else origin
    north, east = (latlon - origin).T * METRES_PER_DEGREE
    return np.stack([east * np.cos(np.radians(origin[0])), north], axis=1)


def nearest_site(
    positions_m: NDArray[np.float64], sites_m: NDArray[np.float64], coverage_m: float = np.inf
) -> NDArray[np.int32]:
    """(...) nearest site of positions (..., 2); :data:`OUTSIDE` beyond ``coverage_m`` or where a position is NaN."""
    flat = positions_m.reshape(-1, 2)
    known = np.isfinite(flat).all(axis=1)
    found = np.full(len(flat), OUTSIDE, np.int32)
    distance, site = cKDTree(sites_m).query(flat[known])
    found[known] = np.where(distance <= coverage_m, site, OUTSIDE)
    return found.reshape(positions_m.shape[:-1])


def rounded_hops(points: NDArray[np.float64], unit: float) -> NDArray[np.int64]:
    """(n, n) Euclidean distance in units, rounded up; what is within 1e-8 of an integer counts as it."""
    distance = np.hypot(*(points[:, None] - points).transpose(2, 0, 1)) / unit
    near = np.round(distance)
    return np.where(np.abs(distance - near) < 1e-8, near, np.ceil(distance)).astype(np.int64)


def read_sites(path: Path, latitude: str = "LATITUDE", longitude: str = "LONGITUDE") -> NDArray[np.float64]:
    """(sites, 2) degrees from a CSV file; the defaults are the columns of the EUA data sets.

    OpenCellID files have the columns ``lat`` and ``lon``.

    Raises:
        TraceError: for a file that cannot be read, has no such columns, no rows, or a value that is no coordinate.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in (latitude, longitude) if name not in (reader.fieldnames or ())]
            if missing:
                raise TraceError(f"{path}: no column {missing[0]!r} (found {', '.join(reader.fieldnames or ())}).")
            rows = [(row[latitude], row[longitude]) for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read ({error}).") from None
    return _coordinates(path, rows)


def _coordinates(path: Path, rows: list[tuple[str, str]]) -> NDArray[np.float64]:
    try:
        found = np.array(rows, np.float64).reshape(-1, 2)
    except ValueError as error:
        raise TraceError(f"{path}: {error}; degrees are needed.") from None
    if not len(found) or not (np.isfinite(found).all() and (np.abs(found) <= (90.0, 180.0)).all()):
        raise TraceError(f"{path}: rows of latitude (-90 to 90) and longitude (-180 to 180) are needed.")
    return found
