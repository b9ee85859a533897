"""What is asked of throughput over time: autocorrelation, spread, and how long outages and the times between last.

Autocorrelation and spread are those of the logarithm of the throughput, as deviations from each run's mean, pooled over
runs: they say how throughput moves within a run, not how runs differ. In an outage throughput is below a tenth of the
median; a dwell is the time spent in an outage, or outside, in the mean. Runs cut dwells off at both ends, so the mean
is the time spent divided by the number of times that it ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
FLOOR_BPS = 1e4
"""Less counts as this much: zero has no logarithm."""
OUTAGE = 0.1
"""Share of the median below which throughput is an outage."""
LAGS_S = (1, 5, 10)
FEWEST_OUTAGES = 10
"""With fewer in the runs, outages have no statistics."""


def log_rate(rate_bps: Array) -> Array:
    """Logarithm of the throughput, bit/s, with the floor."""
    return np.log(np.maximum(rate_bps, FLOOR_BPS))


def within_run_moments(runs: Sequence[Array], lags: Sequence[int]) -> tuple[float, Array]:
    """Variance and autocorrelation of the deviations from each run's mean.

    Args:
        runs: for each run the (steps,) values.
        lags: in steps; a run no longer than a lag says nothing of it.

    Returns:
        The variance and the (lags,) autocorrelations; NaN for a lag that no run is longer than.
    """
    deviations = [run - run.mean() for run in runs]
    variance = float(np.mean(np.concatenate(deviations) ** 2))
    covariance = []
    for lag in lags:
        long = [d for d in deviations if len(d) > lag]
        products = sum(float(d[:-lag] @ d[lag:]) for d in long)
        covariance.append(products / max(sum(len(d) - lag for d in long), 1) if long else np.nan)
    return variance, np.array(covariance) / variance


def outage_dwells(runs: Sequence[Array], threshold_bps: float) -> tuple[int, float, float]:
    """Number of outages that end, mean steps in an outage, and mean steps between two.

    Infinite where none ends.
    """
    low = [run < threshold_bps for run in runs]
    ends = sum(int(np.sum(state[:-1] & ~state[1:])) for state in low)
    begins = sum(int(np.sum(~state[:-1] & state[1:])) for state in low)
    inside = sum(int(np.sum(state[:-1])) for state in low)
    outside = sum(int(np.sum(~state[:-1])) for state in low)
    return ends, inside / ends if ends else np.inf, outside / begins if begins else np.inf


def throughput_statistics(runs: Sequence[Array], threshold_bps: float, step_s: float = 1.0) -> dict[str, float]:
    """All statistics of some runs.

    Args:
        runs: for each run the (steps,) bit/s.
        threshold_bps: below it is an outage.
        step_s: length of a step, seconds; it must divide a second.

    Returns:
        ``acf_1s``, ``acf_5s``, ``acf_10s``, ``log_spread`` (standard deviation of the logarithm within runs), ``cv``
        (standard deviation over mean of the throughput, over all runs), and with :data:`FEWEST_OUTAGES` also
        ``outage_share``, ``outage_s`` and ``between_outages_s``.
    """
    variance, acf = within_run_moments([log_rate(run) for run in runs], [round(lag / step_s) for lag in LAGS_S])
    pooled = np.concatenate(runs)
    found = {f"acf_{lag}s": float(value) for lag, value in zip(LAGS_S, acf, strict=True)}
    found |= {"log_spread": variance**0.5, "cv": float(pooled.std() / pooled.mean())}
    outages, inside, between = outage_dwells(runs, threshold_bps)
    if outages >= FEWEST_OUTAGES:
        found |= {"outage_share": float(np.mean(pooled < threshold_bps))}
        found |= {"outage_s": step_s * inside, "between_outages_s": step_s * between}
    return found


def outage_threshold(runs: Sequence[Array]) -> float:
    """The throughput below which these runs are in an outage, bit/s."""
    return OUTAGE * float(np.median(np.concatenate(runs)))
