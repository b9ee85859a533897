"""The arrays of the network functions system: what a row remembers, and the networks that all rows share.

Capacities and demands are whole micro-units, so that what is taken and given back leaves exactly what was there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

UNIT = 1e6
"""Micro-units in a unit."""
WAITING, ACTIVE, REJECTED, DONE, FAILED = 0, 1, 2, 3, 4
"""What has become of a request."""
PLACE, REROUTE, RELIEVE = 0, 1, 2
"""Kinds of decisions: a node for a function, a path for a segment that lost its own, one around congestion."""

Record = Any
"""An element of a structured array, for annotations."""

RULES = np.dtype(
    [
        ("distinct", np.bool_),
        ("breaks", np.bool_),  # overload is taken and breaks delays
        ("reroute", np.bool_),
        ("relieves", np.bool_),  # flows are asked to leave congested links
        ("update_s", np.float64),
        ("idle_s", np.float64),
        ("startup_budget_s", np.float64),  # inf without
        ("mean_life_s", np.float64),
        ("mean_gap_s", np.float64),  # between arrivals
        ("mean_revenue", np.float64),  # of a request
        ("completes", np.bool_),  # choices know their cheapest completion
        ("regrets", np.bool_),  # rewards are regrets of placements, not terms
        ("accepted_reward", np.float64),
        ("rejected_reward", np.float64),
        ("placed_reward", np.float64),
        ("revenue_reward", np.float64),
        ("failed_reward", np.float64),
        ("rerouted_reward", np.float64),
        ("link_price", np.float64),
        ("node_price", np.float64),
    ]
)

NETWORK = np.dtype(
    [
        ("nodes", np.int64),
        ("links", np.int64),
        ("cpu", np.float64),  # of all nodes
        ("bandwidth", np.float64),  # of all links
        ("most_cpu", np.float64),  # largest of a node
        ("most_around", np.float64),  # largest bandwidth of a node's links
        ("most_near", np.float64),  # largest number of neighbours
    ]
)

NODE = np.dtype(
    [
        ("cpu", np.int64),  # free
        ("memory", np.int64),  # free
        ("around", np.int64),  # free on the node's links
        ("flows", np.int64),  # functions of flows that it serves
        ("moment", np.float64),  # calls per second times squared seconds of a call, summed over these
        ("late_s", np.float64),  # queueing delay, integrated over time
        ("since_s", np.float64),  # up to when
        ("up", np.bool_),
    ]
)

LINK = np.dtype(
    [
        ("free", np.int64),
        ("faults", np.int64),  # how many of the link and the nodes at its ends do not work; it carries only with 0
        ("up", np.bool_),  # the link itself
        ("congested", np.bool_),
        ("asking", np.bool_),  # its flows are being asked to leave
    ]
)

INSTANCE = np.dtype(
    [
        ("flows", np.int64),
        ("cpu", np.int64),  # taken by them
        ("ready_s", np.float64),  # serves from then on
        ("idle_s", np.float64),  # without flows since then
        ("running", np.bool_),
    ]
)

REQUEST = np.dtype(
    [
        ("time_s", np.float64),
        ("life_s", np.float64),
        ("end_s", np.float64),  # departure, or when a failure ended it
        ("budget_s", np.float64),
        ("revenue", np.float64),  # demands and bandwidths
        ("source", np.int64),
        ("destination", np.int64),
        ("length", np.int64),
        ("status", np.int64),
        ("placed", np.int64),  # functions that hold resources
        ("routed", np.int64),  # segments that hold resources
        ("cost", np.float64),  # demands, and bandwidths times hops, in units
        ("path_s", np.float64),  # delay of its paths
        ("path_shift", np.float64),  # squared seconds: changes of that times the age at which they came
        ("processing_s", np.float64),  # of its functions, queueing apart
        ("startup_s", np.float64),  # until all its instances were ready
        ("delay_s", np.float64),  # end to end, mean over its life, once it is over
    ]
)

FUNCTION = np.dtype(
    [
        ("kind", np.int64),
        ("node", np.int64),
        ("demand", np.float64),
        ("late_s", np.float64),  # the node's integral when the function was placed
    ]
)

SEGMENT = np.dtype([("bandwidth", np.int64), ("path", np.int64)])

CHOICE = np.dtype(
    [
        ("node", np.int64),
        ("path", np.int64),
        ("last_path", np.int64),  # from the last function to the destination
        ("key", np.float64),  # rank among the feasible nodes: lowest first
        ("way", np.float64),  # cheapest bandwidth times hops by way of it to the destination; inf without a way on
        ("bottleneck", np.float64),  # least share of a link's bandwidth that is free after, along the path
        ("congestion", np.float64),  # taken over free bandwidth, summed along the path
    ]
)

KIND = np.dtype(
    [
        ("calls", np.float64),  # per second and unit of demand
        ("fill_s", np.float64),  # seconds times demand that an item waits for its batch
        ("memory", np.int64),  # of an instance, micro-units
        ("startup_s", np.float64),
    ]
)
"""Function of a kind, whatever the device."""

NEAR = np.dtype([("node", np.int32), ("link", np.int32)])
"""A neighbour, and the link to it."""

PATH = np.dtype([("delay_s", np.float64), ("leaf", np.int32)])
"""A path: where it ends in the tree of its first node."""

TREE = np.dtype([("parent", np.int32), ("over", np.int32)])
"""Vertex of a tree of paths: its parent, and the link to it."""

LIMIT = np.dtype([("brim", np.int64), ("calm", np.int64)])
"""Of a link, micro-units: congested with less than ``brim`` free, no longer so with ``calm`` free."""

REACH = np.dtype(
    [
        ("tick", np.int64),  # decision that this was looked up for; that of the first root is the one at hand
        ("way", np.int64),  # not of this vertex: the vertices that are to be looked up, one behind the other
        ("free", np.int64),  # least bandwidth on the links from the root; -1 where it is less than needed
        ("bottleneck", np.float64),
        ("congestion", np.float64),
    ]
)

ROW = np.dtype(
    [
        ("network", np.int64),
        ("requests", np.int64),
        ("request", np.int64),  # the one that is being placed
        ("position", np.int64),  # the function of it that is asked for, or the segment to be routed anew
        ("here", np.int64),  # node that its traffic has reached
        ("spent_s", np.float64),  # delay that it has met so far, queueing as it is now included
        ("clock_s", np.float64),
        ("decision", np.int64),  # PLACE, REROUTE or RELIEVE
        ("flow", np.int64),  # request that it is about
        ("present", np.int64),  # path that a segment keeps if it does not leave it
        ("broken", np.int64),  # next flow that may cross what failed; requests where none does
        ("asked", np.int64),  # next flow that may cross a link that became congested; likewise
        ("asked_segment", np.int64),  # and its segment
        ("congested", np.int64),  # links
        ("congested_time", np.float64),
        ("choices", np.int64),  # feasible candidates that are offered
        ("feasible", np.int64),  # all of them
        ("least_way", np.float64),  # of them
        ("departed", np.int64),  # place in the order of departures
        ("failure", np.int64),  # next failure
        ("failures", np.int64),
        ("pending", np.bool_),
        ("invalid", np.int64),
        ("reward", np.float64),
        ("paid", np.float64),  # to the request that is being placed
        ("cpu_used", np.float64),
        ("bandwidth_used", np.float64),
        ("cpu_time", np.float64),  # integrals over time of what is used
        ("bandwidth_time", np.float64),
        ("running", np.int64),  # instances
        ("running_time", np.float64),
        ("power", np.float64),  # watts above idle
        ("energy_j", np.float64),
        ("started", np.int64),  # instances, over the episode
        ("rerouted", np.int64),  # segments led over another path
        ("relieved", np.int64),  # those of them around congestion
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes. T networks of at most N nodes and M links, F functions, D devices.

    Attributes:
        rules: (1,) RULES.
        busy: (F, D) micro-units of computing capacity per unit of demand.
        call_s: (F, D) seconds of a call.
        kinds: (F,) KIND.
        watts: (D,) above idle.
        network: (T,) NETWORK.
        cpu: (T, N) capacity, micro-units.
        node_memory: (T, N) likewise.
        device: (T, N) kind of device.
        bandwidth: (T, M) capacity, micro-units.
        around: (T, N) capacity of the node's links, likewise.
        limits: (T, M) LIMIT.
        ends: (T, M, 2) nodes that a link joins.
        near_start: (T, N + 1) neighbours, see :class:`~edgegym.network.substrates.paths.Adjacency`.
        near: (T, 2 M) NEAR.
        hops: (T, N, N, k) paths, see :class:`~edgegym.network.substrates.paths.PathTable`.
        paths: (T, N, N, k) PATH.
        quickest_s: (T, N, N) least delay of the k paths.
        trees: (T, N, W) TREE.
        rows: (rows,) ROW.
        nodes: (rows, N) NODE.
        links: (rows, M) LINK.
        instances: (rows, N, F) INSTANCE.
        requests: (rows, R) REQUEST.
        functions: (rows, R, L) FUNCTION.
        segments: (rows, R, L + 1) SEGMENT.
        departures: (rows, R) requests by departure.
        failure_s: (rows, E).
        element: (rows, E).
        choices: (rows, K + 1) CHOICE, the feasible candidates. Candidate 0 is not among them; in congestion the path
            that it stays on stands behind them.
        slot: (rows, K) place in ``choices`` of each candidate but the first; -1 where it is forbidden.
        score: (rows, N) ranks of nodes, for heuristics.
        scratch: (rows, at least N and the longest chain) likewise; the node planned for each function.
        layers: (2, N) ways on from each node, while the decision at hand, of whatever row, is completed.
        reach: (2, W) REACH, what the decision at hand, of whatever row, has looked up in two trees of paths.
    """

    rules: NDArray[Any]
    busy: NDArray[np.float64]
    call_s: NDArray[np.float64]
    kinds: NDArray[Any]
    watts: NDArray[np.float64]
    network: NDArray[Any]
    cpu: NDArray[np.int64]
    node_memory: NDArray[np.int64]
    device: NDArray[np.int64]
    bandwidth: NDArray[np.int64]
    around: NDArray[np.int64]
    limits: NDArray[Any]
    ends: NDArray[np.int32]
    near_start: NDArray[np.int32]
    near: NDArray[Any]
    hops: NDArray[np.int16]
    paths: NDArray[Any]
    quickest_s: NDArray[np.float64]
    trees: NDArray[Any]
    rows: NDArray[Any]
    nodes: NDArray[Any]
    links: NDArray[Any]
    instances: NDArray[Any]
    requests: NDArray[Any]
    functions: NDArray[Any]
    segments: NDArray[Any]
    departures: NDArray[np.int64]
    failure_s: NDArray[np.float64]
    element: NDArray[np.int64]
    choices: NDArray[Any]
    slot: NDArray[np.int64]
    score: NDArray[np.float64]
    scratch: NDArray[np.float64]
    layers: NDArray[np.float64]
    reach: NDArray[Any]


EPISODE_ARRAYS = ("requests", "functions", "segments", "departures", "failure_s", "element", "scratch")
"""Arrays that grow with an episode."""
