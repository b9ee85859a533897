"""Arrival processes as endless streams of times.

A stream comes in pieces whose sizes do not depend on how much of it is used: a longer run starts like a shorter one of
the same seed. Every process starts in its stationary law, so that the mean number of arrivals in T seconds is rate * T
exactly, from the first second on; a diurnal stream of a given phase is the exception, whose mean follows its rate.

Renewal processes start with the equilibrium residual of a gap: D. R. Cox, "Renewal Theory", 1962. The time-varying
Poisson process is thinned: P. A. W. Lewis and G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by
thinning", Naval Research Logistics Quarterly 26(3), 1979. A user who is on and off is an interrupted Poisson process,
which is again a renewal process: A. Kuczura, "The interrupted Poisson process as an overflow process", Bell System
Technical Journal 52(3), 1973.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from edgegym.workload.arrivals.settings import (
    ArrivalProcess,
    DiurnalSettings,
    GammaSettings,
    MmppSettings,
    OnOffSettings,
    PeriodicSettings,
    PoissonSettings,
)

Times = NDArray[np.float64]
PIECE = 256
"""Gaps drawn at once."""


def stream(settings: ArrivalProcess, rng: np.random.Generator) -> Iterator[Times]:
    """The times of a process, piece by piece without end.

    Args:
        settings: which process.
        rng: draws the stream, and does so piece by piece: leave it alone until the last piece has been taken.

    Yields:
        (some,) seconds; non-decreasing within a piece and from piece to piece; a piece may be empty.
    """
    match settings:
        case PeriodicSettings():
            return _periodic(settings, rng)
        case PoissonSettings():
            return _poisson(settings.rate, rng)
        case GammaSettings():
            return _gamma(settings, rng)
        case MmppSettings():
            return _mmpp(settings, rng)
        case DiurnalSettings():
            return _diurnal(settings, rng)
        case OnOffSettings():
            return _on_off(settings, rng)


def mmpp_rates(settings: MmppSettings) -> tuple[float, float]:
    """Arrivals per second between bursts and in a burst, which give the mean rate together."""
    weighted_s = settings.calm_s + settings.burst_ratio * settings.burst_s
    calm = settings.rate * (settings.calm_s + settings.burst_s) / weighted_s
    return calm, settings.burst_ratio * calm


def session_rate(settings: OnOffSettings) -> float:
    """Requests per second of one user in a session."""
    return settings.rate / settings.users * (settings.session_s + settings.pause_s) / settings.session_s


def diurnal_rate(settings: DiurnalSettings, time_s: Times, phase: float) -> Times:
    """Arrivals per second at some times of a stream that starts at ``phase``."""
    swing = np.cos(2.0 * math.pi * (time_s / settings.period_s + phase))
    return np.asarray(settings.rate * (1.0 - (settings.peak_to_mean - 1.0) * swing))


def _renewal(first_s: float, gaps: Callable[[int], Times]) -> Iterator[Times]:
    """Arrivals at ``first_s`` and after each of the gaps that ``gaps`` draws."""
    times = np.array([first_s])
    while True:
        yield times
        times = times[-1] + np.cumsum(gaps(PIECE))


def _periodic(settings: PeriodicSettings, rng: np.random.Generator) -> Iterator[Times]:
    # The period before the start counts too: its arrival may be late enough to fall behind the start.
    period = rng.random() - 1.0
    while True:
        times = (period + np.arange(PIECE) + settings.jitter * rng.random(PIECE)) / settings.rate
        yield times[times >= 0.0]
        period += PIECE


def _poisson(rate: float, rng: np.random.Generator) -> Iterator[Times]:
    return _renewal(rng.standard_exponential() / rate, lambda count: rng.standard_exponential(count) / rate)


def _gamma(settings: GammaSettings, rng: np.random.Generator) -> Iterator[Times]:
    shape = settings.cv**-2
    scale_s = 1.0 / (settings.rate * shape)
    # The gap around a given moment is drawn in proportion to its length, which raises the shape by 1.
    residual_s = rng.random() * rng.standard_gamma(shape + 1.0) * scale_s
    return _renewal(residual_s, lambda count: rng.standard_gamma(shape, count) * scale_s)


def _diurnal(settings: DiurnalSettings, rng: np.random.Generator) -> Iterator[Times]:
    phase = rng.random() if settings.phase is None else settings.phase
    peak = settings.rate * settings.peak_to_mean
    for times in _poisson(peak, rng):
        yield times[rng.random(len(times)) * peak < diurnal_rate(settings, times, phase)]


def _interrupted(rate: float, on_s: float, off_s: float, rng: np.random.Generator) -> Iterator[Times]:
    """Poisson arrivals of ``rate`` during exponential on times, none in between."""

    def gaps(count: int) -> Times:
        on = rng.standard_exponential(count) / rate
        # While the stream is on it goes off at rate 1 / on_s: so many off times lie in the gap.
        return on + off_s * rng.standard_gamma(rng.poisson(on / on_s))

    starts_off = rng.random() * (on_s + off_s) < off_s
    first_s = float(gaps(1)[0]) + starts_off * off_s * rng.standard_exponential()
    return _renewal(first_s, gaps)


def _mmpp(settings: MmppSettings, rng: np.random.Generator) -> Iterator[Times]:
    calm, burst = mmpp_rates(settings)
    if burst == calm:
        return _poisson(calm, rng)
    ever, bursts = rng.spawn(2)
    extra = _interrupted(burst - calm, settings.burst_s, settings.calm_s, bursts)
    return _superposed([_poisson(calm, ever), extra])


def _on_off(settings: OnOffSettings, rng: np.random.Generator) -> Iterator[Times]:
    rate = session_rate(settings)
    users = rng.spawn(settings.users)
    return _superposed([_interrupted(rate, settings.session_s, settings.pause_s, user) for user in users])


def _superposed(streams: list[Iterator[Times]]) -> Iterator[Times]:
    """The arrivals of all streams, whose pieces must not be empty, in order."""
    pending = [next(times) for times in streams]
    while True:
        # No stream has anything before the earliest of their last known arrivals that is not here already.
        known_s = min(times[-1] for times in pending)
        places = [int(np.searchsorted(times, known_s, side="right")) for times in pending]
        yield np.sort(np.concatenate([times[:place] for times, place in zip(pending, places, strict=True)]))
        rest = [times[place:] for times, place in zip(pending, places, strict=True)]
        pending = [left if len(left) else next(times) for left, times in zip(rest, streams, strict=True)]
