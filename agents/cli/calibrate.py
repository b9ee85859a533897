"""``edgegym calibrate``: a device card from a table of measured times, and what a card says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from edgegym.agents.cli.options import Json, print_json

if TYPE_CHECKING:
    from edgegym.calibration.tables import MeasuredTable
    from edgegym.cards import DeviceCard

Table = Annotated[
    Path | None, typer.Argument(metavar="[TABLE]", help="CSV file of measured times, plain or .gz.", show_default=False)
]
MoreFilters = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Further filters.")]


def command(
    table: Table = None,
    more_filters: MoreFilters = None,
    format: Annotated[
        str, typer.Option(help="Format of the table: edgegym, timm, ncnn, ofa, catapult, mlperf_tiny.")
    ] = ("edgegym"),
    device: Annotated[
        str | None, typer.Option(help="The device: as the table names it, or its name on the card.")
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Only rows with this value in this column (repeatable)."),
    ] = None,
    anchors: Annotated[
        int | None, typer.Option(min=1, help="Take this many rows, predict the others from what is known of devices.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the card to this .yaml file, with pictures beside it.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Write pictures into this folder.")] = None,
    show: Annotated[
        str | None, typer.Option(help="Show a card: a name that `edgegym list` knows, or a .yaml file.")
    ] = None,
    json: Json = False,
) -> None:
    """Fit a latency model to measured times, with honest errors, or show a device card.

    Errors are those for model families that the fit did not see; the form is chosen by them too.

    Examples:
    - `edgegym calibrate profile.csv --device laptop --out laptop.yaml`
    - `edgegym calibrate ncnn_bench.csv.gz --format ncnn --device "Raspberry Pi 4" --filter threads=4 --json`
    - `edgegym calibrate ncnn_bench.csv.gz --format ncnn --device "TX2 NX" --filter gpu_device=0 threads=1 --anchors 5`
    - `edgegym calibrate --show rtx_3090`
    """
    from edgegym.errors import EdgeGymError

    if show is not None:
        _show(show, json)
        return
    if table is None or device is None:
        missing = "TABLE" if table is None else "--device"
        raise EdgeGymError(f"{missing} is missing; give a table and its --device, or --show CARD.")
    rows = _read(table, format, device, [*(filter or []), *(more_filters or [])])
    if anchors is not None:
        if out or plots:
            raise EdgeGymError("--anchors reports an error and makes no card; leave --out and --plots out.")
        _from_anchors(rows, device, anchors, json)
        return
    _calibrate(rows, table, device, format, out, plots, json)


def report_of(card: DeviceCard) -> dict[str, Any]:
    """What ``--json`` prints for a card; errors as fractions."""
    from edgegym.cards.latency import term

    def parameters(model: Any) -> dict[str, Any]:
        return {
            term(name).parameter: {**parameter.model_dump(), "unit": term(name).unit}
            for name, parameter in model.parameters.items()
        }

    def plain(error: Any) -> Any:
        return None if error is None else error.model_dump()

    layers = card.layer_latency
    return {
        "device": card.device,
        "form": card.latency.form,
        "rows": card.rows,
        "families": card.families,
        "held_out": plain(card.held_out),
        "baselines": {name: plain(error) for name, error in card.baselines.items()},
        "parameters": parameters(card.latency),
        "hiding_power": card.latency.hiding_power,
        "held_out_known_family": plain(card.held_out_known_family),
        "held_out_batch": plain(card.held_out_batch),
        "sigma": card.sigma,
        "run_sigma": card.run_sigma,
        "layers": None
        if layers is None
        else {
            "form": layers.form,
            "held_out": plain(card.held_out_layer),
            "parameters": parameters(layers),
        },
        "power": None if card.power is None else card.power.model_dump(),
        "memory": None if card.memory is None else card.memory.model_dump(),
    }


def _read(table: Path, format: str, device: str, pairs: list[str]) -> MeasuredTable:
    from edgegym.calibration.tables import read_table
    from edgegym.errors import EdgeGymError

    filters = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise EdgeGymError(f"--filter {pair!r}: not of the form key=value, for example threads=4.")
        filters[key.strip()] = value.strip()
    return read_table(table, format, device, filters)


def _calibrate(
    rows: MeasuredTable, path: Path, device: str, format: str, out: Path | None, plots: Path | None, json: bool
) -> None:
    from edgegym.calibration.device_fit import calibrate
    from edgegym.cards import Provenance, save_card
    from edgegym.errors import EdgeGymError

    if out is not None and out.suffix not in (".yaml", ".yml"):
        raise EdgeGymError(f"--out {out}: a card is a .yaml file; end the name with .yaml.")
    name = out.stem if out else "_".join(device.lower().split())
    provenance = Provenance(
        source=f"table {path.name} ({format})",
        rule="Form by held-out error over folds of families, costs by a robust fit of log times.",
    )
    found = calibrate(rows, name, provenance)
    written = []
    if out is not None:
        save_card(found.card, out)
        written.append(out)
    if plots is not None or out is not None:
        from edgegym.calibration.plots import write_plots

        written += write_plots(found, plots or out.parent)  # type: ignore[union-attr]
    if json:
        print_json(report_of(found.card))
        return
    _print(found.card)
    for file in written:
        typer.echo(f"wrote {file}")


def _from_anchors(rows: MeasuredTable, device: str, anchors: int, json: bool) -> None:
    from edgegym.calibration.device_anchors import predict_from_anchors

    found = predict_from_anchors(rows, anchors)
    if json:
        print_json(
            {
                "device": rows.device or device,
                "form": "anchors",
                "prior": found.prior,
                "anchors": list(found.anchors),
                "rows": len(found.rest),
                "families": len(set(found.rest.family.tolist())),
                "held_out": found.error.model_dump(),
                "baselines": {"flops": found.flops.model_dump()},
                "parameters": {},
            }
        )
        return
    typer.echo(f"{rows.device or device}: measured {', '.join(found.anchors)}; prior {found.prior}.")
    typer.echo(
        f"The other {len(found.rest)} rows: mean error {found.error.mape:.1%}, median {found.error.median_ape:.1%} "
        f"(by MACs alone {found.flops.mape:.1%})."
    )


def _show(name: str, json: bool) -> None:
    from edgegym.cards import load_card

    card = load_card(name, "device")
    if json:
        print_json(report_of(card))
    else:
        _print(card)


def _print(card: DeviceCard) -> None:
    from edgegym.agents.cli.card_page import card_page

    console = Console()
    for part in card_page(card):
        console.print(part)
