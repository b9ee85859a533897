"""Next-cell predictors: causal, equal to torch, exact where the next cell is certain, at the entropy where not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from edgegym.agents.cli.main import app
from edgegym.agents.next_cell.fitting import fit_predictor
from edgegym.agents.next_cell.judging import judge, mean
from edgegym.agents.next_cell.network import Departures, RecurrentNetwork
from edgegym.agents.next_cell.settings import NextCellSettings
from edgegym.decision.system import Decisions
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.mobility.markov import arrival, cells_before, continuation, fit_chain
from edgegym.mobility.motion import Walks, motion_inputs
from edgegym.mobility.outlook import departure_outlook
from edgegym.mobility.recurrent import (
    INPUTS,
    CellPredictor,
    PredictorRecord,
    Prior,
    chain_forecast,
    load_predictor,
    save_predictor,
    states_of,
)

Xy = NDArray[np.float64]
SMALL: dict[str, Any] = {"workload": {"kind": "city", "users": 10, "slots": 12, "rings": 1}}


def ring_of(cells: int) -> Xy:
    angle = 2 * np.pi * np.arange(cells) / cells
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def record_of(xy: Xy, **changes: Any) -> PredictorRecord:
    values: dict[str, Any] = {"inputs": "cells", "hidden": 8, "embedding": 3, "horizon": 4, "slot_s": 10.0}
    return PredictorRecord.of_map(xy, **{**values, **changes})


def untrained(xy: Xy, **changes: Any) -> tuple[RecurrentNetwork, CellPredictor]:
    """A network with all weights random, and the predictor of its weights."""
    torch.manual_seed(0)
    record = record_of(xy, **changes)
    network = RecurrentNetwork(record)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return network, CellPredictor(record, {name: value.numpy() for name, value in network.state_dict().items()})


def walks_of(rng: np.random.Generator, xy: Xy, slots: int = 20, users: int = 6, gaps: bool = True) -> Walks:
    cell = rng.integers(0, len(xy), (slots, users)).astype(np.int32)
    cell = np.where(rng.random(cell.shape) < 0.5, np.roll(cell, 1, axis=0), cell).astype(np.int32)
    if gaps:
        cell[rng.random(cell.shape) < 0.1] = -1
    return Walks(cell, xy[np.maximum(cell, 0)] + 0.1 * rng.standard_normal((*cell.shape, 2)))


@pytest.mark.parametrize("inputs", ["cells", "motion"])
def test_no_prediction_knows_the_future(inputs: str) -> None:
    rng, xy = np.random.default_rng(1), ring_of(7)
    first, other = walks_of(rng, xy), walks_of(rng, xy)
    chain = fit_chain(first.cell, len(xy))
    _, predictor = untrained(xy, inputs=inputs)
    whole = predictor.forecast(first, xy, chain)
    for now in (0, 7, 18):
        assert first.position is not None
        assert other.position is not None
        cell, position = first.cell.copy(), first.position.copy()
        cell[now + 1 :], position[now + 1 :] = other.cell[now + 1 :], other.position[now + 1 :]
        changed = predictor.forecast(Walks(cell, position), xy, chain)
        assert np.array_equal(whole.leave[: now + 1], changed.leave[: now + 1])
        assert np.array_equal(whole.towards[: now + 1], changed.towards[: now + 1])


@pytest.mark.parametrize("inputs", ["cells", "motion"])
def test_numpy_computes_what_torch_computes(inputs: str) -> None:
    rng, xy = np.random.default_rng(2), ring_of(7)
    walks = walks_of(rng, xy, gaps=False)
    chain = fit_chain(walks.cell, len(xy))
    network, predictor = untrained(xy, inputs=inputs)
    prior, state = Prior.of(chain), states_of(chain, walks.cell)
    with torch.no_grad():
        leave, towards = network(
            torch.from_numpy(motion_inputs(walks, xy, INPUTS[inputs])),
            torch.from_numpy(walks.cell.astype(np.int64)),
            torch.from_numpy(prior.leave[state]),
            torch.from_numpy(prior.towards[state]),
        )
    found = predictor.forecast(walks, xy, chain)
    np.testing.assert_allclose(found.leave, torch.sigmoid(leave).numpy(), atol=1e-6)
    np.testing.assert_allclose(found.towards, towards.exp().numpy(), atol=1e-6)
    np.testing.assert_allclose(found.next_cell(walks.cell).sum(axis=-1), 1.0, atol=1e-5)


def test_departures_are_those_of_a_search() -> None:
    cell = walks_of(np.random.default_rng(3), ring_of(3), slots=30).cell
    found = Departures.of(cell)
    for user, path in enumerate(cell.T):
        for t in np.flatnonzero(path >= 0):
            later = [int(c) for c in path[t:]]
            stop = next((k for k, c in enumerate(later) if c != later[0]), len(later))
            assert found.stayed[t, user] == stop - 1
            assert found.cell[t, user] == (later[stop] if stop < len(later) else -1)


def fitted(walks: Walks, xy: Xy, epochs: int) -> CellPredictor:
    settings = NextCellSettings(hidden=16, epochs=epochs, batch=16, learning_rate=2e-2)
    return fit_predictor(walks, xy, record_of(xy, hidden=16, embedding=8), settings, 0)


def test_a_tour_with_a_fixed_stay_is_learned_exactly() -> None:
    """Three slots in each cell: a chain of cells cannot know when the user leaves."""
    xy, users = ring_of(5), 60
    start = np.random.default_rng(4).integers(0, 15, users)
    tour = (((np.arange(60)[:, None] + start) // 3) % 5).astype(np.int32)
    train, test = tour[:, :40], tour[20:, 40:]
    chain = fit_chain(train, 5)
    by_chain = judge(chain_forecast(chain, test).next_cell(test), test)
    predictor = fitted(Walks(train), xy, 30)
    found = predictor.forecast(Walks(test), xy, chain).next_cell(test)
    own = judge(found[3:], test[3:])
    assert mean([own], "top_1").value == 1.0
    assert mean([own], "log_loss").value < 0.02
    assert mean([by_chain], "top_1").value < 0.75


def test_a_random_walk_cannot_be_predicted() -> None:
    """Stay with .6, else either neighbour on a ring: nothing beats the entropy, and a fit comes near it."""
    xy, rng = ring_of(6), np.random.default_rng(5)
    steps = rng.choice([0, 1, -1], (60, 200), p=[0.6, 0.2, 0.2])
    cell = (steps.cumsum(axis=0) % 6).astype(np.int32)
    predictor = fitted(Walks(cell[:, :120]), xy, 6)
    test = cell[:, 120:]
    found = predictor.forecast(Walks(test), xy, fit_chain(cell[:, :120], 6)).next_cell(test)
    loss = mean([judge(found, test)], "log_loss")
    entropy = -(0.6 * np.log(0.6) + 0.4 * np.log(0.2))
    assert loss.high > entropy - 0.01
    assert loss.value < entropy + 0.03


@pytest.mark.parametrize("handover", [0.0, 0.4])
def test_outlook_of_the_chains_own_forecast_is_the_chains(handover: float) -> None:
    rng = np.random.default_rng(6)
    trace = walks_of(rng, ring_of(4), slots=200, users=5, gaps=False).cell
    near, move = rng.random((4, 4)), rng.random((4, 4))
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    chain, path = fit_chain(trace, 4), trace[:, 0]
    after, state = continuation(chain, near, move, handover, 0.9, 1e-9), states_of(chain, trace)[:, 0]
    towards = chain.next_cell[state].copy()
    stay = towards[np.arange(len(path)), path].copy()
    towards[np.arange(len(path)), path] = 0.0
    towards /= towards.sum(axis=1, keepdims=True)
    leave = np.repeat((1.0 - stay)[:, None], 4, axis=1)
    entered = arrival(chain.cell, near, move, handover, after)
    found = departure_outlook(path, state, leave, towards, near, move, after, entered, chain.state, 0.9)
    np.testing.assert_allclose(found, after[state], atol=1e-3)


def folder_with(tmp_path: Path, system: UserMigrationSystem, **changes: Any) -> str:
    save_predictor(tmp_path, untrained(system.source.xy, **changes)[1])
    return str(tmp_path)


def test_the_environment_shows_what_the_predictor_says(tmp_path: Path) -> None:
    plain = UserMigrationSystem(UserMigrationParams.parse(SMALL))
    folder = folder_with(tmp_path, plain, inputs="motion")
    system = UserMigrationSystem(UserMigrationParams.parse({**SMALL, "predictor": folder}))
    episode = system.episode(3, {})
    chance = load_predictor(folder, system.source.xy, 10.0).forecast(episode.walks, system.source.xy, system.chain)
    expected = chance.next_cell(episode.place)
    system.begin(0, 3, {})
    decisions = Decisions.empty(system)
    system.observe(decisions)
    likely = system.candidate_features.index("likely")
    while not decisions.done[0]:
        r, nominees = system.state.rows[0], system.state.nominees[0]
        for k in np.flatnonzero(decisions.mask[0]):
            shown = decisions.candidates[0, k, likely]
            assert shown == pytest.approx(expected[r["slot"], r["user"], nominees[k]], abs=1e-6)
        system.step(np.zeros(1, np.int64), np.ones(1, np.bool_), decisions)


def test_bad_predictors_are_named(tmp_path: Path) -> None:
    plain = UserMigrationSystem(UserMigrationParams.parse(SMALL))
    with pytest.raises(SettingsError, match=r"does not exist.*edgegym forecast"):
        UserMigrationSystem(UserMigrationParams.parse({**SMALL, "predictor": str(tmp_path / "none")}))
    folder = folder_with(tmp_path, plain, inputs="motion")
    with pytest.raises(SettingsError, match="another map"):
        UserMigrationSystem(UserMigrationParams.parse({"predictor": folder}))
    with pytest.raises(SettingsError, match="observe: prediction"):
        UserMigrationParams.parse({**SMALL, "predictor": folder, "observe": "cell"})
    system = UserMigrationSystem(UserMigrationParams.parse({**SMALL, "predictor": folder}))
    cells_alone = Episode(*(getattr(plain.episode(0, {}), name) for name in ("place", "service", "start")))
    with pytest.raises(SettingsError, match="knows cells alone"):
        system.begin(0, 0, {"episode": cells_alone})
    (tmp_path / "predictor.safetensors").write_bytes(b"nothing")
    with pytest.raises(SettingsError, match="damaged"):
        load_predictor(folder, plain.source.xy, 10.0)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        (
            {"slot_s": 20.0},
            r"fitted to slots of 10 s, but those of this workload last 20 s; take slots of 10 s\. Fit one",
        ),
        ({"spacing_m": 250.0}, r"fitted to neighbouring sites 500 apart, but those of this workload are 250 apart"),
        ({"rings": 2}, r"fitted to another map, of 7 cells; this one has 19"),
    ],
)
def test_predictors_go_with_their_map_and_slots(tmp_path: Path, changes: dict[str, Any], wrong: str) -> None:
    folder = folder_with(tmp_path, UserMigrationSystem(UserMigrationParams.parse(SMALL)))
    workload = {**SMALL["workload"], **changes}
    with pytest.raises(SettingsError, match=rf"predictor\.safetensors was {wrong}"):
        UserMigrationSystem(UserMigrationParams.parse({"workload": workload, "predictor": folder}))


@pytest.mark.parametrize(
    ("record", "wrong"),
    [
        ('{"format": "edgegym-cell-predictor-1"}', r"is of the format edgegym-cell-predictor-1.*Fit it anew"),
        ("[]", "is damaged or no predictor"),
        ("{", "is damaged or no predictor"),
    ],
)
def test_other_records_are_refused(tmp_path: Path, record: str, wrong: str) -> None:
    path = tmp_path / "predictor.safetensors"
    path.write_bytes(safetensors.numpy.save({"x": np.zeros(1, np.float32)}, {"record": record}))
    with pytest.raises(SettingsError, match=rf"predictor\.safetensors {wrong}"):
        load_predictor(tmp_path, ring_of(5), 10.0)


def test_training_on_nothing_and_diverging_are_errors() -> None:
    xy, rng = ring_of(5), np.random.default_rng(8)
    with pytest.raises(SettingsError, match="of 3 training users"):
        fit_predictor(Walks(np.zeros((1, 3), np.int32)), xy, record_of(xy), NextCellSettings(), 0)
    settings = NextCellSettings(epochs=1, batch=1, learning_rate=1e36)
    with pytest.raises(SettingsError, match=r"next_cell\.learning_rate: training diverged with 1e\+36"):
        fit_predictor(walks_of(rng, xy), xy, record_of(xy), settings, 0)


@pytest.mark.filterwarnings("error")
def test_who_stays_says_nothing_about_moves() -> None:
    cell = np.zeros((4, 2), np.int32)
    found = judge(np.full((4, 2, 3), 1.0 / 3.0, np.float32), cell)
    assert np.isnan(mean([found], "moved_top_1").value)
    assert mean([found], "log_loss").value == pytest.approx(np.log(3.0))
    assert mean([found], "log_loss").resampled == "users"


def test_breaking_off_leaves_earlier_predictors_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "city/predictors"
    save_predictor(folder / "cells", untrained(ring_of(5))[1])
    (folder / "results.json").write_text("{}")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    fits = iter([untrained(ring_of(5))[1]])

    def fit(*_: Any) -> CellPredictor:
        try:
            return next(fits)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("edgegym.agents.next_cell.study.fit_predictor", fit)
    result = CliRunner().invoke(app, ["forecast", "city", "next_cell.episodes=1", "--runs", str(tmp_path)])
    assert result.exit_code != 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_command_fits_judges_and_writes(tmp_path: Path) -> None:
    small = ["settings.workload.rings=1", "settings.workload.kind=city", "settings.workload.users=8"]
    few = ["next_cell.seeds=[0]", "next_cell.episodes=2", "next_cell.epochs=1", "evaluation.episodes=2"]
    result = CliRunner().invoke(app, ["forecast", "city", *small, *few, "--runs", str(tmp_path), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "city/predictors/results.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in found["predictors"]] == ["markov", "cells", "motion"]
    assert 0.0 < found["predictors"][0]["top_1"]["value"] <= 1.0
    assert found["minus_markov"]["motion"]["log_loss"]["low"] <= found["minus_markov"]["motion"]["log_loss"]["high"]


def test_cells_before_end_with_the_session() -> None:
    trace = np.array([[0, 0, 1, 1, -1, 2, 0]], np.int32).T
    assert cells_before(trace)[:, 0].tolist()[:4] == [0, 0, 0, 0]
    assert cells_before(trace)[5:, 0].tolist() == [2, 2]
