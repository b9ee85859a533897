"""What result pages have in common: Markdown tables on standard output, and the machine that made them."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

PACKAGES = ("numpy", "numba", "stable-baselines3", "torch")


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print()


def machine() -> str:
    """Cores, Python, packages and the date, as a line."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{os.cpu_count()} cores (shared), Python {platform.python_version()}, {packages}, {date.today()}."
