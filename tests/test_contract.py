"""What every registered environment must keep: a new one gets these tests by being registered."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import edgegym  # noqa: F401  # registers the environments
from edgegym.agents.policies import bounds, heuristics
from edgegym.decision.registration import ENVIRONMENTS
from edgegym.evaluation.harness import Task, environment_class, run_episodes

IDS = [entry.id for entry in ENVIRONMENTS]
SMALL: dict[str, dict[str, Any]] = {
    "EdgeGym/ContentCaching-v0": {"workload": {"kind": "shot_noise", "requests": 400}},
    "EdgeGym/InferenceOffloading-v0": {"preset": "camera", "seconds": 5.0},
    "EdgeGym/BinaryOffloading-v0": {"workload": {"kind": "fading", "frames": 20}},
    "EdgeGym/InferenceBatching-v0": {"workload": {"requests": 200}},
    "EdgeGym/RequestScheduling-v0": {"workload": {"kind": "streams", "seconds": 0.2}},
    "EdgeGym/NetworkFunctions-v0": {"preset": "abilene", "workload": {"requests": 20}},
    "EdgeGym/UserMigration-v0": {"workload": {"kind": "city", "users": 12, "slots": 8, "rings": 1}},
}
"""Settings that make an episode short."""
SB3_ALLOWED = "unconventional shape"
"""Stable-Baselines3 recommends 1-D boxes; ``candidates`` is 2-D by design."""

pytestmark = pytest.mark.parametrize("env_id", IDS)


def make(env_id: str, **settings: Any) -> gym.Env[Any, Any]:
    return gym.make(env_id, **SMALL[env_id], **settings)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    return np.array_equal(np.asarray(first), np.asarray(second), equal_nan=np.asarray(first).dtype.kind == "f")


@pytest.mark.parametrize("observation", ["dict", "flat"])
def test_gymnasium_and_sb3_checkers_are_content(env_id: str, observation: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(env_id, observation=observation).unwrapped, skip_render_check=True)
        if observation == "dict":
            warnings.filterwarnings("ignore", message=f".*{SB3_ALLOWED}.*")
        sb3_check_env(make(env_id, observation=observation).unwrapped)


def test_pictures_show_the_pending_decision(env_id: str) -> None:
    seen = make(env_id, render_mode="ansi")
    drawn = make(env_id, render_mode="rgb_array")
    frames = []
    for env in (seen, drawn):
        state, _ = env.reset(seed=4)
        before = env.render()
        for _ in range(4):
            state, *_ = env.step(np.flatnonzero(state["mask"])[-1])
        frames.append((before, env.render()))
    (text, later), (first, second) = frames
    names = drawn.unwrapped.system.candidate_features  # type: ignore[attr-defined]
    assert text != later
    assert all(name in text for name in names)
    assert first.dtype == np.uint8
    assert first.shape == second.shape
    assert first.shape[2] == 3
    assert not np.array_equal(first, second)


def test_vector_row_equals_single_environment_over_autoresets(env_id: str) -> None:
    rows, seed, steps = 3, 11, 700
    vector = gym.make_vec(env_id, num_envs=rows, autoreset_mode=AutoresetMode.SAME_STEP, **SMALL[env_id])
    singles = [make(env_id).unwrapped for _ in range(rows)]
    seen, _ = vector.reset(seed=seed)
    for row, single in enumerate(singles):
        assert same(single.reset(seed=seed + row)[0], {key: value[row] for key, value in seen.items()})
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(steps):
        actions = rng.integers(vector.single_action_space.n, size=rows)
        seen, rewards, terminated, truncated, infos = vector.step(actions)
        for row, single in enumerate(singles):
            alone, reward, over, cut, info = single.step(actions[row])
            assert reward == rewards[row]
            assert (over, cut) == (terminated[row], truncated[row])
            if over:
                ended += 1
                metrics = {name: infos["final_info"]["metrics"][name][row] for name in info["metrics"]}
                assert same(metrics, info["metrics"])
                assert same(infos["final_obs"][row], alone)
                alone, _ = single.reset()
            assert same(alone, {key: value[row] for key, value in seen.items()})
    assert ended >= rows


def test_forbidden_action_is_the_fallback_and_is_counted(env_id: str) -> None:
    forbidden, fallback = make(env_id).unwrapped, make(env_id).unwrapped
    forbidden.reset(seed=3)
    fallback.reset(seed=3)
    count, over, info = 0, False, {}
    while not over:
        mask = forbidden.action_masks()
        assert mask[0]
        bad = int(np.flatnonzero(~mask)[0]) if not mask.all() else 0
        count += bad != 0
        left = forbidden.step(bad)
        right = fallback.step(0)
        assert left[1] == right[1]
        over, info = left[2], left[4]
    assert info["metrics"]["invalid_actions"] == count


def test_returned_arrays_are_never_written_again(env_id: str) -> None:
    env = gym.make_vec(env_id, num_envs=2, **SMALL[env_id])
    seen, _ = env.reset(seed=0)
    kept = {key: value.copy() for key, value in seen.items()}
    for _ in range(20):
        env.step(np.zeros(2, np.int64))
    assert same(seen, kept)


def _first_observation(spec: str) -> Any:
    return gym.make(gym.envs.registration.EnvSpec.from_json(spec)).reset(seed=5)[0]


def test_spec_pickles_and_works_in_a_spawned_worker(env_id: str) -> None:
    spec = gym.spec(env_id)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert json.loads(spec.to_json())["id"] == env_id
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(_first_observation, spec.to_json()).result()
    assert same(found, gym.make(env_id).reset(seed=5)[0])


def test_documentation_names_every_column(env_id: str) -> None:
    env = environment_class(env_id)
    page = env.__doc__ or ""
    for name in (*env.system_class.candidate_features, *env.system_class.context_features):
        assert f"``{name}``" in page
    for name in env.system_class.settings_class.model_fields:
        assert f"``{name}``" in page


def test_no_policy_beats_a_bound_on_what_it_bounds(env_id: str) -> None:
    task, seeds = Task(env_id, SMALL[env_id]), range(3)
    system = task.system()
    limits = [run_episodes(task, bound, seeds) for bound in bounds(env_id, system)]
    directions = {metric.name: metric.better for metric in system.metrics}
    for policy in heuristics(env_id):
        for limit in limits:
            for reached, best in zip(run_episodes(task, policy, seeds), limit, strict=True):
                for name, value in best.metrics.items():
                    if directions[name] == "higher" and not np.isnan(value):
                        assert reached.metrics[name] <= value + 1e-9, (policy.name, name)
