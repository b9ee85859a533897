"""``edgegym forecast``: popularity forecasters for content caching, fitted and judged."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from edgegym.agents.cli.options import Config, Json, Overrides, Root, print_json, progress_bar, without_nan


def command(config: Config, overrides: Overrides = None, runs: Root = Path("runs"), json: Json = False) -> None:
    """Fit popularity forecasters to the training part of a config and judge them on its evaluation episodes.

    Writes {neural,linear,ewma,ewma_hits}/ into runs/NAME/forecasters/, each good for the setting forecaster=FOLDER.

    Examples:
    - `edgegym forecast web07_205`
    - `edgegym forecast edge_video forecast.window=1 forecast.hidden=[16,16]`
    - `edgegym evaluate EdgeGym/ContentCaching-v0 --policy Forecast forecaster=runs/edge_video/forecasters/neural`
    """
    from edgegym.agents.experiment import load_experiment
    from edgegym.agents.forecasting.results import as_json, table, verdicts
    from edgegym.agents.forecasting.study import FOLDER, study
    from edgegym.files import write_json

    experiment = load_experiment(config, overrides or [])
    with progress_bar("forecasting") as report:
        found, places = study(experiment, runs, report)
    folder = runs / experiment.name / FOLDER
    results = without_nan(as_json(experiment, found, places))
    write_json(folder / "results.json", results)
    if json:
        print_json(results)
        return
    console = Console()
    window = f"requests in the next {experiment.forecast.window:g} cache capacities"
    console.print(table(found, f"{experiment.name}: {window}; {len(experiment.forecast.seeds)} neural seeds"))
    for line in verdicts(found):
        typer.echo(line)
    typer.echo(f"results: {folder / 'results.json'}")
    typer.echo(f"use:     settings.forecaster={places['neural'][0]} with edgegym train and compare")
