"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with the real traces and profiles; tests that need it skip without it."""
    folder = os.environ.get("EDGEGYM_DATA")
    if not folder:
        pytest.skip("EDGEGYM_DATA is not set: point it at the data folder to run tests on real traces")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"EDGEGYM_DATA={folder} is not a folder")
    return path
