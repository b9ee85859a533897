"""The single Gymnasium environment: a thin shell over a system with one row."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from edgegym.decision.draws import episode_seed
from edgegym.decision.spaces import observation_space, row_observation
from edgegym.decision.system import Decisions, System, make_settings
from edgegym.errors import EdgeGymError


class CandidateEnv(gym.Env[Any, np.int64]):
    """One row of a family's system behind the Gymnasium API.

    A family subclasses it, names its ``system_class``, and writes the docstring that is its documentation page.

    Args:
        preset: name of a preset of the family; ``settings`` are laid over it.
        observation: ``"dict"`` (candidates, context, mask) or ``"flat"`` (one Box).
        render_mode: ``"ansi"``, ``"rgb_array"`` or ``None``.
        settings: the family's settings.

    Attributes:
        system: the system behind the shell.
        candidate_features: names of the columns of ``observation["candidates"]``.
        context_features: names of the entries of ``observation["context"]``.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # noqa: RUF012
    system_class: ClassVar[type[System]]

    def __init__(
        self,
        *,
        preset: str | None = None,
        observation: str = "dict",
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        self.system = self.system_class(make_settings(self.system_class, preset, settings), rows=1)  # type: ignore[call-arg]
        self.candidate_features = self.system.candidate_features
        self.context_features = self.system.context_features
        self.observation_space = observation_space(self.system, observation)
        self.action_space = spaces.Discrete(self.system.num_candidates)
        self.render_mode = render_mode
        self._observation = observation
        self._active = np.ones(1, np.bool_)
        self._episode = 0
        self._decisions: Decisions | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: workload seed of this episode; later resets without a seed continue its stream.
            options: ``"workload_seed"`` fixes this episode's seed without touching the stream; all else goes to the
                family (for caching ``"trace"``, ``"offset"``, ``"requests"``).

        Returns:
            The first observation and ``{"action_mask": (candidates,) int8}``.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._episode = 0
        family_options = dict(options or {})
        workload_seed = family_options.pop("workload_seed", None)
        if workload_seed is None:
            workload_seed = episode_seed(int(self.np_random_seed or 0), self._episode)
            self._episode += 1
        self.system.begin(0, int(workload_seed), family_options)
        self._decisions = Decisions.empty(self.system)
        self.system.observe(self._decisions)
        return row_observation(self._decisions, self._observation, 0), self._info()

    def step(self, action: np.int64 | int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a candidate; a forbidden one counts as candidate 0 and in ``invalid_actions``.

        Returns:
            Observation, reward, ``terminated`` (the trace is exhausted), ``truncated`` (always False here; wrap with a
            time limit to cut episodes), and the info, with ``"metrics"`` at the end.
        """
        if self._decisions is None:
            raise EdgeGymError("step() before reset(): call reset() first.")
        self._decisions = Decisions.empty(self.system)
        self.system.step(np.array([action], np.int64), self._active, self._decisions)
        info = self._info()
        done = bool(self._decisions.done[0])
        if done:
            info["metrics"] = self.system.episode_metrics(0)
        seen = row_observation(self._decisions, self._observation, 0)
        return seen, float(self._decisions.reward[0]), done, False, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which candidates are allowed now, (candidates,) bool."""
        if self._decisions is None:
            raise EdgeGymError("action_masks() before reset(): call reset() first.")
        return self._decisions.mask[0].astype(np.bool_)

    def render(self) -> Any:
        """Draw the pending decision as text (``"ansi"``) or as an image (``"rgb_array"``, (H, W, 3) uint8)."""
        from edgegym.decision.rendering import draw

        return None if self._decisions is None else draw(self.system, self._decisions, 0, self.render_mode)

    def _info(self) -> dict[str, Any]:
        assert self._decisions is not None
        return {"action_mask": self._decisions.mask[0].copy()}
