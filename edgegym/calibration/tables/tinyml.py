"""Results of MLPerf Tiny: four networks on microcontrollers, with energy where a submission measured it.

Counts follow the reference networks of the benchmark (Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021): a dense
autoencoder, ResNet-8, a depthwise-separable keyword spotter, and MobileNetV1 of width 0.25 at 96 x 96.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np

from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import chosen_device, read_csv
from edgegym.cards.work import MAC_CLASSES, Work
from edgegym.errors import TableError

COLUMNS = ("submitter", "system", "task", "mode", "median_throughput_inf_s", "median_energy")
Shape = tuple[str, int, int, int, int]
"""Class of MACs, kernel elements, input channels that each output sums over, output channels, output positions."""


def _separable(inner: int, outer: int, positions: int) -> list[Shape]:
    return [("depthwise", 9, 1, inner, positions), ("pointwise", 1, inner, outer, positions)]


def _mobilenet() -> list[Shape]:
    shapes: list[Shape] = [("spatial", 9, 3, 8, 48**2)]
    plan = ((16, 48), (32, 24), (32, 24), (64, 12), (64, 12), (128, 6), *[(128, 6)] * 5, (256, 3), (256, 3))
    inner = 8
    for outer, side in plan:
        shapes += _separable(inner, outer, side**2)
        inner = outer
    return [*shapes, ("pointwise", 1, 256, 2, 1)]


def _resnet8() -> list[Shape]:
    shapes: list[Shape] = [("spatial", 9, 3, 16, 32**2), *[("spatial", 9, 16, 16, 32**2)] * 2]
    for inner, outer, side in ((16, 32, 16), (32, 64, 8)):
        shapes += [("spatial", 9, inner, outer, side**2), ("spatial", 9, outer, outer, side**2)]
        shapes += [("pointwise", 1, inner, outer, side**2)]
    return [*shapes, ("pointwise", 1, 64, 10, 1)]


WIDTHS = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
TASKS: dict[str, list[Shape]] = {
    "ad": [("pointwise", 1, inner, outer, 1) for inner, outer in pairwise(WIDTHS)],
    "ic": _resnet8(),
    "kws": [("spatial", 40, 1, 64, 125), *(4 * _separable(64, 64, 125)), ("pointwise", 1, 64, 12, 1)],
    "vww": _mobilenet(),
}
"""Layers of each task's network: anomaly detection, image classification, keyword spotting, visual wake words."""


def work_of_task(task: str) -> Work:
    """Counts of a task's network, biases and norms left out."""
    macs = np.zeros(len(MAC_CLASSES))
    for name, kernel, inner, outer, positions in TASKS[task]:
        macs[MAC_CLASSES.index(name)] += kernel * inner * outer * positions
    layers = TASKS[task]
    return Work.of(
        macs.sum(),
        sum(outer * positions for _, _, _, outer, positions in layers),
        sum(kernel * inner * outer for _, kernel, inner, outer, _ in layers),
        len(layers),
        class_macs=macs,
    )


def read_tinyml(path: Path, device: str, filters: Mapping[str, str]) -> MeasuredTable:
    """Read the results of one system; of one submitter, if a filter says so.

    Args:
        path: the CSV file.
        device: a value of the column system, or a unique part.
        filters: values of columns that rows must have.

    Raises:
        TableError: naming column and row.
    """
    rows = chosen_device(read_csv(path, COLUMNS).where(filters), "system", device, filters)
    tasks = rows.text("task")
    unknown = [place for place, task in enumerate(tasks) if task not in TASKS]
    if unknown:
        raise rows.error(unknown[0], "task", f"{tasks[unknown[0]]!r} is not one of {', '.join(TASKS)}")
    performance = rows.text("mode") == "performance"
    if not performance.any():
        raise TableError(f"{path}: column mode, row at line {rows.line[0]} and others: no performance row is left.")
    energy_j = rows.number("median_energy", empty=True) * 1e-6
    measured = {task: value for task, value in zip(tasks, energy_j, strict=True) if np.isfinite(value)}
    rows, tasks = rows[performance], tasks[performance]
    parts = [work_of_task(task) for task in tasks]
    return MeasuredTable(
        source=str(path),
        device=rows.cells[0]["system"],
        runtime=f"as submitted by {rows.cells[0]['submitter']}",
        dtype="int8",
        threads=1,
        line=rows.line,
        model=tasks,
        family=tasks,
        batch=np.ones(len(rows)),
        time_s=1.0 / rows.number("median_throughput_inf_s", above=0.0),
        time_column="median_throughput_inf_s",
        work=Work.of(
            [float(p.macs) for p in parts],
            [float(p.act_elements) for p in parts],
            [float(p.params) for p in parts],
            [float(p.layers) for p in parts],
            class_macs=np.array([p.class_macs for p in parts]),
        ),
        energy_j=np.array([measured.get(task, np.nan) for task in tasks]),
    ).checked()
