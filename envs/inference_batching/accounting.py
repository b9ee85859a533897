"""From the log of an episode to its metrics: what they are and how they are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric

METRICS = (
    Metric(
        "goodput_accuracy", "1", "higher", "Accuracy of answers in time, 0 for others, weighted mean over requests."
    ),
    Metric("slo_attainment", "1", "higher", "Requests answered in time, as a share of all."),
    Metric("goodput_per_s", "1/s", "higher", "Requests answered in time per second."),
    Metric("accuracy", "1", "higher", "Mean accuracy of the answers."),
    Metric("drop_rate", "1", "lower", "Requests dropped, as a share of all."),
    Metric("late_rate", "1", "lower", "Requests answered late, as a share of all."),
    Metric("mean_latency_s", "s", "lower", "Mean time from arrival to answer of those answered."),
    Metric("p50_latency_s", "s", "lower", "Median of that time."),
    Metric("p95_latency_s", "s", "lower", "95th percentile of that time."),
    Metric("p99_latency_s", "s", "lower", "99th percentile of that time."),
    Metric("energy_j", "J", "lower", "Energy per answer."),
    Metric("mean_batch", "1", "", "Mean batch size."),
    Metric("utilisation", "1", "", "Share of the time spent loading and serving."),
    Metric("loads", "1", "lower", "Variants loaded after the start."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)


@dataclass(frozen=True)
class Log:
    """What became of the requests handled so far, in any order.

    Attributes:
        latency_s: (handled,) seconds from arrival to answer; NaN if dropped.
        in_time: (handled,) bool.
        accuracy: (handled,) of the answer; NaN if dropped.
        weight: (handled,) of the request's queue.
    """

    latency_s: NDArray[np.float64]
    in_time: NDArray[np.bool_]
    accuracy: NDArray[np.float64]
    weight: NDArray[np.float64]


def log_metrics(log: Log, now_s: float) -> dict[str, float]:
    """Metrics of the requests; NaN where there are none to take the mean of."""
    found = {metric.name: float("nan") for metric in METRICS}
    handled, answered = len(log.latency_s), ~np.isnan(log.latency_s)
    if handled == 0:
        return found
    worth = np.where(log.in_time, log.accuracy, 0.0)
    found |= {
        "goodput_accuracy": float((log.weight * worth).sum() / log.weight.sum()),
        "slo_attainment": float(log.in_time.mean()),
        "drop_rate": float(1.0 - answered.mean()),
        "late_rate": float((answered & ~log.in_time).mean()),
    }
    if now_s > 0.0:
        found["goodput_per_s"] = float(log.in_time.sum() / now_s)
    if answered.any():
        latency = log.latency_s[answered]
        p50, p95, p99 = np.quantile(latency, (0.5, 0.95, 0.99))
        found |= {
            "accuracy": float(log.accuracy[answered].mean()),
            "mean_latency_s": float(latency.mean()),
            "p50_latency_s": float(p50),
            "p95_latency_s": float(p95),
            "p99_latency_s": float(p99),
        }
    return found
