"""The offloading system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.inference_offloading import columns, kernel, relaxation
from edgegym.envs.inference_offloading.accounting import METRICS, episode_metrics, latency_series
from edgegym.envs.inference_offloading.params import InferenceOffloadingParams
from edgegym.envs.inference_offloading.presets import PRESETS
from edgegym.envs.inference_offloading.state import LOG, QUEUE, ROW, SHARED, TASK, USER, State
from edgegym.envs.inference_offloading.tables import compile_tables, provenance
from edgegym.envs.inference_offloading.workload import Episode, Source
from edgegym.errors import SettingsError
from edgegym.settings import Settings

RESET_OPTIONS = {"episode": "an Episode of tasks, rates and helpers to serve instead of the workload"}


class InferenceOffloadingSystem(System):
    """Rows of users, links and servers; see :class:`~edgegym.envs.inference_offloading.env.InferenceOffloadingEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.

    Attributes:
        tables: what all rows share.
    """

    settings_class: ClassVar[type[Settings]] = InferenceOffloadingParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, params: InferenceOffloadingParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self.source = Source(params)
        self.tables = compile_tables(params, self.source.card, self.source.fastest())
        self.num_candidates = self.tables.plans.shape[1]
        self._state = self._allocate(tasks=1)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        tasks = len(episode.tasks)
        self._reserve(tasks)
        state = self._state
        state.tasks[row, :tasks] = episode.tasks
        state.rate[row], state.helper[row] = episode.rate, episode.helper
        kernel.begin(state, row, tasks)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The tasks, rates and helpers that :meth:`begin` would load."""
        check_options(options, RESET_OPTIONS)
        if "episode" not in options:
            return self.source.episode(workload_seed)
        episode = options["episode"]
        if not isinstance(episode, Episode):
            raise SettingsError(f"reset option 'episode': an Episode is needed (found {type(episode).__name__}).")
        _check(episode, self.source)
        return episode

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def play_foreseen(self, row: int) -> float:
        """Play a row's episode, which has just begun, by plans of least foreseen cost; return the return."""
        kernel.play_foreseen(self._state, row)
        return float(self._state.rows["reward"][row])

    def least_cost(self, row: int) -> float:
        """A lower bound of the cost of a row's episode, which has just begun: minus a bound of the return."""
        return float(relaxation.least_cost(self._state, row))

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the tasks finished so far; NaN while there are none."""
        state, tables = self._state, self.tables
        busy = state.queues["busy_s"][row]
        found = episode_metrics(*self.log(row), tables.groups, tables.group_of, busy, self.params.seconds)
        return found | {"invalid_actions": float(state.rows["invalid"][row])}

    def log(self, row: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """(tasks,) TASK and (tasks,) LOG of the tasks decided so far."""
        r = self._state.rows[row]
        decided = int(r["task"]) if r["pending"] else int(r["tasks"])
        return self._state.tasks[row, :decided], self._state.log[row, :decided]

    def episode_series(self, row: int) -> dict[str, NDArray[np.float64]]:
        """``latency_s`` over slices of the tasks, (SLICES,)."""
        return latency_series(*self.log(row))

    def provenance(self) -> dict[str, str]:
        """Where tasks, links and all costs come from."""
        return {"workload": self.source.provenance(), **provenance(self.params, self.tables.labels)}

    def progress(self) -> float:
        """Fraction of the tasks that are decided."""
        rows = self._state.rows
        decided = np.where(rows["pending"], rows["task"], rows["tasks"]).sum()
        return float(decided / max(1, rows["tasks"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _reserve(self, tasks: int) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        if tasks <= old.tasks.shape[1]:
            return
        self._state = self._allocate(tasks + tasks // 8)
        for before, after in zip(old[SHARED:], self._state[SHARED:], strict=True):
            after[tuple(slice(0, extent) for extent in before.shape)] = before

    def _allocate(self, tasks: int) -> State:
        tables, source, rows = self.tables, self.source, self.rows
        users, servers = source.users, len(tables.servers)
        return State(
            rules=tables.rules,
            groups=tables.groups,
            plans=tables.plans,
            static=tables.static,
            servers=tables.servers,
            group_of=tables.group_of,
            rows=np.zeros(rows, ROW),
            users=np.zeros((rows, users), USER),
            queues=np.zeros((rows, servers), QUEUE),
            jobs=np.zeros((rows, servers, tasks), np.int32),
            seen_at=np.zeros((rows, servers, source.scenes)),
            tasks=np.zeros((rows, tasks), TASK),
            log=np.zeros((rows, tasks), LOG),
            trial=np.zeros(rows, LOG),
            rate=np.zeros((rows, users, source.seconds)),
            helper=np.zeros((rows, users, source.helpers, source.seconds)),
            scratch=np.zeros((rows, 4, self.num_candidates)),
        )


def _check(episode: Episode, source: Source) -> None:
    """An episode from outside must have the shapes of the settings, and times in order."""
    time_s = episode.tasks["time"] if episode.tasks.dtype == TASK else np.zeros(0)
    shapes = episode.rate.shape, episode.helper.shape
    wanted = (source.users, source.seconds), (source.users, source.helpers, source.seconds)
    if len(time_s) == 0 or shapes != wanted:
        raise SettingsError(
            f"reset option 'episode': {len(time_s)} tasks, rates {shapes[0]} and helpers {shapes[1]} found; at least "
            f"one task of type TASK, {wanted[0]} and {wanted[1]} are needed."
        )
    users = episode.tasks["user"]
    if np.any(np.diff(time_s) < 0) or time_s[0] < 0 or users.min() < 0 or users.max() >= source.users:
        raise SettingsError("reset option 'episode': tasks must come in order of time, from users of the settings.")
    if not (np.all(episode.rate >= 0) and np.all(np.isfinite(episode.rate)) and np.all(episode.helper > 0)):
        raise SettingsError("reset option 'episode': rates must be finite and not negative, speeds of helpers above 0.")
