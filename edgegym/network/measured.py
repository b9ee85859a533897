"""Measured series of a link, such as throughput traces, from CSV files: ``trace,t_s,COLUMN`` with one row a sample."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import EdgeGymError, TraceError

Array = NDArray[np.float64]
Series = dict[str, tuple[Array, Array]]
"""For each run its (n,) times in seconds and (n,) values."""
RATE_COLUMNS = {"down_mbps": 1e6, "up_mbps": 1e6, "down_bps": 1.0, "up_bps": 1.0}
"""Columns of throughput, each with its unit in bit/s."""


def read_series(file: str | Path, column: str) -> Series:
    """Read ``trace,t_s,COLUMN`` from a CSV file, gzipped if its name ends in .gz.

    Returns:
        For each trace its (n,) times and (n,) values as they stand in the file.

    Raises:
        TraceError: if the file is missing, lacks a column, or a field is not a number, naming file and line.
    """
    file = Path(file)
    series: dict[str, tuple[list[float], list[float]]] = {}
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8", newline="")
            if file.suffix == ".gz"
            else file.open(encoding="utf-8", newline="") as text
        ):
            for line, row in enumerate(csv.DictReader(text), start=2):
                time_s, values = series.setdefault(row["trace"], ([], []))
                try:
                    time_s.append(float(row["t_s"]))
                    values.append(float(row[column]))
                except (ValueError, TypeError) as error:
                    raise TraceError(f"{file}: line {line}: {error}; restore the file.") from None
    except KeyError as error:
        raise TraceError(
            f"{file}: cannot be read: it has no column {error}; columns trace, t_s and {column} are needed."
        ) from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"{file}: cannot be read ({error!r}); give the data folder that holds it.") from None
    if not series:
        raise TraceError(f"{file}: has no rows; restore the file.")
    return {name: (np.array(time_s), np.array(values)) for name, (time_s, values) in series.items()}


def read_throughput(file: str | Path, column: str = "down_mbps", step_s: float = 1.0) -> dict[str, Array]:
    """Read measured throughput traces and bring them to equal steps, the last value held between samples.

    Args:
        file: CSV with the columns ``trace``, ``t_s`` (seconds, not falling within a trace) and ``column``, gzipped or
            not, such as ``network/lumos5g/traces.csv.gz`` of the data folder.
        column: one of :data:`RATE_COLUMNS`; its name says the unit.
        step_s: length of a step, seconds.

    Returns:
        For each trace (steps,) float64, bit/s; :func:`edgegym.network.throughput.throughput_trace` gives the same kind
        of array.

    Raises:
        TraceError: if the file cannot be used, naming file and line or trace.
        EdgeGymError: for an unknown column or a step that is not positive.
    """
    if column not in RATE_COLUMNS:
        raise EdgeGymError(f"column {column!r} is no column of throughput; one of {', '.join(RATE_COLUMNS)} is needed.")
    if not 0 < step_s < np.inf:
        raise EdgeGymError(f"step_s is {step_s}; a positive, finite number is needed.")
    series = read_series(file, column)
    for name, (time_s, rate) in series.items():
        _check(file, name, time_s, rate)
    unit = RATE_COLUMNS[column]
    return {name: unit * equal_steps(time_s, rate, step_s) for name, (time_s, rate) in series.items()}


def equal_steps(time_s: Array, values: Array, step_s: float) -> Array:
    """The value that holds at the beginning of each step.

    Args:
        time_s: (n,) seconds, not falling; of samples at the same time the first counts.
        values: (n,) values, each of which holds until the next; the last one for the median step.
        step_s: length of a step, seconds.

    Returns:
        (steps,) float64.
    """
    first = np.append(True, np.diff(time_s) > 0)
    time_s, values = time_s[first] - time_s[0], values[first]
    last_s = float(np.median(np.diff(time_s))) if len(time_s) > 1 else step_s
    steps = max(1, int(np.ceil((time_s[-1] + last_s) / step_s - 1e-9)))
    at = np.searchsorted(time_s, np.arange(steps) * step_s + 1e-9 * step_s, side="right") - 1
    return values[at]


def _check(file: str | Path, name: str, time_s: Array, rate: Array) -> None:
    for what, values, good in (
        ("t_s", time_s, np.isfinite(time_s) & (np.append(0.0, np.diff(time_s)) >= 0)),
        ("throughput", rate, (rate >= 0) & (rate < np.inf)),
    ):
        bad = np.flatnonzero(~good)
        if len(bad):
            need = "finite numbers that never fall" if what == "t_s" else "finite numbers, not negative,"
            raise TraceError(
                f"{file}: trace {name}: row {bad[0] + 1} of the trace: {what} is {values[bad[0]]:g}; {need} are needed."
            )
