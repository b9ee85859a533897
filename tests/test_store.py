"""Policies and checkpoints on disk: what comes back equals what was stored, and damage is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO

from edgegym.agents import checkpoints, store
from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy, MaskedDQN
from edgegym.agents.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from edgegym.agents.sb3_adapter import GymVecAdapter
from edgegym.agents.store import load_policy, save_policy
from edgegym.errors import RunError, SettingsError

from .toy_bandit import ToyBandit

torch.set_num_threads(1)
META = {
    "algorithm": "PPO",
    "environment": "ToyBandit-v0",
    "settings": {"candidates": 6},
    "candidate_features": ToyBandit.candidate_features,
    "context_features": ToyBandit.context_features,
    "notes": {"seed": 0},
}
OFF_POLICY = {"learning_starts": 64, "buffer_size": 1000, "target_update_interval": 64, "batch_size": 32}
LEARNERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "PPO": (PPO, CandidatePolicy, {"n_steps": 16, "batch_size": 64}),
    "A2C": (A2C, CandidatePolicy, {}),
    "MaskablePPO": (MaskablePPO, MaskableCandidatePolicy, {"n_steps": 16, "batch_size": 64}),
    "DQN": (DQN, CandidateQPolicy, OFF_POLICY),
    "MaskedDQN": (MaskedDQN, CandidateQPolicy, OFF_POLICY),
    "flat PPO": (PPO, "MlpPolicy", {"n_steps": 16, "batch_size": 64}),
    "dict PPO": (PPO, "MultiInputPolicy", {"n_steps": 16, "batch_size": 64}),
    "flat DQN": (DQN, "MlpPolicy", OFF_POLICY),
    "dict DQN": (DQN, "MultiInputPolicy", OFF_POLICY),
}


def make(name: str, seed: int = 0, **bandit: Any) -> Any:
    cls, policy, options = LEARNERS[name]
    env = GymVecAdapter(ToyBandit(flat=name.startswith("flat"), **bandit))
    return cls(policy, env, seed=seed, device="cpu", **options)


@pytest.mark.parametrize("name", LEARNERS)
def test_policy_round_trip(name: str, tmp_path: Path) -> None:
    model = make(name).learn(300)
    save_policy(tmp_path, model.policy, META)
    loaded = load_policy(tmp_path)
    assert type(loaded.policy) is type(model.policy)
    for key, value in model.policy.state_dict().items():
        assert torch.equal(loaded.policy.state_dict()[key], value), key
    observation = model.env.reset()
    np.testing.assert_array_equal(loaded.act(observation), model.predict(observation, deterministic=True)[0])
    assert loaded.meta.environment == "ToyBandit-v0"
    assert loaded.meta.candidate_features == ToyBandit.candidate_features
    assert loaded.meta.notes == {"seed": 0}


@pytest.mark.parametrize("wrap", [ToyBandit, lambda **kw: GymVecAdapter(ToyBandit(**kw))], ids=["native", "adapter"])
def test_loads_for_another_number_of_candidates(wrap: Any, tmp_path: Path) -> None:
    save_policy(tmp_path, make("PPO").policy, META)
    larger = wrap(candidates=13)
    loaded = load_policy(tmp_path, larger)
    assert loaded.policy.action_space.n == 13  # type: ignore[attr-defined]
    observation = GymVecAdapter(ToyBandit(candidates=13)).reset()
    np.testing.assert_array_equal(loaded.act(observation), loaded.policy.predict(observation, deterministic=True)[0])  # type: ignore[arg-type]


def test_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    save_policy(tmp_path, make("PPO").policy, META)
    env = ToyBandit()
    env.candidate_features = ("second", "first", "noise", "constant")
    with pytest.raises(RunError, match=r"candidate_features.*'second', 'first'.*ToyBandit-v0"):
        load_policy(tmp_path, env)


def test_wrong_meta_is_refused_at_once(tmp_path: Path) -> None:
    policy = make("PPO").policy
    with pytest.raises(RunError, match="3 candidate"):
        save_policy(tmp_path, policy, {**META, "candidate_features": ("a", "b", "c")})
    with pytest.raises(SettingsError, match="algorithm: missing"):
        save_policy(tmp_path, policy, {key: value for key, value in META.items() if key != "algorithm"})
    assert list(tmp_path.iterdir()) == []


def test_a_later_policy_replaces_the_earlier_whole(tmp_path: Path) -> None:
    save_policy(tmp_path, make("PPO").policy, META)
    second = make("PPO", seed=5).policy
    save_policy(tmp_path, second, META)
    assert len(list(tmp_path.iterdir())) == 2
    assert torch.equal(
        load_policy(tmp_path).policy.state_dict()["actor.first.linear.weight"], second.actor.first.linear.weight
    )


def test_a_kill_before_the_record_leaves_the_earlier_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("PPO").policy
    save_policy(tmp_path, first, META)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            save_policy(tmp_path, make("PPO", seed=5).policy, META)
    assert torch.equal(
        load_policy(tmp_path).policy.state_dict()["actor.first.linear.weight"], first.actor.first.linear.weight
    )


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    changed = {"missing": None, "truncated": data[:-20], "flipped": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]}[how]
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_damaged_weights_are_refused_by_name(how: str, tmp_path: Path) -> None:
    save_policy(tmp_path, make("PPO").policy, META)
    (weights,) = tmp_path.glob("*.safetensors")
    damage(weights, how)
    with pytest.raises(RunError, match=weights.name):
        load_policy(tmp_path)


def edited(folder: Path, **changes: Any) -> None:
    path = folder / "policy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_damaged_records_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"policy\.json: not found"):
        load_policy(tmp_path)
    save_policy(tmp_path, make("PPO").policy, META)
    whole = (tmp_path / "policy.json").read_text()
    for text in (whole[:-30], "[1]", "", "{}"):
        (tmp_path / "policy.json").write_text(text)
        with pytest.raises(RunError, match=r"policy\.json"):
            load_policy(tmp_path)
    for changes, named in (
        ({"policy": "os.system"}, "os.system"),
        ({"format": "edgegym-policy-9"}, "edgegym-policy-9"),
        ({"network": {"score_layers": [7]}}, "does not fit"),
        ({"tensors": {"file": "../elsewhere.safetensors", "sha256": "0"}}, r"tensors\.file"),
    ):
        (tmp_path / "policy.json").write_text(whole)
        edited(tmp_path, **changes)
        with pytest.raises(RunError, match=named):
            load_policy(tmp_path)


def optimizer_state(model: Any) -> dict[tuple[int, str], torch.Tensor]:
    state = model.policy.optimizer.state_dict()["state"]
    return {(i, key): torch.as_tensor(value) for i, entry in state.items() for key, value in entry.items()}


@pytest.mark.parametrize("name", LEARNERS)
def test_checkpoint_restores_weights_optimizer_and_counters(name: str, tmp_path: Path) -> None:
    model = make(name).learn(400)
    save_checkpoint(tmp_path, model)
    fresh = make(name, seed=8)
    assert load_checkpoint(tmp_path, fresh) == model.num_timesteps > 0
    for key, value in model.policy.state_dict().items():
        assert torch.equal(fresh.policy.state_dict()[key], value), key
    ours, theirs = optimizer_state(fresh), optimizer_state(model)
    assert ours.keys() == theirs.keys() != set()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    for counter in checkpoints.COUNTERS:
        assert getattr(fresh, counter, None) == getattr(model, counter, None)
    assert model._n_updates > 0
    fresh.learn(200, reset_num_timesteps=False)
    assert fresh.num_timesteps >= model.num_timesteps + 200


def test_resumed_training_takes_the_same_path(tmp_path: Path) -> None:
    """With the environment in the same state, a resumed model trains to bit-identical weights."""
    model = make("PPO").learn(128)
    save_checkpoint(tmp_path, model)
    fresh = make("PPO", seed=8)
    load_checkpoint(tmp_path, fresh)
    states = []
    for each in (model, fresh):
        load_checkpoint(tmp_path, each)
        each.env.seed(4)
        each.learn(256, reset_num_timesteps=False)
        states.append(each.policy.state_dict())
    for key, value in states[0].items():
        assert torch.equal(states[1][key], value), key


def test_resumed_environments_do_not_begin_again(tmp_path: Path) -> None:
    model = make("PPO")
    first = model.env.reset()["context"]
    model.learn(128)
    save_checkpoint(tmp_path, model)
    fresh = make("PPO")
    load_checkpoint(tmp_path, fresh)
    assert not np.array_equal(fresh.env.reset()["context"], first)


def test_the_last_two_checkpoints_are_kept_and_the_damaged_newest_names_the_mend(tmp_path: Path) -> None:
    model = make("PPO")
    for _ in range(4):
        model.learn(128, reset_num_timesteps=False)
        save_checkpoint(tmp_path, model)
    assert sorted(each.name for each in tmp_path.glob("*.json")) == [
        f"checkpoint_{steps:012d}.json" for steps in (384, 512)
    ]
    assert len(list(tmp_path.iterdir())) == 4
    newest = latest_checkpoint(tmp_path)
    assert newest is not None
    damage(next(tmp_path.glob(f"{newest.stem}-*.safetensors")), "truncated")
    with pytest.raises(RunError, match=f"delete {newest}"):
        load_checkpoint(tmp_path, model)
    newest.unlink()
    assert load_checkpoint(tmp_path, make("PPO")) == 384


def test_a_kill_while_saving_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("PPO").learn(128)
    save_checkpoint(tmp_path, model)
    model.learn(128, reset_num_timesteps=False)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(tmp_path, model)
    assert load_checkpoint(tmp_path, make("PPO")) == 128
    save_checkpoint(tmp_path, model)
    assert load_checkpoint(tmp_path, make("PPO")) == 256


def test_checkpoints_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no checkpoint"):
        load_checkpoint(tmp_path, make("PPO"))
    save_checkpoint(tmp_path, make("PPO"))
    with pytest.raises(RunError, match="PPO with CandidatePolicy, the model of A2C"):
        load_checkpoint(tmp_path, make("A2C"))
    env = GymVecAdapter(ToyBandit())
    other = PPO(CandidatePolicy, env, policy_kwargs={"score_layers": (8,)}, n_steps=16, batch_size=64, device="cpu")
    with pytest.raises(RunError, match=r"actor\.first\.linear"):
        load_checkpoint(tmp_path, other)
