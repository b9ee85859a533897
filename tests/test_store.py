"""Policies on disk: what comes back equals what was stored and acts the same, and damage is refused by name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO

from edgegym.agents import tensor_files
from edgegym.agents.candidate_policy import CandidatePolicy
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.sb3_adapter import GymVecAdapter, make_sb3_env
from edgegym.agents.store import PolicyMeta, load_policy, save_policy, save_sb3_zip
from edgegym.decision.spaces import Columns
from edgegym.errors import RunError, SettingsError
from edgegym.evaluation.harness import Task, run_episodes

from .toy_bandit import LEARNERS, ToyBandit, make_model

torch.set_num_threads(1)
META = {
    "algorithm": "PPO",
    "environment": "ToyBandit-v0",
    "settings": {"candidates": 6},
    "candidate_features": ToyBandit.candidate_features,
    "context_features": ToyBandit.context_features,
    "notes": {"seed": 0},
}


def seen(rows: int = 200, k: int = 6) -> dict[str, Any]:
    """Many decisions of the bandit."""
    return ToyBandit(num_envs=rows, candidates=k).reset(seed=5)[0]


def named(observation: dict[str, Any]) -> Columns:
    return Columns(
        observation["candidates"], observation["context"], ToyBandit.candidate_features, ToyBandit.context_features
    )


def act(policy: LearnedPolicy, observation: dict[str, Any]) -> np.ndarray:
    return policy.act(named(observation), observation["mask"] == 1)


def model_actions(model: Any, observation: dict[str, Any]) -> np.ndarray:
    masks = {"action_masks": observation["mask"]} if isinstance(model, MaskablePPO) else {}
    shown: Any = observation
    if not isinstance(model.observation_space, spaces.Dict):
        rows = len(observation["mask"])
        shown = np.concatenate([np.float32(part).reshape(rows, -1) for part in observation.values()], axis=1)
    actions: np.ndarray = model.predict(shown, deterministic=True, **masks)[0]
    return actions


@pytest.mark.parametrize("name", LEARNERS)
def test_a_stored_policy_has_the_same_weights_and_acts_the_same(name: str, tmp_path: Path) -> None:
    model = make_model(name).learn(300)
    save_policy(tmp_path, model.policy, META)
    stored = load_policy(tmp_path)
    assert type(stored.policy) is type(model.policy)
    assert stored.meta == PolicyMeta(**META)  # type: ignore[arg-type]
    for key, value in model.policy.state_dict().items():
        assert torch.equal(stored.policy.state_dict()[key], value), key
    learned = LearnedPolicy(stored)
    assert (learned.name, learned.kind) == ("PPO", "learned")
    actions = act(learned, seen())
    np.testing.assert_array_equal(actions, model_actions(model, seen()))
    assert actions.dtype == np.int64


@pytest.mark.parametrize("options", [{}, {"net_arch": [8]}, {"net_arch": {"pi": [], "vf": [5, 4]}}], ids=str)
def test_plain_networks_of_any_shape_come_back(options: dict[str, Any], tmp_path: Path) -> None:
    options = {**options, "activation_fn": torch.nn.SiLU}
    env = GymVecAdapter(ToyBandit())
    model = PPO("MultiInputPolicy", env, policy_kwargs=options, n_steps=16, batch_size=64, device="cpu")
    save_policy(tmp_path, model.policy, META)
    np.testing.assert_array_equal(act(LearnedPolicy(load_policy(tmp_path)), seen()), model_actions(model, seen()))


def test_what_cannot_be_rebuilt_is_refused(tmp_path: Path) -> None:
    env = GymVecAdapter(ToyBandit())
    model = PPO("MultiInputPolicy", env, policy_kwargs={"activation_fn": torch.nn.Hardswish}, device="cpu")
    with pytest.raises(RunError, match=r"Hardswish.*save_sb3_zip"):
        save_policy(tmp_path, model.policy, META)

    class Own(CandidatePolicy):
        pass

    with pytest.raises(RunError, match="policy class 'Own'"):
        save_policy(tmp_path, Own(env.observation_space, env.action_space, lambda _: 0.0), META)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrap", [ToyBandit, lambda **kw: GymVecAdapter(ToyBandit(**kw))], ids=["native", "adapter"])
def test_a_candidate_policy_serves_another_number_of_candidates(wrap: Any, tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").learn(256).policy, META)
    stored = load_policy(tmp_path, wrap(candidates=13))
    assert stored.policy.action_space.n == 13  # type: ignore[attr-defined]
    wanted = stored.policy.predict(seen(k=13), deterministic=True)[0]
    np.testing.assert_array_equal(act(LearnedPolicy(load_policy(tmp_path)), seen(k=13)), wanted)


def test_a_plain_policy_refuses_another_number_of_candidates(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("flat PPO").policy, META)
    with pytest.raises(RunError, match="with 6 candidates and finds 13"):
        act(LearnedPolicy(load_policy(tmp_path)), seen(k=13))


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").learn(256).policy, META)
    learned, observation = LearnedPolicy(load_policy(tmp_path), name="mine"), seen()
    extra = np.concatenate([observation["candidates"][..., ::-1], np.ones((200, 6, 1), np.float32)], axis=2)
    reversed_features = ("constant", "noise", "second", "first", "new")
    others = Columns(extra, observation["context"], reversed_features, ToyBandit.context_features)
    mask = observation["mask"] == 1
    np.testing.assert_array_equal(learned.act(others, mask), act(learned, observation))
    fewer = Columns(observation["candidates"], observation["context"], ("first", "second", "noise", "age"), ())
    with pytest.raises(RunError, match=r"policy mine.*ToyBandit-v0.*'constant'"):
        learned.act(fewer, mask)


def test_environments_with_other_columns_are_refused_by_name(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").policy, META)
    env = ToyBandit()
    env.candidate_features = ("second", "first", "noise", "constant")
    with pytest.raises(RunError, match=r"candidate_features.*'second', 'first'.*ToyBandit-v0"):
        load_policy(tmp_path, env)


@pytest.mark.parametrize("name", ["PPO", "dict MaskablePPO"])
def test_draws_follow_the_probabilities_and_their_seed(name: str, tmp_path: Path) -> None:
    model = make_model(name)
    for parameter in model.policy.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    save_policy(tmp_path, model.policy, META)
    policy = LearnedPolicy(load_policy(tmp_path), deterministic=False)
    one = {key: np.repeat(value[3:4], 40_000, axis=0) for key, value in seen().items()}
    policy.begin(1)
    actions = act(policy, one)
    tensors = {key: torch.as_tensor(value[3:4]) for key, value in seen().items()}
    masks = (one["mask"][:1] == 1,) if isinstance(model, MaskablePPO) else ()
    wanted = model.policy.get_distribution(tensors, *masks).distribution.probs[0].detach().numpy()
    # 5 standard errors of each share.
    shares = np.bincount(actions, minlength=6) / 40_000
    assert (np.abs(shares - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / 40_000) + 1e-9).all()
    policy.begin(1)
    np.testing.assert_array_equal(act(policy, one), actions)


@pytest.mark.parametrize(("policy", "kind"), [(CandidatePolicy, "dict"), ("MlpPolicy", "flat")])
def test_the_harness_earns_what_stepping_the_environment_earns(policy: Any, kind: str, tmp_path: Path) -> None:
    """A trained and stored policy in batched episodes, against the torch policy in the single environment."""
    name, settings = "EdgeGym/ContentCaching-v0", {"workload": {"kind": "shot_noise", "requests": 1500}}
    env = make_sb3_env(name, 8, seed=0, observation=kind, **settings)
    model = PPO(policy, env, n_steps=32, batch_size=64, seed=0, device="cpu").learn(256)
    columns = {key: env.get_attr(key)[0] for key in ("candidate_features", "context_features")}
    save_policy(tmp_path, model.policy, {"algorithm": "PPO", "environment": name, "settings": settings, **columns})
    learned = LearnedPolicy(load_policy(tmp_path))
    results = run_episodes(Task(name, settings), learned, [3, 4, 5])
    single = gym.make(name, observation=kind, **settings)  # type: ignore[arg-type]
    for seed, result in zip([3, 4, 5], results, strict=True):
        (observation, _), total, over = single.reset(options={"workload_seed": seed}), 0.0, False
        while not over:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, over, _, _ = single.step(action)
            total += float(reward)
        assert result.total == pytest.approx(total, abs=1e-6)
        assert total > 0


def test_a_q_function_has_no_probabilities_to_draw_from(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("DQN").policy, META)
    with pytest.raises(RunError, match="deterministic=True"):
        LearnedPolicy(load_policy(tmp_path), deterministic=False)


def test_wrong_meta_is_refused_at_once(tmp_path: Path) -> None:
    for name in ("PPO", "flat PPO"):
        with pytest.raises(RunError, match="3 candidate"):
            save_policy(tmp_path, make_model(name).policy, {**META, "candidate_features": ("a", "b", "c")})
    with pytest.raises(SettingsError, match="algorithm: missing"):
        save_policy(tmp_path, make_model("PPO").policy, {key: META[key] for key in META if key != "algorithm"})
    assert list(tmp_path.iterdir()) == []


def test_a_later_policy_replaces_the_earlier_whole(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").policy, META)
    second = make_model("PPO", seed=5).policy
    save_policy(tmp_path, second, META)
    assert len(list(tmp_path.iterdir())) == 2
    assert holds(tmp_path, second)


def holds(folder: Path, policy: Any) -> bool:
    found: Any = load_policy(folder).policy
    return torch.equal(found.actor.first.linear.weight, policy.actor.first.linear.weight)


@pytest.mark.parametrize(
    ("failure", "raised"), [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left"), RunError)]
)
def test_a_stop_before_the_record_leaves_the_earlier_policy(
    failure: BaseException, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_model("PPO").policy
    save_policy(tmp_path, first, META)

    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(tensor_files, "write_json", fail)
        with pytest.raises(raised, match="No space left" if raised is RunError else None):
            save_policy(tmp_path, make_model("PPO", seed=5).policy, META)
    assert holds(tmp_path, first)
    save_policy(tmp_path, first, META)
    assert len(list(tmp_path.iterdir())) == 2


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    changed = {"missing": None, "truncated": data[:-20], "flipped": data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]}[how]
    path.unlink()
    if changed is not None:
        path.write_bytes(changed)


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_damaged_weights_are_refused_by_name(how: str, tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").policy, META)
    (weights,) = tmp_path.glob("*.safetensors")
    damage(weights, how)
    with pytest.raises(RunError, match=weights.name):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", [None, "", "[1]", "{}", '{"format": "edge', "[" * 100_000, "\xff"], ids=range(7))
def test_damaged_records_are_refused_by_name(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "policy.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=r"policy\.json"):
        load_policy(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("PPO", {"policy": "os.system"}, r"policy\.json 'os\.system'.*Known"),
        ("PPO", {"policy": "CandidateQPolicy"}, "does not fit its weights"),
        ("PPO", {"format": "edgegym-policy-9"}, "edgegym-policy-9"),
        ("PPO", {"network": {"score_layers": [7]}}, "does not fit its weights"),
        ("PPO", {"network": {"score_layers": [10**12]}}, "score_layers"),
        ("PPO", {"observation": {"mask": [6]}}, "4 candidate and 2 context columns"),
        ("PPO", {"actions": 0}, "actions"),
        ("PPO", {"tensors": {"file": "../elsewhere.safetensors", "sha256": "0"}}, r"tensors\.file"),
        ("dict PPO", {"network": {"net_arch": [64], "activation_fn": "os.system"}}, "activation_fn"),
        ("dict PPO", {"network": {"net_arch": {"pi": [3]}, "activation_fn": "Tanh"}}, "does not fit its weights"),
        ("dict DQN", {"network": {"net_arch": {"pi": [3]}, "activation_fn": "ReLU"}}, "does not fit its weights"),
    ],
)
def test_records_that_do_not_fit_are_refused(name: str, changes: Any, named: str, tmp_path: Path) -> None:
    save_policy(tmp_path, make_model(name).policy, META)
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(RunError, match=named):
        load_policy(tmp_path)


def test_loading_unpickles_nothing(tmp_path: Path) -> None:
    save_policy(tmp_path, make_model("PPO").policy, META)
    found = []
    watching = [True]
    sys.addaudithook(lambda event, _: found.append(event) if watching and event == "pickle.find_class" else None)
    LearnedPolicy(load_policy(tmp_path))
    watching.clear()
    assert found == []


def test_sb3_zip_is_read_by_stable_baselines3(tmp_path: Path) -> None:
    env = GymVecAdapter(ToyBandit())
    model = PPO(CandidatePolicy, env, n_steps=16, batch_size=64, policy_kwargs={"score_layers": (8,)}, device="cpu")
    save_sb3_zip(tmp_path / "model.zip", model.learn(128))
    assert [each.name for each in tmp_path.iterdir()] == ["model.zip"]
    again = PPO.load(tmp_path / "model.zip", device="cpu")
    np.testing.assert_array_equal(model_actions(again, seen()), model_actions(model, seen()))
