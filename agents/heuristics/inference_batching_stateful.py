"""Heuristics for inference batching that remember: AIMD, planned batches with early drop, round robin."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.inference_batching_search import best_on_grid
from edgegym.decision.policy import EpisodeResult, PlayingPolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System
from edgegym.envs.inference_batching.system import InferenceBatchingSystem

BACK_OFF = 0.9
"""Clipper's multiplicative decrease."""
REPLAN = 32
"""Decisions between two plans of batches."""
CYCLES = np.linspace(0.02, 0.9, 45)
"""Duty cycles that a plan tries, as shares of the shortest SLO."""


class SteppingPolicy(PlayingPolicy):
    """A policy that steps through an episode with state of its own."""

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode."""
        assert isinstance(system, InferenceBatchingSystem)
        system.begin(0, workload_seed, options)
        self.start(system)
        decisions, active = Decisions.empty(system), np.zeros(system.rows, np.bool_)
        system.observe(decisions)
        active[0], total = True, 0.0
        while not decisions.done[0]:
            columns = Columns(
                decisions.candidates[0], decisions.context[0], system.candidate_features, system.context_features
            )
            action = self.choose(system, columns, decisions.mask[0] > 0)
            system.step(np.full(system.rows, action), active, decisions)
            total += float(decisions.reward[0])
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))

    @abstractmethod
    def start(self, system: InferenceBatchingSystem) -> None:
        """Forget the episode before."""

    @abstractmethod
    def choose(self, system: InferenceBatchingSystem, columns: Columns, mask: NDArray[np.bool_]) -> int:
        """Choose a candidate; columns are (candidates,), mask likewise."""


class RoundRobin(SteppingPolicy):
    """Serves the queues in turn, all that waits, by the most accurate variant."""

    name = "Round robin"
    description = "the queues in turn, all that waits, by the most accurate variant"

    def start(self, system: InferenceBatchingSystem) -> None:
        """Begin with the first queue."""
        tables = system.tables
        self._queue_of = tables.variants["queue"][tables.choices["variant"]]
        self._last, self._queues = len(tables.services) - 1, len(tables.services)

    def choose(self, system: InferenceBatchingSystem, columns: Columns, mask: NDArray[np.bool_]) -> int:
        """Choose the next queue in turn that waits."""
        turn = (self._queue_of - self._last - 1) % self._queues
        key = np.where(mask & (columns.wait == 0), -turn + columns.batch + 1e-3 * columns.accuracy, -np.inf)
        key[0] = -self._queues
        action = int(key.argmax())
        self._last = int(self._queue_of[action])
        return action


class Aimd(SteppingPolicy):
    """Clipper's batching (D. Crankshaw et al., NSDI 2017): a limit per variant, raised by steps, cut by 10 % on a miss.

    The queue with the earliest deadline is served.

    Args:
        step: by how much a batch that is full and in time raises the limit.
        fast: by the variant that is done first, not by the most accurate.
    """

    def __init__(self, step: float = 1.0, fast: bool = False) -> None:
        self.name, self.description = "AIMD", f"a batch limit per variant: +{step:g} in time, -10 % on a miss (Clipper)"
        self._step, self._fast = step, fast

    def start(self, system: InferenceBatchingSystem) -> None:
        """Begin with batches of one."""
        self._choices = system.tables.choices
        self._limit = np.ones(len(system.tables.variants))

    def choose(self, system: InferenceBatchingSystem, columns: Columns, mask: NDArray[np.bool_]) -> int:
        """Choose the largest batch within the limit, and move the limit by what will come of it."""
        size = np.rint(np.exp2(16.0 * columns.batch) - 1.0)
        limit = self._limit[self._choices["variant"]]
        usable = mask & (columns.wait == 0) & (columns.urgent > 0) & (size <= limit)
        if not usable.any():
            return 0
        preference = -columns.time if self._fast else columns.accuracy
        best = usable & (preference == preference[usable].max()) if not self._fast else usable
        action = int(np.where(best, size + (1e-3 * preference), -np.inf).argmax())
        v = int(self._choices["variant"][action])
        if columns.passed[action] > 0 or columns.met[action] < 1:
            self._limit[v] = max(1.0, BACK_OFF * self._limit[v])
        elif 2 * size[action] > self._limit[v]:
            self._limit[v] = min(self._limit[v] + self._step, self._choices["size"].max())
        return action


class EarlyDrop(SteppingPolicy):
    """Batches planned for the measured rates, requests dropped early (Nexus: H. Shen et al., SOSP 2019).

    Its squishy bin packing for one accelerator: in a duty cycle D every queue is served once with a batch of rate x D,
    which must fit into D, and D plus a batch into the SLO. Of the variants and cycles that do, it takes the most
    accurate (for many queues by coordinate ascent from the quickest variants); if none does, the quickest variants and
    the largest batches of which two fit into the SLO.
    """

    name = "Early drop"
    description = "batches planned for the measured rates, requests dropped early (Nexus)"

    def start(self, system: InferenceBatchingSystem) -> None:
        """Begin without a plan."""
        self._decisions = 0

    def choose(self, system: InferenceBatchingSystem, columns: Columns, mask: NDArray[np.bool_]) -> int:
        """Choose the planned batch of the queue with the earliest deadline."""
        if self._decisions % REPLAN == 0:
            self._planned = self._plan(system)
        self._decisions += 1
        usable = mask & self._planned & (columns.urgent > 0)
        return int(np.where(usable, columns.batch, -1.0).argmax()) if usable.any() else 0

    def _plan(self, system: InferenceBatchingSystem) -> NDArray[np.bool_]:
        """(candidates,) whether a candidate is of the planned variant and no larger than the planned batch."""
        tables, row = system.tables, system.state.rows[0]
        arrived = system.state.queues["tail"][0] - system.state.queues["begin"][0]
        rate = arrived / max(float(row["now"]), 1e-3)
        chosen, batch = _squishy(system, rate)
        variant, size = tables.choices["variant"], tables.choices["size"]
        planned = np.zeros(len(variant), np.bool_)
        for v, b in zip(chosen, batch, strict=True):
            smallest = size[1:][size[1:] >= b].min(initial=size.max())
            planned |= (variant == v) & (size <= smallest)
        planned[0] = False
        return planned


def _squishy(system: InferenceBatchingSystem, rate: NDArray[np.float64]) -> tuple[list[int], NDArray[np.int64]]:
    """Variant and batch of each queue for (queues,) requests per second."""
    tables, most = system.tables, system.params.batches[-1]
    slo = tables.services["slo"]
    of_queue = [np.flatnonzero(tables.variants["queue"] == q) for q in range(len(slo))]
    quickest_first = [mine[tables.latency[mine, most].argsort(kind="stable")].tolist() for mine in of_queue]

    def value(*chosen: int) -> float:
        mine = tables.variants[list(chosen)]
        fits = _planned_batches(system, rate, chosen) is not None
        return float((rate * mine["accuracy"] * tables.services["weight"]).sum()) if fits else -1.0

    best = best_on_grid(value, quickest_first)
    batch = _planned_batches(system, rate, best)
    if batch is not None:
        return list(best), np.maximum(batch, 1)
    quick = [mine[0] for mine in quickest_first]
    two_fit = [max(1, int((2.0 * tables.latency[v, 1:] <= slo[q]).sum())) for q, v in enumerate(quick)]
    return quick, np.array(two_fit)


def _planned_batches(
    system: InferenceBatchingSystem, rate: NDArray[np.float64], chosen: Sequence[int]
) -> NDArray[np.int64] | None:
    """(queues,) batches in the shortest duty cycle that one variant of each queue keeps; None if there is none."""
    tables, most, variants = system.tables, system.params.batches[-1], list(chosen)
    if tables.variants["bytes"][variants].sum() > tables.rules["memory"][0]:
        return None
    slo = tables.services["slo"]
    for cycle in CYCLES * min(slo.min(), 1.0):
        batch = np.ceil(rate * cycle).astype(np.int64)
        if batch.max() > most:
            return None
        seconds = tables.latency[variants, batch] * (batch > 0)
        if seconds.sum() <= cycle and np.all(cycle + seconds <= slo):
            return batch
    return None
