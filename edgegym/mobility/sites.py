"""Edge sites on a map: layouts, files of sites, the nearest site of a position, and hops between sites."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from edgegym.errors import TraceError
from edgegym.mobility.csv_table import CsvTable, read_table
from edgegym.mobility.hex_plane import disc

METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere with the mean radius of the earth, 6,371 km."""
MOST_SITES = 1024
"""Tables of costs hold a number for each service and any two sites."""
OUTSIDE = -1
"""Cell of a user that no site covers, or of whom nothing is known."""


@dataclass(frozen=True, eq=False)
class Sites:
    """Where the sites are.

    Attributes:
        name: (sites,) what files call them; their numbers from 0 on where nobody named them.
        position: (sites, 2) metres x and y, or degrees latitude and longitude.
        degrees: whether they are degrees.
    """

    name: tuple[str, ...]
    position: NDArray[np.float64]
    degrees: bool

    @classmethod
    def of_metres(cls, xy: NDArray[np.float64]) -> Sites:
        """Sites without names at (sites, 2) metres."""
        return cls(tuple(str(site) for site in range(len(xy))), xy, degrees=False)

    @cached_property
    def metres(self) -> NDArray[np.float64]:
        """(sites, 2) metres x and y from the lower left corner of the map."""
        return self.in_metres(self.position)

    def in_metres(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) positions of the sites' kind in metres from the lower left corner of the sites' map."""
        origin = self.position.min(axis=0)
        return to_metres(position, origin) if self.degrees else position - origin

    @cached_property
    def number(self) -> dict[str, int]:
        """Index of each site by its name.

        Raises:
            TraceError: if two have the same one.
        """
        found = {name: site for site, name in enumerate(self.name)}
        if len(found) < len(self.name):
            twice = next(name for site, name in enumerate(self.name) if found[name] != site)
            raise TraceError(f"site {twice!r} stands in the list of sites twice; names must tell sites apart.")
        return found


def hex_layout(rings: int, spacing_m: float) -> NDArray[np.float64]:
    """(sites, 2) metres: sites at the centres of a disc of hexagons, shifted so that all coordinates are positive."""
    cells = disc(rings).astype(np.float64)
    x = spacing_m * (cells[:, 0] + 0.5 * cells[:, 1])
    y = spacing_m * np.sqrt(0.75) * cells[:, 1]
    xy = np.stack([x, y], axis=1)
    return np.asarray(xy - xy.min(axis=0))


def hex_cover(low: NDArray[np.float64], high: NDArray[np.float64], spacing_m: float) -> NDArray[np.float64]:
    """(sites, 2) centres of hexagons over a rectangle: no point of it is farther than spacing / sqrt(3) from one.

    Args:
        low: (2,) metres, its lower left corner.
        high: (2,) its upper right one.
        spacing_m: between neighbouring centres.
    """
    columns, rows = np.ceil((high - low) / (spacing_m * np.array([1.0, np.sqrt(0.75)])) + (0.5, 0.0)).astype(np.int64)
    row, column = np.divmod(np.arange((rows + 1) * (columns + 1)), columns + 1)
    x = low[0] + spacing_m * (column - 0.5 * (row % 2))
    return np.stack([x, low[1] + spacing_m * np.sqrt(0.75) * row], axis=1)


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


def read_sites(path: Path) -> Sites:
    """Sites from a CSV file with a head line.

    Columns are ``latitude`` and ``longitude`` (or ``lat``, ``lon``) in degrees, or ``x_m`` and ``y_m`` (or ``x``,
    ``y``) in metres; ``site``, ``site_id`` or ``cell`` may name them. So the EUA data sets and OpenCellID are read.

    Raises:
        TraceError: for a file that cannot be read, has no such columns, no rows or more than 1,024, or a value that is
            no coordinate.
    """
    table = read_table(path)
    if len(table.lines) > MOST_SITES:
        raise TraceError(
            f"{path}: has {len(table.lines)} sites, and {MOST_SITES} are the most; keep those of your area."
        )
    position, degrees = read_positions(table)
    names = table.texts("site") if table.has("site") else [str(row) for row in range(len(position))]
    return Sites(tuple(names), position, degrees)


def read_positions(table: CsvTable) -> tuple[NDArray[np.float64], bool]:
    """(rows, 2) the positions of a table, and whether they are degrees.

    Raises:
        TraceError: if there are none, both metres and degrees, or a value that is no coordinate.
    """
    kinds = (("latitude", "longitude"), ("x_m", "y_m"))
    found = [kind for kind in kinds if table.has(*kind)]
    named = [kind for kind in found if any(name in table.names for name in kind)]
    if len(named or found) != 1:
        raise TraceError(
            f"{table.path}: columns latitude and longitude, or x_m and y_m, are needed; "
            f"{'both' if found else 'neither'} found in the head line ({', '.join(table.columns)})."
        )
    columns = (named or found)[0]
    degrees = columns == kinds[0]
    position = np.stack([table.numbers(name) for name in columns], axis=1)
    if degrees:
        wrong = np.flatnonzero((np.abs(position) > (90.0, 180.0)).any(axis=1))
        if len(wrong):
            row = int(wrong[0])
            raise table.wrong(
                row,
                f"latitude {position[row, 0]:g} and longitude {position[row, 1]:g} are no position on earth; degrees "
                "from -90 to 90 and -180 to 180 are needed",
            )
    return position, degrees
