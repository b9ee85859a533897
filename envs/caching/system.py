"""The caching system: settings and episodes in, decisions and metrics out, the kernel in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.decision.draws import below
from edgegym.decision.metrics import Metric
from edgegym.decision.system import Decisions, System, check_options
from edgegym.envs.caching import columns, kernel
from edgegym.envs.caching.accounting import METRICS, Log, episode_metrics, hit_ratio_series
from edgegym.envs.caching.capacity import resolve_capacity
from edgegym.envs.caching.forecaster import load_network
from edgegym.envs.caching.params import PRESETS, CachingParams
from edgegym.envs.caching.state import ROW_ARRAYS, State, allocate
from edgegym.errors import SettingsError
from edgegym.network.topology import topology_from_settings
from edgegym.settings import Settings
from edgegym.workload.sources import Episode, Source, episode_of
from edgegym.workload.trace import RequestTrace

RESET_OPTIONS = {
    "trace": "a RequestTrace to serve instead of the workload",
    "offset": "first request of that trace",
    "requests": "how many of its requests",
}


class CachingSystem(System):
    """Rows of edge caches over one topology; see :class:`~edgegym.envs.caching.env.ContentCachingEnv`.

    Args:
        params: the settings.
        rows: number of independent copies.
    """

    settings_class: ClassVar[type[Settings]] = CachingParams
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS
    training_only: ClassVar[Mapping[str, Any]] = {"reward": {"signal": "terms"}}
    candidate_features: tuple[str, ...] = columns.CANDIDATE_FEATURES
    context_features = columns.CONTEXT_FEATURES
    metrics: ClassVar[tuple[Metric, ...]] = METRICS

    def __init__(self, params: CachingParams, rows: int = 1) -> None:
        self.params, self.rows = params, rows
        self._forecaster: NDArray[Any] | None = None
        if params.forecaster is not None:
            self._forecaster = load_network(params.forecaster, columns.CANDIDATE_FEATURES)
            self.candidate_features = (*columns.CANDIDATE_FEATURES, columns.FORECAST)
        self.num_candidates = params.candidates + 1
        self.topology = topology_from_settings(params.topology)
        self.nodes = len(self.topology.edge)
        if self.nodes > MAX_NODES:
            raise SettingsError(f"topology: {self.nodes} edge nodes found; at most {MAX_NODES} are allowed.")
        self.source = Source(params.workload, self.nodes)
        self._state = self._allocate(requests=1, contents=1, slots=1)

    @property
    def state(self) -> State:
        """The kernel's arrays."""
        return self._state

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load and start an episode; see :data:`RESET_OPTIONS` for the options."""
        episode = self.episode(workload_seed, options)
        capacity = self.capacity_of(episode)
        self._reserve(episode, capacity)
        self._load(row, episode, capacity)
        requests = len(episode.trace)
        count_from = self.count_from(requests)
        decide_from = count_from if self.params.warmup_by == "lru" else 0
        seed = workload_seed & SEED_MASK
        kernel.begin(self._state, row, seed, requests, decide_from, count_from)

    def episode(self, workload_seed: int, options: Mapping[str, Any]) -> Episode:
        """The requests that :meth:`begin` would load."""
        check_options(options, RESET_OPTIONS)
        episode = _episode_from(options) if "trace" in options else self.source.episode(workload_seed)
        nodes = episode.trace.nodes
        if nodes > self.nodes:
            raise SettingsError(f"trace: requests for {nodes} nodes, but the topology has {self.nodes} edge nodes.")
        return episode

    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Advance the active rows and write all pending decisions."""
        columns.step_rows(self._state, actions, active, out.candidates, out.context, out.mask, out.reward, out.done)

    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the requests served since the warm-up; NaN ratios while there are none."""
        r = self._state.rows[row]
        log = self.log(row)
        return episode_metrics(log, int(r["count_from"]), int(r["evictions"])) | {
            "invalid_actions": float(r["invalid"])
        }

    def log(self, row: int) -> Log:
        """What happened to each request so far: outcome, latency and bytes."""
        state = self._state
        served = int(state.rows["position"][row])
        content, node = state.content[row, :served], state.node[row, :served]
        size = state.records["bytes"][row][node, content]
        return Log(state.outcome[row, :served], state.latency_s[row, :served], size)

    def episode_series(self, row: int) -> dict[str, NDArray[np.float64]]:
        """``hit_ratio`` over slices of the counted requests, (SLICES,)."""
        return hit_ratio_series(self.log(row), int(self._state.rows["count_from"][row]))

    def provenance(self) -> dict[str, str]:
        """The workload's source and the link cards'."""
        params = self.params
        links = {params.access_link, params.topology.edge_link, params.topology.origin_link} - {None}
        facts = {f"link {name}": load_card(str(name), "link").provenance.source for name in sorted(map(str, links))}
        if params.forecaster is not None:
            facts["forecaster"] = params.forecaster
        return {"workload": self.source.provenance(), **facts}

    def progress(self) -> float:
        """Fraction of all requests that is served."""
        rows = self._state.rows
        return float(rows["position"].sum() / max(1, rows["requests"].sum()))

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return self._state.bytes_per_row() * self.rows

    def count_from(self, requests: int) -> int:
        """First request of an episode that the metrics count."""
        warmup = self.params.warmup
        first = round(warmup * requests) if warmup < 1 else int(warmup)
        if first >= requests:
            raise SettingsError(f"warmup: {first} requests, but the episode has {requests}; lower it.")
        return first

    def capacity_of(self, episode: Episode) -> int:
        """Capacity of a node's cache in this episode, in objects or bytes."""
        contents, total = self.source.footprint(episode)
        smallest = int(episode.trace.size.min())
        capacity = self.params.capacity
        if isinstance(capacity, tuple):
            capacity = capacity[below(episode.seed & SEED_MASK, CAPACITY_DRAW, len(capacity))]
        return resolve_capacity(capacity, self.params.unit, contents, total, smallest)

    def _load(self, row: int, episode: Episode, capacity: int) -> None:
        state, trace = self._state, episode.trace
        requests, contents = len(trace), trace.contents
        state.content[row, :requests], state.node[row, :requests] = trace.content, trace.node
        if state.next_use.shape[1]:
            state.next_use[row, :requests] = episode.next_use
        state.rows["capacity"][row] = capacity
        state.records["bytes"][row, :, :contents] = trace.size

    def _reserve(self, episode: Episode, capacity: int) -> None:
        """Grow the arrays so that the episode fits; what other rows hold is kept."""
        trace, old = episode.trace, self._state
        occupancy = np.ones(1) if self.params.unit == "objects" else np.sort(trace.size)
        fitting = (
            capacity if self.params.unit == "objects" else np.searchsorted(np.cumsum(occupancy), capacity, "right")
        )
        need = {
            "requests": len(trace),
            "contents": trace.contents,
            "slots": max(1, min(int(fitting), trace.contents)),
        }
        have = {
            "requests": old.content.shape[1],
            "contents": old.holders.shape[1],
            "slots": old.heaps.shape[3],
        }
        if all(need[key] <= have[key] for key in need):
            return
        # Episodes of one workload differ by a few percent: leave room, so that growing stays rare.
        grown = {key: have[key] if need[key] <= have[key] else need[key] + need[key] // 16 for key in need}
        self._state = self._allocate(**grown)
        for before, after in zip(old[1:ROW_ARRAYS], self._state[1:ROW_ARRAYS], strict=True):
            after[tuple(slice(0, extent) for extent in before.shape)] = before

    def _allocate(self, requests: int, contents: int, slots: int) -> State:
        params, topology = self.params, self.topology
        state = allocate(
            self.rows,
            self.nodes,
            self.num_candidates,
            requests,
            contents,
            slots,
            params.reward.signal == "clairvoyant",
        )
        rules = state.rules[0]
        rules["count_objects"] = params.unit == "objects"
        rules["access_s"] = load_card(params.access_link, "link").rtt_s
        for name in ("hit", "byte_hit", "latency_saved", "backhaul_saved", "horizon"):
            rules[name] = getattr(params.reward, name)
        rules["clairvoyant"] = params.reward.signal == "clairvoyant"
        reach = np.append(topology.edge, topology.origin)
        state.fetch_s[:] = topology.rtt_s[np.ix_(topology.edge, reach)]
        state.byte_s[:] = 8.0 / topology.rate_bps[np.ix_(topology.edge, reach)]
        state.near[:] = topology.nearest
        return state if self._forecaster is None else state._replace(forecaster=self._forecaster)


SEED_MASK = 0x7FFFFFFFFFFFFFFF
"""Seeds are used as int64."""
CAPACITY_DRAW = 2**62
"""Counter of the draw that chooses an episode's capacity; decisions, which draw too, count from 0."""
MAX_NODES = 62
"""Holders of a content are bits of an int64."""


def _episode_from(options: Mapping[str, Any]) -> Episode:
    trace = options["trace"]
    if not isinstance(trace, RequestTrace):
        raise SettingsError(f"reset option 'trace': a RequestTrace is needed (found {type(trace).__name__}).")
    start = int(options.get("offset", 0))
    stop = start + int(options.get("requests", len(trace) - start))
    if not 0 <= start < stop <= len(trace):
        raise SettingsError(f"reset options: requests {start} to {stop} do not lie in 0 .. {len(trace)}.")
    return episode_of(trace if (start, stop) == (0, len(trace)) else trace.part(start, stop))
