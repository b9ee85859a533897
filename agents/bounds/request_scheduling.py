"""Bounds for request scheduling: pooled SRPT below all sojourn times, and hindsight optima of small episodes."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.envs.request_scheduling.workload import Episode
from edgegym.errors import SettingsError


def pooled_work(system: RequestSchedulingSystem, episode: Episode) -> tuple[NDArray[np.float64], float]:
    """Every request's work on one server as fast as all together.

    With speeds v_s and works w_j such that no server s serves request j in less than w_j / v_s, any schedule is one of
    the pooled server too. The speeds are those for the first request; batches are as large as can be.

    Returns:
        (requests,) works and the sum of the speeds.
    """
    fleet, task = system.fleet, system.streams["task"][episode.stream]
    best = np.where(system.fleet.rate > 0.0, fleet.rate * np.arange(1, fleet.rate.shape[2] + 1), 0.0).max(axis=2)
    of_task = np.stack([best[:, models[models >= 0]].max(axis=1) for models in fleet.variant])
    speed = of_task[0] * fleet.slots
    seconds = episode.size[:, None] / np.maximum(of_task[task], 1e-300)
    if system.rules["whole"][0]:
        seconds = np.floor(seconds)
    return (seconds * (speed / fleet.slots)).min(axis=1), float(speed.sum())


def pooled_srpt(arrival_s: NDArray[np.float64], work: NDArray[np.float64], speed: float) -> float:
    """Mean sojourn time on one server that always serves the shortest remaining work, interrupting others.

    No schedule of that server has a lower one (L. Schrage, Operations Research 16(3), 1968).

    Args:
        arrival_s: (requests,) rising.
        work: (requests,).
        speed: work a second.
    """
    remaining: list[float] = []
    total, now = 0.0, 0.0
    for i, arrival in enumerate(arrival_s):
        while remaining and now < arrival:
            served = min(remaining[0], (arrival - now) * speed)
            total += len(remaining) * served / speed
            now += served / speed
            left = heapq.heappop(remaining) - served
            if left > 1e-12 * served:
                heapq.heappush(remaining, left)
        now = max(now, float(arrival))
        heapq.heappush(remaining, float(work[i]))
    while remaining:
        seconds = remaining[0] / speed
        total += len(remaining) * seconds
        heapq.heappop(remaining)
    return total / len(arrival_s)


class PooledSrpt(PlayingPolicy):
    """Bounds the mean sojourn time from below where nothing is rejected."""

    name = "Pooled SRPT"
    kind = "bound"
    description = "all servers as one that interrupts for the shortest remaining work: no mean sojourn time is lower"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Bound the episode."""
        assert isinstance(system, RequestSchedulingSystem)
        episode = system.episode(workload_seed, options)
        work, speed = pooled_work(system, episode)
        fleet, streams = system.fleet, system.streams[episode.stream]
        ways = fleet.rtt[streams["origin"]] + fleet.byte[streams["origin"]] * streams["payload"][:, None]
        mean = pooled_srpt(episode.arrival_s, work, speed) if not ways.any() else _without_queues(work, speed, ways)
        return _bound({"mean_sojourn": mean})


def _without_queues(work: NDArray[np.float64], speed: float, ways: NDArray[np.float64]) -> float:
    """A request at least crosses the shortest way and is served by all servers at once."""
    return float((ways.min(axis=1) + work / speed).mean())


class HindsightOptimum(PlayingPolicy):
    """The largest accurate goodput of an episode, by an integer program.

    Each request is rejected or sent on arrival, so a server with one slot that serves first come, first served
    finishes its requests in the order of their arrivals: C_j >= C_i + s_j x_j for i before j. No batches, no loading.
    """

    name = "Hindsight optimum"
    kind = "bound"
    description = "the largest accurate goodput that a small episode allows, by an integer program"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Solve the episode."""
        assert isinstance(system, RequestSchedulingSystem)
        value = hindsight_value(system, system.episode(workload_seed, options))
        return _bound({"accurate_goodput": value})


def hindsight_value(system: RequestSchedulingSystem, episode: Episode) -> float:
    """Accuracy times weight of the best answers in time, as a share of the weight of all requests.

    Raises:
        SettingsError: for a system that the program does not describe, or if the solver fails.
    """
    if not describes(system):
        raise SettingsError("hindsight optimum: needs one slot a server, FCFS, batches of 1, no hold and all resident.")
    program = _Program.of(system, episode)
    solution = optimize.milp(
        -program.worth,
        constraints=optimize.LinearConstraint(program.matrix, -np.inf, program.upper),
        integrality=program.integral,
        bounds=optimize.Bounds(0.0, program.most),
        options={"mip_rel_gap": 1e-9},
    )
    if solution.x is None:
        raise SettingsError(f"hindsight optimum: the solver failed ({solution.message}); take a shorter episode.")
    return float(-solution.fun / system.streams["weight"][episode.stream].sum())


def describes(system: RequestSchedulingSystem) -> bool:
    """Whether the integer program describes the system."""
    params = system.params
    fits = system.fleet.rate[:, :, 0] > 0.0
    return bool(
        params.discipline.order == "fcfs"
        and params.discipline.max_batch == 1
        and params.hold is None
        and (system.fleet.slots == 1).all()
        and (system.fleet.resident[fits] == 1).all()
    )


class _Program:
    """Variables: x of each request and pair (server, model), then the completion C of each request and server."""

    def __init__(self, pairs: list[tuple[int, int, int]], requests: int, servers: int) -> None:
        self.pairs, self.requests, self.servers = pairs, requests, servers
        self.rows: list[dict[int, float]] = []
        self.bounds: list[float] = []
        self.worth = np.zeros(len(pairs) + requests * servers)
        self.most = np.full(len(self.worth), np.inf)
        self.most[: len(pairs)] = 1.0
        self.integral = (np.arange(len(self.worth)) < len(pairs)).astype(int)

    @classmethod
    def of(cls, system: RequestSchedulingSystem, episode: Episode) -> _Program:
        """Write the program of an episode; pairs that are late even on an idle server are left out."""
        fleet, streams = system.fleet, system.streams[episode.stream]
        servers, pairs = len(fleet.slots), []
        ready = episode.arrival_s[:, None] + 0.5 * fleet.rtt[streams["origin"]]
        ready = ready + fleet.byte[streams["origin"]] * streams["payload"][:, None]
        due = (episode.arrival_s + streams["deadline"])[:, None] - 0.5 * fleet.rtt[streams["origin"]]
        for j, stream in enumerate(streams):
            for s in range(servers):
                for m in fleet.variant[stream["task"]]:
                    if (
                        m >= 0
                        and fleet.rate[s, m, 0] > 0
                        and ready[j, s] + _seconds(system, episode, j, s, m) <= due[j, s]
                    ):
                        pairs.append((j, s, int(m)))
        program = cls(pairs, len(streams), servers)
        program._fill(system, episode, streams, ready, due)
        return program

    def _fill(
        self,
        system: RequestSchedulingSystem,
        episode: Episode,
        streams: NDArray[Any],
        ready: NDArray[np.float64],
        due: NDArray[np.float64],
    ) -> None:
        horizon = float(np.nanmax(np.where(np.isfinite(due), due, np.nan), initial=0.0)) + 1.0
        # Requests reach a server in the order of their ready times.
        for s in range(self.servers):
            order = np.argsort(ready[:, s], kind="stable")
            for place, j in enumerate(order):
                own = [(k, m) for k, (i, server, m) in enumerate(self.pairs) if i == j and server == s]
                end = self._end(int(j), s)
                work = {k: _seconds(system, episode, int(j), s, m) for k, m in own}
                if place:
                    self._add({self._end(int(order[place - 1]), s): 1.0, end: -1.0, **work}, 0.0)
                for k, m in own:
                    self.worth[k] = streams["weight"][j] * system.fleet.accuracy[m]
                    self._add({end: -1.0, k: ready[j, s] + work[k]}, 0.0)
                    if math.isfinite(due[j, s]):
                        self._add({end: 1.0, k: horizon - due[j, s]}, horizon)
        for j in range(self.requests):
            self._add({k: 1.0 for k, (i, _, _) in enumerate(self.pairs) if i == j}, 1.0)

    def _end(self, j: int, s: int) -> int:
        return len(self.pairs) + j * self.servers + s

    def _add(self, row: dict[int, float], bound: float) -> None:
        self.rows.append(row)
        self.bounds.append(bound)

    @property
    def matrix(self) -> Any:
        """The constraints' left sides."""
        matrix = sparse.lil_array((len(self.rows), len(self.worth)))
        for i, row in enumerate(self.rows):
            for column, value in row.items():
                matrix[i, column] = value
        return matrix.tocsr()

    @property
    def upper(self) -> NDArray[np.float64]:
        """Their bounds."""
        return np.array(self.bounds)


def _seconds(system: RequestSchedulingSystem, episode: Episode, j: int, s: int, m: int) -> float:
    return float(episode.size[j] / system.fleet.rate[s, m, 0])


def _bound(metrics: Mapping[str, float]) -> EpisodeResult:
    names = (metric.name for metric in RequestSchedulingSystem.metrics)
    return EpisodeResult(math.nan, {name: metrics.get(name, math.nan) for name in names})


def bounds(system: System) -> list[Policy]:
    """Pooled SRPT where nothing can be rejected: rejecting would make sojourn times as short as one likes."""
    assert isinstance(system, RequestSchedulingSystem)
    return [PooledSrpt()] if not system.params.reject else []


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name."""
    return [PooledSrpt(), HindsightOptimum()]
