"""A small native vector environment with candidate observations, and untrained models over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO

from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy, MaskedDQN
from edgegym.agents.sb3_adapter import GymVecAdapter


class ToyBandit(VectorEnv):
    """Each step shows K random candidates; the reward of candidate x in context g is x[0] g + x[1] (1 - g).

    A forbidden action acts as the fallback 0. Episodes of ``steps`` steps end by truncation, or by termination if
    ``terminates``; row i starts at step i % steps of its first episode, so that rows end at different times.
    """

    candidate_features = ("first", "second", "noise", "constant")
    context_features = ("weight", "context_noise")

    def __init__(
        self,
        num_envs: int = 8,
        candidates: int = 6,
        steps: int = 5,
        terminates: bool = False,
        flat: bool = False,
        batched_final: bool = False,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    ) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": autoreset_mode}
        self.num_envs, self.k, self.steps = num_envs, candidates, steps
        self.terminates, self.flat, self.batched_final = terminates, flat, batched_final
        self.render_mode = None
        parts = {
            "candidates": spaces.Box(0, 1, (candidates, 4), np.float32),
            "context": spaces.Box(0, 1, (2,), np.float32),
            "mask": spaces.MultiBinary(candidates),
        }
        flat_box = spaces.Box(0, 1, (candidates * 5 + 2,), np.float32)
        self.single_observation_space = flat_box if flat else spaces.Dict(parts)
        self.single_action_space = spaces.Discrete(candidates)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.seeds_seen: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.seeds_seen.append(seed)
        self.elapsed = np.arange(self.num_envs) % self.steps
        self.total = np.zeros(self.num_envs)
        self._draw()
        return self._shown(), {}

    def _draw(self) -> None:
        candidates = self.np_random.random((self.num_envs, self.k, 4), dtype=np.float32)
        candidates[..., 3] = 0.5
        mask = (self.np_random.random((self.num_envs, self.k)) < 0.6).astype(np.int8)
        mask[:, 0] = 1
        context = self.np_random.random((self.num_envs, 2), dtype=np.float32)
        self.now: dict[str, Any] = {"candidates": candidates, "context": context, "mask": mask}

    def _shown(self) -> Any:
        if not self.flat:
            return {key: value.copy() for key, value in self.now.items()}
        return np.concatenate([v.reshape(self.num_envs, -1).astype(np.float32) for v in self.now.values()], axis=1)

    def rewards(self) -> np.ndarray:
        """(num_envs, K) what each action would earn now."""
        weight = self.now["context"][:, :1]
        earned = self.now["candidates"][..., 0] * weight + self.now["candidates"][..., 1] * (1 - weight)
        return np.where(self.now["mask"] == 1, earned, earned[:, :1])

    def action_masks(self) -> np.ndarray:
        return np.equal(self.now["mask"], 1)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        rows = np.arange(self.num_envs)
        reward = self.rewards()[rows, np.asarray(actions)].astype(np.float64)
        self.elapsed += 1
        self.total += reward
        done = self.elapsed >= self.steps
        self._draw()
        final = self._shown()
        infos: dict[str, Any] = {}
        if done.any():
            metrics = {"total": self.total.copy(), "_total": done.copy(), "rows": float(self.num_envs)}
            infos = {
                "final_obs": final if self.batched_final else self._one_by_one(final, done),
                "_final_obs": done.copy(),
                "final_info": {"metrics": metrics, "_metrics": done.copy()},
                "_final_info": done.copy(),
            }
            self._draw()
        self.elapsed[done] = 0
        self.total[done] = 0
        none = np.zeros(self.num_envs, dtype=bool)
        flags = (done.copy(), none) if self.terminates else (none, done.copy())
        return self._shown(), reward, *flags, infos

    def _one_by_one(self, final: Any, done: np.ndarray) -> np.ndarray:
        result = np.full(self.num_envs, None, dtype=object)
        for row in np.flatnonzero(done):
            result[row] = final[row] if self.flat else {key: value[row] for key, value in final.items()}
        return result


def optimum(candidates: int, draws: int = 20_000, seed: int = 123) -> float:
    """Mean reward of the best allowed action, by simulation (standard error below 0.002)."""
    env = ToyBandit(num_envs=draws, candidates=candidates)
    env.reset(seed=seed)
    return float(env.rewards().max(axis=1).mean())


ON_POLICY = {"n_steps": 16, "batch_size": 64}
OFF_POLICY = {"learning_starts": 64, "buffer_size": 1000, "target_update_interval": 64, "batch_size": 32}
LEARNERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "PPO": (PPO, CandidatePolicy, ON_POLICY),
    "A2C": (A2C, CandidatePolicy, {}),
    "MaskablePPO": (MaskablePPO, MaskableCandidatePolicy, ON_POLICY),
    "DQN": (DQN, CandidateQPolicy, OFF_POLICY),
    "MaskedDQN": (MaskedDQN, CandidateQPolicy, OFF_POLICY),
    "flat PPO": (PPO, "MlpPolicy", ON_POLICY),
    "dict PPO": (PPO, "MultiInputPolicy", ON_POLICY),
    "flat A2C": (A2C, "MlpPolicy", {}),
    "dict A2C": (A2C, "MultiInputPolicy", {}),
    "flat MaskablePPO": (MaskablePPO, "MlpPolicy", ON_POLICY),
    "dict MaskablePPO": (MaskablePPO, "MultiInputPolicy", ON_POLICY),
    "flat DQN": (DQN, "MlpPolicy", OFF_POLICY),
    "dict DQN": (DQN, "MultiInputPolicy", OFF_POLICY),
}
"""Algorithm, policy and options by name; the first word of a plain policy is the kind of its observation."""


def make_model(name: str, seed: int = 0, **bandit: Any) -> Any:
    """An untrained model of :data:`LEARNERS` over a bandit of its own."""
    algorithm, policy, options = LEARNERS[name]
    env = GymVecAdapter(ToyBandit(flat=name.startswith("flat"), **bandit))
    return algorithm(policy, env, seed=seed, device="cpu", **options)
