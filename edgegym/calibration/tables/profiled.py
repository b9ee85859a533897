"""Tables that ``edgegym profile`` writes: whole models and their layers, on the machine at hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.profile_table import ProfileRow, ProfileTable, read_profile
from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import CsvRows, chosen_device, one_setting
from edgegym.cards.work import LayerWork, Work
from edgegym.errors import TableError

SETTING = ("device", "runtime", "threads", "dtype")
NORMAL_90 = 1.2816


def read_profiled(path: Path, device: str, filters: Mapping[str, str], contended: bool = False) -> MeasuredTable:
    """Read one setting (device, runtime, threads, number format) of a profile.

    Args:
        path: the CSV file.
        device: name or unique part of a name in the column device; any name if the table has one device only.
        filters: values of columns that rows must have.
        contended: keep rows that other work disturbed; they are left out otherwise.

    Raises:
        TableError: naming column and row.
    """
    table = read_profile(path)
    skipped = len(table.machine) + 2
    text = CsvRows(
        str(path),
        np.arange(len(table)) + skipped,
        tuple({k: "" if v is None else str(v) for k, v in row.model_dump().items()} for row in table.rows),
    )
    chosen = text.where(filters)
    if len(set(chosen.text("device").tolist())) > 1:
        chosen = chosen_device(chosen, "device", device, filters)
    setting = one_setting(chosen, SETTING)
    rows = {int(line): table.rows[line - skipped] for line in chosen.line}
    rows = {line: row for line, row in rows.items() if contended or not row.contended}
    layers = {line: row for line, row in rows.items() if row.level == "layer" and row.t_p50_s > 0 and _counted(row)}
    models = {line: row for line, row in rows.items() if row.level == "model"}
    if not models:
        raise TableError(
            f"{path}: column level, row at line {text.line[0]} and others: no uncontended row of level 'model' is "
            "left; loosen the filters, or profile again on a quiet machine."
        )
    _check_counted(path, models)
    layer_table = _measured(path, setting, layers, _layer_work(layers)) if layers else None
    work = _model_work(models, rows)
    return _measured(path, setting, models, work, None if layer_table is None else layer_table.checked()).checked()


def _measured(
    path: Path,
    setting: Mapping[str, str],
    rows: Mapping[int, ProfileRow],
    work: Work | LayerWork,
    layers: MeasuredTable | None = None,
) -> MeasuredTable:
    found = list(rows.values())
    column = ProfileTable(tuple(found)).column
    times, late = column("t_p50_s"), column("t_p90_s")
    spread = np.log(late / times)[np.isfinite(late) & (late > 0)] / NORMAL_90
    return MeasuredTable(
        source=str(path),
        device=setting["device"],
        runtime=setting["runtime"],
        dtype=setting["dtype"],
        threads=int(setting["threads"]),
        line=np.array(list(rows), np.intp),
        model=column("model"),
        family=column("family"),
        batch=column("batch"),
        time_s=times,
        time_column="t_p50_s",
        work=work,
        run_sigma=float(np.median(spread)) if len(spread) else None,
        energy_j=column("energy_j"),
        memory_bytes=column("peak_memory_bytes"),
        layers=layers,
    )


def _check_counted(path: Path, models: Mapping[int, ProfileRow]) -> None:
    for line, row in models.items():
        for name in ("macs", "params", "act_elements"):
            if not getattr(row, name):
                raise TableError(
                    f"{path}: column {name}, row at line {line} ({row.model}): empty or 0; a fit needs the count. "
                    "Leave the row out or count its graph."
                )


def _counted(row: ProfileRow) -> bool:
    return row.macs is not None and row.act_elements is not None and row.input_elements is not None


def _layer_work(rows: Mapping[int, ProfileRow]) -> LayerWork:
    column = ProfileTable(tuple(rows.values())).column
    return LayerWork(
        kind=np.array([row.kind for row in rows.values()]),
        macs=column("macs"),
        in_elements=column("input_elements"),
        out_elements=column("act_elements"),
        params=np.nan_to_num(column("params")),
        channels_in=column("channels_in"),
        channels_out=column("channels_out"),
    )


def _model_work(models: Mapping[int, ProfileRow], rows: Mapping[int, ProfileRow]) -> Work:
    """Counts of models; split by operators if every model has layers, from which activations count only products."""
    split = {key: _split(parts) for key, parts in _layers_of(rows).items()}
    found = [split.get((row.model, row.batch)) or _any_batch(split, row.model) for row in models.values()]
    column = ProfileTable(tuple(models.values())).column
    layers = np.nan_to_num(column("layers"))
    if any(each is None for each in found):
        return Work.of(column("macs"), column("act_elements"), column("params"), layers)
    macs, elements, acts = (np.array([each[i] for each in found if each]) for i in range(3))
    return Work.of(column("macs"), acts, column("params"), layers, macs, elements)


Split = tuple[NDArray[np.float64], NDArray[np.float64], float]


def _layers_of(rows: Mapping[int, ProfileRow]) -> dict[tuple[str, int], dict[int, ProfileRow]]:
    found: dict[tuple[str, int], dict[int, ProfileRow]] = {}
    for line, row in rows.items():
        if row.level == "layer" and _counted(row):
            found.setdefault((row.model, row.batch), {})[line] = row
    return found


def _any_batch(split: Mapping[tuple[str, int], Split], model: str) -> Split | None:
    """Counts are per sample, so the layers of any batch serve."""
    return next((each for (name, _), each in split.items() if name == model), None)


def _split(parts: Mapping[int, ProfileRow]) -> Split:
    """MACs by class, traffic by class, and elements put out by operators that multiply."""
    work = _layer_work(parts).split()
    assert work.class_macs is not None
    assert work.class_elements is not None
    return work.class_macs.sum(axis=0), work.class_elements.sum(axis=0), float(work.act_elements.sum())
