"""The formats of tables, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from edgegym.calibration.tables.catapult import read_catapult
from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.ncnn import read_ncnn
from edgegym.calibration.tables.ofa import read_ofa
from edgegym.calibration.tables.profiled import read_profiled
from edgegym.calibration.tables.timm import read_timm
from edgegym.calibration.tables.tinyml import read_tinyml
from edgegym.errors import TableError, unknown

FORMATS: dict[str, Callable[[Path, str, Mapping[str, str]], MeasuredTable]] = {
    "edgegym": read_profiled,
    "timm": read_timm,
    "ncnn": read_ncnn,
    "ofa": read_ofa,
    "catapult": read_catapult,
    "mlperf_tiny": read_tinyml,
}
"""Readers: file, device and filters in, rows of one setting out."""


def read_table(path: str | Path, format: str, device: str, filters: Mapping[str, str] | None = None) -> MeasuredTable:
    """Read the rows of one device.

    Args:
        path: the file.
        format: a key of :data:`FORMATS`.
        device: name of the device, as the format's reader takes it.
        filters: values of columns that rows must have.

    Raises:
        TableError: for an unknown format, or a table that is missing or damaged, naming column and row.
    """
    if format not in FORMATS:
        raise unknown("table format", format, FORMATS, TableError)
    return FORMATS[format](Path(path), device, dict(filters or {}))
