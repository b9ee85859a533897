"""Options and small habits that several commands share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Settings laid over the file; dots lead into nested ones."),
]
Config = Annotated[
    str, typer.Argument(metavar="CONFIG", help="Name of a config that `edgegym list` shows, or a YAML file.")
]
Root = Annotated[Path, typer.Option("--runs", help="Folder where runs land.")]


def print_json(value: Any) -> None:
    """Print strict JSON: NaN becomes null."""
    typer.echo(json.dumps(without_nan(value), indent=2, allow_nan=False))


def without_nan(value: Any) -> Any:
    """Replace NaN by None at any depth."""
    if isinstance(value, dict):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    return None if isinstance(value, float) and value != value else value


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error that is told what is being done and the fraction that is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=1.0, text="")
        yield lambda text, done: progress.update(task, completed=done, text=text)
