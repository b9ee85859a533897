"""``edgegym demo``: the card of this machine, its stand-in, both agents with tiny budgets, and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edgegym.agents.cli import demo
from edgegym.agents.cli.main import app
from edgegym.agents.experiment import load_experiment
from edgegym.calibration.profile_table import read_profile
from edgegym.calibration.profiler import Cell, ProfilePlan
from edgegym.cards import load_card

FAST = ("squeezenet1_1", "mobilenet_v2_050", "ds_cnn", "traffic_cnn", "kitnet", "branchy_alexnet")
TINY = [
    "training.seeds=[0]",
    "training.steps=256",
    "training.validate_every=256",
    "training.environments=2",
    "training.hyperparameters.n_steps=64",
    "training.hyperparameters.batch_size=64",
    "validation.episodes=1",
    "evaluation.episodes=2",
    "sweep=null",
]


@pytest.fixture
def fast_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure light networks only, a few times each."""
    settings = {"models": FAST, "batches": [1], "repetitions": 3, "warm_ups": 1, "seconds_per_cell": 0.01}
    plan = ProfilePlan.parse({**settings, "threads": 1, "allow_contended": True}, "test")
    monkeypatch.setattr(demo, "quick_plan", lambda: plan)


@pytest.mark.usefixtures("fast_plan")
def test_the_card_of_this_machine_tells_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / demo.CARD
    demo._measure(path)
    card = load_card(path, "device")
    rows = read_profile(tmp_path / demo.TABLE).at("model").rows
    assert {row.model for row in rows} == set(FAST)
    assert card.rows == len(FAST)
    assert rows[0].device == card.device
    assert "quick profile" in card.provenance.source
    assert card.provenance.date


@pytest.mark.usefixtures("fast_plan")
def test_a_machine_that_cannot_be_measured_gets_the_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Cell("ds_cnn", 0, remark="failed: no memory")
    monkeypatch.setattr("edgegym.calibration.profiler.profile", lambda plan, report: iter([failed]))
    path = tmp_path / demo.CARD
    demo._measure(path)
    card, other = load_card(path, "device"), load_card(demo.STAND_IN, "device")
    assert card.latency == other.latency
    assert "could not be measured" in (card.provenance.notes or "")
    assert other.device in demo._described(path)


def test_contended_measurements_are_kept_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"models": FAST, "batches": [1], "repetitions": 3, "warm_ups": 1, "seconds_per_cell": 0.01}
    plan = ProfilePlan.parse({**settings, "threads": 1, "allow_contended": True, "load_per_core_limit": 1e-9}, "test")
    monkeypatch.setattr(demo, "quick_plan", lambda: plan)
    monkeypatch.setattr("edgegym.calibration.profiler.measure.busy", lambda load, plan, cores=None: "load average 9")
    demo._measure(tmp_path / demo.CARD)
    card = load_card(tmp_path / demo.CARD, "device")
    assert card.rows == len(FAST)
    assert card.provenance.notes == f"Disturbed or failed: {', '.join(FAST)}."


@pytest.mark.usefixtures("fast_plan")
def test_both_agents_and_a_second_time_from_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = CliRunner().invoke(app, ["demo", *TINY, "--runs", str(tmp_path)], env={"COLUMNS": "80"})
    assert first.exit_code == 0, first.output
    for name in (demo.CACHING, demo.OFFLOADING):
        assert str(tmp_path / name / "comparison" / "report.html") in first.output
        assert (tmp_path / name / "comparison" / "report.html").is_file()
    assert "Offloading from this machine: PPO" in first.output

    def never(*_: Any) -> None:
        raise AssertionError("measured or trained a second time")

    monkeypatch.setattr("edgegym.calibration.profiler.profile", never)
    policy = tmp_path / demo.OFFLOADING / "PPO_0" / "policy.json"
    before = policy.stat().st_mtime_ns
    again = CliRunner().invoke(app, ["demo", *TINY, "--runs", str(tmp_path)], env={"COLUMNS": "80"})
    assert again.exit_code == 0, again.output
    assert policy.stat().st_mtime_ns == before


def test_interrupt_ends_with_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_measure", stopped)
    assert CliRunner().invoke(app, ["demo", "--runs", str(tmp_path)]).exit_code == 130


def test_all_users_have_the_measured_device() -> None:
    plain = load_experiment(demo.OFFLOADING).settings["users"]
    users = demo._users_with("mine.yaml", [])
    assert [user["device"] for user in users] == ["mine.yaml"] * len(users)
    assert [{**user, "device": None} for user in users] == [{**user, "device": None} for user in plain]  # type: ignore[union-attr, dict-item]
