"""List scheduling of a graph of tasks over unlike machines: HEFT.

Heterogeneous earliest finish time (Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002): tasks by falling upward rank, each
on the machine where it finishes first, in the earliest gap that holds it. Transfers on different links, and several on
one, do not slow each other down, as in the paper.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.calibration.zoo.graph import INPUT, ModelGraph
from edgegym.cards import DeviceCard
from edgegym.partition.costs import layer_times_s

Array = NDArray[np.float64]
Edges = Mapping[tuple[int, int], float]
"""Bytes by pair of tasks, the earlier first; tasks are in topological order."""


@dataclass(frozen=True)
class Schedule:
    """Where and when each task runs; arrays are (tasks,).

    Attributes:
        machine: index of the machine.
        start_s: seconds.
        finish_s: seconds.
    """

    machine: NDArray[np.intp]
    start_s: Array
    finish_s: Array

    @property
    def makespan_s(self) -> float:
        """When the last task finishes, seconds."""
        return float(self.finish_s.max())


def layer_tasks(
    graph: ModelGraph, cards: Sequence[DeviceCard], source: int = 0, input_bytes: float | None = None
) -> tuple[Array, dict[tuple[int, int], float]]:
    """Layers as tasks behind a first task, the input, which takes no time and lies on one machine.

    Args:
        graph: the network.
        cards: one a machine.
        source: machine that has the input.
        input_bytes: of a sample as it is sent; as the graph stores it by default.

    Returns:
        Times, (1 + layers, machines) seconds, and the edges, both as :func:`list_schedule` takes them.
    """
    times = np.array([layer_times_s(graph, card) for card in cards]).T
    pinned = np.where(np.arange(len(cards)) == source, 0.0, np.inf)
    sizes = [graph.input_bytes if input_bytes is None else input_bytes, *graph.column("output_bytes")]
    place = {INPUT: 0} | {layer.name: 1 + index for index, layer in enumerate(graph.layers)}
    edges = {
        (place[name], place[layer.name]): float(sizes[place[name]])
        for layer in graph.layers
        for name in layer.predecessors
    }
    return np.vstack([pinned, times]), edges


def upward_ranks(compute_s: Array, edges: Edges, rate_bps: Array, delay_s: Array) -> Array:
    """Longest way from the start of each task to the end of all, over mean times, (tasks,) seconds.

    Args:
        compute_s: (tasks, machines); infinite where a task cannot run.
        edges: bytes from task to task.
        rate_bps: (machines, machines) bit/s; the diagonal does not count.
        delay_s: (machines, machines) seconds; likewise.
    """
    ranks = np.mean(compute_s, axis=1, where=np.isfinite(compute_s))
    apart = ~np.eye(compute_s.shape[1], dtype=bool)
    several = bool(apart.any())
    mean_delay = float(delay_s[apart].mean()) if several else 0.0
    s_per_byte = float((8.0 / rate_bps[apart]).mean()) if several else 0.0
    longest = np.zeros(len(ranks))
    for (tail, head), sent in sorted(edges.items(), reverse=True, key=lambda item: item[0][0]):
        longest[tail] = max(longest[tail], mean_delay + s_per_byte * sent + ranks[head] + longest[head])
    return ranks + longest


def list_schedule(
    compute_s: ArrayLike, edges: Edges, rate_bps: ArrayLike, delay_s: ArrayLike | None = None
) -> Schedule:
    """Schedule tasks by HEFT.

    Args:
        compute_s: (tasks, machines) seconds; infinite where a task cannot run.
        edges: bytes from task to task.
        rate_bps: (machines, machines) bit/s between machines; the diagonal does not count.
        delay_s: (machines, machines) added to every transfer, seconds; 0 by default.
    """
    compute, rate = np.asarray(compute_s, np.float64), np.asarray(rate_bps, np.float64)
    tasks, machines = compute.shape
    delay = np.zeros_like(rate) if delay_s is None else np.asarray(delay_s, np.float64)
    inputs: list[list[tuple[int, float]]] = [[] for _ in range(tasks)]
    for (tail, head), sent in edges.items():
        inputs[head].append((tail, sent))
    machine, start, finish = np.zeros(tasks, np.intp), np.zeros(tasks), np.zeros(tasks)
    busy: list[list[tuple[float, float]]] = [[] for _ in range(machines)]
    # Tasks of equal rank keep their topological order.
    for task in np.argsort(-upward_ranks(compute, edges, rate, delay), kind="stable"):
        ready = np.zeros(machines)
        for tail, sent in inputs[task]:
            source = machine[tail]
            hop = delay[source] + 8.0 * sent / rate[source]
            hop[source] = 0.0
            ready = np.maximum(ready, finish[tail] + hop)
        starts = np.array([_earliest_gap(busy[m], ready[m], compute[task, m]) for m in range(machines)])
        chosen = int(np.argmin(starts + compute[task]))
        machine[task], start[task] = chosen, starts[chosen]
        finish[task] = starts[chosen] + compute[task, chosen]
        insort(busy[chosen], (start[task], finish[task]))
    return Schedule(machine, start, finish)


def _earliest_gap(busy: list[tuple[float, float]], ready: float, duration: float) -> float:
    """Earliest start, not before ``ready``, of a gap that holds the duration; ``busy`` is sorted."""
    start = ready
    for begins, ends in busy:
        if start + duration <= begins:
            break
        start = max(start, ends)
    return start
