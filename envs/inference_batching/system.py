"""The inference batching system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.inference_batching import columns, kernel
from edgegym.envs.inference_batching.accounting import METRICS, Log, log_metrics
from edgegym.envs.inference_batching.params import PRESETS, InferenceBatchingParams
from edgegym.envs.inference_batching.state import State, allocate
from edgegym.envs.inference_batching.tables import cards_of, tables_of
from edgegym.envs.inference_batching.workload import Episode, Source
from edgegym.errors import SettingsError
from edgegym.settings import Settings

RESET_OPTIONS = {"episode": "an Episode of requests to serve instead of the workload"}


class InferenceBatchingSystem(System):
    """Rows of accelerators with queues; see :class:`~edgegym.envs.inference_batching.env.InferenceBatchingEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.

    Raises:
        EdgeGymError: for missing cards or traces, or variants that do not fit into the memory.
    """

    settings_class: ClassVar[type[Settings]] = InferenceBatchingParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, params: InferenceBatchingParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self.tables = tables_of(params)
        self.num_candidates = len(self.tables.choices)
        self.source = Source(params.workload, np.array([queue.share for queue in params.queues]))
        self._state = allocate(rows, 1, self.tables)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        arrival_s, begins = self.episode(workload_seed, options).by_queue(len(self.params.queues))
        self._reserve(len(arrival_s))
        self._state.arrival[row, : len(arrival_s)] = arrival_s
        kernel.begin(self._state, row, begins)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The requests that :meth:`begin` would load."""
        episode = check_options(options, RESET_OPTIONS).get("episode")
        if episode is None:
            return self.source.episode(workload_seed)
        if not isinstance(episode, Episode):
            raise SettingsError(f"reset option 'episode': an Episode is needed (found {type(episode).__name__}).")
        return episode

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the requests handled so far; NaN while there are none."""
        r, log = self._state.rows[row], self.log(row)
        answers, batches = int((~np.isnan(log.latency_s)).sum()), int(r["clock"])
        return log_metrics(log, float(r["now"])) | {
            "energy_j": float(r["energy"]) / answers if answers else math.nan,
            "mean_batch": answers / batches if batches else math.nan,
            "utilisation": float(r["busy"] / r["now"]) if r["now"] > 0 else math.nan,
            "loads": float(r["loads"]),
            "invalid_actions": float(r["invalid"]),
        }

    def log(self, row: int) -> Log:
        """What became of the requests handled so far."""
        state, services = self._state, self.tables.services
        parts = [(q, slice(int(queue["begin"]), int(queue["head"]))) for q, queue in enumerate(state.queues[row])]
        which = np.concatenate([np.full(part.stop - part.start, q) for q, part in parts])
        arrival, finish, served_by = (
            np.concatenate([array[row, part] for _, part in parts])
            for array in (state.arrival, state.finish, state.served_by)
        )
        answered = served_by >= 0
        # The kernel's comparison, so that rounding cannot tell reward and metrics apart; NaN is never in time.
        in_time = arrival >= finish - services["slo"][which]
        accuracy = np.where(answered, self.tables.variants["accuracy"][served_by], np.nan)
        return Log(finish - arrival, in_time & answered, accuracy, services["weight"][which])

    def provenance(self) -> dict[str, str]:
        """Where the batch times and the requests come from."""
        return {"workload": self.source.provenance(), **cards_of(self.params)}

    def progress(self) -> float:
        """Fraction of the requests that are handled."""
        queues = self._state.queues[: self.rows]
        handled, all_of_them = (queues["head"] - queues["begin"]).sum(), (queues["end"] - queues["begin"]).sum()
        return float(handled / max(1, all_of_them))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _reserve(self, requests: int) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        if requests <= old.arrival.shape[1]:
            return
        self._state = allocate(self.rows, requests, self.tables)
        for name in ("rows", "queues", "used", "arrival", "finish", "served_by"):
            before, after = getattr(old, name), getattr(self._state, name)
            after[tuple(slice(0, extent) for extent in before.shape)] = before
