"""Benchmark tables of pytorch-image-models (timm): whole models, one device a file.

Rows of its test models, and rows without MACs or activations, are left out; a model occurs at several image sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import CsvRows, read_csv
from edgegym.cards.architectures import family_of, work_of
from edgegym.errors import TableError

Array = NDArray[np.float64]
TIME, RATE, BATCH = "infer_step_time", "infer_samples_per_sec", "infer_batch_size"
COUNTS = ("param_count", "infer_gmacs", "infer_macts")
RATE_STEP, TIME_STEP_S, TOLERANCE = 0.01, 1e-6, 0.02
"""The columns that tell the time are rounded to these steps; beyond them they may differ by this share."""


def read_timm(path: Path, device: str, filters: Mapping[str, str]) -> MeasuredTable:
    """Read a benchmark table.

    Args:
        path: the CSV file.
        device: name of the device; the file does not tell.
        filters: values of columns that rows must have.

    Raises:
        TableError: naming column and row.
    """
    rows = read_csv(path, ("model", TIME, RATE, BATCH, *COUNTS)).where(filters)
    counts = {name: rows.number(name, empty=True, comma=True) for name in COUNTS}
    models = rows.text("model")
    known = (counts["infer_gmacs"] > 0) & (counts["infer_macts"] > 0) & (counts["param_count"] > 0)
    for name, values in counts.items():
        if np.any(values < 0):
            place = int(np.argmin(values))
            raise rows.error(place, name, f"{values[place]:g} is negative")
    kept = known & ~np.char.startswith(models, "test_")
    rows, models = rows[kept], models[kept]
    params, macs, acts = (counts[name][kept] * unit for name, unit in zip(COUNTS, (1e6, 1e9, 1e6), strict=True))
    batch, time_s = rows.number(BATCH, above=0.0), rows.number(TIME, above=0.0) / 1e3
    _check_times(rows, time_s, batch, rows.number(RATE, above=0.0))
    _check_counts(rows, macs, acts, params)
    return MeasuredTable(
        source=rows.source,
        device=device,
        runtime="PyTorch",
        dtype="amp" if "-amp-" in path.name else "float32" if "-fp32-" in path.name else "as in the file's name",
        threads=None,
        line=rows.line,
        model=models,
        family=np.array([family_of(name) for name in models]),
        batch=batch,
        time_s=time_s,
        time_column=TIME,
        work=work_of(models, macs, acts, params),
    ).checked()


def _check_times(rows: CsvRows, time_s: Array, batch: Array, rate: Array) -> None:
    """The time per batch and the throughput must tell the same."""
    by_rate_s = batch / rate
    rounding_s = TIME_STEP_S + by_rate_s * RATE_STEP / rate
    wrong = np.flatnonzero(np.abs(time_s - by_rate_s) > rounding_s + TOLERANCE * by_rate_s)
    if not len(wrong):
        return
    place = int(wrong[0])
    ratio = time_s[place] / by_rate_s[place]
    mend = "give the time in milliseconds" if not 1 / 500 < ratio < 500 else "correct whichever is wrong"
    raise rows.error(
        place,
        TIME,
        f"{1e3 * time_s[place]:g} ms, but {RATE} and {BATCH} make {1e3 * by_rate_s[place]:.4g} ms, "
        f"{max(ratio, 1 / ratio):.4g} times apart",
        mend,
    )


def _check_counts(rows: CsvRows, macs: Array, acts: Array, params: Array) -> None:
    """Counts of one model bound each other: most MACs per weight is the positions, per activation the fan-in."""
    if not len(macs):
        raise TableError(f"{rows.source}: no row is left after cleaning; rows need positive {', '.join(COUNTS)}.")
    checks = (
        ("infer_gmacs", "in G (1e9)", macs / acts, 3.0, 1e5),
        ("infer_macts", "in M (1e6)", acts / macs, 1e-5, 0.33),
        ("param_count", "in M (1e6)", params, 1e4, 2e11),
    )
    for column, unit, value, low, high in checks:
        if not low <= np.median(value) <= high:
            raise rows.error(0, column, f"with the other counts it implies {np.median(value):.3g}", f"give it {unit}")
