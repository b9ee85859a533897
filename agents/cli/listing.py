"""``edgegym list``: what there is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgegym.agents.cli.options import Json, print_json

CARDS_CAPTION = "error: median, for families of models that the fit did not see"


def command(
    what: Annotated[str | None, typer.Argument(help="Only these: environments, configs or cards.")] = None,
    json: Json = False,
) -> None:
    """List environments with their presets, metrics, heuristics and bounds, the configs, and the cards.

    Examples:
    - `edgegym list`
    - `edgegym list cards`
    - `edgegym list --json`
    """
    from edgegym.errors import find_name

    found = everything()
    if what is not None:
        kept = find_name("thing to list", what, found)
        found = {kept: found[kept]}
    if json:
        print_json(found)
        return
    console = Console()
    for environment in found.get("environments", []):
        console.print(_environment(environment))
    if "configs" in found:
        console.print(_configs(found["configs"]))
    if "cards" in found:
        console.print(_cards(found["cards"]))


def _configs(configs: list[dict[str, str]]) -> Table:
    table = Table("config", "environment", "what it does", title="Configs", title_justify="left")
    for config in configs:
        table.add_row(config["name"], config["environment"], config["description"])
    return table


def _cards(cards: list[dict[str, Any]]) -> Table:
    table = Table("card", "kind", "of", "error", title="Cards", title_justify="left", caption=CARDS_CAPTION)
    for card in cards:
        error = "" if card["median_ape"] is None else f"{card['median_ape']:.0%}"
        table.add_row(card["name"], card["kind"], escape(card["of"]), error)
    return table


def everything() -> dict[str, Any]:
    """Environments, configs and cards, as ``--json`` prints them."""
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
    return {"environments": environments, "configs": configs, "cards": cards()}


def cards() -> list[dict[str, Any]]:
    """Cards of the library: name, kind, what they are of, and the median error for new families where known."""
    from edgegym.cards import DeviceCard, list_cards
    from edgegym.cards.library import load_any

    found = []
    for kind, names in list_cards().items():
        for card in (load_any(name, kind) for name in names):
            of = f"{card.device}; {card.runtime}" if isinstance(card, DeviceCard) else card.provenance.source
            error = card.held_out.median_ape if isinstance(card, DeviceCard) else None
            found.append({"name": card.name, "kind": kind, "of": of, "median_ape": error})
    return found


def _described(policy: Any) -> dict[str, str]:
    return {"name": policy.name, "description": policy.description}


def _environment(environment: dict[str, Any]) -> Table:
    table = Table(title=environment["id"], title_justify="left", show_header=False, caption=environment["decision"])
    table.add_row("presets", ", ".join(environment["presets"]))
    table.add_row("metrics", ", ".join(metric["name"] for metric in environment["metrics"]))
    for key in ("heuristics", "bounds"):
        table.add_row(key, "\n".join(f"{one['name']}: {one['description']}" for one in environment[key]))
    return table
