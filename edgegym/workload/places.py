"""Where clients are: a CSV file that names the node or the coordinates of each."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.errors import SettingsError
from edgegym.workload.splitting import nearest_site

HEADERS = (("client", "node"), ("client", "latitude", "longitude"))


def node_of_places(path: Path, clients: Sequence[str], sites: ArrayLike | None = None) -> NDArray[np.int32]:
    """The node of each client.

    Args:
        path: a CSV file with the header ``client,node`` or ``client,latitude,longitude`` (degrees).
        clients: names of the clients, as the trace writes them.
        sites: (nodes, 2) latitude and longitude of each node; a client belongs to the nearest. Needed with coordinates.

    Returns:
        (clients,) int32.

    Raises:
        SettingsError: for a file that cannot be read or does not place every client, naming the line or the client.
    """
    coordinates, rows = _read(path)
    lacking = [name for name in clients if name not in rows]
    if lacking:
        raise SettingsError(
            f"workload.split.places: {path}: {len(lacking)} of {len(clients)} clients of the trace have no line, for "
            f"example {lacking[0]!r}; add them."
        )
    values = np.array([rows[name] for name in clients]).reshape(len(clients), -1)
    if not coordinates:
        return values[:, 0].astype(np.int32)
    if sites is None:
        raise SettingsError(
            f"workload.split.sites: {path} has coordinates; give the latitude and longitude of each node as sites."
        )
    return nearest_site(values[:, 0], values[:, 1], sites)


def _read(path: Path) -> tuple[bool, dict[str, list[float]]]:
    """Whether the file has coordinates, and its numbers by client."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"workload.split.places: {path}: cannot be read ({error}).") from None
    header = tuple(word.strip().lower() for word in lines[0]) if lines else ()
    if header not in HEADERS:
        allowed = " or ".join(",".join(words) for words in HEADERS)
        raise SettingsError(f"workload.split.places: {path}: line 1: found {','.join(header)!r}, {allowed} is needed.")
    rows = {}
    for number, fields in enumerate(lines[1:], start=2):
        if not fields:
            continue
        try:
            values = [float(field) for field in fields[1:]]
        except ValueError:
            values = []
        is_node = len(header) == 2 and len(values) == 1
        if len(values) != len(header) - 1 or (is_node and not (values[0] >= 0 and values[0].is_integer())):
            raise SettingsError(
                f"workload.split.places: {path}: line {number}: found {','.join(fields)!r}; {','.join(header)} with "
                "nodes counted from 0 or degrees is needed."
            )
        rows[fields[0].strip()] = values
    return len(header) == 3, rows
