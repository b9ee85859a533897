"""The table of replay policies and the signature that their kernels share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.replay.belady import belady, belady_bypass
from edgegym.envs.caching.replay.frequency import gdsf, lfu
from edgegym.envs.caching.replay.random_eviction import random_eviction
from edgegym.envs.caching.replay.recency import fifo, lru
from edgegym.envs.caching.replay.s3fifo import s3fifo
from edgegym.envs.caching.replay.sieve import sieve


class ReplayKernel(Protocol):
    """A numba function that replays one cache over a whole trace, starting empty."""

    def __call__(
        self,
        content: NDArray[np.int32],
        size: NDArray[np.int64],
        capacity: int,
        seed: int,
        next_use: NDArray[np.int32],
        outcome: NDArray[np.uint8],
        evicted: NDArray[np.int32],
        evicted_at: NDArray[np.int32],
    ) -> int:
        """Replay the trace.

        An object larger than the capacity is never admitted. Evictions come before the admission that causes them.

        Args:
            content: (requests,) int32, dense ids.
            size: (contents,) int64 >= 1, room that an object takes: bytes, or all ones for a cache that counts objects.
            capacity: room in the cache, in the unit of ``size``.
            seed: of the counter-based draws; only Random uses it.
            next_use: (requests,) int32, index of the next request for the same content, the number of requests where
                there is none; clairvoyant policies only, empty (0,) for the others.
            outcome: (requests,) uint8, written: REFUSED, HIT or ADMITTED per request.
            evicted: (requests,) int32, written: the evicted contents in order; (0,) for no log.
            evicted_at: as ``evicted``: the request that made room by each eviction, non-decreasing.

        Returns:
            The number of evictions, which is the length of the log.
        """


@dataclass(frozen=True)
class ReplayPolicy:
    """One caching policy.

    Attributes:
        kernel: the numba function that replays it.
        clairvoyant: whether it needs the future, so that it is a bound and no policy to deploy.
        summary: what it evicts, in one line.
        paper: where it comes from.
    """

    kernel: ReplayKernel
    clairvoyant: bool
    summary: str
    paper: str


REPLAY_POLICIES: Mapping[str, ReplayPolicy] = MappingProxyType(
    {
        "Random": ReplayPolicy(
            random_eviction, False, "evicts a cached object drawn uniformly", "Belady, IBM Systems Journal 1966"
        ),
        "FIFO": ReplayPolicy(fifo, False, "evicts the object admitted first", "Belady, IBM Systems Journal 1966"),
        "LRU": ReplayPolicy(
            lru, False, "evicts the least recently requested object", "Mattson et al., IBM Systems Journal 1970"
        ),
        "LFU": ReplayPolicy(
            lfu, False, "evicts the least often requested object since its admission", "Aho et al., JACM 1971"
        ),
        "GDSF": ReplayPolicy(gdsf, False, "evicts the least aged frequency per size", "Cherkasova, HPL-98-69R1, 1998"),
        "SIEVE": ReplayPolicy(
            sieve,
            False,
            "evicts the next object of a FIFO not requested since the hand's last visit",
            "Zhang et al., NSDI 2024",
        ),
        "S3-FIFO": ReplayPolicy(
            s3fifo, False, "filters one-hit objects in a small FIFO before the main one", "Yang et al., SOSP 2023"
        ),
        "Belady": ReplayPolicy(
            belady, True, "evicts the object requested farthest in the future", "Belady, IBM Systems Journal 1966"
        ),
        "Belady-bypass": ReplayPolicy(
            belady_bypass,
            True,
            "as Belady, but refuses an object that is itself requested the farthest away",
            "Belady, IBM Systems Journal 1966",
        ),
    }
)
"""Policy name to policy, online ones first."""
