"""Times of single convolutions and dense layers on older GPUs (Justus et al., IEEE Big Data 2018; CDECatapult)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import CsvRows, chosen_device, read_csv
from edgegym.cards.work import LayerWork

COMMON = ("batchsize", "timeUsed_median", "kind", "gpu_name")
CONVOLUTION = ("channels_in", "channels_out", "kernelsize", "matsize", "padding", "strides")
DENSE = ("dim_input", "dim_output")


def read_catapult(path: Path, device: str, filters: Mapping[str, str]) -> MeasuredTable:
    """Read the layers of one GPU.

    Args:
        path: the CSV file, of convolutions or of dense layers.
        device: a value of the column gpu_name.
        filters: values of columns that rows must have.

    Raises:
        TableError: naming column and row.
    """
    rows = chosen_device(read_csv(path, COMMON).where(filters), "gpu_name", device, filters)
    dense = "dim_input" in rows.cells[0]
    kind = "dense" if dense else "conv"
    names = np.array([f"{kind}_{line}" for line in rows.line])
    return MeasuredTable(
        source=str(path),
        device=rows.cells[0]["gpu_name"],
        runtime="TensorFlow 1",
        dtype="float32",
        threads=None,
        line=rows.line,
        model=names,
        family=names,
        batch=rows.number("batchsize", above=0.0),
        time_s=rows.number("timeUsed_median", above=0.0) / 1e3,
        time_column="timeUsed_median",
        work=_dense(rows) if dense else _convolution(rows),
    ).checked()


def _dense(rows: CsvRows) -> LayerWork:
    read, written = (rows.number(name, above=0.0) for name in DENSE)
    weights = read * written
    return LayerWork(np.full(len(rows), "dense"), weights, read, written, weights, read, written)


def _convolution(rows: CsvRows) -> LayerWork:
    inner, outer, kernel, size, same, stride = (rows.number(name) for name in CONVOLUTION)
    positions = np.maximum(np.ceil(np.where(same == 1, size, size - kernel + 1) / stride), 1.0) ** 2
    weights = kernel**2 * inner * outer
    return LayerWork(
        np.full(len(rows), "conv"), positions * weights, size**2 * inner, positions * outer, weights, inner, outer
    )
