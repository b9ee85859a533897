"""``edgegym profile``: what it writes and prints, interrupts, wrong input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from edgegym.agents.cli.main import app
from edgegym.calibration.profile_table import ProfileRow, read_profile
from edgegym.calibration.profiler import Cell, ProfilePlan
from edgegym.errors import EdgeGymError

ROW = ProfileRow(
    device="cpu",
    runtime="pytorch 2",
    threads=1,
    dtype="float32",
    model="net",
    family="nets",
    batch=4,
    input="3x8x8",
    level="model",
    t_p50_s=2e-3,
)


def test_command_writes_a_table_that_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "profile.csv"
    options = ["--batches", "1", "--threads", "1", "--allow-contended", "--json", "--out", str(out)]
    result = CliRunner().invoke(app, ["profile", "ds_cnn", "kitnet", "--quick", *options])
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    table = read_profile(out)
    assert [row.model_dump(mode="json") for row in table.at("model").rows] == [
        row | {k: pytest.approx(v, rel=1e-5) for k, v in row.items() if isinstance(v, float)}
        for row in printed["rows"]
        if row["level"] == "model"
    ]
    assert set(table.column("model")) == {"ds_cnn", "kitnet"}
    assert table.machine["threads"] == "1"
    assert min(row.repetitions or 0 for row in table.rows) >= 30
    for entry in printed["layers"]:
        assert entry["share_with_remainder"] >= 0.999


def test_interrupt_keeps_finished_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(plan: ProfilePlan, report: Any) -> Iterator[Cell]:
        yield Cell("net", 4, (ROW,))
        raise KeyboardInterrupt

    monkeypatch.setattr("edgegym.calibration.profiler.profile", stopped)
    out = tmp_path / "profile.csv"
    result = CliRunner().invoke(app, ["profile", "ds_cnn", "--threads", "1", "--out", str(out)])
    assert result.exit_code == 130
    assert read_profile(out).rows == (ROW,)


def test_finished_cells_outlive_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "profile.csv"

    def killed(plan: ProfilePlan, report: Any) -> Iterator[Cell]:
        yield Cell("net", 4, (ROW,))
        # What the disk holds when the next cell begins is what a kill would leave.
        assert read_profile(out).rows == (ROW,)

    monkeypatch.setattr("edgegym.calibration.profiler.profile", killed)
    assert CliRunner().invoke(app, ["profile", "ds_cnn", "--threads", "1", "--out", str(out)]).exit_code == 0


def test_nothing_measured_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Cell("net", 4, remark="refused, contended: load average 9.0")
    monkeypatch.setattr("edgegym.calibration.profiler.profile", lambda plan, report: iter([refused]))
    out = tmp_path / "profile.csv"
    result = CliRunner().invoke(app, ["profile", "ds_cnn", "--threads", "1", "--out", str(out)])
    assert result.exit_code == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ds_cm"], "Did you mean 'ds_cnn'"),
        (["ds_cnn", "--batches", "1,x"], "--batches 1,x: whole numbers"),
        (["torch.nn:Identity"], "shape of one input sample"),
        (["missing.onnx"], "no such file"),
        (["ds_cnn", "--device", "tpu"], "device"),
    ],
)
def test_wrong_input_is_named(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["profile", *arguments])
    assert isinstance(result.exception, EdgeGymError | typer.Exit)
    assert message in str(result.exception)
