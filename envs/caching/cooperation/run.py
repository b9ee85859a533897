"""Replay a strategy by name over a whole trace."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.cooperation.kernel import replay_journeys
from edgegym.envs.caching.cooperation.network import CacheNetwork
from edgegym.envs.caching.cooperation.stores import empty_stores
from edgegym.envs.caching.cooperation.strategies import STRATEGIES
from edgegym.envs.caching.state import HIT, ORIGIN
from edgegym.errors import EdgeGymError, unknown
from edgegym.workload.trace import RequestTrace


@dataclass(frozen=True, eq=False)
class NetworkReplay:
    """What a network of caches did over a trace; ratios, means and loads are of the requests from ``count_from`` on.

    Attributes:
        network: which network.
        outcome: (requests,) uint8: HIT in the first cache on the request's route, NEIGHBOUR in another one, or ORIGIN.
        latency_s: (requests,) float64, seconds that request and content travelled; caches answer at once and contents
            take no time to transmit.
        size: (requests,) int64, bytes of the requested content.
        count_from: first request that counts.
        link_bytes: (links,) int64, bytes of contents that each link carried for the requests that count.
    """

    network: CacheNetwork
    outcome: NDArray[np.uint8]
    latency_s: NDArray[np.float64]
    size: NDArray[np.int64]
    count_from: int
    link_bytes: NDArray[np.int64]

    @property
    def hit_ratio(self) -> float:
        """Requests served by any cache, as a share of all."""
        return float(np.mean(self.outcome[self.count_from :] != ORIGIN))

    @property
    def local_hit_ratio(self) -> float:
        """Requests served by the first cache on their route, as a share of all."""
        return float(np.mean(self.outcome[self.count_from :] == HIT))

    @property
    def mean_latency_s(self) -> float:
        """Mean seconds that a request and its content travelled."""
        return float(self.latency_s[self.count_from :].mean())

    @property
    def link_load(self) -> NDArray[np.float64]:
        """(links,) bytes that each link carried per byte that users requested."""
        return self.link_bytes / self.size[self.count_from :].sum()

    @property
    def internal_load(self) -> float:
        """Sum of the loads of the internal links: how many of them a requested byte crosses on average."""
        return float(self.link_load[~self.network.external].sum())

    @property
    def external_load(self) -> float:
        """Sum of the loads of the external links: bytes from an origin per byte that users requested."""
        return float(self.link_load[self.network.external].sum())

    @property
    def backhaul_bytes(self) -> int:
        """Bytes that came from an origin."""
        return int(self.link_bytes[self.network.external].sum())


def replay_network(
    trace: RequestTrace, network: CacheNetwork, strategy: str, seed: int = 0, warmup: int = 0
) -> NetworkReplay:
    """Replay a network, all caches empty at the start, over a whole trace.

    Args:
        trace: its node numbers count among the network's receivers.
        network: where the caches are.
        strategy: a name of :data:`~edgegym.envs.caching.cooperation.strategies.STRATEGIES`.
        seed: chooses the origin of each content (uniformly), its home cache (in proportion to the capacities) and what
            a copy rule draws.
        warmup: requests before the first that counts.

    Raises:
        EdgeGymError: for an unknown strategy, a trace with more nodes than receivers, or too long a warm-up.
    """
    if strategy not in STRATEGIES:
        raise unknown("strategy", strategy, STRATEGIES)
    if trace.nodes > len(network.receivers):
        raise EdgeGymError(f"trace: requests at {trace.nodes} nodes, but {len(network.receivers)} receivers.")
    if not 0 <= warmup < len(trace):
        raise EdgeGymError(f"warmup: {warmup} requests found; 0 to {len(trace) - 1} are allowed.")
    chosen = STRATEGIES[strategy]
    room = np.ones_like(trace.size) if network.unit == "objects" else trace.size
    origin, home = places(network, trace.contents, seed)
    outcome, latency_s = np.empty(len(trace), np.uint8), np.empty(len(trace))
    link_bytes = np.zeros(len(network.links), np.int64)
    replay_journeys(
        network.routes,
        empty_stores(network.capacity, room),
        chosen.routing,
        chosen.returning,
        chosen.copying,
        trace.content,
        network.receivers[trace.node],
        trace.size,
        home,
        origin,
        seed,
        warmup,
        outcome,
        latency_s,
        link_bytes,
        *np.empty((2, LEGS * len(network.nodes) + 1), np.int32),
    )
    return NetworkReplay(network, outcome, latency_s, trace.size[trace.content], warmup, link_bytes)


LEGS = 3
"""Shortest ways that a route may be made of, each of less links than there are nodes."""


def places(network: CacheNetwork, contents: int, seed: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Origin node and home cache of each content: (contents,) int32 each, from streams of their own."""
    for_origins, for_homes = np.random.default_rng(seed).spawn(2)
    origin = network.origins[for_origins.integers(len(network.origins), size=contents)]
    share = network.capacity / network.capacity.sum()
    return origin, for_homes.choice(len(share), contents, p=share).astype(np.int32)
