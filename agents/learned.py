"""Trained policies in the harness, beside heuristics and bounds.

policy = LearnedPolicy(load_policy("runs/web07/PPO_0"), name="PPO_0")
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy

from edgegym.agents.numpy_scorer import NumpyScorer
from edgegym.agents.store import StoredPolicy, is_candidate_policy
from edgegym.decision.draws import bits
from edgegym.decision.policy import ActingPolicy
from edgegym.decision.spaces import Columns, observation
from edgegym.decision.system import Decisions
from edgegym.errors import RunError


class LearnedPolicy(ActingPolicy):
    """A trained policy that acts on named columns, whatever else the environment shows beside them.

    A candidate policy runs in plain numpy with any number of candidates, on a copy of its present weights.
    Stable-Baselines3's own policies run in torch with the number they were trained for; those trained without masks
    may choose a forbidden candidate, which is passed on, so that the environment takes its fallback and counts it.

    Args:
        stored: the policy and its columns, from ``load_policy`` or made around a policy in training.
        name: as results show it; the algorithm's if left out.
        deterministic: take the best action; else draw from the policy's probabilities, from a stream that
            :meth:`begin` seeds.

    Raises:
        RunError: for draws from a DQN policy, which has no probabilities.
    """

    kind = "learned"

    def __init__(self, stored: StoredPolicy, name: str | None = None, deterministic: bool = True) -> None:
        self.meta = stored.meta
        self.name = name or stored.meta.algorithm
        self.description = f"{stored.meta.algorithm}, trained in {stored.meta.environment}."
        self._policy: Any = stored.policy
        self._has_probabilities = hasattr(stored.policy, "get_distribution")
        if not deterministic and not self._has_probabilities:
            raise RunError(f"policy {self.name}: DQN has no probabilities to draw from. Leave deterministic=True.")
        self._deterministic = deterministic
        self._scorer = _numpy_scorer(stored.policy)
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Restart the stream of draws."""
        self._rng = np.random.default_rng(int(bits(seed, 0)))

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose in every row.

        Raises:
            RunError: if a column is missing, or a policy for a fixed number of candidates meets another.
        """
        decisions = self._decisions(columns, mask)
        if self._scorer is not None:
            scores = self._scorer.scores(observation(decisions, "dict"))
        else:
            scores = self._torch_scores(decisions)
        if not self._deterministic:
            # Gumbel-max: the largest of log p_k + Gumbel noise is a draw from p.
            scores += self._rng.gumbel(size=scores.shape).astype(np.float32)
        return scores.argmax(axis=1)

    def _decisions(self, columns: Columns, mask: NDArray[np.bool_]) -> Decisions:
        """The columns in the order of the training."""
        rows, meta = len(mask), self.meta
        candidates = np.empty((*mask.shape, len(meta.candidate_features)), np.float32)
        context = np.empty((rows, len(meta.context_features)), np.float32)
        try:
            for i, name in enumerate(meta.candidate_features):
                candidates[..., i] = getattr(columns, name)
            for i, name in enumerate(meta.context_features):
                context[:, i : i + 1] = getattr(columns, name)
        except AttributeError as error:
            raise RunError(
                f"policy {self.name}: was trained in {meta.environment} with other columns: {error} "
                "Evaluate it there, or train one for this environment."
            ) from None
        return Decisions(candidates, context, mask.astype(np.int8), np.zeros(rows), np.zeros(rows, np.bool_))

    def _torch_scores(self, decisions: Decisions) -> NDArray[np.float32]:
        """Logits or Q-values, (rows, candidates)."""
        trained, found = int(self._policy.action_space.n), decisions.mask.shape[1]
        if trained != found:
            raise RunError(
                f"policy {self.name}: {type(self._policy).__name__} was trained with {trained} candidates and finds "
                f"{found}. Give the environment the training's settings, or train a CandidatePolicy, which takes any."
            )
        kind = "dict" if isinstance(self._policy.observation_space, spaces.Dict) else "flat"
        masks = {"action_masks": decisions.mask > 0} if isinstance(self._policy, MaskableActorCriticPolicy) else {}
        with torch.no_grad():
            seen, _ = self._policy.obs_to_tensor(observation(decisions, kind))
            if self._has_probabilities:
                scores: torch.Tensor = self._policy.get_distribution(seen, **masks).distribution.logits
            else:
                scores = self._policy.q_net.forward(seen)
        return scores.cpu().numpy()


def _numpy_scorer(policy: Any) -> NumpyScorer | None:
    return policy.numpy_scorer() if is_candidate_policy(policy) else None
