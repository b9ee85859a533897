"""``edgegym forecast``: forecasters of popularity and predictors of the next cell, fitted and judged."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import typer
from rich.console import Console

from edgegym.agents.cli.options import Config, Json, Overrides, Root, print_json, progress_bar, without_nan


def command(config: Config, overrides: Overrides = None, runs: Root = Path("runs"), json: Json = False) -> None:
    """Fit what agents may observe of the future to a config's training part; judge it on the evaluation episodes.

    Content caching: popularity forecasters, runs/NAME/forecasters/{neural,linear,ewma,ewma_hits}/, each good for the
    setting forecaster=FOLDER. User migration: recurrent next-cell predictors, runs/NAME/predictors/{cells,motion}/,
    each good for the setting predictor=FOLDER over the same sites and slots.

    Examples:
    - `edgegym forecast web07_205`
    - `edgegym forecast edge_video forecast.window=1 forecast.hidden=[16,16]`
    - `edgegym forecast city next_cell.seeds=[0]`
    - `edgegym evaluate EdgeGym/ContentCaching-v0 --policy Forecast forecaster=runs/edge_video/forecasters/neural`
    """
    from edgegym.agents.experiment import load_experiment
    from edgegym.files import write_json

    experiment = load_experiment(config, overrides or [])
    study, results_of = _rooms(experiment.environment)
    with progress_bar("forecasting") as report:
        found, places = study.study(experiment, runs, report)
    folder = runs / experiment.name / study.FOLDER
    results = without_nan(results_of.as_json(experiment, found, places))
    write_json(folder / study.RESULTS, results)
    if json:
        print_json(results)
        return
    Console().print(results_of.table(experiment, found))
    for line in results_of.verdicts(found):
        typer.echo(line)
    typer.echo(f"results: {folder / study.RESULTS}")
    typer.echo(f"use:     {results_of.usage(places)} with edgegym train and compare")


def _rooms(environment: str) -> tuple[ModuleType, ModuleType]:
    """The modules that fit and judge, and that show, what agents of an environment may observe of the future."""
    from edgegym.agents import forecasting, next_cell
    from edgegym.envs.user_migration.system import UserMigrationSystem
    from edgegym.evaluation.harness import environment_class

    migration = issubclass(environment_class(environment).system_class, UserMigrationSystem)
    room = (next_cell if migration else forecasting).__name__
    return import_module(f"{room}.study"), import_module(f"{room}.results")
