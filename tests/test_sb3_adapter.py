"""The adapter's contract with Stable-Baselines3, against a vector environment whose answers are known."""

from __future__ import annotations

import time
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

from edgegym.agents.candidate_policy import CandidatePolicy
from edgegym.agents.sb3_adapter import GymVecAdapter, make_sb3_env, random_allowed, sample_observations
from edgegym.errors import EdgeGymError

from .toy_bandit import LEARNERS, ToyBandit, make_model

torch.set_num_threads(1)


@pytest.fixture(params=[False, True], ids=["array of dicts", "dict of arrays"])
def batched_final(request: pytest.FixtureRequest) -> bool:
    return request.param


def play(env: GymVecAdapter, steps: int, seed: int = 0) -> list[tuple[Any, Any, Any, Any, Any]]:
    """(observation before, reward, done, infos, observation after) of each step, with random allowed actions."""
    generator = np.random.default_rng(seed)
    observation: Any = env.reset()
    result = []
    for _ in range(steps):
        after, reward, done, infos = env.step(random_allowed(observation["mask"], generator))
        result.append((observation, reward, done, infos, after))
        observation = after
    return result


def test_episode_record_equals_sums_of_what_was_seen(batched_final: bool) -> None:
    env = GymVecAdapter(ToyBandit(num_envs=7, steps=4, batched_final=batched_final))
    env.seed(3)
    total, length, ended = np.zeros(7), np.zeros(7, dtype=int), 0
    for _, reward, done, infos, after in play(env, 13):
        assert reward.dtype == np.float32
        assert done.dtype == bool
        total += reward
        length += 1
        for row in range(7):
            if not done[row]:
                assert infos[row] == {}
                continue
            ended += 1
            info = infos[row]
            assert info["episode"]["r"] == pytest.approx(total[row], abs=1e-5)
            assert info["episode"]["l"] == length[row]
            assert info["edge_metrics"] == {"total": pytest.approx(total[row], abs=1e-5), "rows": 7.0}
            assert all(type(value) is float for value in info["edge_metrics"].values())
            assert set(info["terminal_observation"]) == {"candidates", "context", "mask"}
            assert info["terminal_observation"]["candidates"].shape == (6, 4)
            assert not np.array_equal(info["terminal_observation"]["candidates"], after["candidates"][row])
            total[row], length[row] = 0, 0
    assert ended == 7 * 3 + sum((13 + row % 4) // 4 - 3 for row in range(7))


@pytest.mark.parametrize("terminates", [True, False])
def test_only_truncation_counts_as_time_limit(terminates: bool) -> None:
    env = GymVecAdapter(ToyBandit(terminates=terminates))
    ends = [info for *_, infos, _ in play(env, 6) for info in infos if info]
    assert ends
    assert all(info["TimeLimit.truncated"] is (not terminates) for info in ends)


def test_flat_observations_have_array_terminal_observations(batched_final: bool) -> None:
    env = GymVecAdapter(ToyBandit(flat=True, batched_final=batched_final))
    env.reset()
    ends = [info for _ in range(5) for info in env.step(np.zeros(8, dtype=int))[3] if info]
    assert all(info["terminal_observation"].shape == (32,) for info in ends)


def test_masks_reach_maskable_algorithms_row_by_row() -> None:
    env = GymVecAdapter(ToyBandit())
    observation: Any = env.reset()
    rows = env.env_method("action_masks")
    assert len(rows) == 8
    assert np.stack(rows).dtype == bool
    np.testing.assert_array_equal(np.stack(rows), observation["mask"] == 1)
    np.testing.assert_array_equal(env.env_method("action_masks", indices=[2])[0], observation["mask"][2] == 1)
    assert env.has_attr("action_masks")
    assert not env.has_attr("no_such_attribute")


def test_attributes_are_shared_by_the_rows() -> None:
    env = GymVecAdapter(ToyBandit())
    assert env.get_attr("steps", [0, 1]) == [5, 5]
    env.set_attr("steps", 9)
    assert env.get_attr("steps") == [9] * 8
    with pytest.raises(EdgeGymError, match="share their attributes"):
        env.set_attr("steps", 3, indices=[0])


def test_seed_holds_for_the_next_reset_only() -> None:
    env = GymVecAdapter(ToyBandit())
    env.seed(5)
    first: Any = env.reset()
    env.reset()
    env.seed(5)
    again: Any = env.reset()
    assert env.env.seeds_seen == [5, None, 5]  # type: ignore[attr-defined]
    np.testing.assert_array_equal(first["candidates"], again["candidates"])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused_with_the_mend(mode: AutoresetMode) -> None:
    with pytest.raises(EdgeGymError, match=r"SAME_STEP is allowed.*Make it with"):
        GymVecAdapter(ToyBandit(autoreset_mode=mode))


def test_single_environments_are_refused_with_the_mend() -> None:
    with pytest.raises(EdgeGymError, match=r"found a .*CartPole|found a TimeLimit"):
        GymVecAdapter(gym.make("CartPole-v1"))  # type: ignore[arg-type]


def test_make_sb3_env_passes_settings_and_seed() -> None:
    gym.register("ToyBandit-v0", vector_entry_point=ToyBandit)  # type: ignore[arg-type]
    try:
        env = make_sb3_env("ToyBandit-v0", num_envs=3, seed=11, candidates=9)
        assert env.reset()["mask"].shape == (3, 9)  # type: ignore[call-overload]
        assert env.get_attr("seeds_seen")[0] == [11]
    finally:
        del gym.registry["ToyBandit-v0"]
    with pytest.raises(EdgeGymError, match="no native vector environment"):
        make_sb3_env("gymnasium:Taxi-v4", num_envs=2)


def test_evaluate_policy_and_vec_monitor_agree_with_the_environment() -> None:
    env = GymVecAdapter(ToyBandit(num_envs=4))
    model = PPO(CandidatePolicy, env, n_steps=8, batch_size=16, seed=0, device="cpu")
    assert env.env_is_wrapped(Monitor) == [True] * 4
    env.seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        returns, lengths = evaluate_policy(model, env, n_eval_episodes=12, return_episode_rewards=True)
    with pytest.warns(UserWarning, match="already wrapped"):
        monitored = VecMonitor(env)
    monitored.seed(1)
    again, _ = evaluate_policy(model, monitored, n_eval_episodes=12, return_episode_rewards=True)
    np.testing.assert_allclose(again, returns, rtol=1e-5)
    assert isinstance(lengths, list)
    assert max(lengths) == 5
    PPO(CandidatePolicy, monitored, n_steps=8, batch_size=16, seed=0, device="cpu").learn(64)


@pytest.mark.parametrize("name", LEARNERS)
def test_every_algorithm_trains_without_a_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_model(name).learn(400)
    # Stable-Baselines3 keeps the last 100 episode records; all but the first of a row last 5 steps.
    records = list(model.ep_info_buffer)
    assert len(records) >= 400 // 5 - 8
    assert all(record["l"] == 5 and 0 < record["r"] < 5 for record in records[8:])


@pytest.mark.parametrize("terminates", [True, False])
def test_the_learner_bootstraps_at_truncation_only(terminates: bool) -> None:
    """With one-step episodes and a constant value v, the target is r, and r + gamma v where the episode goes on."""
    env = GymVecAdapter(ToyBandit(steps=1, terminates=terminates))
    model = PPO(CandidatePolicy, env, n_steps=8, batch_size=64, n_epochs=1, gamma=0.5, device="cpu")
    with torch.no_grad():
        critic: Any = model.policy.critic
        for parameter in critic.parameters():
            parameter.zero_()
        critic.rest[-1].bias.fill_(10.0)
    model.learn(64)
    rewards = model.rollout_buffer.returns - (0.0 if terminates else 5.0)
    assert ((rewards > 0) & (rewards < 1)).all()


def test_sampled_observations_are_those_of_allowed_play() -> None:
    env = GymVecAdapter(ToyBandit(num_envs=4))
    seen = sample_observations(env, 10, np.random.default_rng(0))
    assert seen["candidates"].shape == (40, 6, 4)
    assert len(np.unique(seen["context"][:, 0])) == 40


def test_random_allowed_is_uniform_over_the_mask() -> None:
    mask = np.tile(np.array([1, 0, 1, 1, 0], dtype=np.int8), (30_000, 1))
    counts = np.bincount(random_allowed(mask, np.random.default_rng(0)), minlength=5)
    assert counts[1] == counts[4] == 0
    # 4 standard errors of a binomial share of 1/3.
    np.testing.assert_allclose(counts[[0, 2, 3]] / 30_000, 1 / 3, atol=4 * np.sqrt(2 / 9 / 30_000))


def test_overhead_per_vector_step_is_small() -> None:
    env = GymVecAdapter(ToyBandit(num_envs=64))
    native, actions = env.env, np.zeros(64, dtype=int)
    env.reset()

    def seconds(step: Any) -> float:
        start = time.perf_counter()
        for _ in range(100):
            step(actions)
        return time.perf_counter() - start

    overhead = min(seconds(env.step) for _ in range(5)) - min(seconds(native.step) for _ in range(5))
    # 64 rows at 100 k steps/s: ten times slower than measured, so only a per-row loop fails here.
    assert overhead / 100 < 64 / 100_000
