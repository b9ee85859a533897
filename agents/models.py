"""From an experiment to a Stable-Baselines3 model and its training environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from pydantic import JsonValue
from sb3_contrib import MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy, MaskedDQN
from edgegym.agents.experiment import Experiment
from edgegym.agents.sb3_adapter import GymVecAdapter, make_sb3_env, sample_observations
from edgegym.errors import SettingsError, unknown

ALGORITHMS: Mapping[str, type[BaseAlgorithm]] = {
    "PPO": PPO,
    "A2C": A2C,
    "DQN": MaskedDQN,
    "MaskablePPO": MaskablePPO,
}
CANDIDATE_POLICIES = {
    "PPO": CandidatePolicy,
    "A2C": CandidatePolicy,
    "DQN": CandidateQPolicy,
    "MaskablePPO": MaskableCandidatePolicy,
}
SCALE_SAMPLES = 8192
"""Observations under random actions that fix the scale of a candidate policy's inputs."""
OURS = ("policy", "env", "seed", "verbose", "tensorboard_log", "policy_kwargs", "device", "_init_setup_model")
"""Arguments of the algorithms that an experiment sets elsewhere."""


def training_environment(experiment: Experiment, seed: int) -> GymVecAdapter:
    """The vector environment that run ``seed`` trains in."""
    training = experiment.training
    settings = experiment.training_settings()
    settings["observation"] = "flat" if training.policy == "MlpPolicy" else "dict"
    return make_sb3_env(experiment.environment, training.environments, first_workload_seed(seed), **settings)


def first_workload_seed(seed: int) -> int:
    """Seed of row 0 in run ``seed``: runs draw their workloads from streams that do not meet."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0]) >> 1


def build_model(experiment: Experiment, seed: int, env: GymVecAdapter) -> BaseAlgorithm:
    """The untrained model of run ``seed``; a candidate policy has its input scale fitted.

    Raises:
        SettingsError: for hyperparameters that the algorithm does not have or refuses.
    """
    training = experiment.training
    algorithm = ALGORITHMS[training.algorithm]
    if training.policy == "MlpPolicy" and algorithm is MaskedDQN:
        algorithm = DQN  # a flat observation does not say where its mask lies
    policy: Any = training.policy
    if policy == "CandidatePolicy":
        policy = CANDIDATE_POLICIES[training.algorithm]
    arguments = _hyperparameters(training.algorithm, algorithm, training.hyperparameters)
    try:
        model = algorithm(
            policy, env, seed=seed, device="cpu", policy_kwargs=dict(training.policy_kwargs) or None, **arguments
        )
    except (TypeError, ValueError, AssertionError) as error:
        raise SettingsError(
            f"training: {training.algorithm} with {training.policy} refuses its settings: {error}"
        ) from error
    if training.policy == "CandidatePolicy":
        steps = -(-SCALE_SAMPLES // training.environments)
        generator = np.random.default_rng(seed)
        model.policy.fit_input_scale(sample_observations(env, steps, generator))  # type: ignore[operator]
        # The sampling moved the environments on: training begins with their first episodes again.
        env.seed(first_workload_seed(seed))
    return model


def _hyperparameters(name: str, algorithm: type[BaseAlgorithm], given: Mapping[str, JsonValue]) -> dict[str, Any]:
    allowed = [key for key in inspect.signature(algorithm).parameters if key not in OURS]
    for key in given:
        if key not in allowed:
            raise unknown(f"{name} setting training.hyperparameters", key, allowed, SettingsError)
    return {key: _scheduled(key, value) for key, value in given.items()}


def _scheduled(key: str, value: JsonValue) -> Any:
    """A value, or the falling line that ``lin_VALUE`` names."""
    if not (isinstance(value, str) and value.startswith("lin_")):
        return value
    try:
        first = float(value.removeprefix("lin_"))
    except ValueError:
        raise SettingsError(
            f"training.hyperparameters.{key}: {value!r} is no schedule; write for example lin_3.0e-4."
        ) from None
    return linear_schedule(first)


def linear_schedule(first: float) -> Callable[[float], float]:
    """A schedule of Stable-Baselines3 that falls from ``first`` to 0 over the training."""
    return lambda remaining: first * remaining
