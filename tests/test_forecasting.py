"""Fitting forecasters: labels against naive counts, estimators against known laws, and the whole command."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from edgegym.agents.cli.main import app
from edgegym.agents.evaluating import evaluate
from edgegym.agents.experiment import Experiment, TrainingSettings, load_experiment
from edgegym.agents.forecasting.errors import captured, log_error, poisson_deviance
from edgegym.agents.forecasting.fitting import fit_linear, fit_neural, linear_output
from edgegym.agents.forecasting.parts import training_part, unequipped
from edgegym.agents.forecasting.samples import Collector, RequestIndex, collect, describe, pending_decisions
from edgegym.agents.forecasting.scoring import Snapshot, score
from edgegym.agents.forecasting.settings import ForecastSettings
from edgegym.envs.caching.columns import CANDIDATE_FEATURES
from edgegym.envs.caching.forecaster import (
    decayed_count,
    save_forecaster,
)
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task
from edgegym.workload.generators import zipf

ENV = "EdgeGym/ContentCaching-v0"
OBJECTS: dict[str, Any] = {
    "workload": {"kind": "zipf", "requests": 2000, "contents": 300},
    "capacity": 20,
    "unit": "objects",
    "warmup": 0,
}
CLUSTER: dict[str, Any] = {"preset": "edge_cluster", "workload": {"requests": 3000}, "warmup": 0}


def counting(folder: Path, half_life: float) -> str:
    """The folder of a forecaster whose output is the decayed count itself."""
    save_forecaster(folder, decayed_count(half_life, 1.0))
    return str(folder)


@given(data=st.data(), requests=st.integers(1, 40), nodes=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_request_index_equals_naive_counting(data: Any, requests: int, nodes: int) -> None:
    draw = lambda most: data.draw(st.lists(st.integers(0, most), min_size=requests, max_size=requests))  # noqa: E731
    content, node = np.array(draw(4)), np.array(draw(nodes - 1))
    index = RequestIndex(content, node)
    for n in range(node.max() + 1):
        own = content[node == n]
        assert index.totals[n] == len(own)
        for c in range(content.max() + 1):
            clock, window = data.draw(st.integers(0, len(own))), data.draw(st.integers(0, requests + 5))
            assert index.count(n, c, clock, window) == Counter(own[clock : clock + window].tolist())[c]


@pytest.mark.parametrize("case", ["objects", "cluster"])
def test_collected_labels_equal_naive_counting(case: str) -> None:
    """Collected labels and counts of the candidates, which come first at each decision, and the others' shares."""
    task, window = Task(ENV, OBJECTS if case == "objects" else CLUSTER), 2.0
    collector, wanted, wide = Collector(window, 10**6), [], CANDIDATE_FEATURES.index("count")
    for system, decisions, live in pending_decisions(task, [7]):
        collector.take(system, decisions, live)
        assert live[0]
        state, requests = system.state, int(system.state.rows["requests"][0])
        node = int(state.rows["node"][0])
        stream = state.content[0, :requests][state.node[0, :requests] == node]
        clock, known = int(state.nodes["clock"][0, node]), np.flatnonzero(state.records["first_use"][0, node] >= 0)
        occupancy = 1.0 if case == "objects" else state.records["bytes"][0, node][known].mean()
        length = max(1, round(window * int(state.rows["capacity"][0]) / occupancy))
        if clock + length <= len(stream):
            nominated = state.choice[0][decisions.mask[0] > 0]
            future, past = stream[clock : clock + length], stream[:clock]
            wanted.append([(int(np.sum(future == c)), int(np.sum(past == c))) for c in nominated])
    samples = collector.samples()
    counts = np.rint(2.0 ** (24.0 * samples.columns[:, wide])).astype(int)
    found, place, others = list(zip(samples.requests.tolist(), counts.tolist(), strict=True)), 0, 0
    for decision in wanted:
        while found[place : place + len(decision)] != decision:
            place, others = place + 1, others + 1
        place += len(decision)
    assert 0.3 * len(found) < others + len(found) - place < 0.55 * len(found)
    assert max(requests for decision in wanted for requests, _ in decision) > 1


def test_split_leaves_no_window_across_the_cut() -> None:
    samples = collect(Task(ENV, OBJECTS), [0], 2.0, 10**6)
    before, after = samples.split(0.75)
    assert len(before.requests) > 0
    assert len(after.requests) > 0
    assert before.ends.max() <= 0.75 <= after.begins.min()
    assert samples.ends.max() <= 1.0
    assert len(before.requests) + len(after.requests) < len(samples.requests)


def test_describe_equals_nomination(tmp_path: Path) -> None:
    task = Task(ENV, {**CLUSTER, "forecaster": counting(tmp_path, 5.0)})
    admit_nothing = CANDIDATE_FEATURES.index("admit_nothing")
    for step, (system, decisions, live) in enumerate(pending_decisions(task, range(2))):
        if step % 50 == 0:
            for row in np.flatnonzero(live):
                mask = decisions.mask[row] > 0
                described = describe(system, row, system.state.choice[row][mask])
                assert np.array_equal(
                    np.delete(described, admit_nothing, 1), np.delete(decisions.candidates[row][mask], admit_nothing, 1)
                )


def law(inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """A log-linear law: log2 of the expected requests."""
    return 3.0 * inputs[:, 0].astype(np.float64) - 2.0 * inputs[:, 1] - 0.5


def test_linear_fit_finds_a_log_linear_law() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((40_000, 3), np.float32)
    requests = rng.poisson(np.exp2(law(inputs)))
    ((weights, biases),) = fit_linear(inputs, requests, 1e-9)
    np.testing.assert_allclose([*weights[:, 0], biases[0]], [3.0, -2.0, 0.0, -0.5], atol=0.06)
    found = linear_output([(weights, biases)], inputs)
    assert poisson_deviance(requests, found) <= poisson_deviance(requests, law(inputs))


def test_neural_fit_finds_what_a_linear_one_cannot() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.random((20_000, 2), np.float32)
    truth = 6.0 * np.abs(inputs[:, 0] - 0.5) - 2.0
    requests = rng.poisson(np.exp2(truth))
    layers, again = (fit_neural(inputs, requests, ForecastSettings(epochs=20), seed=0) for _ in range(2))
    for (one, _), (other, _) in zip(layers, again, strict=True):
        assert np.array_equal(one, other)
    (first, first_bias), (last, last_bias) = layers
    neural = (np.tanh(inputs @ first + first_bias) @ last + last_bias)[:, 0]
    linear = linear_output(fit_linear(inputs, requests, 1e-9), inputs)
    best, lost = poisson_deviance(requests, truth), poisson_deviance(requests, linear)
    assert poisson_deviance(requests, neural) < best + 0.2 * (lost - best)


def test_errors_equal_their_definitions() -> None:
    requests, forecast = np.array([0, 1, 5]), np.array([0.5, 2.0, 4.0])
    terms = [2 * 0.5, 2 * (np.log(1 / 2) + 1), 2 * (5 * np.log(5 / 4) - 1)]
    assert poisson_deviance(requests, np.log2(forecast)) == pytest.approx(np.mean(terms))
    logs = [np.log2(1.5), np.log2(3 / 2), np.log2(6 / 5)]
    assert log_error(requests, np.log2(forecast)) == pytest.approx(np.mean(logs))
    assert captured(np.array([5, 1, 3, 0]), np.array([0.1, 0.9, 0.8, 0.2]), 2) == (4.0, 8.0)
    assert captured(np.array([5, 1]), np.array([0.0, 1.0]), 10) == (6.0, 6.0)


def test_recall_of_what_the_forecast_is_about_is_one(tmp_path: Path) -> None:
    """A count that hardly decays orders contents as their requests so far do."""
    trace = zipf(2000, 300, 0.9, 1)
    task = Task(ENV, {**OBJECTS, "warmup": 0.5, "forecaster": counting(tmp_path, 1e6)})

    def so_far(snapshot: Snapshot) -> NDArray[np.int64]:
        return np.bincount(trace.content[: snapshot.position], minlength=trace.contents)[snapshot.contents]

    assert score(task, [0], 0.5, 1000, {"trace": trace}, so_far).recall == pytest.approx(1.0, abs=1e-3)
    backwards = score(task, [0], 0.5, 1000, {"trace": trace}, lambda snapshot: 1.0 / so_far(snapshot))
    assert backwards.recall < 0.5


def trace_experiment(path: Path, *overrides: str) -> Experiment:
    """An experiment on the halves of a small trace file."""
    rows = [f"{i},{content},1" for i, content in enumerate(zipf(4000, 300, 0.9, 1).content)]
    path.write_text("time,id,size\n" + "\n".join(rows) + "\n", encoding="utf-8")
    own = [f"settings.workload.path={path}", "settings.capacity=20", "settings.unit=objects"]
    return load_experiment("trace", [*own, *overrides])


def test_training_part_of_a_trace_is_whole_and_at_the_capacity_that_is_judged(tmp_path: Path) -> None:
    overrides = ["training.settings.capacity=10", "training.settings.workload={part: [0.0, 0.5], requests: 1000}"]
    experiment = trace_experiment(tmp_path / "trace.csv", *overrides)
    for one in (experiment, experiment.model_copy(update={"policies_of": "other", "training": TrainingSettings()})):
        task, seeds = training_part(one)
        system: Any = task.system()
        assert list(seeds) == [0]
        assert len(system.episode(0, {}).trace) == 2000
        assert (system.params.capacity, system.params.warmup) == (20, 0.0)


@pytest.mark.parametrize("part", ["[0.0, 0.6]", "[0.0, 1.0]", "[0.7, 0.8]"])
def test_part_that_is_judged_is_not_fitted_to(tmp_path: Path, part: str) -> None:
    experiment = trace_experiment(tmp_path / "trace.csv", f"training.settings.workload.part={part}")
    with pytest.raises(SettingsError, match=r"workload\.part.*overlaps.*0\.5 to 1.*\[0\.0, 0\.5\]"):
        training_part(experiment)


def test_training_episodes_of_a_generator_are_others_than_those_judged() -> None:
    bare = Experiment.parse({"name": "bare", "environment": ENV})
    for experiment in (load_experiment("demo"), bare):
        _, seeds = training_part(experiment)
        assert len(seeds) == experiment.forecast.episodes
        assert not set(seeds) & {*experiment.validation.seeds, *experiment.evaluation.seeds}


def test_command_fits_judges_and_writes(tmp_path: Path) -> None:
    tiny = [
        "name=tiny",
        "settings.workload.requests=2000",
        "forecast.episodes=2",
        "forecast.samples=2000",
        "forecast.epochs=2",
        "forecast.seeds=[0,1]",
        "forecast.half_lives=[2,20]",
        "evaluation.episodes=2",
    ]
    outcome = CliRunner().invoke(app, ["forecast", "demo", *tiny, "--runs", str(tmp_path), "--json"])
    assert outcome.exit_code == 0, outcome.output
    folder = tmp_path / "tiny" / "forecasters"
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in found["forecasters"]] == ["neural", "linear", "ewma", "ewma_hits"]
    assert sorted(place.name for place in folder.iterdir()) == [
        "ewma", "ewma_hits", "linear", "neural", "neural_1", "results.json",
    ]  # fmt: skip
    neural = found["forecasters"][0]
    assert np.shape(neural["miss_ratio"]["values"]) == (2, 2)
    assert neural["deviance"]["low"] < neural["deviance"]["value"] < neural["deviance"]["high"]
    shown = {"workload": {"kind": "shot_noise", "requests": 2000}, "candidates": 32}
    settings = {**shown, "forecaster": neural["folders"][1]}
    alone = evaluate(ENV, "Forecast", 2, load_experiment("demo").evaluation.seed, settings)
    hits = alone["metrics"]["hit_ratio"]["per_episode"]
    assert [1.0 - one for one in neural["miss_ratio"]["values"][1]] == pytest.approx(hits)


def test_experiment_may_name_the_forecaster_that_it_is_about_to_fit() -> None:
    experiment = load_experiment("demo", ["settings.forecaster=not_there_yet"])
    with pytest.raises(EdgeGymError, match="not_there_yet"):
        experiment.check()
    unequipped(experiment).check()
