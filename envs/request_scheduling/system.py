"""The request scheduling system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.request_scheduling import columns, kernel
from edgegym.envs.request_scheduling.accounting import METRICS, episode_metrics
from edgegym.envs.request_scheduling.fleet import fleet_of, rules_of, streams_of
from edgegym.envs.request_scheduling.params import PRESETS, ParkWorkload, RequestSchedulingParams
from edgegym.envs.request_scheduling.state import State, allocate
from edgegym.envs.request_scheduling.workload import Episode, draw_episode
from edgegym.errors import SettingsError
from edgegym.settings import Settings

RESET_OPTIONS = {"episode": "an Episode of requests to serve instead of the workload"}


class RequestSchedulingSystem(System):
    """Rows of servers and their requests; see :class:`~edgegym.envs.request_scheduling.env.RequestSchedulingEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.
    """

    settings_class: ClassVar[type[Settings]] = RequestSchedulingParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, params: RequestSchedulingParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self.fleet, self.streams, self.rules = fleet_of(params), streams_of(params), rules_of(params)
        pairs = len(params.servers) * int(self.rules["variants"][0])
        self.num_candidates = params.reject + pairs + (params.hold is not None)
        self._state = allocate(rows, 1, self.fleet, self.rules)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        count = len(episode.arrival_s)
        self._reserve(count)
        requests, of_stream = self._state.requests[row, :count], self.streams[episode.stream]
        requests["arrival"], requests["size"], requests["stream"] = episode.arrival_s, episode.size, episode.stream
        for name in ("task", "origin", "priority", "weight", "payload"):
            requests[name] = of_stream[name]
        requests["deadline"] = episode.arrival_s + of_stream["deadline"]
        kernel.begin(self._state, self.fleet, row, count)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The requests that :meth:`begin` would load."""
        check_options(options, RESET_OPTIONS)
        episode = options.get("episode")
        if episode is None:
            return draw_episode(self.params.workload, workload_seed)
        if not isinstance(episode, Episode):
            raise SettingsError(f"reset option 'episode': an Episode is needed (found {type(episode).__name__}).")
        if len(episode.stream) and not 0 <= episode.stream.min() <= episode.stream.max() < len(self.streams):
            raise SettingsError(f"reset option 'episode': streams 0..{len(self.streams) - 1} exist.")
        return episode

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(
            self._state, self.fleet, actions, active, out.candidates, out.context, out.mask, out.reward, out.done
        )

    def requests(self, row: int) -> NDArray[Any]:
        """(requests,) the requests that have arrived and what became of them."""
        return self._state.requests[row, : int(self._state.rows["next"][row])]

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the requests that have left so far; NaN while there are none."""
        r = self._state.rows[row]
        return episode_metrics(
            self.requests(row), self._state.servers[row], self.fleet, float(r["now"]), int(r["invalid"])
        )

    def provenance(self) -> dict[str, str]:
        """Where the requests and the servers come from."""
        workload, params = self.params.workload, self.params
        if isinstance(workload, ParkWorkload):
            what = f"{workload.jobs} jobs, drawn as Park (NeurIPS 2019) does"
        else:
            kinds = (getattr(s.arrivals, "path", s.arrivals.kind) for s in workload.streams)
            what = f"{workload.seconds:g} s of {', '.join(kinds)}"
        servers = ", ".join(server.device or f"rate {server.rate:g}" for server in params.servers)
        return {"workload": what, "servers": servers}

    def progress(self) -> float:
        """Fraction of the requests that have arrived."""
        rows = self._state.rows
        return float(rows["next"].sum() / max(1, rows["requests"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _reserve(self, requests: int) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        if requests <= old.requests.shape[1]:
            return
        self._state = allocate(self.rows, requests, self.fleet, self.rules)
        for name in State._fields[1:]:
            before, after = getattr(old, name), getattr(self._state, name)
            after[tuple(slice(0, extent) for extent in before.shape)] = before
