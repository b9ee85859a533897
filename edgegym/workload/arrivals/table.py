"""CSV tables of arrivals by column, with every complaint naming its line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.workload.compression import compression_of, decompress

SHOWN_CHARACTERS = 60
UTC = "+00:00"
AGAIN = "get the file again from its source"


@dataclass(frozen=True)
class CsvTable:
    """A header and its columns of text.

    Attributes:
        path: for error texts.
        header: names of the columns, blanks around them removed.
        columns: one tuple of (rows,) cells a column.
        lines: (rows,) line of the file that each row ends on, counted from 1.
    """

    path: Path
    header: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def texts(self, column: str) -> tuple[str, ...]:
        """The cells of a column as they stand."""
        return self.columns[self.header.index(column)]

    def numbers(self, column: str, least: float = -np.inf) -> NDArray[np.float64]:
        """A column of finite numbers of at least ``least``: (rows,).

        Raises:
            TraceError: naming the first line whose cell is something else.
        """
        values = self._converted(column, lambda cells: np.array(cells, np.str_).astype(np.float64), "a number")
        bound = "" if np.isneginf(least) else f" of at least {least:g}"
        self._refuse(column, ~np.isfinite(values) | (values < least), f"a finite number{bound}")
        return values

    def counts(self, column: str) -> NDArray[np.int64]:
        """A column of whole numbers from 0 on: (rows,); errors as in :meth:`numbers`."""
        values = self.numbers(column, least=0.0)
        self._refuse(column, (values != np.floor(values)) | (values >= 2.0**53), "a whole number below 2 ** 53")
        return values.astype(np.int64)

    def dates_s(self, column: str) -> NDArray[np.float64]:
        """Dates such as ``2023-11-16 18:17:03.9799600`` in seconds after the earliest: (rows,).

        They are subtracted as whole nanoseconds, since seconds of an epoch in a double lose the last digits; errors as
        in :meth:`numbers`.
        """
        stamps = self._converted(
            column,
            lambda cells: np.array([cell.strip().removesuffix(UTC) for cell in cells], "datetime64[ns]"),
            "a date such as 2023-11-16 18:17:03.9799600",
        )
        self._refuse(column, np.isnat(stamps), "a date")
        return np.asarray((stamps - stamps.min()).astype(np.int64) / 1e9)

    def _converted(self, column: str, convert: Callable[[tuple[str, ...]], NDArray[Any]], what: str) -> NDArray[Any]:
        cells = self.texts(column)
        try:
            return convert(cells)
        except ValueError:
            for place, cell in enumerate(cells):
                try:
                    convert((cell,))
                except ValueError:
                    raise self._error(column, place, what) from None
            raise

    def _refuse(self, column: str, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            raise self._error(column, int(np.argmax(wrong)), what)

    def _error(self, column: str, place: int, what: str) -> TraceError:
        cell = self.texts(column)[place][:SHOWN_CHARACTERS]
        return TraceError(
            f"{self.path}: line {self.lines[place]}: {column} {cell!r} is not {what}; correct it, remove the line, or "
            f"{AGAIN}."
        )


def read_table(path: Path) -> CsvTable:
    """Read a CSV file with a header, plain or compressed with gzip or xz.

    Raises:
        TraceError: if it cannot be read, is not text, has no rows, or a row has another number of cells than the
            header.
    """
    reader = csv.reader(TextIOWrapper(BytesIO(_text(path)), "utf-8-sig", newline=""))
    header: tuple[str, ...] = ()
    rows, lines = [], []
    try:
        for row in reader:
            if not row:
                continue
            if not header:
                header = tuple(name.strip() for name in row)
                continue
            if len(row) != len(header):
                raise TraceError(
                    f"{path}: line {reader.line_num}: {len(row)} cells under {len(header)} columns; complete or remove "
                    f"the line, or {AGAIN}."
                )
            # Traces of millions of rows repeat most cells: one string each keeps them small.
            rows.append(tuple(map(sys.intern, row)))
            lines.append(reader.line_num)
    except csv.Error as error:
        raise TraceError(f"{path}: line {reader.line_num}: is not CSV ({error}); correct it, or {AGAIN}.") from None
    if not rows:
        raise TraceError(f"{path}: holds no row below a header; at least one is needed.")
    return CsvTable(path, header, tuple(zip(*rows, strict=True)), tuple(lines))


def _text(path: Path) -> bytes:
    """The unpacked file, which has proved to be UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions.") from None
    compression = compression_of(path, data)
    if compression is not None:
        data, damage = decompress(data, compression)
        if damage is not None:
            line = data.count(b"\n") + 1
            raise TraceError(f"{path}: line {line}: {damage}; {AGAIN}.")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TraceError(f"{path}: line {line}: is not UTF-8 text; {AGAIN}, or convert it.") from None
    return data
