"""Stable-Baselines3 over native Gymnasium vector environments, without a Python loop over the rows.

env = make_sb3_env("EdgeGym/ContentCaching-v0", num_envs=64, seed=0)
PPO(CandidatePolicy, env).learn(1_000_000)
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from edgegym.errors import EdgeGymError

Info = dict[str, Any]


class GymVecAdapter(VecEnv):
    """A native ``gymnasium.vector.VectorEnv`` in SAME_STEP mode, as Stable-Baselines3 sees environments.

    The info of a row whose episode has just ended holds

    - ``terminal_observation``: the last observation of the episode (the returned one is already the next first one);
    - ``TimeLimit.truncated``: truncated and not terminated, so that the learner bootstraps;
    - ``episode``: return ``r``, length ``l`` in steps, seconds ``t`` since the adapter was made;
    - ``edge_metrics``: the environment's own episode metrics, a flat dict of floats, if it reports any.

    All other rows share one empty dict, which nobody may write to: that is 2-3 times faster from 256 rows on, and
    Stable-Baselines3 only reads infos. Rewards are a fresh float32 array, since PPO adds to them in place.

    Args:
        env: the vector environment; ``seed(s)`` seeds row i with ``s + i`` at the next reset.

    Raises:
        EdgeGymError: if ``env`` is no ``VectorEnv``, or resets its rows in another mode than SAME_STEP.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env, VectorEnv):
            raise EdgeGymError(
                f"GymVecAdapter: found a {type(env).__name__}; a gymnasium.vector.VectorEnv is needed. "
                "Make it with make_sb3_env(id, num_envs=n)."
            )
        mode = env.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise EdgeGymError(
                f"GymVecAdapter: the environment's autoreset mode is {mode}; only AutoresetMode.SAME_STEP is allowed, "
                "because any other puts a step that never happened into the learner's buffer. "
                "Make it with gym.make_vec(id, num_envs=n, autoreset_mode=AutoresetMode.SAME_STEP)."
            )
        self.env = env
        self._started = time.perf_counter()
        self._no_info: Info = {}
        self._actions: NDArray[Any] = np.zeros(0)
        self._returns = np.zeros(env.num_envs)
        self._lengths = np.zeros(env.num_envs, dtype=np.int64)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> VecEnvObs:
        """Start all rows anew, with the seeds given to :meth:`seed` since the last reset."""
        observations, _ = self.env.reset(seed=_one_seed(self._seeds), options=_one_option(self._options))
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self.reset_infos = [self._no_info] * self.num_envs
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions, shape (num_envs, ...), for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Advance all rows by one step: observations, rewards (float32), dones (bool), one info per row."""
        observations, rewards, terminated, truncated, native = self.env.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        dones = np.logical_or(terminated, truncated)
        infos = [self._no_info] * self.num_envs
        if dones.any():
            self._end_episodes(np.flatnonzero(dones), terminated, native, infos)
        return observations, rewards.astype(np.float32), dones, infos

    def _end_episodes(
        self, rows: NDArray[np.intp], terminated: NDArray[np.bool_], native: Info, infos: list[Info]
    ) -> None:
        seconds = round(time.perf_counter() - self._started, 6)
        returns, lengths = self._returns[rows].tolist(), self._lengths[rows].tolist()
        metrics = _metric_rows(native.get("final_info", {}), rows)
        for i, row in enumerate(rows.tolist()):
            infos[row] = {
                "terminal_observation": _row(native["final_obs"], row),
                "TimeLimit.truncated": not terminated[row],
                "episode": {"r": returns[i], "l": lengths[i], "t": seconds},
            }
            if metrics:
                infos[row]["edge_metrics"] = metrics[i]
        self._returns[rows] = 0.0
        self._lengths[rows] = 0

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The vector environment's attribute (rows share it), once for each index."""
        return [self._attribute(attr_name)] * len(self._rows(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set the vector environment's attribute for all rows at once.

        Raises:
            EdgeGymError: if ``indices`` names only some rows: they share their attributes.
        """
        if set(self._rows(indices)) != set(range(self.num_envs)):
            raise EdgeGymError(
                f"set_attr({attr_name!r}): indices {indices!r} name only some rows, but the rows of a native vector "
                "environment share their attributes. Leave indices out to set it for all."
            )
        setattr(self.env.unwrapped, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call the vector environment's method once; a result with one item per row is split by rows, else repeated.

        ``env_method("action_masks")`` so gives one bool row per environment, as MaskablePPO wants.
        """
        result = self._attribute(method_name)(*method_args, **method_kwargs)
        rows = self._rows(indices)
        split = isinstance(result, np.ndarray | list | tuple) and len(result) == self.num_envs
        return [result[row] for row in rows] if split else [result] * len(rows)

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """True for ``Monitor``, whose ``episode`` record the adapter writes itself; False for all others."""
        return [issubclass(wrapper_class, Monitor)] * len(self._rows(indices))

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One frame per row, or None where the environment draws none."""
        frames: Any = self.env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def _attribute(self, name: str) -> Any:
        return getattr(self.env if hasattr(self.env, name) else self.env.unwrapped, name)

    def _rows(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))


def make_sb3_env(env_id: str, num_envs: int, seed: int | None = None, **settings: Any) -> GymVecAdapter:
    """Make a native vector environment and adapt it to Stable-Baselines3.

    Args:
        env_id: a registered id with a native vector environment, for example ``"EdgeGym/ContentCaching-v0"``;
            ``module:id`` imports the module first.
        num_envs: number of rows.
        seed: row i is seeded ``seed + i`` at the first reset.
        settings: the environment's own settings.

    Raises:
        EdgeGymError: if the id has no native vector environment.
    """
    module, _, name = env_id.rpartition(":")
    if module:
        importlib.import_module(module)
    if gym.spec(name).vector_entry_point is None:
        raise EdgeGymError(
            f"{env_id}: has no native vector environment. "
            "Use stable_baselines3.common.env_util.make_vec_env for it, or register it with vector_entry_point=."
        )
    env = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=AutoresetMode.SAME_STEP, **settings)
    adapter = GymVecAdapter(env)
    if seed is not None:
        adapter.seed(seed)
    return adapter


def random_allowed(mask: NDArray[Any], generator: np.random.Generator) -> NDArray[np.int64]:
    """Uniform draws among the allowed actions.

    Args:
        mask: (..., K), non-zero where allowed; a row without any gives action 0.
        generator: source of the draws.

    Returns:
        (...) actions.
    """
    return (generator.random(mask.shape) * (mask > 0)).argmax(axis=-1)


def sample_observations(env: VecEnv, steps: int, generator: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Observations met under random allowed actions, to fit a policy's input scale on.

    It resets ``env`` and so uses up its seeds: call it on an environment of its own, or before the model is built.

    Args:
        env: candidate observations (``candidates``, ``context``, ``mask``).
        steps: vector steps to take.
        generator: source of the actions.

    Returns:
        The observation keys, each with ``steps * num_envs`` rows.
    """
    observation = env.reset()
    seen = []
    for _ in range(steps):
        assert isinstance(observation, dict)
        seen.append(observation)
        observation, *_ = env.step(random_allowed(observation["mask"], generator))
    return {key: np.concatenate([each[key] for each in seen]) for key in seen[0]}


def _one_seed(seeds: Sequence[int | None]) -> Any:
    """One number where row i has ``seed + i`` (the form every vector environment takes), else the list."""
    first = seeds[0]
    if first is None:
        return None if all(seed is None for seed in seeds) else list(seeds)
    return first if all(seed == first + i for i, seed in enumerate(seeds)) else list(seeds)


def _one_option(options: Sequence[Info]) -> Info | None:
    if any(option != options[0] for option in options):
        raise EdgeGymError("set_options: found different options per row; the rows of a vector environment share one.")
    return options[0] or None


def _row(batch: Any, row: int) -> Any:
    """One row of a batch of observations: an array (of arrays or of dicts) or a dict of arrays."""
    return {key: values[row] for key, values in batch.items()} if isinstance(batch, Mapping) else batch[row]


def _metric_rows(final_info: Mapping[str, Any], rows: NDArray[np.intp]) -> list[dict[str, float]]:
    """Turn ``final_info["metrics"]`` into one dict of floats for each of ``rows``; empty without metrics."""
    metrics = final_info.get("metrics", {})
    # Gymnasium puts a bool mask "_name" beside each array "name".
    names = [name for name in metrics if not name.startswith("_")]
    columns = (_column(metrics[name], rows) for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(values: Any, rows: NDArray[np.intp]) -> list[float]:
    """A metric of ``rows``; a plain number holds for all of them."""
    array = np.asarray(values, dtype=np.float64)
    return array[rows].tolist() if array.ndim else [float(array)] * len(rows)
