"""The table of replay policies and the signature that their kernels share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.caching.replay.arc import arc
from edgegym.envs.caching.replay.belady import belady, belady_bypass
from edgegym.envs.caching.replay.clock import clock
from edgegym.envs.caching.replay.frequency import gdsf, lfu
from edgegym.envs.caching.replay.hyperbolic import hyperbolic
from edgegym.envs.caching.replay.lecar import lecar
from edgegym.envs.caching.replay.lirs import lirs
from edgegym.envs.caching.replay.q_lru import q_lru
from edgegym.envs.caching.replay.random_eviction import random_eviction
from edgegym.envs.caching.replay.recency import fifo, lru
from edgegym.envs.caching.replay.s3fifo import s3fifo
from edgegym.envs.caching.replay.sieve import sieve
from edgegym.envs.caching.replay.slru import slru
from edgegym.envs.caching.replay.tinylfu import w_tinylfu
from edgegym.envs.caching.replay.two_queues import two_queues


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

        An object larger than the capacity is never admitted; some policies refuse smaller ones too, which do not fit
        where newcomers go. Evictions come before the admission that causes them; a segmented LRU may evict at a hit.

        Args:
            content: (requests,) int32, dense ids.
            size: (contents,) int64 >= 1, room that an object takes: bytes, or all ones for a cache that counts objects.
            capacity: room in the cache, in the unit of ``size``.
            seed: of the counter-based draws, for policies that draw.
            next_use: (requests,) int32, index of the next request for the same content, the number of requests where
                there is none; clairvoyant policies only, empty (0,) for the others.
            outcome: (requests,) uint8, written: REFUSED, HIT or ADMITTED per request.
            evicted: (requests,) int32, written: the evicted contents in order; (0,) for no log.
            evicted_at: as ``evicted``: the request that caused each eviction, non-decreasing.

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
        "CLOCK": ReplayPolicy(
            clock,
            False,
            "evicts the oldest object, but gives those requested meanwhile another round",
            "Corbató, In Honor of P. M. Morse, MIT Press 1969",
        ),
        "SLRU": ReplayPolicy(
            slru, False, "evicts from the lowest of four LRU segments that hits climb", "Karedla et al., Computer 1994"
        ),
        "2Q": ReplayPolicy(
            two_queues,
            False,
            "keeps objects requested again soon after they left a FIFO queue in an LRU list",
            "Johnson and Shasha, VLDB 1994",
        ),
        "ARC": ReplayPolicy(
            arc,
            False,
            "divides the cache between objects seen once and more often by the hits among evicted ones",
            "Megiddo and Modha, FAST 2003",
        ),
        "LIRS": ReplayPolicy(
            lirs,
            False,
            "keeps the objects with the shortest gap between their last two requests",
            "Jiang and Zhang, SIGMETRICS 2002",
        ),
        "W-TinyLFU": ReplayPolicy(
            w_tinylfu,
            False,
            "admits from an LRU window what a sketch has counted more often than the victim",
            "Einziger et al., ACM TOS 2017",
        ),
        "q-LRU": ReplayPolicy(
            q_lru, False, "as LRU, but admits one missed object in ten, drawn at random", "Martina et al., INFOCOM 2014"
        ),
        "Hyperbolic": ReplayPolicy(
            hyperbolic,
            False,
            "evicts the fewest requests per time in the cache and size among 64 sampled objects",
            "Blankstein et al., ATC 2017",
        ),
        "LeCaR": ReplayPolicy(
            lecar,
            False,
            "evicts by LRU or LFU at random, and trusts the one whose victims return less",
            "Vietri et al., HotStorage 2018",
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
