"""Drawing a finite run of any stream: so many seconds, or so many arrivals."""

from __future__ import annotations

import math

import numpy as np

from edgegym.errors import SettingsError
from edgegym.workload.arrivals.processes import stream
from edgegym.workload.arrivals.settings import ArrivalProcess, ArrivalTraceSettings
from edgegym.workload.arrivals.stream import Arrivals
from edgegym.workload.arrivals.traces import window_of_count, window_of_seconds


def draw_arrivals(
    settings: ArrivalProcess | ArrivalTraceSettings, *, seconds: float, rng: np.random.Generator
) -> Arrivals:
    """Draw the arrivals of some time.

    Args:
        settings: which stream.
        seconds: length of the run.
        rng: the only source of randomness, for this stream alone. Runs of a process drawn from equal generators are
            each the start of any longer one, also of one that :func:`draw_count` draws.

    Returns:
        Arrivals with times in [0, seconds); for a trace, those of a window at a random place of its part.

    Raises:
        EdgeGymError: for a length out of range or beyond the trace's part, or a trace that cannot be read.
    """
    if not 0.0 < seconds < math.inf:
        raise SettingsError(f"seconds: found {seconds}; a finite number above 0 is needed.")
    if isinstance(settings, ArrivalTraceSettings):
        return window_of_seconds(settings, seconds, rng)
    pieces = []
    for times in stream(settings, rng):
        pieces.append(times)
        if len(times) and times[-1] >= seconds:
            break
    time_s = np.concatenate(pieces)
    return Arrivals(time_s[: np.searchsorted(time_s, seconds)])


def draw_count(settings: ArrivalProcess | ArrivalTraceSettings, count: int, rng: np.random.Generator) -> Arrivals:
    """Draw a number of arrivals.

    Args:
        settings: which stream.
        count: how many arrivals, at least 1.
        rng: as in :func:`draw_arrivals`.

    Returns:
        The first ``count`` arrivals of the process; for a trace, successive ones from a random place of its part, with
        time counted from the arrival before them.

    Raises:
        EdgeGymError: for a count out of range or beyond the trace's part, or a trace that cannot be read.
    """
    if count < 1:
        raise SettingsError(f"count: found {count}; at least 1 arrival is needed.")
    if isinstance(settings, ArrivalTraceSettings):
        return window_of_count(settings, count, rng)
    pieces, drawn = [], 0
    for times in stream(settings, rng):
        pieces.append(times)
        drawn += len(times)
        if drawn >= count:
            break
    return Arrivals(np.concatenate(pieces)[:count])
