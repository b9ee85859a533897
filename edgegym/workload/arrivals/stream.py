"""A stream of arrivals: when each came and what is known about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError


@dataclass(frozen=True)
class Arrivals:
    """Arrivals in order of time.

    Attributes:
        time_s: (arrivals,) float64, seconds from the start of the stream, not negative, non-decreasing.
        marks: further facts by name, (arrivals,) each; empty for a process. Traces have some of ``context_tokens`` and
            ``generated_tokens`` (int64), ``duration_s`` (float64), ``function`` (int64, numbered from 0 by first
            arrival in the file).
    """

    time_s: NDArray[np.float64]
    marks: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check lengths, order and range once, so that kernels need not."""
        for name, mark in self.marks.items():
            if len(mark) != len(self):
                raise TraceError(f"mark {name}: found {len(mark)} values for {len(self)} arrivals; give one each.")
        if not np.all(np.isfinite(self.time_s)) or np.any(self.time_s < 0) or np.any(np.diff(self.time_s) < 0):
            raise TraceError("time_s: needs finite times of at least 0 in order; sort them.")

    def __len__(self) -> int:
        """Return the number of arrivals."""
        return len(self.time_s)

    def window(self, start: int, stop: int, origin_s: float = 0.0) -> Arrivals:
        """Arrivals ``start`` to ``stop - 1`` with their marks, with time counted from ``origin_s``."""
        chosen = slice(start, stop)
        return Arrivals(self.time_s[chosen] - origin_s, {name: mark[chosen] for name, mark in self.marks.items()})

    def faster(self, speed: float) -> Arrivals:
        """The same arrivals ``speed`` times as fast; durations and other marks stay."""
        return Arrivals(self.time_s / speed, self.marks)
