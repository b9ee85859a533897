"""``edgegym compare``: trained policies against heuristics and the bound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from edgegym.agents.cli.options import Config, Json, Overrides, Root, print_json, progress_bar

if TYPE_CHECKING:
    from edgegym.agents.experiment import Experiment
    from edgegym.evaluation.comparison import Comparison


def command(config: Config, overrides: Overrides = None, runs: Root = Path("runs"), json: Json = False) -> None:
    """Compare the trained seeds of a config with every heuristic and the bound on held-out episodes.

    Writes results.json, results.csv and report.html into runs/<experiment>/comparison/.

    Examples:
    - `edgegym compare web07_205`
    - `edgegym compare edge_video evaluation.episodes=50 evaluation.settings.capacity=1% name=edge_video`
    """
    from edgegym.agents.experiment import load_experiment

    run(load_experiment(config, overrides or []), runs, json)


def run(experiment: Experiment, root: Path, json: bool) -> tuple[Comparison, Path]:
    """Compare, write the files, print the tables and say where the files are; the comparison and its folder."""
    from edgegym.agents.comparing import judge
    from edgegym.agents.reporting import comparison_of, write_findings
    from edgegym.evaluation.results import comparison_to_json
    from edgegym.evaluation.tables import comparison_table, metrics_tables, terminal_table
    from edgegym.evaluation.timing import timing_sheet

    with progress_bar("comparing") as report:
        findings = judge(experiment, root, report)
    comparison = comparison_of(findings)
    folder = write_findings(findings, comparison, root)
    if json:
        print_json({"folder": str(folder), **comparison_to_json(comparison)})
        return comparison, folder
    console = Console()
    times = terminal_table(timing_sheet(comparison, findings.timings), console.width)
    for table in (comparison_table(comparison, console.width), *metrics_tables(comparison, console.width), times):
        console.print(table)
    typer.echo(f"report:      {folder / 'report.html'}")
    typer.echo(f"results:     {folder / 'results.json'}, {folder / 'results.csv'}")
    typer.echo(f"TensorBoard: tensorboard --logdir {root / experiment.name}")
    return comparison, folder
