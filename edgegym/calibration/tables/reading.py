"""Rows of CSV files, plain or gzipped, with errors that name column and line."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TableError, did_you_mean

Array = NDArray[np.float64]


@dataclass(frozen=True)
class CsvRows:
    """Rows of a file as text.

    Attributes:
        source: the file, for error texts.
        line: (n,) line of each row.
        cells: rows by column.
    """

    source: str
    line: NDArray[np.intp]
    cells: tuple[Mapping[str, str], ...]

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> CsvRows:
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return CsvRows(self.source, self.line[places], tuple(self.cells[place] for place in places))

    def text(self, column: str) -> NDArray[np.str_]:
        """A column as text, (n,)."""
        return np.array([row[column].strip() for row in self.cells], np.str_)

    def number(self, column: str, *, above: float | None = None, empty: bool = False, comma: bool = False) -> Array:
        """A column of numbers, (n,) float64.

        Args:
            column: its name.
            above: values must exceed this.
            empty: empty cells are allowed and become NaN.
            comma: thousands commas are allowed.

        Raises:
            TableError: naming column, line, what was found and what is allowed.
        """
        values = np.empty(len(self))
        for place, row in enumerate(self.cells):
            cell = row[column].strip().replace(",", "" if comma else ",")
            if not cell and empty:
                values[place] = np.nan
                continue
            try:
                values[place] = float(cell)
            except ValueError:
                raise self.error(place, column, f"{cell!r} is no number") from None
            if not np.isfinite(values[place]) or (above is not None and not values[place] > above):
                bound = "" if above is None else f" above {above:g}"
                raise self.error(place, column, f"{cell} is not a finite number{bound}")
        return values

    def error(
        self, place: int, column: str, found: str, mend: str = "correct the cell or leave the row out"
    ) -> TableError:
        """The error about one cell."""
        return TableError(f"{self.source}: column {column}, row at line {self.line[place]}: {found}; {mend}.")

    def where(self, filters: Mapping[str, str]) -> CsvRows:
        """The rows whose cells equal the filters (numbers by value).

        Raises:
            TableError: for an unknown column or a value that does not occur, naming those that do.
        """
        rows = self
        for column, wanted in filters.items():
            if rows.cells and column not in rows.cells[0]:
                known = list(rows.cells[0])
                raise TableError(
                    f"{self.source}: filter {column}={wanted}: no such column.{did_you_mean(column, known)} "
                    f"Columns: {', '.join(known)}."
                )
            found = rows.text(column)
            chosen = np.array([_same(cell, wanted) for cell in found], bool)
            if not chosen.any():
                raise TableError(
                    f"{self.source}: filter {column}={wanted}: no row has that value.{did_you_mean(wanted, found)} "
                    f"It has {_some(found)}."
                )
            rows = rows[chosen]
        return rows


def read_csv(path: Path, required: Sequence[str]) -> CsvRows:
    """Read a CSV file, gzipped if it ends in ``.gz``.

    Raises:
        TableError: if it cannot be read, a required column is missing, a row has another number of cells, or there are
            no rows.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as text:
            rows = list(csv.reader(text))
    except (OSError, EOFError, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise TableError(f"{path}: cannot be read ({error}). Give a CSV file, plain or .gz.") from None
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in required if name not in header]
    if missing:
        hints = "".join(did_you_mean(name, header) for name in missing[:1])
        raise TableError(
            f"{path}: column {', '.join(missing)} missing from the header (line 1).{hints} It holds "
            f"{', '.join(header) or 'nothing'}; add the column, or choose another --format."
        )
    cells, lines = [], []
    for line, row in enumerate(rows[1:], start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise TableError(f"{path}: row at line {line}: {len(row)} cells under {len(header)} columns; one each.")
        cells.append(dict(zip(header, row, strict=True)))
        lines.append(line)
    if not cells:
        raise TableError(f"{path}: holds no rows below the header; at least one is needed.")
    return CsvRows(str(path), np.array(lines), tuple(cells))


def chosen_device(rows: CsvRows, column: str, device: str, filters: Mapping[str, str]) -> CsvRows:
    """The rows of a device, unless a filter on the column has chosen already.

    The name may be a part of the table's name, if only one fits.

    Raises:
        TableError: if none or several fit, naming some.
    """
    if column in filters:
        return rows
    names = rows.text(column)
    distinct = list(dict.fromkeys(names.tolist()))
    exact = [name for name in distinct if name.lower() == device.lower()]
    fitting = exact or [name for name in distinct if device.lower() in name.lower()]
    if len(fitting) == 1:
        return rows[names == fitting[0]]
    if not fitting:
        raise TableError(
            f"{rows.source}: column {column}, row at line {rows.line[0]} and all others: no device is called "
            f"{device!r}.{did_you_mean(device, distinct)} The table has {_some(distinct)}. Give one of these as "
            "--device, or name the rows with --filter."
        )
    raise TableError(
        f"{rows.source}: column {column}: {device!r} fits {len(fitting)} devices: {_some(fitting)}. "
        "Give a longer part of the name."
    )


def one_setting(rows: CsvRows, columns: Iterable[str]) -> dict[str, str]:
    """The values of columns that must not vary within a fit.

    Raises:
        TableError: if one does, naming its values.
    """
    setting = {}
    for column in columns:
        values = list(dict.fromkeys(rows.text(column).tolist()))
        if len(values) > 1:
            raise TableError(
                f"{rows.source}: column {column}, row at line {rows.line[0]} and others: {len(values)} settings "
                f"({_some(values)}) are mixed; choose one with --filter {column}={values[0]}."
            )
        setting[column] = values[0]
    return setting


def _same(cell: str, wanted: str) -> bool:
    try:
        return float(cell) == float(wanted)
    except ValueError:
        return cell.strip().lower() == wanted.strip().lower()


def _some(values: Iterable[str], most: int = 12) -> str:
    distinct = list(dict.fromkeys(values))
    more = f" and {len(distinct) - most} more" if len(distinct) > most else ""
    return "; ".join(value or "(empty)" for value in distinct[:most]) + more
