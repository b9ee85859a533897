"""Replay a policy by name over a whole trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT
from edgegym.envs.caching.replay.policies import REPLAY_POLICIES
from edgegym.errors import EdgeGymError, TraceError, unknown
from edgegym.workload.trace import next_uses


@dataclass(frozen=True)
class Replay:
    """What one cache did over a trace.

    Attributes:
        outcome: (requests,) uint8: REFUSED (0), HIT (1) or ADMITTED (2).
        evicted: (evictions,) int32, the evicted contents in order; empty without a log.
        evicted_at: (evictions,) int32, the request that made room by each eviction; empty without a log.
        evictions: how many objects were evicted.
    """

    outcome: NDArray[np.uint8]
    evicted: NDArray[np.int32]
    evicted_at: NDArray[np.int32]
    evictions: int

    @property
    def hit(self) -> NDArray[np.bool_]:
        """(requests,) whether each request was a hit."""
        return self.outcome == HIT

    @property
    def admitted(self) -> NDArray[np.bool_]:
        """(requests,) whether each request was a miss that brought its object into the cache."""
        return self.outcome == ADMITTED

    @property
    def hits(self) -> int:
        """Number of hits."""
        return int(np.count_nonzero(self.hit))

    @property
    def hit_ratio(self) -> float:
        """Hits per request, in [0, 1]; nan over no request."""
        return self.hits / len(self.outcome) if len(self.outcome) else float("nan")

    @property
    def miss_ratio(self) -> float:
        """Misses per request, in [0, 1]."""
        return 1.0 - self.hit_ratio

    def byte_hit_ratio(self, request_bytes: NDArray[np.int64]) -> float:
        """Bytes served from the cache per byte requested, in [0, 1].

        Args:
            request_bytes: (requests,) bytes of each requested object, ``trace.size[trace.content]``.
        """
        return float(request_bytes[self.hit].sum() / request_bytes.sum())


def replay(
    content: NDArray[Any],
    size: NDArray[Any],
    capacity: int,
    policy: str,
    seed: int = 0,
    log: bool = False,
    next_use: NDArray[np.int32] | None = None,
) -> Replay:
    """Replay one cache, empty at the start, over a whole trace.

    Args:
        content: (requests,) dense ids, 0 .. contents - 1.
        size: (contents,) >= 1, room that an object takes: bytes, or ones for a cache that counts objects.
        capacity: room in the cache, at least 1, in the unit of ``size``.
        policy: a name of :data:`REPLAY_POLICIES`.
        seed: of the draws, for policies that draw.
        log: whether to keep the eviction log.
        next_use: (requests,) as :func:`~edgegym.workload.trace.next_uses` gives it, to save clairvoyant policies the
            work; computed where it is left out.

    Raises:
        EdgeGymError: for an unknown policy or a capacity below 1.
        TraceError: for ids or sizes out of range.
    """
    if policy not in REPLAY_POLICIES:
        raise unknown("replay policy", policy, REPLAY_POLICIES)
    if capacity < 1:
        raise EdgeGymError(f"capacity: found {capacity}; a cache needs room for at least 1.")
    ids, room = _checked(content, size)
    chosen = REPLAY_POLICIES[policy]
    if not chosen.clairvoyant:
        next_use = np.empty(0, np.int32)
    elif next_use is None:
        next_use = next_uses(ids, len(room))
    outcome = np.empty(len(ids), np.uint8)
    evicted, evicted_at = (np.empty(len(ids) if log else 0, np.int32) for _ in range(2))
    evictions = int(chosen.kernel(ids, room, int(capacity), int(seed), next_use, outcome, evicted, evicted_at))
    return Replay(outcome, evicted[:evictions].copy(), evicted_at[:evictions].copy(), evictions)


def _checked(content: NDArray[Any], size: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The arrays as the kernels take them; kernels do not check bounds, so a bad id must stop here."""
    ids = np.ascontiguousarray(content, np.int32)
    room = np.ascontiguousarray(size, np.int64)
    if len(ids) and not 0 <= ids.min() <= ids.max() < len(room):
        raise TraceError(f"content ids run from {ids.min()} to {ids.max()}; allowed are 0 .. {len(room) - 1}.")
    if len(room) and room.min() < 1:
        raise TraceError(f"content {room.argmin()} has size {room.min()}; at least 1 is needed.")
    return ids, room
