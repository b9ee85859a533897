"""The table of measured inference times: one tidy CSV file that the profiler writes and the fits read.

Leading lines ``# key: value`` describe the machine. Then follows one row per thing that was timed: a whole model
(level ``model``), each of its layers (``layer``), and what a pass through the layers took beyond them (``remainder``).
Times and energies are those of one call with the whole batch; counts (MACs, elements) are per sample. An empty cell
was not measured: no value stands in for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from edgegym.errors import TableError, did_you_mean
from edgegym.files import write_text
from edgegym.settings import Settings

Level = Literal["model", "layer", "remainder"]
LEVELS: tuple[Level, ...] = ("model", "layer", "remainder")


class ProfileRow(Settings):
    """One row; the order of the fields is the order of the columns, None is an empty cell."""

    device: str = Field(min_length=1)
    """Processor or accelerator, as it names itself."""
    runtime: str = Field(min_length=1)
    """Software that ran the model, with its version."""
    threads: int = Field(ge=1)
    """Threads that an operator could use."""
    dtype: str = Field(min_length=1)
    """Number format of weights and activations."""
    model: str = Field(min_length=1)
    """Name of the model."""
    family: str = Field(min_length=1)
    """Architecture that the model shares with its variants; the fits hold out whole families."""
    batch: int = Field(ge=1)
    """Samples in a call."""
    input: str = Field(min_length=1)
    """Shape of one sample, like ``3x224x224``."""
    macs: int | None = Field(default=None, ge=0)
    """Multiply-accumulates per sample, counted from the graph."""
    params: int | None = Field(default=None, ge=0)
    """Trained parameters, counted from the graph."""
    act_elements: int | None = Field(default=None, ge=0)
    """Elements that the layer puts out per sample; for a model the sum over its layers."""
    layers: int | None = Field(default=None, ge=0)
    """Layers launched: operators that compute; 1 for a layer."""
    level: Level
    """What the row is about."""
    layer: str = ""
    """Name of the layer in the graph; empty unless the level is ``layer``."""
    kind: str = ""
    """Kind of operator; empty unless the level is ``layer``."""
    t_p50_s: float = Field(ge=0, allow_inf_nan=False)
    """Median time of a call, seconds."""
    t_p90_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """90 % quantile, seconds."""
    t_p99_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """99 % quantile, seconds."""
    t_min_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Fastest call, seconds."""
    t_iqr_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Third quartile less the first, seconds."""
    repetitions: int | None = Field(default=None, ge=1)
    """Timed calls behind the quantiles."""
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    """Most memory held at a time for weights and activations."""
    load_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Time to read the weights from a file into the model, seconds."""
    energy_j: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Energy of a call as the device's meter tells it, idle share included, joules."""
    load_average: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Load average of the machine over the last minute at the end of the measurement."""
    contended: bool = False
    """Other work disturbed the measurement: the times say little about the device."""
    input_elements: int | None = Field(default=None, ge=0)
    """Elements of the activations that go in, per sample."""
    channels_in: int | None = Field(default=None, ge=0)
    """Input channels or features of a convolution or dense layer."""
    channels_out: int | None = Field(default=None, ge=0)
    """Output channels or features of a convolution or dense layer."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.level == "layer") != bool(self.layer):
            raise ValueError(f"layer is {self.layer!r} at level {self.level!r}: layer rows, and only they, name one")
        if self.level == "model" and self.t_p50_s == 0:
            raise ValueError("t_p50_s is 0: the time of a model is positive; leave the row out if it was not measured")
        quantiles = {name: getattr(self, name) for name in ("t_min_s", "t_p50_s", "t_p90_s", "t_p99_s")}
        given = [(name, value) for name, value in quantiles.items() if value is not None]
        for (lower, low), (upper, high) in pairwise(given):
            if low > high:
                raise ValueError(f"{lower} = {low:g} exceeds {upper} = {high:g}: quantiles cannot fall")
        return self


COLUMNS: tuple[str, ...] = tuple(ProfileRow.model_fields)
"""Columns in the order of the file."""
REQUIRED: tuple[str, ...] = tuple(name for name, field in ProfileRow.model_fields.items() if field.is_required())
"""Columns without which a file is refused."""


@dataclass(frozen=True)
class ProfileTable:
    """Rows and the machine they were measured on."""

    rows: tuple[ProfileRow, ...]
    machine: Mapping[str, str] = field(default_factory=dict)
    """Description of the machine and of the measurement, as the leading lines of the file hold it."""

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, level: Level) -> ProfileTable:
        """The rows of one level."""
        return ProfileTable(tuple(row for row in self.rows if row.level == level), self.machine)

    def column(self, name: str) -> NDArray[Any]:
        """One column, (rows,): float64 with NaN for empty cells, or str for text, or bool."""
        values = [getattr(row, name) for row in self.rows]
        if all(isinstance(value, str | bool) for value in values):
            return np.array(values)
        return np.array([np.nan if value is None else value for value in values], np.float64)


def write_profile(table: ProfileTable, path: str | Path) -> None:
    """Write a table, whole or not at all; :func:`read_profile` gives an equal one."""
    write_text(path, profile_text(table))


def profile_text(table: ProfileTable) -> str:
    """The table as the text of a CSV file."""
    out = io.StringIO()
    for key, value in table.machine.items():
        out.write(f"# {key}: {' '.join(str(value).split())}\n")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.model_dump().items()} for row in table.rows)
    return out.getvalue()


def read_profile(path: str | Path) -> ProfileTable:
    """Read a table.

    Columns of the schema that have a default may be missing; other columns are an error.

    Raises:
        TableError: naming file, line and column, what was found and what is allowed.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read ({error}). Give a CSV file that `edgegym profile` wrote.") from None
    return parse_profile(text, str(path))


def parse_profile(text: str, source: str) -> ProfileTable:
    """Read a table from the text of a CSV file; ``source`` names it in errors.

    Raises:
        TableError: as :func:`read_profile`.
    """
    lines = text.splitlines(keepends=True)
    machine: dict[str, str] = {}
    while len(machine) < len(lines) and lines[len(machine)].startswith("#"):
        key, _, value = lines[len(machine)][1:].partition(":")
        machine[key.strip() or str(len(machine))] = value.strip()
    reader = csv.reader(lines[len(machine) :])
    header = next(reader, [])
    _check_header(header, source)
    rows = tuple(_rows(reader, header, source, len(machine)))
    if not rows:
        raise TableError(f"{source}: holds no measurements; one row below the header is the least.")
    return ProfileTable(rows, machine)


def _check_header(header: list[str], source: str) -> None:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise TableError(f"{source}: column {', '.join(missing)} missing. Needed: {', '.join(REQUIRED)}.")
    for name in header:
        if name not in COLUMNS:
            raise TableError(
                f"{source}: unknown column {name!r}.{did_you_mean(name, COLUMNS)} Allowed: {', '.join(COLUMNS)}."
            )
        if header.count(name) > 1:
            raise TableError(f"{source}: column {name} occurs {header.count(name)} times; keep one.")


def _rows(reader: Iterable[list[str]], header: list[str], source: str, skipped: int) -> Iterator[ProfileRow]:
    for number, cells in enumerate(reader, start=skipped + 2):
        if len(cells) != len(header):
            raise TableError(f"{source}, line {number}: {len(cells)} cells under {len(header)} columns; one each.")
        try:
            yield ProfileRow.model_validate({name: cell for name, cell in zip(header, cells, strict=True) if cell})
        except ValidationError as error:
            raise TableError(f"{source}, line {number}: {_explained(error)}") from None


def _explained(error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "missing":
            parts.append(f"column {problem['loc'][0]}: empty; a value is needed.")
        elif problem["loc"]:
            parts.append(f"column {problem['loc'][0]}: {message} (found {problem['input']!r}).")
        else:
            parts.append(f"{message}.")
    return " ".join(parts)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(float(f"{value:.6g}")) if isinstance(value, float) else str(value)
