"""Clocks that mark points in a device's work: the processor's own, and CUDA's, which is read once per call."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Clock(Protocol):
    """Marks points in the work of a device."""

    def mark(self) -> Any:
        """Mark this point; must cost next to nothing."""

    def seconds(self, marks: Sequence[Any]) -> NDArray[np.float64]:
        """Wait until the device has passed all marks; (marks,) seconds since the first."""


class WallClock:
    """Clock of the processor, for work that has ended when the call returns."""

    mark = staticmethod(time.perf_counter)

    def seconds(self, marks: Sequence[float]) -> NDArray[np.float64]:
        """(marks,) seconds since the first."""
        return np.asarray(marks) - marks[0]


class CudaClock:
    """Events in the current CUDA stream; nothing waits for the device until the marks are read."""

    def __init__(self) -> None:
        import torch

        self._cuda = torch.cuda

    def mark(self) -> Any:
        """Record an event."""
        event = self._cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, marks: Sequence[Any]) -> NDArray[np.float64]:
        """(marks,) seconds since the first; synchronises once."""
        marks[-1].synchronize()
        return np.array([0.0, *(marks[0].elapsed_time(mark) * 1e-3 for mark in marks[1:])])


def time_calls(run: Callable[[], object], clock: Clock, repetitions: int) -> NDArray[np.float64]:
    """Time each of a number of calls, (repetitions,) seconds."""
    samples = np.empty(repetitions)
    for place in range(repetitions):
        start = clock.mark()
        run()
        samples[place] = clock.seconds([start, clock.mark()])[1]
    return samples


@dataclass(frozen=True)
class Latency:
    """Quantiles of timed calls, seconds."""

    t_p50_s: float
    t_p90_s: float
    t_p99_s: float
    t_min_s: float
    t_iqr_s: float
    repetitions: int

    @classmethod
    def of(cls, samples: NDArray[np.float64]) -> Latency:
        """Summarise (repetitions,) seconds."""
        q25, p50, q75, p90, p99 = np.quantile(samples, (0.25, 0.5, 0.75, 0.9, 0.99))
        return cls(float(p50), float(p90), float(p99), float(samples.min()), float(q75 - q25), len(samples))
