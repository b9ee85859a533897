"""Episodes of requests: drawn from the workload seed, or read from arrival traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.request_scheduling.params import (
    ExponentialSize,
    MarkSize,
    ParetoSize,
    ParkWorkload,
    StreamSettings,
    StreamsWorkload,
)
from edgegym.errors import SettingsError, TraceError
from edgegym.workload.arrivals import Arrivals, ArrivalTraceSettings, draw_arrivals

SEED_MASK = 0x7FFFFFFFFFFFFFFF
ARRIVALS, SIZES, SPEED = 0, 1, 2
"""Streams of random numbers: two of each stream of requests, and one of the episode."""


@dataclass(frozen=True)
class Episode:
    """The requests of an episode in order of time; everything else about them is said by their stream.

    Attributes:
        arrival_s: (requests,) float64, seconds, not negative, non-decreasing.
        size: (requests,) float64, above 0: multiples of the model's service time.
        stream: (requests,) int32, index of the workload's stream; 0 under Park's.
    """

    arrival_s: NDArray[np.float64]
    size: NDArray[np.float64]
    stream: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Check what the kernel takes for granted."""
        if not len(self.arrival_s) == len(self.size) == len(self.stream):
            raise TraceError(
                f"episode: {len(self.arrival_s)} arrivals, {len(self.size)} sizes and {len(self.stream)} streams "
                "found; one each per request is needed."
            )
        bad = ~(np.isfinite(self.arrival_s) & (self.arrival_s >= 0.0))
        bad[1:] |= np.diff(self.arrival_s) < 0.0
        if bad.any():
            i = int(np.argmax(bad))
            raise TraceError(
                f"episode: arrival_s[{i}] is {self.arrival_s[i]}; finite times from 0 on in rising order are needed: "
                "sort them, and count from the first."
            )
        bad = ~(np.isfinite(self.size) & (self.size > 0.0))
        if bad.any():
            i = int(np.argmax(bad))
            raise TraceError(f"episode: size[{i}] is {self.size[i]}; finite sizes above 0 are needed.")


def draw_episode(workload: StreamsWorkload | ParkWorkload, workload_seed: int) -> Episode:
    """Draw the episode of a workload seed.

    Raises:
        EdgeGymError: for a trace that cannot be read, is shorter than the episode, or lacks the mark of the sizes.
    """
    if isinstance(workload, ParkWorkload):
        return _draw_park(workload, workload_seed)
    seed = workload_seed & SEED_MASK
    speed = _speed(workload, seed)
    parts = [_draw_stream(stream, index, workload, seed, speed) for index, stream in enumerate(workload.streams)]
    arrival, size, stream = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(arrival, kind="stable")
    return Episode(arrival[order], size[order], stream[order])


def _draw_park(workload: ParkWorkload, workload_seed: int) -> Episode:
    rng = np.random.RandomState(workload_seed % 2**32)
    size, gap = np.empty(workload.jobs), np.empty(workload.jobs)
    for job in range(workload.jobs):
        size[job] = int((rng.pareto(workload.shape) + 1.0) * workload.scale)
        gap[job] = int(rng.exponential(workload.gap_s))
    return Episode(np.cumsum(gap), np.maximum(size, 1.0), np.zeros(workload.jobs, np.int32))


def _speed(workload: StreamsWorkload, seed: int) -> float:
    """How much faster the streams arrive in this episode."""
    if not isinstance(workload.speed, tuple):
        return workload.speed
    low, high = np.log(workload.speed)
    return float(np.exp(np.random.default_rng([seed, 0, SPEED]).uniform(low, high)))


def _draw_stream(
    stream: StreamSettings, index: int, workload: StreamsWorkload, seed: int, speed: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    settings = stream.arrivals
    if workload.part is not None and isinstance(settings, ArrivalTraceSettings):
        settings = settings.model_copy(update={"part": workload.part})
    rng = np.random.default_rng([seed, index, ARRIVALS])
    arrivals = draw_arrivals(settings, seconds=workload.seconds * speed, rng=rng)
    size = _sizes(stream, arrivals, np.random.default_rng([seed, index, SIZES]))
    return arrivals.time_s / speed, size, np.full(len(arrivals), index, np.int32)


def _sizes(stream: StreamSettings, arrivals: Arrivals, rng: np.random.Generator) -> NDArray[Any]:
    count, law = len(arrivals), stream.size
    match law:
        case ExponentialSize():
            return rng.exponential(size=count)
        case ParetoSize():
            return (rng.pareto(law.shape, count) + 1.0) * (law.shape - 1.0) / law.shape
        case MarkSize():
            if law.name not in arrivals.marks:
                known = ", ".join(arrivals.marks) or "none"
                raise SettingsError(f"workload.streams.size.name: the arrivals have no mark {law.name!r} ({known}).")
            return np.maximum(arrivals.marks[law.name], 1) / law.unit
    return np.ones(count)
