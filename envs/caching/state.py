"""The arrays of the caching system: what a row remembers, and how much memory that takes.

A row is one episode: a request trace and the caches of its edge nodes. All arrays have the row as leading axis.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.forecast_network import NETWORK

NEVER = 2**31 - 1
"""``next_use`` of a content that is not requested again, ``gap`` of one that was requested once."""

ORIGIN, HIT, NEIGHBOUR, REFUSED = 0, 1, 2, 4
"""Outcome bits of a request: from the origin, from the own cache, from a neighbour; and not admitted."""

LRU, FIFO, LFU, GDSF = 0, 1, 2, 3
"""The four orders whose victims are nominated."""
ORDERS = 4

# Columns of a slot (32 bytes): the content in it, the decision that nominated it last, the links of the two lists
# (previous, next), and its places in the two heaps.
CONTENT, MARKED, LRU_LIST, FIFO_LIST, PLACE, SLOT_COLUMNS = 0, 1, 2, 4, 6, 8
LFU_HEAP, GDSF_HEAP, HEAPS = 0, 1, 2

# What one node knows of one content: exactly one cache line. It survives eviction.
RECORD = np.dtype(
    [
        ("last_use", np.int32),  # node clock (requests that reached the node) at the latest request
        ("first_use", np.int32),  # node clock at the first request; -1 before it
        ("inserted", np.int32),  # node clock at insertion
        ("next_use", np.int32),  # node clock of the next request (clairvoyant signal only)
        ("count", np.int32),  # requests so far
        ("frequency", np.int32),  # requests while cached
        ("slot", np.int32),  # place among the residents, 1 ..; 0 when not cached
        ("gap", np.int32),  # clock ticks between the latest two requests
        ("rate_short", np.float32),  # log2 of the decayed request count, fast half-life
        ("rate_long", np.float32),  # the same with the slow half-life
        ("bytes", np.int64),  # size
        ("priority", np.float64),  # GDSF priority
        ("rate", np.float32),  # the same with the half-life of the forecaster, if there is one
        ("padding", np.int32),
    ]
)
assert RECORD.itemsize == 64

# An entry of a heap; smallest (key, tie) first.
ENTRY = np.dtype([("key", np.int64), ("tie", np.int32), ("slot", np.int32)])

NODE = np.dtype(
    [
        ("clock", np.int64),  # requests that reached the node
        ("used", np.int64),  # occupied capacity
        ("residents", np.int64),  # cached contents
        ("inflation", np.float64),  # GDSF's L
        ("seen", np.int64),  # distinct contents requested here
        ("seen_occupancy", np.int64),  # sum of their occupancies
        ("recent_hits", np.float64),  # moving average of hits
        ("recent_new", np.float64),  # moving average of first requests
    ]
)

ROW = np.dtype(
    [
        ("capacity", np.int64),  # of each node's cache, in contents or bytes
        ("position", np.int64),  # next request to serve
        ("requests", np.int64),  # length of the episode
        ("decide_from", np.int64),  # first request whose eviction is a decision (LRU decides before it)
        ("count_from", np.int64),  # first request that the metrics count
        ("seed", np.int64),
        ("pending", np.int32),  # content that waits for room; -1 when none does
        ("node", np.int32),  # where it waits
        ("decisions", np.int64),
        ("evictions", np.int64),
        ("invalid", np.int64),
        ("reward", np.float64),  # earned since the last action
    ]
)

RULES = np.dtype(
    [
        ("count_objects", np.bool_),  # capacity counts contents, not bytes
        ("access_s", np.float64),  # latency from the user to the edge node
        ("hit", np.float64),
        ("byte_hit", np.float64),
        ("latency_saved", np.float64),
        ("backhaul_saved", np.float64),
        ("clairvoyant", np.bool_),  # pay the clairvoyant regret instead of the terms
        ("horizon", np.float64),  # of the clairvoyant signal, in cache capacities
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes.

    Attributes:
        rules: (1,) RULES.
        rows: (rows,) ROW.
        nodes: (rows, nodes) NODE.
        records: (rows, nodes, contents) RECORD.
        slots: (rows, nodes, slots + 1, SLOT_COLUMNS) int32, cached contents and their lists; slot 0 is the sentinel.
        heaps: (rows, nodes, HEAPS, slots) ENTRY.
        holders: (rows, contents) int64, bit n is set while node n caches the content.
        content, node: (rows, requests) the episode's trace.
        next_use: (rows, requests) int32 node clock of the next request for the same content, or (rows, 0).
        outcome, latency_s: (rows, requests) uint8 and float32, the log that metrics are computed from.
        choice: (rows, candidates) int32, the nominated contents, the incoming one first; -1 = masked.
        victims: (rows, ORDERS) int32, the contents that LRU, FIFO, LFU and GDSF would evict.
        fetch_s: (nodes, nodes + 1) float64, round trip to every other node; the last column is the origin.
        byte_s: (nodes, nodes + 1) float64, seconds per byte on that path.
        near: (nodes, nodes - 1) int32, the other nodes, nearest first.
        forecaster: (1,) NETWORK, or (0,) without a forecaster.
    """

    rules: NDArray[Any]
    rows: NDArray[Any]
    nodes: NDArray[Any]
    records: NDArray[Any]
    slots: NDArray[np.int32]
    heaps: NDArray[Any]
    holders: NDArray[np.int64]
    content: NDArray[np.int32]
    node: NDArray[np.int16]
    next_use: NDArray[np.int32]
    outcome: NDArray[np.uint8]
    latency_s: NDArray[np.float32]
    choice: NDArray[np.int32]
    victims: NDArray[np.int32]
    fetch_s: NDArray[np.float64]
    byte_s: NDArray[np.float64]
    near: NDArray[np.int32]
    forecaster: NDArray[Any]

    def bytes_per_row(self) -> int:
        """Memory of one row: 64 bytes a content and node, 8 a content, 64 a resident, 11 a request (15 clairvoyant)."""
        return sum(array.nbytes // len(array) for array in self[1:ROW_ARRAYS])


ROW_ARRAYS = State._fields.index("fetch_s")
"""Arrays 1 to this one (exclusive) have the row as leading axis."""


def allocate(
    rows: int, nodes: int, candidates: int, requests: int, contents: int, slots: int, clairvoyant: bool
) -> State:
    """Allocate the arrays of ``rows`` rows; network, rules and forecaster are left for the caller to fill.

    Args:
        rows: number of rows.
        nodes: edge nodes with a cache.
        candidates: length of a candidate list.
        requests: longest episode.
        contents: most distinct contents in an episode.
        slots: most residents of a cache.
        clairvoyant: whether next uses are needed.
    """
    return State(
        rules=np.zeros(1, RULES),
        rows=np.zeros(rows, ROW),
        nodes=np.zeros((rows, nodes), NODE),
        records=np.zeros((rows, nodes, contents), RECORD),
        slots=np.zeros((rows, nodes, slots + 1, SLOT_COLUMNS), np.int32),
        heaps=np.zeros((rows, nodes, HEAPS, slots), ENTRY),
        holders=np.zeros((rows, contents), np.int64),
        content=np.zeros((rows, requests), np.int32),
        node=np.zeros((rows, requests), np.int16),
        next_use=np.zeros((rows, requests if clairvoyant else 0), np.int32),
        outcome=np.zeros((rows, requests), np.uint8),
        latency_s=np.zeros((rows, requests), np.float32),
        choice=np.full((rows, candidates), -1, np.int32),
        victims=np.full((rows, ORDERS), -1, np.int32),
        fetch_s=np.zeros((nodes, nodes + 1)),
        byte_s=np.zeros((nodes, nodes + 1)),
        near=np.zeros((nodes, nodes - 1), np.int32),
        forecaster=np.zeros(0, NETWORK),
    )
