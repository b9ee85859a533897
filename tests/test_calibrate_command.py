"""The command line of calibration: what it prints, writes, shows and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edgegym.agents.cli.main import app
from edgegym.calibration.device_anchors import predict_from_anchors
from edgegym.calibration.tables import read_table
from edgegym.cards import load_card
from edgegym.errors import EdgeGymError

from .measured_tables import ncnn_table, timm_table

RUN = CliRunner()


def run(*arguments: object) -> Any:
    result = RUN.invoke(app, ["calibrate", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_prints_errors_as_fractions(tmp_path: Path) -> None:
    found = json.loads(run(timm_table(tmp_path), "--format", "timm", "--device", "Made", "--json").stdout)
    needed = {"device", "form", "rows", "families", "held_out", "baselines", "parameters"}
    assert needed <= set(found)
    assert (found["device"], found["rows"], found["families"]) == ("Made", 90, 21)
    assert set(found["held_out"]) == {"mape", "median_ape", "spearman", "within_10"}
    assert set(found["baselines"]) == {"flops", "affine_flops"}
    assert found["held_out"]["mape"] < 0.05 < found["baselines"]["flops"]["mape"]
    assert found["held_out"]["spearman"] > 0.98
    macs = found["parameters"]["mac_per_s"]
    assert macs["value"] == pytest.approx(4e13, rel=0.1)
    assert macs["unit"] == "MAC/s"
    assert set(macs) == {"value", "low", "high", "identified", "unit"}


def test_the_command_writes_a_card_and_pictures_and_shows_it(tmp_path: Path) -> None:
    card = tmp_path / "made.yaml"
    shown = run(timm_table(tmp_path), "--format", "timm", "--device", "Made", "--out", card).stdout
    assert "new family" in shown
    assert load_card(card, "device").rows == 90
    pictures = sorted(file.name for file in tmp_path.glob("*.png"))
    assert pictures == ["made_families.png", "made_predicted.png", "made_roofline.png"]
    for name in pictures:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert "mac_per_s" in run("--show", card).stdout
    assert json.loads(run("--show", card, "--json").stdout)["rows"] == 90


def test_the_command_predicts_from_anchors(tmp_path: Path) -> None:
    arguments = (
        ncnn_table(tmp_path),
        "--format",
        "ncnn",
        "--device",
        "Board A",
        "--filter",
        "threads=1",
        "powersave=0",
    )
    found = json.loads(run(*arguments, "--anchors", 5, "--json").stdout)
    assert len(found["anchors"]) == 5
    assert found["rows"] == 19
    assert found["prior"] == "ncnn_cpu"
    assert set(found["held_out"]) == {"mape", "median_ape", "spearman", "within_10"}
    with pytest.raises(EdgeGymError, match="leave --out and --plots out"):
        run(*arguments, "--anchors", 5, "--out", tmp_path / "x.yaml")


def test_anchors_of_unknown_models_lean_on_the_library(tmp_path: Path) -> None:
    found = predict_from_anchors(read_table(timm_table(tmp_path), "timm", "made"), 5)
    assert len(found.rest) == 85
    assert found.error.mape < found.flops.mape


def test_what_the_command_needs(tmp_path: Path) -> None:
    for arguments, message in (
        (("--device", "x"), "TABLE is missing"),
        ((tmp_path / "x.csv",), "--device is missing"),
        ((timm_table(tmp_path), "--format", "timm", "--device", "x", "--filter", "model"), "key=value"),
        ((timm_table(tmp_path), "--format", "timm", "--device", "x", "--out", tmp_path / "card.txt"), "end the name"),
        (("--show", "rtx_309"), "Did you mean 'rtx_3090'"),
    ):
        with pytest.raises(EdgeGymError, match=message):
            run(*arguments)


def test_the_list_holds_the_cards() -> None:
    found = json.loads(RUN.invoke(app, ["list", "cards", "--json"]).stdout)
    names = {(card["kind"], card["name"]) for card in found["cards"]}
    assert {("device", "rtx_3090"), ("link", "5g_driving"), ("prior", "ncnn_cpu")} <= names
    assert list(found) == ["cards"]
