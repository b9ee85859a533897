"""From a config to trained runs and a comparison, with tiny budgets; and what wrong input is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgegym.agents.campaign import train
from edgegym.agents.comparing import judge
from edgegym.agents.evaluating import evaluate
from edgegym.agents.experiment import experiment_names, load_experiment
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.reporting import comparison_of, write_findings
from edgegym.errors import EdgeGymError, RunError, SettingsError

TINY = [
    "name=tiny",
    "settings.workload.requests=600",
    "training.seeds=[0,1]",
    "training.steps=600",
    "training.validate_every=300",
    "training.environments=2",
    "training.hyperparameters.n_steps=64",
    "training.hyperparameters.batch_size=64",
    "validation.episodes=1",
    "evaluation.episodes=2",
    "sweep.values=[1%, 2%]",
]


@pytest.mark.parametrize("name", experiment_names())
def test_every_config_is_valid(name: str) -> None:
    assert load_experiment(name).description


def test_train_compare_and_evaluate(tmp_path: Path) -> None:
    experiment = load_experiment("demo", TINY)
    runs = train(experiment, tmp_path)
    assert all(run.finished for run in runs)
    steps = [row["steps"] for row in runs[0].evaluation()]
    assert steps == sorted(set(steps))
    assert steps[-1] >= 600
    findings = judge(experiment, tmp_path)
    folder = write_findings(findings, comparison_of(findings), tmp_path)
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    kinds = {policy["policy"]: policy["kind"] for policy in found["policies"]}
    assert kinds["PPO"] == "learned"
    assert kinds["PFOO-L"] == "bound"
    assert kinds["Linear rule"] == "heuristic"
    assert "<svg" in (folder / "report.html").read_text(encoding="utf-8")
    settings = {"workload": {"kind": "shot_noise", "requests": 600}, "candidates": 32}
    alone = evaluate("EdgeGym/ContentCaching-v0", str(runs[0].folder), 2, experiment.evaluation.seed, settings)
    scores = next(one for one in found["scores"] if one["policy"] == "PPO")
    assert alone["metrics"]["hit_ratio"]["per_episode"] == scores["metrics"]["hit_ratio"][0]


def test_policies_of_another_experiment_are_compared_but_not_trained(tmp_path: Path) -> None:
    lender = load_experiment("demo", [*TINY, "training.seeds=[0]"])
    borrowing = ["name=borrower", "policies_of=tiny", "settings.capacity=1%", "sweep=null"]
    borrower = load_experiment("demo", [*TINY, "training.seeds=[0]", *borrowing])
    with pytest.raises(RunError, match="Train first: edgegym train with the config of tiny"):
        judge(borrower, tmp_path)
    with pytest.raises(SettingsError, match="trains none"):
        train(borrower, tmp_path)
    train(lender, tmp_path)
    findings = judge(borrower, tmp_path)
    folder = write_findings(findings, comparison_of(findings), tmp_path)
    assert folder == tmp_path / "borrower" / "comparison"
    assert "PPO" in (folder / "report.html").read_text(encoding="utf-8")


def test_linear_rule_is_fitted_once_on_the_validation_episodes(tmp_path: Path) -> None:
    experiment = load_experiment("demo", TINY)
    first = fitted_on_validation(experiment, tmp_path)[0]
    kept = (tmp_path / "linear_rule.json").read_text(encoding="utf-8")
    assert json.loads(kept)["episodes"] == list(experiment.validation.seeds)
    steps: list[str] = []
    again = fitted_on_validation(experiment, tmp_path, lambda text, done: steps.append(text))[0]
    assert not steps
    assert list(again.weights) == list(first.weights)  # type: ignore[attr-defined]
    (tmp_path / "linear_rule.json").write_text("{}", encoding="utf-8")
    fitted_on_validation(experiment, tmp_path)
    assert (tmp_path / "linear_rule.json").read_text(encoding="utf-8") == kept


def test_finished_runs_are_left_alone_and_others_refused(tmp_path: Path) -> None:
    experiment = load_experiment("demo", [*TINY, "training.seeds=[0]"])
    run = train(experiment, tmp_path)[0]
    before = (run.folder / "policy.json").stat().st_mtime_ns
    train(experiment, tmp_path)
    assert (run.folder / "policy.json").stat().st_mtime_ns == before
    other = load_experiment("demo", [*TINY, "training.seeds=[0]", "training.hyperparameters.gamma=0.5"])
    with pytest.raises(RunError, match=r"gamma.*--restart"):
        train(other, tmp_path)


def test_misspelt_key_names_the_mend() -> None:
    with pytest.raises(SettingsError, match=r"setps.*Did you mean 'steps'"):
        load_experiment("demo", ["training.setps=3"])
    with pytest.raises(SettingsError, match=r"unknown config 'dmo'.*Did you mean 'demo'"):
        load_experiment("dmo")


def test_missing_data_folder_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEGYM_DATA", raising=False)
    with pytest.raises(EdgeGymError, match="EDGEGYM_DATA"):
        load_experiment("web07_205").check()


def test_unknown_policy_and_environment() -> None:
    with pytest.raises(EdgeGymError, match="Did you mean 'S3-FIFO'"):
        evaluate("EdgeGym/ContentCaching-v0", "S3-FFIO", 1)
    with pytest.raises(EdgeGymError, match="unknown environment"):
        evaluate("EdgeGym/ContentCashing-v0", "LRU", 1)
