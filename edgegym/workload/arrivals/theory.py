"""Indices of dispersion for counts of the arrival processes in closed form, to check what is drawn against.

The variance of the arrivals N in t seconds, over their mean rate * t, in the stationary process. Where a rate varies,
the variance of its integral adds to that of a Poisson process: D. R. Cox and V. Isham, "Point Processes", 1980. For two
states: W. Fischer and K. Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance
Evaluation 18(2), 1993.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gammainc

from edgegym.workload.arrivals.processes import mmpp_rates, session_rate
from edgegym.workload.arrivals.settings import (
    ArrivalProcess,
    DiurnalSettings,
    GammaSettings,
    MmppSettings,
    OnOffSettings,
    PeriodicSettings,
    PoissonSettings,
)


def index_of_dispersion(settings: ArrivalProcess, window_s: float) -> float:
    """Variance over mean of the arrivals in a window that starts at any moment.

    A diurnal stream is taken with a random phase, whatever its settings say.

    Args:
        settings: which process.
        window_s: length of the window, above 0.
    """
    match settings:
        case PeriodicSettings():
            return _periodic(settings, window_s)
        case PoissonSettings():
            return 1.0
        case GammaSettings():
            return _gamma(settings, window_s)
        case MmppSettings():
            calm, burst = mmpp_rates(settings)
            return _two_states(settings.rate, burst - calm, settings.burst_s, settings.calm_s, window_s)
        case DiurnalSettings():
            # The integral of a sine of random phase is a sine too, smaller the more periods the window spans.
            swing = (settings.peak_to_mean - 1.0) * float(np.sinc(window_s / settings.period_s))
            return 1.0 + settings.rate * window_s * swing**2 / 2.0
        case OnOffSettings():
            # Independent equal users: variance and mean grow alike with their number.
            of_one = settings.rate / settings.users
            return _two_states(of_one, session_rate(settings), settings.session_s, settings.pause_s, window_s)


def _two_states(rate: float, step: float, high_s: float, low_s: float, window_s: float) -> float:
    """Poisson arrivals whose rate jumps up by ``step`` for exponential times of mean ``high_s`` and back."""
    share = high_s / (high_s + low_s)
    # The covariance of the rate decays like exp(-lag / memory_s).
    memory_s = high_s * low_s / (high_s + low_s)
    decay = 1.0 + math.expm1(-window_s / memory_s) * memory_s / window_s
    return 1.0 + 2.0 * step**2 * share * (1.0 - share) * memory_s * decay / rate


def _gamma(settings: GammaSettings, window_s: float) -> float:
    """E[N(N - 1)] counts pairs: 2 * rate * integral over the window of sum_n P(n gaps take at most the rest of it)."""
    shape = settings.cv**-2
    span = window_s * settings.rate * shape
    # In units of the gaps' scale, n gaps have a gamma law of shape n * shape; beyond these n they surely take longer.
    most = math.ceil((span + 12.0 * math.sqrt(span) + 60.0) / shape)
    shapes = shape * np.arange(1, most + 1)
    pairs = 2.0 * np.sum(span * gammainc(shapes, span) - shapes * gammainc(shapes + 1.0, span)) / shape
    mean = settings.rate * window_s
    return float((mean + pairs - mean**2) / mean)


def _periodic(settings: PeriodicSettings, window_s: float) -> float:
    """Pairs n periods apart lie n + jitter * (U - U') apart, a triangular law; U are uniform on [0, 1]."""
    mean = settings.rate * window_s
    room = mean - np.arange(1, math.ceil(mean) + 2)
    jitter = settings.jitter
    overlap = np.maximum(room, 0.0)
    if jitter > 0.0:
        overlap += np.maximum(jitter - np.abs(room), 0.0) ** 3 / (6.0 * jitter**2)
    return float((mean + 2.0 * overlap.sum() - mean**2) / mean)
