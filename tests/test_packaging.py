"""The package list cannot be found by tools, because folders are renamed; so it is checked here."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = {"edgegym": "edgegym", "envs": "edgegym.envs", "agents": "edgegym.agents", "configs": "edgegym.configs"}


def test_package_list_names_every_folder() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = set()
    for folder, package in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            parts = init.parent.relative_to(ROOT / folder).parts
            # Below edgegym/ lie links to the other three folders.
            if not (folder == "edgegym" and parts and parts[0] in FOLDERS):
                found.add(".".join([package, *parts]))
    assert set(settings["packages"]) == found
