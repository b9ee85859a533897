"""Episodes of requests: a stream of arrivals, each dealt to a queue."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.inference_batching.params import BatchingWorkload
from edgegym.errors import SettingsError
from edgegym.workload.arrivals import ArrivalTraceSettings, draw_count

SEED_MASK = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Episode:
    """The requests of an episode, whatever is decided.

    Attributes:
        arrival_s: (requests,) seconds from the start, not negative, in order.
        queue: (requests,) the queue of each, from 0.

    Raises:
        SettingsError: for times out of order or negative, queues that are no whole numbers from 0 on, or arrays of
            different lengths.
    """

    arrival_s: NDArray[np.float64]
    queue: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check once, so that the kernel need not."""
        if len(self.arrival_s) == 0 or self.queue.shape != self.arrival_s.shape:
            raise SettingsError(
                f"episode: {len(self.arrival_s)} arrivals and {len(self.queue)} queues; at least one, and one queue "
                "each, is needed."
            )
        # A NaN is not above what comes before it either.
        bad = np.flatnonzero(~(np.diff(self.arrival_s, prepend=0.0) >= 0.0) | ~np.isfinite(self.arrival_s))
        if len(bad):
            at = int(bad[0])
            raise SettingsError(
                f"episode.arrival_s: found {self.arrival_s[at]:g} at place {at}; finite times from 0 on in order are "
                "needed; sort them, and count them from the episode's start."
            )
        if not np.issubdtype(self.queue.dtype, np.integer) or self.queue.min() < 0:
            raise SettingsError(
                f"episode.queue: whole numbers from 0 on are needed (found {self.queue.dtype}, the least "
                f"{self.queue.min()}); give the number of each request's queue."
            )

    def by_queue(self, queues: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Arrivals sorted by queue and time, and (queues + 1,) where each queue's begin.

        Raises:
            SettingsError: for a queue that does not exist.
        """
        if self.queue.max() >= queues:
            raise SettingsError(
                f"episode.queue: found {self.queue.max()}, but there are {queues} queues, from 0; set queues for all."
            )
        order = np.argsort(self.queue, kind="stable")
        return self.arrival_s[order], np.searchsorted(self.queue[order], np.arange(queues + 1))


class Source:
    """Turns workload seeds into episodes.

    Args:
        settings: of the workload.
        shares: (queues,) shares of the requests, relative.

    Raises:
        EdgeGymError: for a trace that is missing, damaged or too short.
    """

    def __init__(self, settings: BatchingWorkload, shares: NDArray[np.float64]) -> None:
        self.settings, self._shares = settings, shares / shares.sum()
        self.episode(0)

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed."""
        settings = self.settings
        rng = np.random.default_rng(workload_seed & SEED_MASK)
        dealing, times = rng.spawn(2)
        low, high = settings.speed if isinstance(settings.speed, tuple) else (settings.speed, settings.speed)
        speed = math.exp(dealing.uniform(math.log(low), math.log(high)))
        arrivals = draw_count(settings.arrivals, settings.requests, times).faster(speed)
        queue = dealing.choice(len(self._shares), settings.requests, p=self._shares)
        return Episode(arrivals.time_s, queue)

    def provenance(self) -> str:
        """Where the requests come from, in a line."""
        arrivals = self.settings.arrivals
        if isinstance(arrivals, ArrivalTraceSettings):
            return f"trace {arrivals.path}, part {arrivals.part[0]:g} to {arrivals.part[1]:g}"
        return f"drawn: {arrivals.kind}"
