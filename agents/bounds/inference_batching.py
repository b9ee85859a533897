"""Bounds for inference batching: the exact hindsight optimum of short episodes, and a fluid bound for any length."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.inference_batching.system import InferenceBatchingSystem

SLOTS_PER_SLO = 16
"""Time slots of the fluid bound in the shortest SLO; more are tighter and slower."""
MOST_REQUESTS = 48
"""Longest episode whose hindsight optimum is computed."""


class GoodputBound(PlayingPolicy):
    """A bound on ``goodput_accuracy`` of an episode whose arrivals are known; it says nothing about other metrics."""

    kind = "bound"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Bound the episode."""
        assert isinstance(system, InferenceBatchingSystem)
        services = system.tables.services
        arrival_s, begins = system.episode(workload_seed, options).by_queue(len(services))
        possible = float((services["weight"] * np.diff(begins)).sum())
        metrics = {metric.name: float("nan") for metric in system.metrics}
        metrics["goodput_accuracy"] = self.worth(system, arrival_s, begins) / possible
        return EpisodeResult(float("nan"), metrics)

    def worth(
        self, system: InferenceBatchingSystem, arrival_s: NDArray[np.float64], begins: NDArray[np.int64]
    ) -> float:
        """Most weighted accuracy that answers in time can have.

        Args:
            system: queues and variants.
            arrival_s: (requests,) sorted by queue and time.
            begins: (queues + 1,) where each queue's begin.
        """
        raise NotImplementedError


class Fluid(GoodputBound):
    """What an accelerator could answer that may be shared and interrupted at will, loads nothing, and knows the future.

    A batch of b by variant v takes at least b times the least time per request of v, and lies between the arrival and
    the deadline of whomever it answers in time. A linear program shares out time slots accordingly; requests that
    arrive in the same slot are pooled, from the slot's start to its end's deadline, which can only help them.
    """

    name = "Fluid"
    description = "Most goodput if the accelerator could be shared and interrupted at will (linear program)."

    def worth(
        self, system: InferenceBatchingSystem, arrival_s: NDArray[np.float64], begins: NDArray[np.int64]
    ) -> float:
        """Solve the linear program; the dual bound is what counts, and HiGHS closes the gap."""
        tables = system.tables
        slo = tables.services["slo"]
        if not np.isfinite(slo).any():
            return float((tables.services["weight"] * tables.services["best_accuracy"] * np.diff(begins)).sum())
        slot_s = float(slo.min()) / SLOTS_PER_SLO
        per_item = (tables.latency[:, 1:] / np.arange(1, tables.latency.shape[1])).min(axis=1)
        program = _Program(slot_s)
        free = 0.0
        for q, service in enumerate(tables.services):
            mine = np.flatnonzero(tables.variants["queue"] == q)
            worth = service["weight"] * tables.variants["accuracy"][mine]
            slots, counts = np.unique((arrival_s[begins[q] : begins[q + 1]] // slot_s).astype(int), return_counts=True)
            if not np.isfinite(service["slo"]):
                free += float(worth.max() * counts.sum())
                continue
            length = int(np.ceil(service["slo"] / slot_s)) + 1
            for slot, count in zip(slots, counts, strict=True):
                program.add(int(slot), int(count), length, worth, per_item[mine])
        return free + program.solve()


class _Program:
    """The linear program of :class:`Fluid`, pool by pool of requests that arrive in one slot."""

    def __init__(self, slot_s: float) -> None:
        self.slot_s = slot_s
        self.objective: list[float] = []
        self.limits: list[float] = []
        self.entries: list[tuple[int, int, float]] = []
        self.row_of_slot: dict[int, int] = {}

    def add(
        self, slot: int, count: int, length: int, worth: NDArray[np.float64], per_item: NDArray[np.float64]
    ) -> None:
        """Add ``count`` requests that may use ``length`` slots from ``slot`` on, each by any variant."""
        answered, taken = self._row(float(count)), self._row(0.0)
        for value, seconds in zip(worth, per_item, strict=True):
            column = self._column(-float(value))
            self.entries += [(answered, column, 1.0), (taken, column, float(seconds))]
        for each in range(slot, slot + length):
            if each not in self.row_of_slot:
                self.row_of_slot[each] = self._row(self.slot_s)
            column = self._column(0.0)
            self.entries += [(taken, column, -1.0), (self.row_of_slot[each], column, 1.0)]

    def solve(self) -> float:
        """The greatest worth."""
        if not self.objective:
            return 0.0
        rows, columns, values = zip(*self.entries, strict=True)
        shape = (len(self.limits), len(self.objective))
        matrix = coo_array((values, (rows, columns)), shape=shape).tocsr()
        found = linprog(self.objective, A_ub=matrix, b_ub=self.limits, method="highs")  # type: ignore[call-overload]
        return -float(found.fun)

    def _row(self, limit: float) -> int:
        self.limits.append(limit)
        return len(self.limits) - 1

    def _column(self, cost: float) -> int:
        self.objective.append(cost)
        return len(self.objective) - 1


class Hindsight(GoodputBound):
    """The best schedule of a short episode for whoever knows all arrivals, by dynamic programming.

    Within a queue deadlines follow arrivals, so some best schedule serves runs of consecutive requests in order and
    drops the others. A label is a free time and a worth, kept for each tuple of queue heads unless another is as early
    and worth as much. Batches may have any size up to the largest, may start at any time, and loading is free: exact
    where memory holds all variants and every size is offered, a bound otherwise.
    """

    name = "Hindsight"
    description = "The best schedule for whoever knows all arrivals (dynamic programming)."

    def worth(
        self, system: InferenceBatchingSystem, arrival_s: NDArray[np.float64], begins: NDArray[np.int64]
    ) -> float:
        """Search all schedules, dominated ones excepted."""
        labels: dict[tuple[int, ...], list[Label]] = {tuple(map(int, begins[:-1])): [(0.0, 0.0)]}
        best = 0.0
        # Every move raises one head, so that this order meets a tuple after all that lead to it.
        for heads in itertools.product(
            *(range(first, last + 1) for first, last in itertools.pairwise(map(int, begins)))
        ):
            for label in _undominated(labels.pop(heads, [])):
                best = max(best, label[1])
                for moved, reached in _moves(system, arrival_s, begins, heads, label):
                    labels.setdefault(moved, []).append(reached)
        return best


Label = tuple[float, float]
"""When the accelerator is free, and the worth of the answers until then."""


def _undominated(labels: list[Label]) -> list[Label]:
    """Those that no other one equals or beats in both time and worth."""
    kept: list[Label] = []
    for label in sorted(labels, key=lambda each: (each[0], -each[1])):
        if not kept or label[1] > kept[-1][1]:
            kept.append(label)
    return kept


def _moves(
    system: InferenceBatchingSystem,
    arrival_s: NDArray[np.float64],
    begins: NDArray[np.int64],
    heads: tuple[int, ...],
    label: Label,
) -> Iterator[tuple[tuple[int, ...], Label]]:
    """Drop a queue's oldest request, or answer a batch that is in time for it."""
    tables, (free_s, worth) = system.tables, label
    for q, head in enumerate(heads):
        if head < begins[q + 1]:
            yield _moved(heads, q, head + 1), label
    for v, variant in enumerate(tables.variants):
        q = int(variant["queue"])
        head, service = heads[q], tables.services[q]
        for size in range(1, min(int(begins[q + 1]) - head, system.params.batches[-1]) + 1):
            finish_s = max(free_s, arrival_s[head + size - 1]) + tables.latency[v, size]
            # As the kernel compares, so that no policy is in time by rounding where the bound is not.
            if arrival_s[head] < finish_s - service["slo"]:
                break
            gain = size * service["weight"] * variant["accuracy"]
            yield _moved(heads, q, head + size), (float(finish_s), worth + float(gain))


def _moved(heads: tuple[int, ...], q: int, head: int) -> tuple[int, ...]:
    return (*heads[:q], head, *heads[q + 1 :])


def bounds(system: System) -> list[Policy]:
    """The fluid bound, and the hindsight optimum for short episodes."""
    assert isinstance(system, InferenceBatchingSystem)
    short = system.params.workload.requests <= MOST_REQUESTS and len(system.params.queues) <= 2
    return [Fluid(), *([Hindsight()] if short else [])]


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name, bound or not in the system at hand."""
    return [Fluid(), Hindsight()]
