"""The network functions system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.network_functions import columns, kernel
from edgegym.envs.network_functions.accounting import METRICS, acceptance_series, episode_metrics
from edgegym.envs.network_functions.arrays import allocate, micro
from edgegym.envs.network_functions.functions import costs_of
from edgegym.envs.network_functions.params import PRESETS, NetworkFunctionsParams
from edgegym.envs.network_functions.serviceable import check_serviceable
from edgegym.envs.network_functions.state import EPISODE_ARRAYS, WAITING, State
from edgegym.envs.network_functions.viewer import draw_network
from edgegym.envs.network_functions.workload import Episode, Source, check_episode
from edgegym.network.substrates import Substrate, substrates_from_settings
from edgegym.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RESET_OPTIONS = {"episode": "an Episode of requests and failures to serve instead of the workload"}


class NetworkFunctionsSystem(System):
    """Rows of networks that requests come to; see :class:`~edgegym.envs.network_functions.env.NetworkFunctionsEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.
        substrates: networks to take instead of those of the settings.
    """

    settings_class: ClassVar[type[Settings]] = NetworkFunctionsParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(
        self, params: NetworkFunctionsParams, rows: int = 1, substrates: tuple[Substrate, ...] | None = None
    ) -> None:
        self.params, self.rows = params, rows
        if params.completion:
            self.candidate_features = (*columns.CANDIDATE_FEATURES, *columns.COMPLETION_FEATURES)
        self.substrates = substrates_from_settings(params.substrate) if substrates is None else substrates
        self.costs = costs_of(params)
        check_serviceable(params, self.substrates, self.costs)
        self.source = Source(params, self.substrates, self.costs)
        every = max(len(each.nodes) for each in self.substrates)
        if _asks_for_paths(params):
            every = max(every, *(each.paths.hops.shape[2] for each in self.substrates))
        self.num_candidates = 1 + (every if params.candidates is None else min(params.candidates, every))
        self._state = self._allocate((params.workload.requests, self.source.longest_chain, 0))

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        self._reserve((*episode.demand.shape, len(episode.failure_s)))
        self._load(row, episode)
        kernel.begin(self._state, row)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The requests and failures that :meth:`begin` would load."""
        check_options(options, RESET_OPTIONS)
        if "episode" not in options:
            return self.source.episode(workload_seed)
        return check_episode(options["episode"], self.substrates, len(self.costs.functions))

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def requests(self, row: int) -> NDArray[Any]:
        """(R,) REQUEST: what has become of each request of the episode."""
        return self._state.requests[row, : int(self._state.rows["requests"][row])]

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the requests decided so far; NaN while there are none."""
        r = self._state.rows[row]
        return episode_metrics(r, self._state.network[r["network"]], self.requests(row))

    def episode_series(self, row: int) -> dict[str, NDArray[np.float64]]:
        """``acceptance_ratio`` over slices of the requests, (SLICES,)."""
        return acceptance_series(self.requests(row))

    def draw(self, row: int, axes: Axes) -> bool:
        """Draw the row, see :mod:`~edgegym.envs.network_functions.viewer`."""
        draw_network(self, row, axes)
        return True

    def provenance(self) -> dict[str, str]:
        """Where networks, requests and costs come from."""
        changed = self.params.substrate.model_dump(exclude_defaults=True)
        found = {"substrate": f"{self.params.substrate.builder}: {changed}", "workload": self.source.provenance()}
        return found | {f"device {card}": "device card" for card in self.costs.devices}

    def progress(self) -> float:
        """Fraction of the requests that have arrived."""
        rows = self._state.rows
        return float((rows["request"] + 1).sum() / max(1, rows["requests"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(array.nbytes for array in self._state)

    def _load(self, row: int, episode: Episode) -> None:
        state, (count, longest) = self._state, episode.demand.shape
        r, requests = state.rows[row : row + 1], state.requests[row, :count]
        state.functions[row], state.segments[row] = 0, 0
        state.functions["kind"][row, :count, :longest] = episode.function
        state.functions["demand"][row, :count, :longest] = episode.demand
        state.segments["bandwidth"][row, :count, : longest + 1] = micro(episode.bandwidth)
        state.segments["path"][row] = -1
        requests[:] = 0
        for name, values in (
            ("time_s", episode.time_s),
            ("life_s", episode.life_s),
            ("end_s", episode.time_s + episode.life_s),
            ("budget_s", episode.budget_s),
            ("revenue", revenue_of(episode)),
            ("source", episode.source),
            ("destination", episode.destination),
            ("length", episode.length),
            ("status", WAITING),
        ):
            requests[name] = values
        state.departures[row, :count] = np.argsort(requests["end_s"], kind="stable")
        state.failure_s[row, : len(episode.failure_s)] = episode.failure_s
        state.element[row, : len(episode.failure_s)] = episode.element
        r["network"], r["requests"], r["failures"] = episode.network, count, len(episode.failure_s)

    def _allocate(self, sizes: tuple[int, int, int]) -> State:
        return allocate(self.params, self.substrates, self.costs, self.rows, self.num_candidates - 1, sizes)

    def _reserve(self, sizes: tuple[int, int, int]) -> None:
        """Grow the arrays so that an episode fits; what other rows hold is kept."""
        old = self._state
        present = (*old.functions.shape[1:], old.failure_s.shape[1])
        if all(need <= have for need, have in zip(sizes, present, strict=True)):
            return
        grown = self._allocate(tuple(np.maximum(sizes, present).tolist()))
        for name in EPISODE_ARRAYS:
            before, after = getattr(old, name), getattr(grown, name)
            after[tuple(slice(0, extent) for extent in before.shape)] = before
        kept = {name: getattr(grown if name in EPISODE_ARRAYS else old, name) for name in State._fields}
        self._state = State(**kept)


def _asks_for_paths(params: NetworkFunctionsParams) -> bool:
    failures = params.failures
    fails = failures.link_mtbf_s is not None or failures.node_mtbf_s is not None
    return (fails and failures.reroute) or params.congestion.above is not None


def revenue_of(episode: Episode) -> NDArray[np.float64]:
    """(R,) revenue: demands of the functions and bandwidths of the segments of each request."""
    longest = episode.demand.shape[1]
    functions = np.arange(longest) < episode.length[:, None]
    segments = np.arange(longest + 1) <= episode.length[:, None]
    return np.where(functions, episode.demand, 0.0).sum(axis=1) + np.where(segments, episode.bandwidth, 0.0).sum(axis=1)
