"""The native Gymnasium vector environment: a thin shell over a system with many rows.

Row i seeded ``s`` equals the single environment seeded ``s + i`` bit for bit, over autoresets, because both shells run
the same kernel and draw workload seeds from the same stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from edgegym.decision.draws import episode_seed
from edgegym.decision.single import CandidateEnv
from edgegym.decision.spaces import observation, observation_space, row_observation
from edgegym.decision.system import Decisions, System, make_settings
from edgegym.errors import SettingsError, unknown


class CandidateVectorEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` rows of a family's system behind the Gymnasium vector API.

    Args:
        num_envs: number of rows.
        preset: name of a preset of the family; ``settings`` are laid over it.
        observation: ``"dict"`` or ``"flat"``.
        render_mode: as in the single environment; :meth:`render` returns a tuple, one entry per row.
        autoreset_mode: ``NEXT_STEP`` (Gymnasium's default), ``SAME_STEP`` (what Stable-Baselines3 needs) or
            ``DISABLED`` (finished rows stand still until they are reset with ``options={"reset_mask": ...}``).
        max_episode_steps: truncate an episode after so many decisions; ``None`` for never.
        settings: the family's settings.
    """

    env_class: ClassVar[type[CandidateEnv]]

    def __init__(
        self,
        num_envs: int = 1,
        *,
        preset: str | None = None,
        observation: str = "dict",
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        **settings: Any,
    ) -> None:
        if num_envs < 1:
            raise SettingsError(f"num_envs: at least 1 is needed (found {num_envs}).")
        system_class = self.env_class.system_class
        self.system: System = system_class(make_settings(system_class, preset, settings), rows=num_envs)  # type: ignore[call-arg]
        self.num_envs = num_envs
        self.candidate_features = self.system.candidate_features
        self.context_features = self.system.context_features
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = {**self.env_class.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.single_observation_space = observation_space(self.system, observation)
        self.single_action_space = Discrete(self.system.num_candidates)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._observation = observation
        self._limit = max_episode_steps
        self._base = np.zeros(num_envs, np.int64)
        self._episode = np.zeros(num_envs, np.int64)
        self._steps = np.zeros(num_envs, np.int64)
        self._terminated = np.ones(num_envs, np.bool_)
        self._truncated = np.zeros(num_envs, np.bool_)
        self._decisions: Decisions | None = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes in all rows, or in those of ``options["reset_mask"]``.

        Args:
            seed: row i gets ``seed + i``, or entry i of a sequence; without one, seeded rows continue their streams.
            options: ``"reset_mask"`` (num_envs,) bool; ``"workload_seed"`` an int or one per row; the rest goes to the
                family.
        """
        family_options = dict(options or {})
        mask = _reset_mask(family_options.pop("reset_mask", None), self.num_envs)
        fixed = family_options.pop("workload_seed", None)
        self._seed_rows(seed, mask)
        for row in np.flatnonzero(mask):
            workload_seed = None if fixed is None else int(np.broadcast_to(fixed, self.num_envs)[row])
            self._begin(int(row), workload_seed, family_options)
        self._decisions = Decisions.empty(self.system)
        self.system.observe(self._decisions)
        return self._result()[0], self._infos(mask)

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take one candidate in every row and handle episode ends by the autoreset mode."""
        ended = self._terminated | self._truncated
        if self.autoreset_mode is AutoresetMode.NEXT_STEP:
            for row in np.flatnonzero(ended):
                self._begin(int(row), None, {})
        active = ~ended
        self._decisions = Decisions.empty(self.system)
        self.system.step(np.asarray(actions, np.int64), active, self._decisions)
        self._steps += active
        # Rows that had ended keep their flags only where nobody restarted them (DISABLED).
        self._terminated |= self._decisions.done & active
        if self._limit is not None:
            self._truncated |= (self._steps >= self._limit) & active
        finished = (self._terminated | self._truncated) & active
        terminated, truncated = self._terminated.copy(), self._truncated.copy()
        infos: dict[str, Any] = {}
        if finished.any():
            infos = self._finish(np.flatnonzero(finished))
        seen, reward = self._result()
        return seen, reward, terminated, truncated, {**self._infos(np.ones(self.num_envs, np.bool_)), **infos}

    def action_masks(self) -> NDArray[np.bool_]:
        """Which candidates are allowed now, (num_envs, candidates) bool."""
        if self._decisions is None:
            raise SettingsError("action_masks() before reset(): call reset() first.")
        return self._decisions.mask.astype(np.bool_)

    def render(self) -> tuple[Any, ...] | None:
        """Draw every row's pending decision."""
        from edgegym.decision.rendering import draw

        if self._decisions is None or self.render_mode is None:
            return None
        return tuple(draw(self.system, self._decisions, row, self.render_mode) for row in range(self.num_envs))

    def _finish(self, rows: NDArray[np.int64]) -> dict[str, Any]:
        """Report the metrics of the rows that just ended; under SAME_STEP also restart them."""
        assert self._decisions is not None
        infos: dict[str, Any] = {}
        for row in map(int, rows):
            metrics = {"metrics": self.system.episode_metrics(row)}
            if self.autoreset_mode is not AutoresetMode.SAME_STEP:
                infos = self._add_info(infos, metrics, row)
                continue
            last = self._decisions.copy_row(row)
            final_info = {"action_mask": last.mask[0].copy(), **metrics}
            final_obs = row_observation(last, self._observation, 0)
            infos = self._add_info(infos, {"final_obs": final_obs, "final_info": final_info}, row)
            self._begin(row, None, {})
        if self.autoreset_mode is AutoresetMode.SAME_STEP:
            reward = self._decisions.reward.copy()
            self.system.observe(self._decisions)
            self._decisions.reward[:] = reward
        return infos

    def _begin(self, row: int, workload_seed: int | None, options: dict[str, Any]) -> None:
        if workload_seed is None:
            workload_seed = episode_seed(int(self._base[row]), int(self._episode[row]))
            self._episode[row] += 1
        self.system.begin(row, workload_seed, options)
        self._steps[row] = 0
        self._terminated[row] = self._truncated[row] = False

    def _seed_rows(self, seed: int | Sequence[int | None] | None, mask: NDArray[np.bool_]) -> None:
        """Give the masked rows their base seeds; from entropy where none was ever given."""
        if seed is None:
            if self._np_random_seed is None:
                first = int(self.np_random_seed or 0) & (2**62 - 1)
                self._base[:] = first + np.arange(self.num_envs)
            return
        seeds = [seed + i for i in range(self.num_envs)] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != self.num_envs:
            raise SettingsError(f"seed: {len(seeds)} seeds for {self.num_envs} environments; give one each or an int.")
        known = [int(value) for value in seeds if value is not None]
        super().reset(seed=known[0] if known else None)
        for row in np.flatnonzero(mask):
            value = seeds[row]
            if value is not None:
                self._base[row], self._episode[row] = value, 0

    def _result(self) -> tuple[Any, NDArray[np.float64]]:
        assert self._decisions is not None
        return observation(self._decisions, self._observation), self._decisions.reward

    def _infos(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        assert self._decisions is not None
        return {"action_mask": self._decisions.mask * rows[:, None], "_action_mask": rows.copy()}


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    names = {member.name: member for member in AutoresetMode} | {member.value: member for member in AutoresetMode}
    if mode not in names:
        raise unknown("autoreset_mode", str(mode), (member.name for member in AutoresetMode), SettingsError)
    return names[mode]


def _reset_mask(mask: Any, rows: int) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(rows, np.bool_)
    if not isinstance(mask, np.ndarray) or mask.shape != (rows,) or mask.dtype != np.bool_ or not mask.any():
        raise SettingsError(
            f"reset_mask: a bool array of shape ({rows},) with a True entry is needed (found {mask!r})."
        )
    return mask
