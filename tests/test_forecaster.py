"""A forecaster in the environment: the kernel against torch, its column, no look into the future, wrong files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import safetensors.numpy
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from numba import njit

from edgegym.agents.evaluating import evaluate
from edgegym.agents.experiment import load_experiment
from edgegym.agents.forecasting.fitting import ForecastNetwork
from edgegym.agents.forecasting.samples import collect, pending_decisions
from edgegym.agents.forecasting.settings import ForecastSettings
from edgegym.agents.forecasting.study import INPUTS
from edgegym.agents.policies import heuristics, policy_named
from edgegym.envs.caching.columns import CANDIDATE_FEATURES, FORECAST
from edgegym.envs.caching.forecast_network import WIDTH
from edgegym.envs.caching.forecast_network import evaluate as evaluate_network
from edgegym.envs.caching.forecaster import (
    FILE,
    OCTAVES,
    RATE,
    Forecaster,
    ForecasterRecord,
    decayed_count,
    load_forecaster,
    save_forecaster,
)
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.workload.generators import zipf
from edgegym.workload.trace import RequestTrace

ENV = "EdgeGym/ContentCaching-v0"
OBJECTS: dict[str, Any] = {
    "workload": {"kind": "zipf", "requests": 2000, "contents": 300},
    "capacity": 20,
    "unit": "objects",
    "warmup": 0,
}
CLUSTER: dict[str, Any] = {"preset": "edge_cluster", "workload": {"requests": 3000}, "warmup": 0}


def network(hidden: tuple[int, ...], inputs: int, seed: int = 0) -> ForecastNetwork:
    """A random network over inputs in [0, 1]."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    return ForecastNetwork(rng.random((100, inputs), np.float32), rng.poisson(1.0, 100), hidden)


def stored(folder: Path, hidden: tuple[int, ...] = (16,), names: tuple[str, ...] = INPUTS, **record: Any) -> str:
    """The folder of a random forecaster."""
    layers = network(hidden, len(names)).layers()
    save_forecaster(folder, Forecaster(ForecasterRecord(inputs=names, hidden=hidden, window=0.5, **record), layers))
    return str(folder)


def counting(folder: Path, half_life: float) -> str:
    """The folder of a forecaster whose output is the decayed count itself."""
    save_forecaster(folder, decayed_count(half_life, 1.0))
    return str(folder)


@njit
def evaluate_all(packed, inputs, outputs):  # type: ignore[no-untyped-def]
    for k in range(len(inputs)):
        for i in range(inputs.shape[1]):
            packed[0].units[0, i] = inputs[k, i]
        outputs[k] = evaluate_network(packed[0])


@pytest.mark.parametrize("hidden", [(), (16,), (5,), (16, 16), (3, 7)])
@pytest.mark.parametrize("inputs", [1, 8, WIDTH])
def test_kernel_equals_torch(hidden: tuple[int, ...], inputs: int) -> None:
    made = network(hidden, inputs)
    names = CANDIDATE_FEATURES[:inputs]
    packed = Forecaster(ForecasterRecord(inputs=names, hidden=hidden, window=1.0), made.layers()).packed(names)
    x = np.random.default_rng(1).random((500, inputs), np.float32)
    found = np.empty(500, np.float32)
    evaluate_all(packed, x, found)
    with torch.no_grad():
        wanted = made(torch.as_tensor(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("observation", ["dict", "flat"])
def test_column_is_the_network_of_the_columns(tmp_path: Path, observation: str) -> None:
    made = network((16, 16), len(INPUTS))
    record = ForecasterRecord(inputs=INPUTS, hidden=(16, 16), window=0.5)
    save_forecaster(tmp_path, Forecaster(record, made.layers()))
    env = gym.make(ENV, observation=observation, forecaster=str(tmp_path), **OBJECTS).unwrapped
    seen, _ = env.reset(seed=3)
    width = len(CANDIDATE_FEATURES) + 1
    assert env.candidate_features == (*CANDIDATE_FEATURES, FORECAST)
    for _ in range(50):
        mask = env.action_masks()
        flat = seen if observation == "flat" else seen["candidates"]
        columns = flat.ravel()[: len(mask) * width].reshape(-1, width)[mask]
        inputs = columns[:, [CANDIDATE_FEATURES.index(name) for name in INPUTS]]
        with torch.no_grad():
            wanted = 0.5 + made(torch.as_tensor(inputs)).numpy() / OCTAVES
        np.testing.assert_allclose(columns[:, -1], wanted.clip(0, 1), atol=1e-6)
        seen = env.step(1)[0]


def test_checkers_are_content_and_nothing_changes_without_the_setting(tmp_path: Path) -> None:
    folder = stored(tmp_path)
    with_one = gym.make(ENV, forecaster=folder, **OBJECTS).unwrapped
    check_env(with_one, skip_render_check=True)
    without = gym.make(ENV, **OBJECTS).unwrapped
    assert without.candidate_features == CANDIDATE_FEATURES
    (seen, _), (bare, _) = with_one.reset(seed=1), without.reset(seed=1)
    for _ in range(200):
        assert np.array_equal(seen["candidates"][:, :-1], bare["candidates"])
        seen, bare = with_one.step(2)[0], without.step(2)[0]


def test_vector_row_equals_single_environment(tmp_path: Path) -> None:
    own = {**CLUSTER, "forecaster": stored(tmp_path, names=(*INPUTS, RATE), half_life=3.0)}
    vector = gym.make_vec(ENV, num_envs=3, autoreset_mode=AutoresetMode.SAME_STEP, **own)
    singles = [gym.make(ENV, **own).unwrapped for _ in range(3)]
    seen, _ = vector.reset(seed=4)
    alone = [single.reset(seed=4 + row)[0] for row, single in enumerate(singles)]
    for _ in range(300):
        for row in range(3):
            assert np.array_equal(alone[row]["candidates"], seen["candidates"][row])
        seen = vector.step(np.full(3, 2))[0]
        alone = [single.step(2)[0] for single in singles]


def test_own_rate_is_the_decayed_count(tmp_path: Path) -> None:
    half_life, capacity = 3.0, 20
    task = Task(ENV, {**OBJECTS, "forecaster": counting(tmp_path, half_life)})
    for checked, (system, decisions, live) in enumerate(pending_decisions(task, [5])):
        if checked == 60:
            break
        now = int(system.state.nodes["clock"][0, 0]) - 1
        past = system.state.content[0, : now + 1]
        for k in np.flatnonzero(decisions.mask[0] > 0):
            ages = now - np.flatnonzero(past == system.state.choice[0, k])
            wanted = np.log2(np.sum(2.0 ** (-ages / (half_life * capacity))))
            assert OCTAVES * (decisions.candidates[0, k, -1] - 0.5) == pytest.approx(wanted, abs=2e-3)
        assert live[0]


def test_own_rate_with_the_environments_half_life_is_its_column(tmp_path: Path) -> None:
    task = Task(ENV, {**CLUSTER, "forecaster": counting(tmp_path, 2.0)})
    samples = collect(task, range(2), 0.5, 10_000)
    np.testing.assert_allclose(samples.inputs([FORECAST]), samples.inputs(["rate_short"]), atol=1e-6)


def test_columns_do_not_know_the_future(tmp_path: Path) -> None:
    task = Task(ENV, {**OBJECTS, "forecaster": stored(tmp_path, names=(*INPUTS, RATE), half_life=3.0)})
    one = zipf(2000, 300, 0.9, 1)
    changed = one.content.copy()
    changed[1000:] = one.content[np.random.default_rng(0).permutation(1000) + 1000]
    other = RequestTrace(one.time, changed, one.size, one.node)
    shown = []
    for trace in (one, other):
        pasts = []
        for system, decisions, _ in pending_decisions(task, [0], {"trace": trace}):
            if system.state.rows["position"][0] > 1000:
                break
            pasts.append(decisions.candidates.copy())
        shown.append(np.concatenate(pasts))
    assert len(shown[0]) > 100
    assert np.array_equal(shown[0], shown[1])


def test_policy_is_listed_with_a_forecaster_only_and_evicts_by_it(tmp_path: Path) -> None:
    bare, own = Task(ENV, OBJECTS), Task(ENV, {**OBJECTS, "forecaster": counting(tmp_path, 2.0)})
    assert "Forecast" not in [policy.name for policy in heuristics(ENV, bare.system())]
    assert "Forecast" in [policy.name for policy in heuristics(ENV, own.system())]
    with pytest.raises(EdgeGymError, match="unknown policy 'Forecast'"):
        evaluate(ENV, "Forecast", 1, 0, OBJECTS)
    # The decayed count of half-life 2 is the column rate_short, by which the same choices can be made without it.
    by_column = policy_named(ENV, "LRU")
    by_column.score = lambda c: -c.rate_short  # type: ignore[attr-defined]
    wanted = run_episodes(bare, by_column, range(3))
    found = run_episodes(own, policy_named(ENV, "Forecast", own.system()), range(3))
    assert [episode.metrics for episode in found] == [episode.metrics for episode in wanted]


def test_policy_weighs_bytes_where_bytes_count(tmp_path: Path) -> None:
    task = Task(ENV, {"workload": {"kind": "shot_noise", "requests": 3000}, "forecaster": counting(tmp_path, 20.0)})
    policy: Any = policy_named(ENV, "Forecast", task.system())
    columns = type("Columns", (), {"forecast": np.array([0.5, 0.5, 0.6]), "size": np.array([0.2, 0.4, 0.4])})
    assert policy.score(columns).argsort().tolist() == [0, 2, 1]
    assert run_episodes(task, policy, [0])[0].metrics["hit_ratio"] > 0


def damaged(folder: Path, case: str) -> str:
    """A folder whose file has one fault."""
    stored(folder)
    path = folder / FILE
    whole = path.read_bytes()
    tensors = safetensors.numpy.load(whole)
    record = load_forecaster(folder).record.model_dump(mode="json")
    match case:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(whole[:-100])
        case "no safetensors":
            path.write_bytes(b"{}")
        case "no record":
            path.write_bytes(safetensors.numpy.save(tensors))
        case "other shape":
            tensors["weights_0"] = tensors["weights_0"][1:]
        case "tensor missing":
            del tensors["biases_1"]
        case "not finite":
            tensors["biases_0"][0] = np.nan
        case "unknown column":
            record["inputs"][0] = "agee"
        case "no half-life":
            record["inputs"][0] = RATE
    if case in ("other shape", "tensor missing", "not finite", "unknown column", "no half-life"):
        path.write_bytes(safetensors.numpy.save(tensors, {"record": json.dumps(record)}))
    return str(folder)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("missing", "does not exist"),
        ("truncated", "damaged"),
        ("no safetensors", "damaged"),
        ("no record", "inputs: missing"),
        ("other shape", r"\(7, 16\)"),
        ("tensor missing", "biases_1"),
        ("not finite", "not finite"),
        ("unknown column", "Did you mean 'age'"),
        ("no half-life", "half_life"),
    ],
)
def test_wrong_file_is_named_with_the_mend(tmp_path: Path, case: str, text: str) -> None:
    folder = damaged(tmp_path, case)
    with pytest.raises(SettingsError, match=text) as caught:
        gym.make(ENV, forecaster=folder)
    assert str(tmp_path / FILE) in str(caught.value)
    assert "edgegym forecast CONFIG" in str(caught.value)


def test_too_wide_networks_are_refused() -> None:
    with pytest.raises(SettingsError, match="hidden"):
        ForecastSettings.parse({"hidden": [WIDTH + 1]})
    with pytest.raises(SettingsError, match="hidden"):
        load_experiment("demo", ["forecast.hidden=[4,4,4]"])
