"""Benchmark tables of ncnn: many devices in one file, models at batch 1, with counts in a second file beside it.

The last of repeated rows counts. Models stored as int8, and three whose graphs lack shapes, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import CsvRows, chosen_device, one_setting, read_csv
from edgegym.cards.architectures import family_of
from edgegym.cards.work import MAC_CLASSES, Work
from edgegym.errors import TableError

FEATURES = "model_features.csv"
SETTING = ("device", "threads", "powersave", "gpu_device")
TIMES = ("min_ms", "avg_ms", "max_ms")
COUNTS = ("macs", "macs_dw", "params", "act_conv", "n_layers")
WITHOUT_SHAPES = ("FastestDet", "blazeface", "vision_transformer")


def read_ncnn(path: Path, device: str, filters: Mapping[str, str]) -> MeasuredTable:
    """Read one setting (device, threads, powersave, GPU) of a table.

    Args:
        path: the CSV file; ``model_features.csv`` lies beside it.
        device: name or unique part of a name in the column device.
        filters: values of columns that rows must have.

    Raises:
        TableError: naming column and row.
    """
    rows = read_csv(path, (*SETTING, "model", *TIMES)).where(filters)
    rows = chosen_device(rows, "device", device, filters)
    setting = one_setting(rows, SETTING)
    features = read_csv(path.parent / FEATURES, ("model", *COUNTS))
    times = _checked_times(rows)
    rows, times = _last_of_each(rows, times, set(features.text("model").tolist()))
    place = {name: index for index, name in enumerate(features.text("model").tolist())}
    order = np.array([place[name] for name in rows.text("model")], np.intp)
    models = rows.text("model")
    return MeasuredTable(
        source=rows.source,
        device=setting["device"],
        runtime=f"ncnn {'CPU' if int(setting['gpu_device'] or -1) < 0 else 'Vulkan'}",
        dtype="float32, stored in 16 bits where the device can",
        threads=int(float(setting["threads"])),
        line=rows.line,
        model=models,
        family=np.array([ncnn_family(name) for name in models]),
        batch=np.ones(len(rows)),
        time_s=times[:, 0],
        time_column="min_ms",
        work=_work(features, order),
        run_sigma=float(np.median(np.log(times[:, 1] / times[:, 0]))) or None,
    ).checked()


def ncnn_family(name: str) -> str:
    """Family of one of its models: versions and detectors on the same backbone belong together."""
    return re.sub(r"v$", "", family_of(name))


def _checked_times(rows: CsvRows) -> NDArray[np.float64]:
    """(n, 3) seconds: least, mean and most, in this order."""
    times = np.column_stack([rows.number(name, above=0.0) for name in TIMES])
    for place in np.flatnonzero((times[:, 0] > 1.001 * times[:, 1]) | (times[:, 1] > 1.001 * times[:, 2])):
        least, mean, most = times[place]
        column = TIMES[int(np.argmax(np.abs(np.log(times[place] / np.median(times[place])))))]
        raise rows.error(
            int(place),
            column,
            f"least {least:g}, mean {mean:g}, most {most:g} ms are out of order",
            "give all three in milliseconds",
        )
    return times / 1e3


def _last_of_each(rows: CsvRows, times: NDArray[np.float64], known: set[str]) -> tuple[CsvRows, NDArray[np.float64]]:
    last = {
        name: place
        for place, name in enumerate(rows.text("model").tolist())
        if name in known and not name.endswith("_int8") and name not in WITHOUT_SHAPES
    }
    if not last:
        raise TableError(
            f"{rows.source}: column model, row at line {rows.line[0]} and others: none of the models is in {FEATURES} "
            "as a floating-point model; add their counts there."
        )
    places = np.array(sorted(last.values()), np.intp)
    return rows[places], times[places]


def _work(features: CsvRows, order: NDArray[np.intp]) -> Work:
    counts = {name: features.number(name)[order] for name in COUNTS}
    split = np.zeros((len(order), len(MAC_CLASSES)))
    split[:, MAC_CLASSES.index("spatial")] = counts["macs"]
    split[:, MAC_CLASSES.index("depthwise")] = counts["macs_dw"]
    return Work.of(split.sum(axis=1), counts["act_conv"], counts["params"], counts["n_layers"], class_macs=split)


def read_log_times(path: Path, gpu: bool, least_models: int) -> tuple[list[str], NDArray[np.float64]]:
    """Log seconds of all settings of one kind of processor.

    Args:
        path: the CSV file; ``model_features.csv`` lies beside it.
        gpu: Vulkan settings, else CPU settings.
        least_models: settings with fewer are left out.

    Returns:
        Names of the models, and (settings, models) log seconds with NaN where not measured.

    Raises:
        TableError: naming column and row.
    """
    rows = read_csv(path, (*SETTING, "model", *TIMES))
    on_gpu = rows.number("gpu_device", empty=True) >= 0
    rows = rows[on_gpu if gpu else ~on_gpu & (rows.text("gpu_device") != "")]
    features = read_csv(path.parent / FEATURES, ("model",)).text("model").tolist()
    models = [name for name in features if not name.endswith("_int8") and name not in WITHOUT_SHAPES]
    settings: dict[tuple[str, ...], dict[str, float]] = {}
    for row, least in zip(rows.cells, rows.number("min_ms", above=0.0), strict=True):
        settings.setdefault(tuple(row[name] for name in SETTING), {})[row["model"]] = float(np.log(least / 1e3))
    table = np.array([[times.get(model, np.nan) for model in models] for times in settings.values()])
    return models, table[np.isfinite(table).sum(axis=1) >= least_models]
