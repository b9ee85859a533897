"""``edgegym demo``: the main job in miniature."""

from __future__ import annotations

from pathlib import Path

from edgegym.agents.cli import compare, train
from edgegym.agents.cli.options import Overrides, Root

CONFIG = "demo"


def command(overrides: Overrides = None, runs: Root = Path("runs"), restart: train.Restart = False) -> None:
    """Train a caching agent, compare it with the heuristics and the bound, and write the report: a few minutes.

    Needs neither data nor network.

    Example:
        edgegym demo
    """
    train.command(CONFIG, overrides, runs, restart)
    compare.command(CONFIG, overrides, runs)
