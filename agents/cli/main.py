"""Entry point of the command line: gathers the commands and turns every failure into one clear message."""

from __future__ import annotations

import errno
import sys

import typer
from rich.console import Console
from rich.markup import escape

from edgegym.agents.cli import calibrate, compare, demo, evaluate, forecast, listing, profile, replay, train
from edgegym.errors import EdgeGymError

WRONG_INPUT, INTERRUPTED = 2, 130

app = typer.Typer(
    name="edgegym",
    help="A reinforcement-learning control plane for edge networks: environments whose costs are measurements.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.command)
app.command("demo")(demo.command)
app.command("replay")(replay.command)
app.command("evaluate")(evaluate.command)
app.command("profile")(profile.command)
app.command("calibrate")(calibrate.command)
app.command("train")(train.command)
app.command("compare")(compare.command)
app.command("forecast")(forecast.command)


@app.callback()
def _main() -> None:
    """Shared by all commands."""


def main() -> None:
    """Run the command line; wrong input ends with status 2, an interrupt with 130."""
    try:
        app()
    except EdgeGymError as error:
        _fail(str(error), WRONG_INPUT)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _fail(f"{error.filename or 'the disk'}: no space left. Free some and run the same command again.", 1)
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            _fail(f"{error.filename}: may not be written ({error.strerror}). Choose another folder.", 1)
        raise


def _fail(message: str, status: int) -> None:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(message)}", highlight=False)
    sys.exit(status)


if __name__ == "__main__":
    main()
