"""Candidate policies: symmetry, masks, agreement of the implementations, and learning a bandit with a known optimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.evaluation import evaluate_policy

from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy, MaskedDQN
from edgegym.agents.networks import ACTIVATIONS, MeanAndMax
from edgegym.agents.sb3_adapter import GymVecAdapter
from edgegym.errors import EdgeGymError, SettingsError

from .toy_bandit import ToyBandit, make_model, optimum

torch.set_num_threads(1)
POLICIES: list[Any] = [CandidatePolicy, MaskableCandidatePolicy, CandidateQPolicy]
SHAPES: list[dict[str, Any]] = [{"activation": name} for name in ACTIVATIONS]
SHAPES += [{"score_layers": ()}, {"interactions": True, "score_layers": (7, 5, 3)}]


def space(k: int, f: int = 4, g: int = 2) -> spaces.Dict:
    box = {"candidates": spaces.Box(0, 1, (k, f), np.float32), "context": spaces.Box(0, 1, (g,), np.float32)}
    return spaces.Dict({**box, "mask": spaces.MultiBinary(k)})


def observations(rows: int, k: int, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    mask = (generator.random((rows, k)) < 0.5).astype(np.int8)
    mask[:, 0] = 1
    candidates = generator.random((rows, k, 4), dtype=np.float32)
    return {"candidates": candidates, "context": generator.random((rows, 2), dtype=np.float32), "mask": mask}


def build(cls: Any, k: int = 6, seed: int = 0, **options: Any) -> Any:
    """A policy with a fitted input scale and weights large enough that actions differ between observations."""
    torch.manual_seed(seed)
    policy = cls(space(k), spaces.Discrete(k), lambda _: 1e-3, **options)
    policy.fit_input_scale(observations(50, k, seed=9))
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return policy


def tensors(observation: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key: torch.as_tensor(value) for key, value in observation.items()}


@pytest.mark.parametrize("options", SHAPES, ids=str)
@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_scores_move_with_the_candidates_and_the_value_stays(options: dict[str, Any], seed: int) -> None:
    policy = build(CandidatePolicy, **options)
    seen = observations(5, 6, seed)
    order = np.random.default_rng(seed).permutation(6)
    moved = {**seen, "candidates": seen["candidates"][:, order], "mask": seen["mask"][:, order]}
    probabilities = [policy.get_distribution(tensors(each)).distribution.probs for each in (seen, moved)]
    torch.testing.assert_close(probabilities[0][:, order], probabilities[1])
    torch.testing.assert_close(policy.predict_values(tensors(seen)), policy.predict_values(tensors(moved)))


@pytest.mark.parametrize("cls", POLICIES)
def test_more_forbidden_candidates_change_nothing(cls: Any) -> None:
    """No weight depends on K: padding with forbidden garbage keeps actions, values and scores."""
    small, large = build(cls, k=6), build(cls, k=11, seed=1)
    large.load_state_dict(small.state_dict())
    seen = observations(20, 6)
    garbage = np.full((20, 5, 4), 0.9, dtype=np.float32)
    padded = {
        "candidates": np.concatenate([seen["candidates"], garbage], axis=1),
        "context": seen["context"],
        "mask": np.pad(seen["mask"], ((0, 0), (0, 5))),
    }
    actions = [p.predict(o, deterministic=True)[0] for p, o in ((small, seen), (large, padded))]
    np.testing.assert_array_equal(*actions)
    assert len(np.unique(actions[0])) > 2
    if cls is not CandidateQPolicy:
        torch.testing.assert_close(small.predict_values(tensors(seen)), large.predict_values(tensors(padded)))


@pytest.mark.parametrize("name", ["PPO", "MaskablePPO", "MaskedDQN"])
def test_weights_trained_with_16_candidates_train_on_with_32(name: str) -> None:
    small, large = make_model(name, candidates=16).learn(256), make_model(name, candidates=32, seed=1)
    large.policy.load_state_dict(small.policy.state_dict())
    large.learn(256)
    observation = large.env.reset()
    actions, _ = large.predict(observation, deterministic=True)
    assert observation["mask"][np.arange(8), actions].all()
    assert actions.max() >= 16


@pytest.mark.parametrize("cls", POLICIES)
@pytest.mark.parametrize("deterministic", [True, False])
def test_forbidden_actions_are_never_chosen(cls: Any, deterministic: bool) -> None:
    policy, seen = build(cls), observations(3000, 6)
    actions, _ = policy.predict(seen, deterministic=deterministic)
    assert seen["mask"][np.arange(3000), actions].all()
    single, _ = policy.predict({key: value[3] for key, value in seen.items()}, deterministic=True)
    assert single.shape == ()
    assert seen["mask"][3, single]


def test_given_masks_are_joined_with_the_observations() -> None:
    policy, seen = build(MaskableCandidatePolicy), observations(2000, 6)
    given = np.random.default_rng(1).random((2000, 6)) < 0.5
    given[:, 0] = True
    actions, _, log_prob = policy(tensors(seen), action_masks=given)
    assert (given & (seen["mask"] == 1))[np.arange(2000), actions].all()
    _, again, _ = policy.evaluate_actions(tensors(seen), actions, torch.as_tensor(given).float())
    torch.testing.assert_close(log_prob, again)


@pytest.mark.parametrize("cls", POLICIES[:2])
def test_lean_formulas_equal_torchs_distribution(cls: Any) -> None:
    policy, seen = build(cls), tensors(observations(40, 6))
    actions, values, log_prob = policy(seen)
    reference = policy.get_distribution(seen).distribution
    torch.testing.assert_close(log_prob, reference.log_prob(actions))
    values_again, log_prob_again, entropy = policy.evaluate_actions(seen, actions)
    torch.testing.assert_close(values, values_again)
    torch.testing.assert_close(log_prob, log_prob_again)
    torch.testing.assert_close(entropy, reference.entropy())


def test_sampling_follows_the_probabilities() -> None:
    policy = build(CandidatePolicy)
    one = {key: np.repeat(value[:1], 40_000, axis=0) for key, value in observations(1, 6, seed=4).items()}
    torch.manual_seed(0)
    actions = policy(tensors(one))[0].numpy()
    wanted = policy.get_distribution(tensors(one)).distribution.probs[0].detach().numpy()
    shares = np.bincount(actions, minlength=6) / 40_000
    # 5 standard errors of each share.
    assert (np.abs(shares - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / 40_000) + 1e-9).all()


@pytest.mark.parametrize("interactions", [False, True])
def test_actor_equals_the_plain_formula(interactions: bool) -> None:
    """Concatenate [columns, columns minus mean, context] for each candidate and run an ordinary MLP in float64."""
    policy, seen = build(CandidatePolicy, interactions=interactions), observations(4, 6)
    weights = {key: value.double().numpy() for key, value in policy.state_dict().items()}
    batch = policy.inputs(tensors(seen))
    wanted = np.zeros((4, 6))
    for row in range(4):
        x, g = batch.candidates[row].double().numpy(), batch.context[row].double().numpy()
        mean = x[seen["mask"][row] == 1].mean(axis=0)
        for k in range(6):
            h = np.concatenate([x[k], *([x[k] - mean] if interactions else []), g])
            h = np.maximum(weights["actor.first.linear.weight"] @ h + weights["actor.first.linear.bias"], 0)
            h = np.maximum(weights["actor.rest.0.weight"] @ h + weights["actor.rest.0.bias"], 0)
            wanted[row, k] = (weights["actor.rest.1.weight"] @ h + weights["actor.rest.1.bias"])[0]
    np.testing.assert_allclose(policy.actor(batch).detach().numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_pooling_and_its_gradient_equal_autograd() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(7, 5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(7, 5, generator=generator) < 0.5
    mask[:, 0] = True
    mean, highest = MeanAndMax.apply(values, mask)
    for row in range(7):
        torch.testing.assert_close(mean[row], values[row, mask[row]].mean(dim=0))
        torch.testing.assert_close(highest[row], values[row, mask[row]].amax(dim=0), atol=1e-7, rtol=1e-7)
    plain = values.masked_fill(~mask.unsqueeze(-1), -torch.inf).amax(dim=1)
    weights = torch.randn(2, 7, 3, generator=generator, dtype=torch.float64)
    average = torch.stack([values[row, mask[row]].mean(dim=0) for row in range(7)])
    (wanted,) = torch.autograd.grad((weights[0] * average + weights[1] * plain).sum(), values)
    (found,) = torch.autograd.grad((weights[0] * mean + weights[1] * highest).sum(), values)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("cls", POLICIES)
def test_input_scale_counts_allowed_candidates_only(cls: Any) -> None:
    policy = cls(space(6), spaces.Discrete(6), lambda _: 1e-3)
    seen = observations(300, 6)
    seen["candidates"][..., 1] = 0.5 + seen["candidates"][..., 1] * 0.001
    seen["candidates"][..., 2] = 0.25
    allowed = seen["mask"] == 1
    seen["candidates"][~allowed] = 77.0
    policy.fit_input_scale(seen)
    inputs = policy.q_net_target.inputs if cls is CandidateQPolicy else policy.inputs
    standard = inputs(tensors(seen)).candidates.numpy()[allowed]
    np.testing.assert_allclose(standard.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(standard[:, [0, 3]].std(axis=0), 1.0, atol=1e-3)
    assert inputs.candidate_scale[1] == pytest.approx(0.01)
    assert inputs.candidate_scale[2] == 1.0
    assert "candidate_shift" in " ".join(policy.state_dict())


@pytest.mark.parametrize("cls", POLICIES)
@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_numpy_scorer_equals_torch(cls: Any, options: dict[str, Any]) -> None:
    policy, seen = build(cls, **options), observations(50, 6)
    scorer = policy.numpy_scorer()
    net = policy.q_net if cls is CandidateQPolicy else policy
    inputs, actor = net.inputs, net.score_net if cls is CandidateQPolicy else net.actor
    wanted = actor(inputs(tensors(seen))).detach().numpy()
    scores = scorer.scores(seen)
    allowed = seen["mask"] == 1
    np.testing.assert_allclose(scores[allowed], wanted[allowed], rtol=1e-5, atol=1e-5)
    assert np.isneginf(scores[~allowed]).all()
    np.testing.assert_array_equal(scorer.act(seen), policy.predict(seen, deterministic=True)[0])
    np.testing.assert_allclose(scorer.scores({k: v[7] for k, v in seen.items()}), scores[7], rtol=1e-5, atol=1e-5)


def test_forbidden_q_values_are_the_fallbacks() -> None:
    policy, seen = build(CandidateQPolicy), observations(30, 6)
    values = policy.q_net(tensors(seen)).detach().numpy()
    fallback = np.broadcast_to(values[:, :1], values.shape)
    np.testing.assert_array_equal(values[seen["mask"] == 0], fallback[seen["mask"] == 0])
    assert np.abs(values).max() < 1e3


def test_bad_settings_and_spaces_name_the_mend() -> None:
    with pytest.raises(SettingsError, match="score_layers"):
        build(CandidatePolicy, score_layer=(32,))
    with pytest.raises(SettingsError, match="activation"):
        build(CandidatePolicy, activation="step")
    with pytest.raises(EdgeGymError, match="MlpPolicy"):
        PPO(CandidatePolicy, GymVecAdapter(ToyBandit(flat=True)), device="cpu")


ON_POLICY: dict[str, Any] = {"n_steps": 32, "batch_size": 128, "learning_rate": 3e-3}
OFF_POLICY: dict[str, Any] = {"learning_rate": 2e-3, "learning_starts": 500, "train_freq": 1, "batch_size": 128}
OFF_POLICY |= {"buffer_size": 10_000, "target_update_interval": 500}
LEARNERS: dict[str, tuple[Any, Any, int, dict[str, Any]]] = {
    "PPO": (PPO, CandidatePolicy, 12_000, ON_POLICY),
    "A2C": (A2C, CandidatePolicy, 30_000, {"n_steps": 16, "learning_rate": 4e-3}),
    "MaskablePPO": (MaskablePPO, MaskableCandidatePolicy, 12_000, ON_POLICY),
    "DQN": (DQN, CandidateQPolicy, 12_000, {}),
    "MaskedDQN": (MaskedDQN, CandidateQPolicy, 12_000, {}),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_learns_the_bandit(name: str) -> None:
    """Random allowed play earns 0.5 a step; the optimum of a linear rule that depends on the context is known."""
    cls, policy, steps, options = LEARNERS[name]
    options = OFF_POLICY | options if issubclass(cls, DQN) else options
    env = GymVecAdapter(ToyBandit(num_envs=16))
    model = cls(policy, env, gamma=0.0, seed=1, device="cpu", **options)
    model.learn(steps)
    env.seed(77)
    returns, lengths = evaluate_policy(model, env, n_eval_episodes=480, return_episode_rewards=True)
    assert np.sum(returns) / np.sum(lengths) > 0.5 + 0.95 * (optimum(6) - 0.5)


def test_masked_dqn_explores_allowed_actions_only() -> None:
    env = GymVecAdapter(ToyBandit(num_envs=8))
    options = OFF_POLICY | {"learning_starts": 200, "exploration_fraction": 1.0, "exploration_final_eps": 0.5}
    model = MaskedDQN(CandidateQPolicy, env, seed=0, device="cpu", **options).learn(1600)
    buffer: Any = model.replay_buffer
    actions, masks = buffer.actions[: buffer.pos, :, 0], buffer.observations["mask"][: buffer.pos]
    assert np.take_along_axis(masks, actions[..., None].astype(int), axis=2).all()
    assert len(np.unique(actions)) == 6


def test_masked_dqn_needs_the_mask_in_the_observation() -> None:
    with pytest.raises(EdgeGymError, match="observation="):
        MaskedDQN("MlpPolicy", GymVecAdapter(ToyBandit(flat=True)), device="cpu")
