"""From the log of an episode to its metrics: the one accounting that environment, replay and bounds share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.metrics import Metric
from edgegym.envs.caching.kernel import nearest_of, retrieval_s
from edgegym.envs.caching.params import RewardWeights
from edgegym.envs.caching.state import HIT, NEIGHBOUR, REFUSED

METRICS = (
    Metric("hit_ratio", "1", "higher", "Requests served from the node's own cache, as a share of all."),
    Metric("byte_hit_ratio", "1", "higher", "Bytes served from the node's own cache, as a share of all."),
    Metric("neighbour_hit_ratio", "1", "higher", "Requests served from another node's cache, as a share of all."),
    Metric("mean_latency_s", "s", "lower", "Mean time to the last byte: access, retrieval round trip, transmission."),
    Metric("p95_latency_s", "s", "lower", "95th percentile of that time."),
    Metric("backhaul_bytes", "B", "lower", "Bytes fetched from the origin."),
    Metric("evictions", "1", "", "Contents evicted."),
    Metric("admissions_refused", "1", "", "Misses that were not admitted: refused, or larger than the cache."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)


@dataclass(frozen=True)
class Log:
    """What happened to each request of an episode, in order.

    Attributes:
        outcome: (requests,) uint8, bits of :mod:`~edgegym.envs.caching.state`.
        latency_s: (requests,) float32.
        size: (requests,) int64, bytes of the requested content.
    """

    outcome: NDArray[np.uint8]
    latency_s: NDArray[np.float32]
    size: NDArray[np.int64]

    def hits(self) -> NDArray[np.bool_]:
        """(requests,) whether the node's own cache served it."""
        return (self.outcome & HIT) > 0


def episode_metrics(log: Log, count_from: int, evictions: int) -> dict[str, float]:
    """Metrics of the requests from ``count_from`` on (NaN ratios while there are none).

    Args:
        log: the whole episode so far.
        count_from: first request that counts.
        evictions: evictions since then.
    """
    outcome, latency, size = log.outcome[count_from:], log.latency_s[count_from:], log.size[count_from:]
    if len(outcome) == 0:
        return {metric.name: float("nan") for metric in METRICS if metric.name != "invalid_actions"}
    hit, neighbour = (outcome & HIT) > 0, (outcome & NEIGHBOUR) > 0
    return {
        "hit_ratio": float(hit.mean()),
        "byte_hit_ratio": float(size[hit].sum() / size.sum()),
        "neighbour_hit_ratio": float(neighbour.mean()),
        "mean_latency_s": float(latency.mean(dtype=np.float64)),
        "p95_latency_s": float(np.quantile(latency, 0.95)),
        "backhaul_bytes": float(size[~(hit | neighbour)].sum()),
        "evictions": float(evictions),
        "admissions_refused": float(np.count_nonzero(outcome & REFUSED)),
    }


SLICES = 40
"""Points of the curve of hit ratio over time."""


def hit_ratio_series(log: Log, count_from: int) -> dict[str, NDArray[np.float64]]:
    """Hit ratio in equal slices of the counted requests; none where there are fewer requests than slices."""
    hits = log.hits()[count_from:]
    if len(hits) < SLICES:
        return {}
    return {"hit_ratio": np.array([part.mean() for part in np.array_split(hits, SLICES)])}


@njit(cache=True)
def trace_costs(
    content: NDArray[np.int32],
    node: NDArray[np.int32],
    size: NDArray[np.int64],
    outcome: NDArray[np.uint8],
    admitted: NDArray[np.bool_],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int64],
    holders: NDArray[np.int64],
    near: NDArray[np.int32],
    fetch_s: NDArray[np.float64],
    byte_s: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Find where each miss of a replay is fetched from, while following who caches what.

    Args:
        content: (requests,) contents of the trace.
        node: (requests,) edge nodes of the trace.
        size: (contents,) bytes.
        outcome: (requests,) uint8, HIT where the own cache served; NEIGHBOUR is added here.
        admitted: (requests,) whether a miss entered the own cache.
        evicted: (evictions,) contents, in order.
        evicted_at: (evictions,) the requests whose admission evicted them.
        holders: (contents,) int64, bit n is set while node n caches the content; updated.
        near: the network, as in :class:`~edgegym.envs.caching.state.State`.
        fetch_s: the same.
        byte_s: the same.

    Returns:
        (requests,) seconds of retrieval; 0 for hits.
    """
    retrieval = np.zeros(len(content))
    event = 0
    for i in range(len(content)):
        c, n = content[i], node[i]
        if outcome[i] != HIT:
            source = nearest_of(holders[c], near, n)
            if source < len(near):
                outcome[i] |= NEIGHBOUR
            retrieval[i] = retrieval_s(fetch_s, byte_s, n, source, size[c])
        while event < len(evicted) and evicted_at[event] == i:
            holders[evicted[event]] &= ~(np.int64(1) << n)
            event += 1
        if admitted[i]:
            holders[c] |= np.int64(1) << n
    return retrieval


def episode_return(
    log: Log, origin_s: NDArray[np.float64], retrieval_s: NDArray[np.float64], weights: RewardWeights
) -> float:
    """Sum of the reward terms over an episode.

    Args:
        log: the episode.
        origin_s: (requests,) seconds that a fetch from the origin would have taken.
        retrieval_s: (requests,) seconds that the retrieval took.
        weights: the reward terms.
    """
    megabytes = log.size / 1e6
    hit = log.hits()
    local = hit | ((log.outcome & NEIGHBOUR) > 0)
    value = weights.hit * hit + weights.byte_hit * megabytes * hit + weights.backhaul_saved * megabytes * local
    return float(np.sum(value + weights.latency_saved * (origin_s - retrieval_s)))
