"""Make the cards of the library from the measurements.

``python -m edgegym.calibration.library DATA_FOLDER --out FOLDER``

The recipes are in :mod:`~edgegym.calibration.library_devices`, :mod:`~edgegym.calibration.library_links`,
:mod:`~edgegym.calibration.library_models` and :mod:`~edgegym.calibration.library_workloads`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgegym.calibration.library_devices import DEVICES, PRIORS
from edgegym.calibration.library_links import LINKS
from edgegym.calibration.library_models import MODELS
from edgegym.calibration.library_workloads import WORKLOADS
from edgegym.cards import Card, save_card
from edgegym.errors import EdgeGymError, unknown

RECIPES: dict[str, Callable[[Path, str], Card]] = {**DEVICES, **PRIORS, **LINKS, **MODELS, **WORKLOADS}
"""Every card of the library that is made from published measurements, with its recipe."""
OWN_MEASUREMENTS = ("xeon_vm_1_thread",)
"""Cards of machines that the profiler ran on. Their tables are not kept: profile your own machine instead."""


def make_card(name: str, data: Path) -> Card:
    """Make one card of the library.

    Args:
        name: a key of :data:`RECIPES`.
        data: the data folder.

    Raises:
        EdgeGymError: for an unknown name, or measurements that are missing or damaged.
    """
    if name not in RECIPES:
        raise unknown("library card", name, RECIPES)
    return RECIPES[name](data, name)


def make_library(data: Path, out: Path, names: Sequence[str] = ()) -> list[Path]:
    """Make cards and write each to ``out/KIND/NAME.yaml``.

    Args:
        data: the data folder.
        out: where to; made if missing.
        names: which cards; all if empty.

    Returns:
        The files written.
    """
    written = []
    for name in names or RECIPES:
        card = make_card(name, data)
        file = out / card.kind / f"{name}.yaml"
        save_card(card, file)
        written.append(file)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m edgegym.calibration.library", description=make_library.__doc__)
    parser.add_argument("data", type=Path, help="the data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cards")
    parser.add_argument("--card", action="append", default=[], metavar="NAME", help="only this card (repeatable)")
    options = parser.parse_args(arguments)
    try:
        for file in make_library(options.data, options.out, options.card):
            print(file)
    except EdgeGymError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
