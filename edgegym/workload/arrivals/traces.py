"""Windows of arrival traces."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from edgegym.errors import SettingsError
from edgegym.workload.arrivals.readers import read_arrivals
from edgegym.workload.arrivals.settings import ArrivalTraceSettings
from edgegym.workload.arrivals.stream import Arrivals
from edgegym.workload.sources import resolve_path

FIELD = "arrivals"


def trace_part(settings: ArrivalTraceSettings) -> Arrivals:
    """The part of the trace that the settings name, at their rate or speed, with time counted from its first arrival.

    Its rate is its gaps over its length, so a ``rate`` is met exactly: the mean gap is 1 / rate.

    Raises:
        EdgeGymError: if the file cannot be read, or the part has fewer than two arrivals or lasts no time.
    """
    path = resolve_path(settings.path, f"{FIELD}.path")
    status = path.stat()
    whole = _read(path, status.st_mtime_ns, status.st_size)
    start, stop = (round(fraction * len(whole)) for fraction in settings.part)
    if stop - start < 2 or whole.time_s[stop - 1] <= whole.time_s[start]:
        raise SettingsError(
            f"{FIELD}.part: {settings.part} of {len(whole)} arrivals in {path} does not hold two arrivals at different "
            "times; widen it."
        )
    part = whole.window(start, stop, origin_s=whole.time_s[start])
    if settings.rate is None:
        return part if settings.speed is None else part.faster(settings.speed)
    return part.faster(settings.rate * float(part.time_s[-1]) / (len(part) - 1))


def window_of_seconds(settings: ArrivalTraceSettings, seconds: float, rng: np.random.Generator) -> Arrivals:
    """The arrivals of some time that starts anywhere in the part, each moment equally likely.

    Raises:
        EdgeGymError: if the part is shorter than ``seconds`` after scaling, or as in :func:`trace_part`.
    """
    part = trace_part(settings)
    length_s = float(part.time_s[-1])
    if seconds > length_s:
        raise SettingsError(
            f"seconds: found {seconds:g}, but the part {settings.part} of {settings.path} lasts {length_s:g} s at this "
            "rate; ask for less, or widen the part."
        )
    origin_s = rng.random() * (length_s - seconds)
    start, stop = np.searchsorted(part.time_s, [origin_s, origin_s + seconds])
    # The subtraction rounds, and may round up to the end of the window.
    window = part.window(int(start), int(stop), origin_s)
    return window.window(0, int(np.searchsorted(window.time_s, seconds)))


def window_of_count(settings: ArrivalTraceSettings, count: int, rng: np.random.Generator) -> Arrivals:
    """Successive arrivals from anywhere in the part, each first one equally likely.

    Time is counted from the arrival before them; at the part's start, from the first.

    Raises:
        EdgeGymError: if the part has fewer than ``count`` arrivals, or as in :func:`trace_part`.
    """
    part = trace_part(settings)
    if count > len(part):
        raise SettingsError(
            f"count: found {count}, but the part {settings.part} of {settings.path} has {len(part)} arrivals; ask for "
            "fewer, or widen the part."
        )
    start = int(rng.integers(len(part) - count + 1))
    return part.window(start, start + count, origin_s=float(part.time_s[max(start - 1, 0)]))


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int, size: int) -> Arrivals:
    """Read a file once per version of it."""
    return read_arrivals(path)
