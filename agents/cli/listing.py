"""``edgegym list``: what there is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from edgegym.agents.cli.options import Json, print_json


def command(json: Json = False) -> None:
    """List environments with their presets, metrics, heuristics and bounds, and the configs.

    Examples:
        edgegym list

        edgegym list --json
    """
    found = everything()
    if json:
        print_json(found)
        return
    console = Console()
    for environment in found["environments"]:
        console.print(_environment(environment))
    table = Table("config", "environment", "what it does", title="Configs", title_justify="left")
    for config in found["configs"]:
        table.add_row(config["name"], config["environment"], config["description"])
    console.print(table)


def everything() -> dict[str, Any]:
    """Environments and configs, as ``--json`` prints them."""
    from edgegym.agents.experiment import experiment_names, load_experiment
    from edgegym.agents.policies import clairvoyant, heuristics
    from edgegym.decision.registration import ENVIRONMENTS
    from edgegym.evaluation.harness import environment_class

    environments = []
    for entry in ENVIRONMENTS:
        system = environment_class(entry.id).system_class
        environments.append(
            {
                "id": entry.id,
                "decision": entry.decision,
                "presets": list(system.presets),
                "candidate_features": list(system.candidate_features),
                "context_features": list(system.context_features),
                "metrics": [asdict(metric) for metric in system.metrics],
                "heuristics": [_described(policy) for policy in heuristics(entry.id)],
                "bounds": [_described(policy) for policy in clairvoyant(entry.id)],
            }
        )
    experiments = [(name, load_experiment(name)) for name in experiment_names()]
    configs = [
        {"name": name, "environment": one.environment, "description": one.description} for name, one in experiments
    ]
    return {"environments": environments, "configs": configs}


def _described(policy: Any) -> dict[str, str]:
    return {"name": policy.name, "description": policy.description}


def _environment(environment: dict[str, Any]) -> Table:
    table = Table(title=environment["id"], title_justify="left", show_header=False, caption=environment["decision"])
    table.add_row("presets", ", ".join(environment["presets"]))
    table.add_row("metrics", ", ".join(metric["name"] for metric in environment["metrics"]))
    for key in ("heuristics", "bounds"):
        table.add_row(key, "\n".join(f"{one['name']}: {one['description']}" for one in environment[key]))
    return table
