"""Compiled kernels on disk are out of date as soon as any file that compiles something has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from edgegym.compiling import PACKAGE, njit, source_stamp
from edgegym.decision.stepping import stepper
from edgegym.envs.caching import columns, kernel


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "family").mkdir()
    (tmp_path / "family" / "kernel.py").write_text("from numba import njit\n")
    (tmp_path / "plain.py").write_text("x = 1\n")
    return tmp_path


def stamp(package: Path) -> str:
    return source_stamp.__wrapped__(package)


def test_the_stamp_follows_folders_that_compile_and_no_others(package: Path) -> None:
    before = stamp(package)
    (package / "plain.py").write_text("x = 2\n")
    assert stamp(package) == before
    (package / "family" / "kernel.py").write_text("from numba import njit  # changed\n")
    changed = stamp(package)
    assert changed != before
    (package / "family" / "state.py").write_text("NONE = -1\n")
    assert stamp(package) != changed


def test_the_stamp_follows_linked_folders(package: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "kernel.py").write_text("njit\n")
    (package / "linked").symlink_to(outside)
    before = stamp(package)
    (outside / "kernel.py").write_text("njit njit\n")
    assert stamp(package) != before


def test_kernels_of_the_package_carry_the_stamp_and_others_do_not() -> None:
    def own(x: float) -> float:
        return x + 1.0

    for dispatcher in (kernel.begin, kernel.advance, columns.step_rows):
        assert dispatcher._cache._impl.locator.get_source_stamp() == source_stamp()
    assert njit(cache=True)(own)._cache._impl.locator.get_source_stamp() != source_stamp()


def test_no_kernel_passes_the_stamp_by() -> None:
    others = [file for file in PACKAGE.rglob("*.py") if file.name != "compiling.py"]
    assert others
    assert [file for file in others if "from numba import njit" in file.read_text()] == []


class State(NamedTuple):
    rows: NDArray[Any]
    taken: NDArray[np.int64]


@njit
def add(state, row, action):  # type: ignore[no-untyped-def]
    state.taken[row] += action
    state.rows[row].reward = 7.0
    state.rows[row].pending = False


@njit
def subtract(state, row, action):  # type: ignore[no-untyped-def]
    state.taken[row] -= action


@njit
def show(state, row, candidates, context, mask):  # type: ignore[no-untyped-def]
    candidates[row] = state.taken[row]


def test_a_step_moves_active_rows_pays_once_and_shows_all() -> None:
    for advance, sign in ((add, 1), (subtract, -1), (add, 1)):
        rows = np.zeros(2, [("pending", np.bool_), ("reward", np.float64)])
        rows["pending"] = True
        state = State(rows, np.zeros(2, np.int64))
        seen, reward, done = np.full(2, -9), np.full(2, -9.0), np.zeros(2, np.bool_)
        step = stepper(advance, show)
        step(state, np.array([3, 4]), np.array([True, False]), seen, seen, seen, reward, done)
        assert seen.tolist() == [3 * sign, 0]
        assert reward.tolist() == [7.0 if sign > 0 else 0.0, 0.0]
        assert rows["reward"].tolist() == [0.0, 0.0]
        assert done.tolist() == [sign > 0, False]
