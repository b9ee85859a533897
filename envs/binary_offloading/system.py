"""The binary offloading system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.binary_offloading import columns, kernel
from edgegym.envs.binary_offloading.accounting import METRICS, episode_metrics, queue_series
from edgegym.envs.binary_offloading.allocation import solve_allocations
from edgegym.envs.binary_offloading.params import PRESETS, BinaryOffloadingParams
from edgegym.envs.binary_offloading.rules import rules_of, weights_of
from edgegym.envs.binary_offloading.state import State, allocate
from edgegym.envs.binary_offloading.workload import Episode, Source
from edgegym.errors import SettingsError
from edgegym.settings import Settings

RESET_OPTIONS = {"episode": "an Episode of gains and arrivals to serve instead of the workload"}


class BinaryOffloadingSystem(System):
    """Rows of devices over one channel; see :class:`~edgegym.envs.binary_offloading.env.BinaryOffloadingEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.
    """

    settings_class: ClassVar[type[Settings]] = BinaryOffloadingParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS
    most_devices: ClassVar[int] = 16
    """Most devices whose modes are all compared."""

    def __init__(self, params: BinaryOffloadingParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self.num_candidates = 2
        self.queueing = params.problem == "queueing"
        self.source = Source(params.workload, self.queueing)
        self.devices = self.source.devices
        self._state = self._allocate(frames=1)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        frames = len(episode.gain)
        self._reserve(frames)
        self._state.gain[row, :frames] = episode.gain
        if self.queueing:
            self._state.arrival[row, :frames] = episode.arrival_mbit
        kernel.begin(self._state, row, frames)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The gains and arrivals that :meth:`begin` would load."""
        check_options(options, RESET_OPTIONS)
        if "episode" not in options:
            return self.source.episode(workload_seed)
        episode = options["episode"]
        if not isinstance(episode, Episode):
            raise SettingsError(f"reset option 'episode': an Episode is needed (found {type(episode).__name__}).")
        shape = (len(episode.gain), self.devices)
        arrivals = shape if self.queueing else episode.arrival_mbit.shape
        if episode.gain.shape != shape or not len(episode.gain) or episode.arrival_mbit.shape != arrivals:
            raise SettingsError(
                f"reset option 'episode': gains {episode.gain.shape} and arrivals {episode.arrival_mbit.shape} found; "
                f"(frames, {self.devices}) is needed."
            )
        return episode

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def play(self, row: int, search: int, most: int = 0) -> float:
        """Play a row's episode, which has just begun, by a search for each frame's mode.

        Args:
            row: which one.
            search: one of the kernel's searches.
            most: how many devices offload, or at most do, where the search asks for it.

        Returns:
            The return.
        """
        kernel.play(self._state, row, search, most)
        return float(self._state.rows["reward"][row])

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the frames closed so far; NaN while there are none."""
        r = self._state.rows[row]
        log = self.log(row)
        counts = {
            "critic_calls": float(r["critic_calls"]) / len(log) if len(log) else math.nan,
            "invalid_actions": float(r["invalid"]),
        }
        return episode_metrics(log, self.devices, self.queueing, self._optima(row, len(log))) | counts

    def log(self, row: int) -> NDArray[Any]:
        """(frames,) what came of each frame closed so far."""
        return self._state.log[row, : int(self._state.rows["frame"][row])]

    def episode_series(self, row: int) -> dict[str, NDArray[np.float64]]:
        """With queues, ``queue_mbit`` over slices of the frames, (SLICES,)."""
        return queue_series(self.log(row)) if self.queueing else {}

    def provenance(self) -> dict[str, str]:
        """Where the channels and arrivals come from."""
        return {"workload": self.source.provenance()}

    def progress(self) -> float:
        """Fraction of the frames that are closed."""
        rows = self._state.rows
        return float(rows["frame"].sum() / max(1, rows["frames"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _optima(self, row: int, frames: int) -> NDArray[np.float64]:
        """(frames,) rates of the best modes, or (0,) where they are not asked for or have no meaning."""
        if self.queueing or not self.params.optimum or self.devices > self.most_devices or frames == 0:
            return np.zeros(0)
        return solve_allocations(self.params, self._state.gain[row, :frames]).value

    def _reserve(self, frames: int) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        if frames <= old.gain.shape[1]:
            return
        self._state = self._allocate(frames)
        for name in State._fields[1:]:
            before, after = getattr(old, name), getattr(self._state, name)
            after[tuple(slice(0, extent) for extent in before.shape)] = before

    def _allocate(self, frames: int) -> State:
        state = allocate(self.rows, self.devices, frames, self.queueing)._replace(rules=rules_of(self.params))
        state.devices["weight"] = weights_of(self.params, self.devices)
        return state
