"""Q-learning over candidates: the policy for Stable-Baselines3's DQN, and a DQN that explores allowed actions only."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import DQN
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.dqn.policies import DQNPolicy
from torch import Tensor

from edgegym.agents.candidate_policy import adam_settings, constructor_parameters
from edgegym.agents.networks import (
    InputScale,
    NetworkSettings,
    Observation,
    ScoreNetwork,
    observation_sizes,
)
from edgegym.agents.numpy_scorer import NumpyScorer
from edgegym.agents.sb3_adapter import random_allowed


class CandidateQNetwork(BasePolicy):
    """Q(s, a) of each candidate from its own columns and the context, with weights that all candidates share."""

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], settings: NetworkSettings
    ) -> None:
        super().__init__(observation_space, action_space)
        sizes = observation_sizes(observation_space)
        self.inputs = InputScale(sizes)
        self.score_net = ScoreNetwork(sizes, settings)

    def forward(self, obs: PyTorchObs) -> Tensor:
        """Q-values (B, K); a forbidden action has the value of action 0.

        That is its true value, because the environment takes the fallback 0 in its place. So the maximum in the
        target is one over allowed actions, a stored forbidden action teaches the fallback's value, and no huge
        number enters the loss.
        """
        batch = self.inputs(obs)
        values = self.score_net(batch)
        return torch.where(batch.mask, values, values[:, :1])

    def _predict(self, observation: PyTorchObs, deterministic: bool = True) -> Tensor:
        batch = self.inputs(observation)
        return self.score_net(batch).masked_fill(~batch.mask, -torch.inf).argmax(dim=1)


class CandidateQPolicy(DQNPolicy):
    """DQN's twin of :class:`~edgegym.agents.candidate_policy.CandidatePolicy`.

    ``policy_kwargs`` are the fields of :class:`~edgegym.agents.networks.NetworkSettings` (those of the critic have
    no effect), ``optimizer_class`` and ``optimizer_kwargs``. Greedy actions are always allowed ones. Exploration is
    the algorithm's: plain ``DQN`` draws from all actions, and forbidden draws act as the fallback 0;
    :class:`MaskedDQN` draws among the allowed.
    """

    q_net: CandidateQNetwork  # type: ignore[assignment]
    q_net_target: CandidateQNetwork  # type: ignore[assignment]

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Discrete,
        lr_schedule: Schedule,
        *,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        # The base class builds the networks in its constructor, so what they need comes first.
        self.settings = NetworkSettings.parse(settings, "policy_kwargs")
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=adam_settings(optimizer_class, optimizer_kwargs),
        )

    def make_q_net(self) -> CandidateQNetwork:  # type: ignore[override]
        """A new network, freshly initialised."""
        return CandidateQNetwork(self.observation_space, self.action_space, self.settings).to(self.device)

    def fit_input_scale(self, observations: Observation) -> None:
        """Standardise the inputs of both networks by these observations: once, before training."""
        for network in (self.q_net, self.q_net_target):
            network.inputs.fit(observations)

    def numpy_scorer(self) -> NumpyScorer:
        """The present weights as a fast greedy policy."""
        return NumpyScorer(self.q_net.inputs, self.q_net.score_net)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return constructor_parameters(self, self.settings)


class MaskedDQN(DQN):
    """DQN that explores among the allowed actions, row by row.

    Stable-Baselines3's DQN tosses one coin for all rows of a vector environment and draws from all actions. Here
    each row tosses its own and draws from its observation's mask, with a generator of the model's seed.

    Raises:
        EdgeGymError: for an environment without candidate observations.
    """

    def _setup_model(self) -> None:
        observation_sizes(self.observation_space)
        super()._setup_model()
        self.explorer = np.random.default_rng(self.seed)

    def predict(
        self,
        observation: NDArray[Any] | dict[str, NDArray[Any]],
        state: tuple[NDArray[Any], ...] | None = None,
        episode_start: NDArray[Any] | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], tuple[NDArray[Any], ...] | None]:
        """Greedy actions, or with probability ``exploration_rate`` random allowed ones if not deterministic."""
        actions, state = self.policy.predict(observation, state, episode_start, deterministic=True)
        if deterministic:
            return actions, state
        assert isinstance(observation, dict)
        explores = self.explorer.random(actions.shape) < self.exploration_rate
        return np.where(explores, random_allowed(observation["mask"], self.explorer), actions), state

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        assert isinstance(self._last_obs, dict)
        if self.num_timesteps < learning_starts:
            actions = random_allowed(self._last_obs["mask"], self.explorer)
        else:
            actions, _ = self.predict(self._last_obs, deterministic=False)
        return actions, actions
