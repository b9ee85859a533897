"""From the log of an episode to its metrics: what they are and how they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric

METRICS = (
    Metric("rate_bps", "bit/s", "higher", "Weighted sum rate, mean over the frames."),
    Metric("optimum_ratio", "1", "higher", "Rate over that of the best mode, mean over the frames (without queues)."),
    Metric("optimum_ratio_p1", "1", "higher", "First percentile of that ratio over the frames."),
    Metric("optimum_ratio_min", "1", "higher", "Least of that ratio over the frames."),
    Metric("optimal_share", "1", "higher", "Frames whose rate is that of the best mode."),
    Metric("mean_queue_mbit", "Mbit", "lower", "Data waiting per device, mean over the frames (with queues)."),
    Metric("late_queue_mbit", "Mbit", "lower", "The same over the last quarter: far above the mean when unstable."),
    Metric("energy_j", "J", "lower", "Energy per frame and device, mean over the frames (with queues)."),
    Metric("objective", "1", "", "What the allocation maximises, mean over the frames (with queues)."),
    Metric("offloading_share", "1", "", "Devices that offload, as a share of all."),
    Metric("critic_calls", "1", "lower", "Allocations solved per frame to find its mode."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)
SAME = 1e-9
"""Rates this close, as a share, are those of the same mode."""
SLICES = 40
"""Points of the curves over an episode."""


def episode_metrics(log: NDArray[Any], devices: int, queueing: bool, optima: NDArray[np.float64]) -> dict[str, float]:
    """Metrics of the frames so far, all but the counts; NaN where there are none or the problem has no such thing.

    Args:
        log: (frames,) LOG.
        devices: how many.
        queueing: whether they have queues.
        optima: (frames,) rates of the best modes in bit/s, or (0,) where they are not known.
    """
    found = {metric.name: float("nan") for metric in METRICS}
    if len(log) == 0:
        return found
    found["rate_bps"] = float(log["rate"].mean())
    found["offloading_share"] = float(log["offloading"].mean() / devices)
    if queueing:
        late = log["queue"][-max(1, len(log) // 4) :]
        found |= {
            "mean_queue_mbit": float(log["queue"].mean()),
            "late_queue_mbit": float(late.mean()),
            "energy_j": float(log["energy"].mean()),
            "objective": float(log["value"].mean()),
        }
    if len(optima):
        # A frame in which no device has a channel is served as well as can be.
        ratio = np.divide(log["value"], optima, out=np.ones(len(log)), where=optima > 0.0)
        found |= {
            "optimum_ratio": float(ratio.mean()),
            "optimum_ratio_p1": float(np.quantile(ratio, 0.01)),
            "optimum_ratio_min": float(ratio.min()),
            "optimal_share": float((ratio > 1.0 - SAME).mean()),
        }
    return found


def queue_series(log: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Mean queue in equal slices of the frames; none where there are fewer frames than slices."""
    if len(log) < SLICES:
        return {}
    return {"queue_mbit": np.array([part.mean() for part in np.array_split(log["queue"], SLICES)])}
