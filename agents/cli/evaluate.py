"""``edgegym evaluate``: any policy in any environment."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from edgegym.agents.cli.options import Json, Overrides, print_json, progress_bar


def command(
    id: Annotated[str, typer.Argument(metavar="ID", help="A registered environment.")],
    overrides: Overrides = None,
    policy: Annotated[str, typer.Option(help="Name of a heuristic or bound, or the folder of a training run.")] = "LRU",
    episodes: Annotated[int, typer.Option(min=1, help="How many episodes.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Workload seed of the first; episode i has seed + i.")] = 0,
    adapting: Annotated[
        bool, typer.Option("--adapting", help="Let a trained policy go on learning while it serves.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a heuristic, a bound or a trained policy in an environment.

    Examples:
    - `edgegym evaluate EdgeGym/ContentCaching-v0 --policy S3-FIFO --episodes 20 capacity=1%`
    - `edgegym evaluate EdgeGym/ContentCaching-v0 --policy runs/edge_video/PPO_0 --json`
    - `edgegym evaluate EdgeGym/ContentCaching-v0 --policy runs/edge_video/PPO_0 --adapting --episodes 1`
    """
    from edgegym.agents.evaluating import evaluate
    from edgegym.settings import parse_overrides

    with progress_bar(policy) as report:
        result = evaluate(
            id,
            policy,
            episodes,
            seed,
            parse_overrides(overrides or []),
            None if adapting else lambda done: report("", done),
            adapting,
            report,
        )
    if json:
        print_json(result)
    else:
        Console().print(_table(result))


def _table(result: dict[str, Any]) -> Table:
    table = Table("metric", "mean", "lowest", "highest", title=f"{result['policy']}, {result['episodes']} episodes")
    for name, entry in {"return": result["return"], **result["metrics"]}.items():
        values = entry["per_episode"]
        table.add_row(name, *(f"{value:.6g}" for value in (entry["mean"], min(values), max(values))))
    for column in table.columns[1:]:
        column.justify = "right"
    return table
