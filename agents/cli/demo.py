"""``edgegym demo``: the two main jobs in miniature, the second one on a card of the machine at hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edgegym.agents.cli import compare, train
from edgegym.agents.cli.options import Overrides, Root, progress_bar

if TYPE_CHECKING:
    from edgegym.calibration.profiler import Cell, ProfilePlan
    from edgegym.cards import DeviceCard
    from edgegym.evaluation.comparison import Comparison

CACHING, OFFLOADING = "demo", "demo_offloading"
CARD, TABLE = "this_machine.yaml", "this_machine.csv"
STAND_IN = "core_i7_12700h"
"""The library's card for a machine that could not be measured."""
MODELS = (
    *("vgg16", "alexnet", "resnet18", "resnet50", "squeezenet1_1", "mobilenet_v2"),
    *("efficientnet_b0", "ssd_mobilenet_v1", "bert_mini", "ds_cnn"),
)
"""Networks of the quick profile: nine families, the network of the offloading agent first."""


def command(overrides: Overrides = None, runs: Root = Path("runs"), restart: train.Restart = False) -> None:
    """Measure this machine, train a caching and an offloading agent, compare both with heuristics and bounds.

    Takes a few minutes and needs neither data nor network. An interrupt (Ctrl-C) loses nothing that was finished: the
    same command goes on. Settings are laid over both configs, demo and demo_offloading.

    Examples:
    - `edgegym demo`
    - `edgegym demo training.seeds=[0] --runs elsewhere --restart`
    """
    try:
        _demo(overrides or [], runs, restart)
    except KeyboardInterrupt:
        typer.echo("Interrupted; what is finished is kept. The same command goes on from it.", err=True)
        raise typer.Exit(130) from None


def quick_plan() -> ProfilePlan:
    """Half a minute on one core, which other work disturbs least; what is disturbed is kept and marked."""
    from edgegym.calibration.profiler import ProfilePlan

    pace = {"warm_ups": 2, "repetitions": 10, "seconds_per_cell": 0.5, "allow_contended": True}
    return ProfilePlan.parse({"models": MODELS, "batches": (1,), "threads": 1, **pace}, "profile of the demo")


def _demo(given: list[str], runs: Path, restart: bool) -> None:
    card = runs / OFFLOADING / CARD
    if restart or not card.is_file():
        _measure(card)
    typer.echo(_described(card))
    users = f"settings.users={json.dumps(_users_with(str(card), given))}"
    reports = [_agent(config, own, runs, restart) for config, own in ((CACHING, given), (OFFLOADING, [*given, users]))]
    for title, (comparison, folder) in zip(("Caching", "Offloading from this machine"), reports, strict=True):
        typer.echo(f"\n{title}: {_verdict(comparison)}\n  report: {folder / 'report.html'}")


def _measure(path: Path) -> None:
    """Profile this machine and write its card; the stand-in's where no card can be fitted."""
    from edgegym.calibration.profiler import machine_header, profile
    from edgegym.cards import load_card, save_card
    from edgegym.errors import EdgeGymError

    plan = quick_plan()
    header = machine_header(plan)
    with progress_bar("measuring this machine") as report:
        cells = list(profile(plan, report))
    try:
        card = _fitted(cells, header, path.with_name(TABLE))
    except EdgeGymError as error:
        other = load_card(STAND_IN, "device")
        notes = f"Stands in for this machine, which could not be measured: {error}"
        card = other.model_copy(update={"provenance": other.provenance.model_copy(update={"notes": notes})})
    save_card(card, path)


def _fitted(cells: Sequence[Cell], header: dict[str, str], table: Path) -> DeviceCard:
    """Write the table of a profile and fit its card.

    Raises:
        EdgeGymError: for too few measurements.
    """
    from edgegym.calibration.device_fit import calibrate
    from edgegym.calibration.profile_table import ProfileTable, write_profile
    from edgegym.calibration.tables.profiled import read_profiled
    from edgegym.cards import Provenance

    write_profile(ProfileTable(tuple(row for cell in cells for row in cell.rows), header), table)
    disturbed = [cell.model for cell in cells if cell.remark]
    notes = f"Disturbed or failed: {', '.join(disturbed)}." if disturbed else "Nothing disturbed the measurements."
    provenance = Provenance(
        source=f"quick profile by edgegym demo, {table.name}: {header['processor']}, {header['threads']} threads, "
        f"torch {header['torch']}, {header['system']}",
        rule="Form by held-out error over folds of families, costs by a robust fit of log times; what was measured "
        "itself is told by its own time.",
        date=header["date"],
        notes=notes,
    )
    return calibrate(read_profiled(table, "", {}, contended=True), Path(CARD).stem, provenance).card


def _described(path: Path) -> str:
    """What the card of this machine says, in a few lines."""
    from edgegym.cards import load_card

    card, network = load_card(path, "device"), load_card(MODELS[0], "model")
    seconds = float(card.latency_s(network.work(), model=network.model))
    return (
        f"This machine: {card.device}, threads: {card.threads or 'all'}; {network.model}: {1e3 * seconds:.0f} ms.\n"
        f"  {card.provenance.notes}\n"
        f"  Networks of other families are predicted with a median error of {card.held_out.median_ape:.0%}.\n"
        f"  card: {path}"
    )


def _users_with(device: str, overrides: Sequence[str]) -> list[dict[str, object]]:
    """The groups of users of the offloading demo, all of them with this device."""
    from edgegym.agents.experiment import load_experiment

    users = load_experiment(OFFLOADING, overrides).settings["users"]
    return [{**user, "device": device} for user in users]  # type: ignore[union-attr, dict-item]


def _agent(config: str, overrides: list[str], runs: Path, restart: bool) -> tuple[Comparison, Path]:
    """Train and compare one agent."""
    from edgegym.agents.campaign import train as train_all
    from edgegym.agents.experiment import load_experiment

    experiment = load_experiment(config, overrides)
    typer.echo(f"\n{experiment.name}: {experiment.description}")
    train_all(experiment, runs, restart)
    return compare.run(experiment, runs, json=False)


def _verdict(comparison: Comparison) -> str:
    """What came out, in a line for each learned policy."""
    from edgegym.evaluation.verdicts import verdict

    factor, unit = comparison.unit(comparison.primary)
    means = {one.policy: one.mean for one in comparison.standings}
    told = comparison.primary.name.removesuffix("_s").replace("_", " ")
    best = comparison.best_heuristic
    return "; ".join(
        f"{one.policy} {verdict(one)} heuristics\n  {told} {_amount(one.mean, factor, unit)}, "
        f"best heuristic {best} {_amount(means[best], factor, unit)}"
        for one in comparison.learned
    )


def _amount(value: float | None, factor: float, unit: str) -> str:
    return "unknown" if value is None else f"{factor * value:.4g} {unit}".rstrip()
