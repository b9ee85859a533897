"""Edge nodes that know what the others hold: LRU caches under a rule of cooperation, for the caching environment.

The nodes, their network and the accounting are those of :class:`~edgegym.envs.caching.env.ContentCachingEnv`. What the
kernels of :mod:`~edgegym.envs.caching.replay` cannot do, because each of them sees one node, is here: a request that
uses another node's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.draws import below
from edgegym.envs.caching.cooperation.stores import Stores, admit, empty_stores, holds, refresh
from edgegym.envs.caching.kernel import retrieval_s
from edgegym.envs.caching.state import HIT, NEIGHBOUR, ORIGIN, REFUSED
from edgegym.workload.trace import RequestTrace

NO_COPY, PARTITION = 0, 1

CLUSTER_RULES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "LRU look-up, no copy": (
            NO_COPY,
            "LRU; what a neighbour serves is not copied but becomes the neighbour's most recently used content",
        ),
        "Hash partition": (
            PARTITION,
            "LRU; each content is cached only at its home node, and every request goes there first",
        ),
    }
)
"""Name of each rule to its number for the kernel and what it does."""


@dataclass(frozen=True, eq=False)
class ClusterReplay:
    """What the nodes did over a trace.

    Attributes:
        outcome: (requests,) uint8, HIT, NEIGHBOUR or ORIGIN, and REFUSED where the own node had not the content and no
            cache admitted it.
        retrieval_s: (requests,) float64, seconds from the request at the node to the content's last byte there.
        evictions: (requests,) int32, contents that the request's admission evicted.
    """

    outcome: NDArray[np.uint8]
    retrieval_s: NDArray[np.float64]
    evictions: NDArray[np.int32]


def replay_cluster(
    trace: RequestTrace,
    room: NDArray[np.int64],
    capacity: int,
    rule: str,
    near: NDArray[np.int32],
    fetch_s: NDArray[np.float64],
    byte_s: NDArray[np.float64],
    seed: int,
) -> ClusterReplay:
    """Replay the nodes, all caches empty at the start, over a whole trace.

    Args:
        trace: the requests.
        room: (contents,) what each content occupies: its bytes, or 1.
        capacity: of each node's cache, in the unit of ``room``.
        rule: a name of :data:`CLUSTER_RULES`.
        near: (nodes, nodes - 1), the network, as in :class:`~edgegym.envs.caching.state.State`.
        fetch_s: (nodes, nodes + 1), the same.
        byte_s: (nodes, nodes + 1), the same.
        seed: of the hash that gives each content its home.
    """
    requests = len(trace)
    result = ClusterReplay(np.empty(requests, np.uint8), np.empty(requests), np.zeros(requests, np.int32))
    stores = empty_stores(np.full(len(near), capacity, np.int64), room)
    number, _ = CLUSTER_RULES[rule]
    kernel = _partition if number == PARTITION else _look_up
    kernel(
        stores,
        trace.content,
        trace.node,
        trace.size,
        near,
        fetch_s,
        byte_s,
        seed,
        result.outcome,
        result.retrieval_s,
        result.evictions,
    )
    return result


@njit(cache=True, _nrt=False)
def _look_up(
    stores: Stores,
    content: NDArray[np.int32],
    node: NDArray[np.int32],
    size: NDArray[np.int64],
    near: NDArray[np.int32],
    fetch_s: NDArray[np.float64],
    byte_s: NDArray[np.float64],
    seed: int,
    outcome: NDArray[np.uint8],
    retrieval: NDArray[np.float64],
    evictions: NDArray[np.int32],
) -> None:
    """The own cache, else the nearest other one that holds the content, else the origin, whose content is admitted."""
    for i in range(len(content)):
        x, n = content[i], node[i]
        source = n
        if not holds(stores, n, x):
            source = len(near)
            for k in range(near.shape[1]):
                if holds(stores, near[n, k], x):
                    source = near[n, k]
                    break
        retrieval[i] = retrieval_s(fetch_s, byte_s, n, source, size[x])
        if source < len(near):
            refresh(stores, source, x)
            outcome[i] = HIT if source == n else NEIGHBOUR | REFUSED
        else:
            evictions[i] = admit(stores, n, x)
            outcome[i] = ORIGIN if holds(stores, n, x) else ORIGIN | REFUSED


@njit(cache=True, _nrt=False)
def _partition(
    stores: Stores,
    content: NDArray[np.int32],
    node: NDArray[np.int32],
    size: NDArray[np.int64],
    near: NDArray[np.int32],
    fetch_s: NDArray[np.float64],
    byte_s: NDArray[np.float64],
    seed: int,
    outcome: NDArray[np.uint8],
    retrieval: NDArray[np.float64],
    evictions: NDArray[np.int32],
) -> None:
    """The content's home, which fetches from the origin and admits what it has not.

    A content that passes its home on the way takes both round trips, and the slower of the two ways sets its rate.
    """
    origin = len(near)
    for i in range(len(content)):
        x, n = content[i], node[i]
        home = below(seed, x, len(near))
        retrieval[i] = retrieval_s(fetch_s, byte_s, n, home, size[x])
        if holds(stores, home, x):
            refresh(stores, home, x)
            outcome[i] = HIT if home == n else NEIGHBOUR | REFUSED
            continue
        evictions[i] = admit(stores, home, x)
        outcome[i] = ORIGIN if holds(stores, home, x) else ORIGIN | REFUSED
        if home == n:
            retrieval[i] = retrieval_s(fetch_s, byte_s, n, origin, size[x])
        else:
            slower = max(byte_s[n, home], byte_s[home, origin])
            retrieval[i] = fetch_s[n, home] + fetch_s[home, origin] + slower * size[x]
