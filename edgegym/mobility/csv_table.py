"""Small tables in CSV files: columns found by the names that they usually have, errors that name file and row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.workload.compression import compression_of, decompress

ALIASES: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "user_id"),
    "time": ("time", "time_s", "timestamp"),
    "cell": ("cell", "cell_id"),
    "site": ("site", "site_id", "cell", "cell_id"),
    "x_m": ("x_m", "x"),
    "y_m": ("y_m", "y"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng"),
    "source": ("source",),
    "target": ("target",),
    "link": ("link",),
}
"""What a column may be called in a head line; upper and lower case do not matter."""


@dataclass(frozen=True)
class CsvTable:
    """A table as it stands in its file.

    Attributes:
        path: of the file.
        columns: values by the names of the head line.
        lines: (rows,) int64, line of each row in the file, the head line being 1.
        names: columns to use in place of :data:`ALIASES`, ours to those of the file.
        twice: lower-case names that stand in the head line more than once; nobody can ask for them.
    """

    path: Path
    columns: Mapping[str, list[str]]
    lines: NDArray[np.int64]
    names: Mapping[str, str]
    twice: frozenset[str] = frozenset()

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(self._found(name) is not None for name in names)

    def texts(self, name: str) -> list[str]:
        """Values of a column as they stand there, without spaces around them.

        Raises:
            TraceError: if there is no such column, or a value is empty.
        """
        found = self._found(name)
        if found is None:
            wanted = self.names.get(name) or " or ".join(ALIASES[name])
            raise TraceError(f"{self.path}: no column {wanted} in the head line ({', '.join(self.columns)}).")
        values = self.columns[found]
        for row, value in enumerate(values):
            if not value:
                raise self.wrong(row, f"{found} is empty; give a value or leave the row out")
        return values

    def numbers(self, name: str) -> NDArray[np.float64]:
        """(rows,) finite values of a column.

        Raises:
            TraceError: naming the line of the first value that is no finite number.
        """
        values = self.texts(name)
        try:
            found = np.array(values, np.float64)
        except ValueError:
            found = np.array([_number(value) for value in values])
        wrong = np.flatnonzero(~np.isfinite(found))
        if len(wrong):
            row = int(wrong[0])
            raise self.wrong(row, f"{self._found(name)} is {values[row]!r}; give a number or leave the row out")
        return found

    def wrong(self, row: int, reason: str) -> TraceError:
        """The error for a row."""
        return TraceError(f"{self.path}, line {self.lines[row]}: {reason}.")

    def _found(self, name: str) -> str | None:
        wanted = (self.names[name].lower(),) if name in self.names else ALIASES[name]
        present = {column.lower(): column for column in self.columns}
        found = next((present[alias] for alias in wanted if alias in present), None)
        if found is not None and found.lower() in self.twice:
            raise TraceError(f"{self.path}: column {found!r} stands in the head line twice; rename one of the two.")
        return found


def read_table(path: Path, names: Mapping[str, str] | None = None) -> CsvTable:
    """Read a CSV file with a head line, plain, gzip or xz.

    Args:
        path: of the file; comma-separated, UTF-8. Columns that nobody asks for are not looked at.
        names: names of columns in this file, by ours, where they are not those of :data:`ALIASES`.

    Raises:
        TraceError: for a file that cannot be read or holds no rows, naming the line where fields are missing; and once
            somebody asks for a column that stands there twice.
    """
    try:
        raw = path.read_bytes()
        text = _plain(path, raw).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read as a table ({error}).") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise TraceError(f"{path}, line {reader.line_num}: not a CSV table ({error}).") from None
    if len(rows) < 2:
        raise TraceError(f"{path}: holds no rows; a head line and rows below it are needed.")
    head = [name.strip() for name in rows[0]]
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(head):
            raise TraceError(f"{path}, line {line}: has {len(row)} fields, the head line {len(head)}; mend the row.")
    columns = {name: [value.strip() for value in values] for name, *values in zip(head, *rows[1:], strict=True)}
    counts = Counter(name.lower() for name in head)
    twice = frozenset(name for name, count in counts.items() if count > 1)
    return CsvTable(path, columns, np.array(lines[1:]), names or {}, twice)


def _plain(path: Path, raw: bytes) -> bytes:
    compression = compression_of(path, raw)
    if compression is None:
        return raw
    plain, damage = decompress(raw, compression)
    if damage is not None:
        raise TraceError(f"{path}: damaged {compression} data ({damage}); get the file again.")
    return plain


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
