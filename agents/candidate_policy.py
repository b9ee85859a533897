"""Actor-critic policies over candidates, for PPO and A2C and for sb3-contrib's MaskablePPO."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from edgegym.agents.networks import (
    MASKED,
    Batch,
    InputScale,
    NetworkSettings,
    Observation,
    ScoreNetwork,
    ValueNetwork,
    observation_sizes,
)
from edgegym.agents.numpy_scorer import NumpyScorer
from edgegym.errors import EdgeGymError

ActionMasks = NDArray[np.bool_] | Tensor | None


class _CandidateActorCritic(BasePolicy):
    """What the two policies below share; the second base of each says what its algorithm expects.

    The features extractor that Stable-Baselines3 builds has no weights and is never called.
    """

    action_dist: Any

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        use_sde: bool = False,
        optimizer_class: type[torch.optim.Optimizer] = torch.optim.Adam,
        optimizer_kwargs: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if use_sde:
            raise EdgeGymError(
                "use_sde: found True; state-dependent exploration is for continuous actions. Leave it out."
            )
        # The base class builds the networks in its constructor, so what they need comes first.
        self.settings = NetworkSettings.parse(settings, "policy_kwargs")
        super().__init__(
            observation_space,
            action_space,
            lr_schedule,
            optimizer_class=optimizer_class,
            optimizer_kwargs=adam_settings(optimizer_class, optimizer_kwargs, eps=1e-5),
        )

    def _build(self, lr_schedule: Schedule) -> None:
        sizes = observation_sizes(self.observation_space)
        self.inputs = InputScale(sizes)
        self.actor = ScoreNetwork(sizes, self.settings)
        self.critic = ValueNetwork(sizes, self.settings)
        options = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(self.parameters(), **options)

    def fit_input_scale(self, observations: Observation) -> None:
        """Standardise the inputs by these observations: once, before training (see :class:`InputScale`)."""
        self.inputs.fit(observations)

    def numpy_scorer(self) -> NumpyScorer:
        """The present weights as a fast greedy policy (see :class:`NumpyScorer`)."""
        return NumpyScorer(self.inputs, self.actor)

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False, action_masks: ActionMasks = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Act.

        Args:
            obs: candidates (B, K, F), context (B, G), mask (B, K).
            deterministic: take the best allowed action instead of a draw.
            action_masks: (B, K), forbids further actions.

        Returns:
            Actions (B,), values (B, 1), log-probabilities of the actions (B,).
        """
        batch = self.inputs(obs)
        scores = self._masked_scores(batch, action_masks)
        log_probs = scores.log_softmax(dim=1)
        actions = scores.argmax(dim=1, keepdim=True) if deterministic else log_probs.exp().multinomial(1)
        return actions.squeeze(1), self.critic(batch), log_probs.gather(1, actions).squeeze(1)

    def evaluate_actions(
        self, obs: PyTorchObs, actions: Tensor, action_masks: ActionMasks = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values (B, 1), log-probabilities of the actions (B,) and entropies (B,), in nats."""
        batch = self.inputs(obs)
        log_probs = self._masked_scores(batch, action_masks).log_softmax(dim=1)
        chosen = log_probs.gather(1, actions.long().reshape(-1, 1)).squeeze(1)
        return self.critic(batch), chosen, -(log_probs.exp() * log_probs).sum(dim=1)

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Values (B, 1)."""
        return self.critic(self.inputs(obs))

    def get_distribution(self, obs: PyTorchObs, action_masks: ActionMasks = None) -> Any:
        """The distribution over actions, as Stable-Baselines3's own object."""
        return self.action_dist.proba_distribution(self._masked_scores(self.inputs(obs), action_masks))

    def _predict(
        self, observation: PyTorchObs, deterministic: bool = False, action_masks: ActionMasks = None
    ) -> Tensor:
        scores = self._masked_scores(self.inputs(observation), action_masks)
        return scores.argmax(dim=1) if deterministic else scores.softmax(dim=1).multinomial(1).squeeze(1)

    def _masked_scores(self, batch: Batch, action_masks: ActionMasks) -> Tensor:
        mask = batch.mask
        if action_masks is not None:
            mask = mask & torch.as_tensor(action_masks, dtype=torch.bool, device=mask.device).reshape(mask.shape)
        return self.actor(batch).masked_fill(~mask, MASKED)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return constructor_parameters(self, self.settings)


class CandidatePolicy(_CandidateActorCritic, ActorCriticPolicy):
    """Actor-critic policy over candidates for PPO and A2C: ``PPO(CandidatePolicy, env, policy_kwargs=...)``.

    The actor scores each candidate with one shared network from its columns and the context, and takes the softmax
    over the allowed candidates. The critic pools an embedding over the allowed candidates. Both are blind to the
    order of the candidates, and no weight depends on their number, so weights trained with K candidates serve any.

    ``policy_kwargs`` are the fields of :class:`~edgegym.agents.networks.NetworkSettings`, ``optimizer_class`` and
    ``optimizer_kwargs``.
    """


class MaskableCandidatePolicy(_CandidateActorCritic, MaskableActorCriticPolicy):
    """:class:`CandidatePolicy` for MaskablePPO; its action masks are joined with the observation's own mask."""


def adam_settings(
    optimizer_class: type[torch.optim.Optimizer], given: dict[str, Any] | None, **defaults: Any
) -> dict[str, Any]:
    """Optimiser options: those given, else for Adam the defaults and its fused form.

    Fused Adam updates all tensors in one call, which matters for networks this small.
    """
    if given is not None:
        return given
    return {**defaults, "fused": True} if optimizer_class is torch.optim.Adam else {}


def constructor_parameters(policy: BasePolicy, settings: NetworkSettings) -> dict[str, Any]:
    """What ``policy.save`` keeps to build the policy again."""
    return {
        "observation_space": policy.observation_space,
        "action_space": policy.action_space,
        "lr_schedule": policy._dummy_schedule,
        "optimizer_class": policy.optimizer_class,
        "optimizer_kwargs": policy.optimizer_kwargs,
        **settings.model_dump(),
    }
