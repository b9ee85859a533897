"""Training checkpoints: what comes back equals what was stored, and a kill or damage loses one at most."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from edgegym.agents import checkpoints, tensor_files
from edgegym.agents.candidate_policy import CandidatePolicy
from edgegym.agents.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from edgegym.agents.sb3_adapter import GymVecAdapter
from edgegym.errors import RunError

from .toy_bandit import LEARNERS, ToyBandit, make_model

torch.set_num_threads(1)


def optimizer_state(model: Any) -> dict[tuple[int, str], torch.Tensor]:
    state = model.policy.optimizer.state_dict()["state"]
    return {(i, key): torch.as_tensor(value) for i, entry in state.items() for key, value in entry.items()}


def assert_same_weights(one: Any, other: Any) -> None:
    for key, value in one.policy.state_dict().items():
        assert torch.equal(other.policy.state_dict()[key], value), key


@pytest.mark.parametrize("name", LEARNERS)
def test_checkpoint_restores_weights_optimizer_and_counters(name: str, tmp_path: Path) -> None:
    model = make_model(name).learn(400)
    save_checkpoint(tmp_path, model)
    fresh = make_model(name, seed=8)
    assert load_checkpoint(tmp_path, fresh) == model.num_timesteps > 0
    assert_same_weights(model, fresh)
    ours, theirs = optimizer_state(fresh), optimizer_state(model)
    assert ours.keys() == theirs.keys() != set()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for counter in checkpoints.COUNTERS:
        assert getattr(fresh, counter, None) == getattr(model, counter, None)
    assert model._n_updates > 0
    fresh.learn(200, reset_num_timesteps=False)
    assert fresh.num_timesteps >= model.num_timesteps + 200
    assert fresh._n_updates > model._n_updates


@pytest.mark.parametrize("name", ["PPO", "A2C", "MaskablePPO", "DQN", "MaskedDQN", "flat DQN"])
def test_resumed_training_takes_the_same_path(name: str, tmp_path: Path) -> None:
    """With the environments in the same state, a resumed model trains to bit-identical weights."""
    model = make_model(name).learn(160)
    save_checkpoint(tmp_path, model, replay_buffer=True)
    ends = []
    for each in (model, make_model(name, seed=8)):
        load_checkpoint(tmp_path, each)
        each.env.seed(4)
        each.learn(256, reset_num_timesteps=False)
        ends.append(each)
    assert_same_weights(*ends)
    assert ends[0].num_timesteps == ends[1].num_timesteps


def test_schedules_run_as_without_the_stop(tmp_path: Path) -> None:
    def watched() -> tuple[PPO, list[float]]:
        seen: list[float] = []
        rate = lambda remaining: seen.append(remaining) or 1e-3  # type: ignore[func-returns-value]  # noqa: E731
        env = GymVecAdapter(ToyBandit())
        return PPO(CandidatePolicy, env, learning_rate=rate, n_steps=16, batch_size=64, device="cpu"), seen

    (straight, wanted), (stopped, _), (resumed, found) = watched(), watched(), watched()
    straight.learn(512)
    save_checkpoint(tmp_path, stopped.learn(256))
    resumed.learn(512 - load_checkpoint(tmp_path, resumed), reset_num_timesteps=False)
    assert sorted({*found}) == [0.0, 0.25, 1.0]
    assert sorted({*wanted}) == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("steps", [480, 1600])
@pytest.mark.parametrize("name", ["DQN", "flat DQN"])
def test_replay_buffer_comes_back(name: str, steps: int, tmp_path: Path) -> None:
    """Partly filled, and full after wrapping around its 1000 // 8 places per row."""
    model, fresh = make_model(name).learn(steps), make_model(name, seed=8)
    save_checkpoint(tmp_path, model, replay_buffer=True)
    load_checkpoint(tmp_path, fresh)
    assert fresh.learning_starts == model.learning_starts
    assert (fresh.replay_buffer.pos, fresh.replay_buffer.full) == (model.replay_buffer.pos, steps > 1000)
    ours, theirs = (dict(checkpoints._replay_arrays(each.replay_buffer)) for each in (fresh, model))
    assert ours.keys() == theirs.keys()
    assert len(ours["rewards"]) == min(steps // 8, 125)
    for key, array in theirs.items():
        np.testing.assert_array_equal(ours[key], array)


def test_a_replay_buffer_of_another_size_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make_model("DQN").learn(1600), replay_buffer=True)
    env = GymVecAdapter(ToyBandit())
    algorithm, policy, options = LEARNERS["DQN"]
    for size in (500, 2000):
        model = algorithm(policy, env, device="cpu", **{**options, "buffer_size": size})
        with pytest.raises(RunError, match="does not fit the model"):
            load_checkpoint(tmp_path, model)


def test_resumed_environments_do_not_begin_again(tmp_path: Path) -> None:
    model = make_model("PPO")
    first = model.env.reset()["context"]
    model.learn(128)
    save_checkpoint(tmp_path, model)
    fresh = make_model("PPO")
    load_checkpoint(tmp_path, fresh)
    assert not np.array_equal(fresh.env.reset()["context"], first)


def save_several(folder: Path, count: int) -> Any:
    """One model's checkpoints after 128, 256, ... steps."""
    model = make_model("PPO")
    for _ in range(count):
        model.learn(128, reset_num_timesteps=False)
        save_checkpoint(folder, model)
    return model


def names(folder: Path) -> list[int]:
    return sorted(int(each.stem.removeprefix("checkpoint_")) for each in folder.glob("*.json"))


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    save_several(tmp_path, 4)
    assert names(tmp_path) == [384, 512]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_new_training_supersedes_the_checkpoints_of_an_earlier_one(tmp_path: Path) -> None:
    save_several(tmp_path, 4)
    model = save_several(tmp_path, 1)
    assert names(tmp_path) == [128]
    fresh = make_model("PPO")
    load_checkpoint(tmp_path, fresh)
    assert_same_weights(model, fresh)


@pytest.mark.parametrize("part", ["json", "safetensors"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(part: str, tmp_path: Path) -> None:
    save_several(tmp_path, 2)
    for steps, usable in ((256, 128), (128, None)):
        (path,) = tmp_path.glob(f"checkpoint_{steps:012d}*.{part}")
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.warns(UserWarning, match="is used, if there is one") as caught:
            found = latest_checkpoint(tmp_path)
        assert any(path.name in str(each.message) for each in caught)
        assert (None if found is None else found.name) == (usable and f"checkpoint_{usable:012d}.json")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if usable:
                assert load_checkpoint(tmp_path, make_model("PPO")) == usable
            else:
                with pytest.raises(RunError, match="no readable checkpoint"):
                    load_checkpoint(tmp_path, make_model("PPO"))


def test_a_kill_while_saving_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_several(tmp_path, 1)
    model.learn(128, reset_num_timesteps=False)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tensor_files, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, model)
    assert load_checkpoint(tmp_path, make_model("PPO")) == 128
    save_checkpoint(tmp_path, model)
    assert load_checkpoint(tmp_path, make_model("PPO")) == 256
    assert len(list(tmp_path.iterdir())) == 4


def test_checkpoints_of_another_kind_are_refused(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "nowhere") is None
    with pytest.raises(RunError, match="no readable checkpoint"):
        load_checkpoint(tmp_path, make_model("PPO"))
    save_checkpoint(tmp_path, make_model("PPO"))
    with pytest.raises(RunError, match="PPO with CandidatePolicy, the model of A2C"):
        load_checkpoint(tmp_path, make_model("A2C"))
    env = GymVecAdapter(ToyBandit())
    other = PPO(CandidatePolicy, env, policy_kwargs={"score_layers": (8,)}, n_steps=16, batch_size=64, device="cpu")
    with pytest.raises(RunError, match=r"actor\.first\.linear"):
        load_checkpoint(tmp_path, other)
