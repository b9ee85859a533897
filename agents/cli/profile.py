"""``edgegym profile``: measure networks on this machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from edgegym.agents.cli.options import Json, print_json, progress_bar

if TYPE_CHECKING:
    from edgegym.calibration.profiler import Cell, ProfilePlan

INTERRUPTED, NOTHING_KEPT = 130, 1


def command(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODELS]...", help="Names of the zoo, module:factory, or ONNX files; all if left out."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="About a minute on two cores.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of an operator; all cores if left out.")] = None,
    batches: Annotated[str | None, typer.Option(help="Samples in a call, for example 1,4,16.")] = None,
    repetitions: Annotated[int | None, typer.Option(min=2, help="Fewest timed calls.")] = None,
    longest_call: Annotated[
        float | None, typer.Option(help="Leave out batches whose call would take longer, seconds.")
    ] = None,
    input: Annotated[
        str | None, typer.Option(help="Sample of your own model: 3x224x224, or int64:128 for tokens.")
    ] = None,
    layers: Annotated[bool, typer.Option(help="Time the layers too.")] = True,
    allow_contended: Annotated[
        bool, typer.Option("--allow-contended", help="Keep disturbed measurements, marked, instead of refusing them.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Table to write.")] = Path("profile.csv"),
    json: Json = False,
) -> None:
    """Measure networks on this machine: latency by batch, layers, memory, load time, energy where the machine tells it.

    An interrupt, even a kill, keeps what is finished.

    Examples:
    - `edgegym profile --quick`
    - `edgegym profile resnet18 yolov3_tiny --threads 2 --batches 1,8 --out mine.csv`
    - `edgegym profile my_package.models:make --input 3x128x128`
    """
    from edgegym.calibration.profiler import machine_header, profile
    from edgegym.calibration.profiler.run import check

    dtype, _, shape = (input or "").rpartition(":")
    plan = _plan(
        quick,
        models=models or None,
        device=device,
        threads=threads,
        batches=_numbers(batches, ",", "--batches"),
        repetitions=repetitions,
        longest_call_s=longest_call,
        input_shape=_numbers(shape, "x", "--input"),
        input_dtype=dtype or None,
        layers=layers,
        allow_contended=allow_contended,
    )
    check(plan)
    header = machine_header(plan)
    cells: list[Cell] = []
    written: Path | None = None
    interrupted = False
    try:
        # The table is written anew after each cell, so that even a kill leaves what was finished.
        with progress_bar("profiling") as report:
            for cell in profile(plan, report):
                cells.append(cell)
                written = _write(cells, header, out)
    except KeyboardInterrupt:
        interrupted = True
        written = _write(cells, header, out)
    if json:
        print_json(_as_json(cells, header, written))
    else:
        _show(cells, written)
    if written is None:
        typer.echo("Nothing was kept.", err=True)
    if interrupted:
        typer.echo("Interrupted; what was finished is kept.", err=True)
        raise typer.Exit(INTERRUPTED)
    if written is None:
        raise typer.Exit(NOTHING_KEPT)


def _plan(quick: bool, **settings: Any) -> ProfilePlan:
    """The plan with the settings that were given."""
    from edgegym.calibration.profiler import ProfilePlan

    given = {name: value for name, value in settings.items() if value is not None}
    return ProfilePlan.quick(**given) if quick else ProfilePlan.parse(given, "profile")


def _numbers(text: str | None, separator: str, option: str) -> tuple[int, ...] | None:
    from edgegym.errors import EdgeGymError

    if not text:
        return None
    try:
        return tuple(int(part) for part in text.split(separator))
    except ValueError:
        example = separator.join(("1", "8", "64"))
        raise EdgeGymError(f"{option} {text}: whole numbers are needed, for example {example}.") from None


def _write(cells: list[Cell], header: dict[str, str], out: Path) -> Path | None:
    """Write the table; None if there is nothing to write."""
    from edgegym.calibration.profile_table import ProfileTable, write_profile

    rows = tuple(row for cell in cells for row in cell.rows)
    if not rows:
        return None
    write_profile(ProfileTable(rows, header), out)
    return out


def _as_json(cells: list[Cell], header: dict[str, str], written: Path | None) -> dict[str, Any]:
    return {
        "file": None if written is None else str(written),
        "machine": header,
        "rows": [row.model_dump(mode="json") for cell in cells for row in cell.rows],
        "layers": [
            {
                "model": cell.model,
                "batch": cell.batch,
                "share_of_whole": cell.share("layer"),
                "share_with_remainder": cell.share("layer", "remainder"),
            }
            for cell in cells
            if len(cell.rows) > 1
        ],
        "remarks": [
            {"model": cell.model, "batch": cell.batch or None, "remark": cell.remark, "kept": bool(cell.rows)}
            for cell in cells
            if cell.remark
        ],
    }


def _show(cells: list[Cell], written: Path | None) -> None:
    table = Table(title="Inference on this machine", title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True)
    lines = [_line(cell) for cell in cells]
    names = [name for name in COLUMNS if any(line[name] for line in lines)]
    for name in names:
        table.add_column(name, justify="left" if name in ("model", "remark") else "right", no_wrap=True)
    for line in lines:
        table.add_row(*(line[name] for name in names))
    Console().print(table)
    for remark in dict.fromkeys(f"{cell.model}: {cell.remark}" for cell in cells if cell.remark):
        typer.echo(remark, err=True)
    if any(cell.refused for cell in cells):
        typer.echo("Stop other work on this machine, or pass --allow-contended.", err=True)
    if written is not None:
        typer.echo(f"table: {written} ({sum(len(cell.rows) for cell in cells)} rows)")


COLUMNS = ("model", "batch", "p50 ms", "p90 ms", "GMAC/s", "MB", "J", "in layers", "remark")


def _line(cell: Cell) -> dict[str, str]:
    line = dict.fromkeys(COLUMNS, "") | {"model": cell.model, "batch": str(cell.batch or "")}
    line["remark"] = re.split(r"\W", cell.remark, maxsplit=1)[0]
    row = cell.whole
    if row is None:
        return line
    share = cell.share("layer")
    return line | {
        "p50 ms": _plain(row.t_p50_s, 1e3),
        "p90 ms": _plain(row.t_p90_s, 1e3),
        "GMAC/s": _plain(None if row.macs is None else row.macs * row.batch / row.t_p50_s, 1e-9),
        "MB": _plain(row.peak_memory_bytes, 1e-6),
        "J": _plain(row.energy_j),
        "in layers": "" if share is None else f"{share:.0%}",
    }


def _plain(value: float | None, factor: float = 1.0) -> str:
    if value is None:
        return ""
    shown = value * factor
    return f"{shown:.0f}" if shown >= 100.0 else f"{shown:.3g}"
