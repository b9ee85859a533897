"""Minimum cuts of a network that is no chain, after DADS (Hu et al., Dynamic Adaptive DNN Surgery, INFOCOM 2019).

Light load: the fastest plan for one sample is a minimum cut between device (source) and server (sink). Heavy load: the
slowest of device, link and server limits how many samples a second pass, so their maximum is minimised.

Two details make the cut equal the cost of a plan. A tensor that several layers read is sent once: it gets a node of its
own, with the one finite arc in front of it. Nothing returns from the server: every edge of the network has an infinite
arc backwards, without which a cut may run a layer on the device whose input is made on the server, for free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import networkx as nx
import numpy as np
from networkx.algorithms.flow import boykov_kolmogorov
from numpy.typing import NDArray
from scipy.optimize import linprog

from edgegym.calibration.zoo.graph import INPUT, ModelGraph
from edgegym.cards import DeviceCard
from edgegym.partition.costs import layer_times_s

Array = NDArray[np.float64]
Side = NDArray[np.bool_]

DEVICE, SERVER = "device", "server"
TICKS_PER_S = 10**15
"""Capacities are whole femtoseconds: flows of whole numbers are exact."""
EQUAL_WEIGHTS = (1.0, 1.0, 1.0)
TOLERANCE = 1e-9
MAX_CUTS = 100


@dataclass(frozen=True)
class SplitDag:
    """A network to be parted between a device and a server; node 0 is the input and stays on the device.

    Attributes:
        device_s: (nodes,) time of each node on the device, seconds.
        server_s: (nodes,) time of each node on the server, seconds.
        out_bytes: (nodes,) what each node puts out.
        edges: pairs of nodes, the earlier first; nodes are in topological order.
    """

    device_s: Array
    server_s: Array
    out_bytes: Array
    edges: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, graph: ModelGraph, device: DeviceCard, server: DeviceCard, input_bytes: float | None = None) -> Self:
        """A network with the times that device cards give its layers.

        Args:
            graph: the network.
            device: card of the device.
            server: card of the server.
            input_bytes: of a sample as it is sent; as the graph stores it by default.
        """
        place = {INPUT: 0} | {layer.name: 1 + index for index, layer in enumerate(graph.layers)}
        edges = tuple((place[name], place[layer.name]) for layer in graph.layers for name in layer.predecessors)
        first = graph.input_bytes if input_bytes is None else input_bytes
        return cls(
            np.concatenate([[0.0], layer_times_s(graph, device)]),
            np.concatenate([[0.0], layer_times_s(graph, server)]),
            np.concatenate([[first], graph.column("output_bytes")]),
            edges,
        )

    def times_s(self, on_server: Side, rate_bps: float) -> Array:
        """Time on the device, on the link and on the server under a plan, (3,) seconds.

        Args:
            on_server: (nodes,) where each node runs.
            rate_bps: uplink, bit/s.
        """
        sent = {tail for tail, head in self.edges if on_server[head] and not on_server[tail]}
        transfer = 8.0 * float(self.out_bytes[sorted(sent)].sum()) / rate_bps
        return np.array([self.device_s[~on_server].sum(), transfer, self.server_s[on_server].sum()])

    def is_valid(self, on_server: Side) -> bool:
        """Whether the input stays on the device and nothing returns from the server."""
        return not on_server[0] and not any(on_server[tail] and not on_server[head] for tail, head in self.edges)


@dataclass(frozen=True)
class DagPlan:
    """Where each node runs.

    Attributes:
        on_server: (nodes,) the input included.
        times_s: (3,) on the device, on the link, on the server, seconds.
        bound_s: no plan has a smaller objective (sum or maximum of the times), seconds.
    """

    on_server: Side
    times_s: Array
    bound_s: float

    @property
    def latency_s(self) -> float:
        """Time of one sample, seconds."""
        return float(self.times_s.sum())

    @property
    def interval_s(self) -> float:
        """Time between samples that the plan keeps up with, seconds."""
        return float(self.times_s.max())


def fastest_plan(dag: SplitDag, rate_bps: float) -> DagPlan:
    """The plan of least latency (light load), exact."""
    on_server = _minimum_cut(dag, rate_bps, EQUAL_WEIGHTS)
    times = dag.times_s(on_server, rate_bps)
    return DagPlan(on_server, times, float(times.sum()))


def balanced_plan(dag: SplitDag, rate_bps: float) -> DagPlan:
    """A plan with a small maximum of device, link and server time (heavy load).

    The problem is NP-hard. Cuts of weighted times bound the maximum from below, at the weights that Kelley's cutting
    planes find; the best plan among these cuts and the prefixes of the order is improved by moving single layers.
    """
    plans = list(_prefixes(dag))
    seen = [dag.times_s(plan, rate_bps) for plan in plans]
    bound = 0.0
    for _ in range(MAX_CUTS):
        weights, above = _dual_weights(np.array(seen))
        plan = _minimum_cut(dag, rate_bps, weights)
        plans.append(plan)
        seen.append(dag.times_s(plan, rate_bps))
        bound = max(bound, float(weights @ seen[-1]))
        if bound >= above * (1.0 - TOLERANCE):
            break
    best = plans[int(np.argmin([times.max() for times in seen]))]
    best = _moved_while_better(dag, best, rate_bps)
    return DagPlan(best, dag.times_s(best, rate_bps), bound)


def dads(dag: SplitDag, rate_bps: float, interval_s: float) -> DagPlan:
    """The fastest plan if it keeps up with samples every ``interval_s`` seconds, else the balanced one."""
    fastest = fastest_plan(dag, rate_bps)
    return fastest if fastest.interval_s < interval_s else balanced_plan(dag, rate_bps)


def _minimum_cut(dag: SplitDag, rate_bps: float, weights: Array | tuple[float, ...]) -> Side:
    """The valid plan with the least weighted sum of device, link and server time."""
    network = nx.DiGraph()
    device_weight, link_weight, server_weight = weights
    network.add_edge(DEVICE, 0)
    for node in range(len(dag.device_s)):
        network.add_edge(node, SERVER, capacity=_ticks(device_weight * dag.device_s[node]))
        if node:
            network.add_edge(DEVICE, node, capacity=_ticks(server_weight * dag.server_s[node]))
    readers: dict[int, list[int]] = {}
    for tail, head in dag.edges:
        readers.setdefault(tail, []).append(head)
        network.add_edge(head, tail)
    for tail, heads in readers.items():
        sending = _ticks(link_weight * 8.0 * dag.out_bytes[tail] / rate_bps)
        if len(heads) == 1:
            network.add_edge(tail, heads[0], capacity=sending)
            continue
        tensor = ("tensor", tail)
        network.add_edge(tail, tensor, capacity=sending)
        network.add_edges_from((tensor, head) for head in heads)
    _, (_, server_side) = nx.minimum_cut(network, DEVICE, SERVER, flow_func=boykov_kolmogorov)
    return np.array([node in server_side for node in range(len(dag.device_s))])


def _ticks(seconds: float) -> int:
    return round(seconds * TICKS_PER_S)


def _prefixes(dag: SplitDag) -> Iterator[Side]:
    nodes = np.arange(len(dag.device_s))
    for first in range(1, len(nodes) + 1):
        yield nodes >= first


def _dual_weights(seen: Array) -> tuple[Array, float]:
    """Weights, summing to 1, under which the least weighted sum of the plans seen is largest, and that sum."""
    scale = seen.max()
    rows = np.column_stack([-seen / scale, np.ones(len(seen))])
    found = linprog([0, 0, 0, -1], rows, np.zeros(len(seen)), [[1, 1, 1, 0]], [1], [(0, 1)] * 3 + [(None, None)])
    solution = np.asarray(found.x)
    return np.clip(solution[:3], 0.0, 1.0), scale * float(solution[3])


def _moved_while_better(dag: SplitDag, on_server: Side, rate_bps: float) -> Side:
    """Move the single layer that lowers the maximum most, until none does."""
    best, best_s = on_server, dag.times_s(on_server, rate_bps).max()
    while True:
        moved = [best ^ (np.arange(len(best)) == node) for node in range(1, len(best))]
        valid = [plan for plan in moved if dag.is_valid(plan)]
        times = [dag.times_s(plan, rate_bps).max() for plan in valid]
        if not valid or min(times) >= best_s:
            return best
        best, best_s = valid[int(np.argmin(times))], min(times)
