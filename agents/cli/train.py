"""``edgegym train``: from a config to trained policies."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgegym.agents.cli.options import Config, Json, Overrides, Root, print_json

if TYPE_CHECKING:
    from edgegym.agents.runs import Run

Restart = Annotated[bool, typer.Option("--restart", help="Delete earlier runs of these seeds and begin again.")]


def command(
    config: Config,
    overrides: Overrides = None,
    runs: Root = Path("runs"),
    restart: Restart = False,
    json: Json = False,
) -> None:
    """Train the agents of a config; a training that was stopped goes on from its last checkpoint.

    Examples:
    - `edgegym train edge_video`
    - `edgegym train web07_205 training.seeds=[0,1] training.processes=2`
    - `edgegym train mine.yaml name=mine_wide "training.policy_kwargs={score_layers: [64, 64]}"`
    """
    from edgegym.agents.campaign import train
    from edgegym.agents.experiment import load_experiment

    experiment = load_experiment(config, overrides or [])
    try:
        trained = train(experiment, runs, restart)
    except KeyboardInterrupt:
        typer.echo("Interrupted; a checkpoint is written. The same command goes on from it.", err=True)
        raise typer.Exit(130) from None
    if json:
        print_json({"experiment": experiment.name, "runs": [_summary(run) for run in trained]})
        return
    typer.echo(f"Trained {len(trained)} runs in {runs / experiment.name}")
    typer.echo(f"  look:    tensorboard --logdir {runs / experiment.name}")
    typer.echo(f"  compare: {shlex.join(['edgegym', 'compare', config, *(overrides or [])])}")


def _summary(run: Run) -> dict[str, Any]:
    import json as json_module

    from edgegym.agents.runs import FINISHED

    return {"folder": str(run.folder), **json_module.loads((run.folder / FINISHED).read_text(encoding="utf-8"))}
