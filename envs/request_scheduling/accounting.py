"""From what became of the requests to the metrics: what they are and how they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.envs.request_scheduling.params import PRIORITIES
from edgegym.envs.request_scheduling.state import DROPPED, REJECTED, SERVED, Fleet

QUANTILES = {"p50_sojourn": 0.5, "p95_sojourn": 0.95, "p99_sojourn": 0.99}


def _sojourn_metrics(suffix: str, of_whom: str) -> tuple[Metric, ...]:
    texts = {"mean_sojourn": "Mean", **{name: f"{100 * level:g} % quantile" for name, level in QUANTILES.items()}}
    return tuple(
        Metric(f"{name}{suffix}", "s", "lower", f"{text} of the time from arrival to answer{of_whom}.")
        for name, text in texts.items()
    )


METRICS = (
    *_sojourn_metrics("", ""),
    Metric("slo_attainment", "1", "higher", "Requests answered in time, as a share of all."),
    Metric("goodput", "1/s", "higher", "Answers in time per second of arrivals."),
    Metric(
        "accurate_goodput", "1", "higher",
        "Accuracy times class weight of the answers in time, as a share of the weight of all requests.",
    ),
    Metric("accuracy", "1", "higher", "Mean accuracy of the answers."),
    Metric("utilisation", "1", "", "Share of the servers' slots in service, mean over servers until the last answer."),
    Metric("energy_j", "J", "lower", "Energy of the servers per answer."),
    Metric("fairness", "1", "higher", "Jain's index of the share answered in time over the streams."),
    Metric("rejected", "1", "lower", "Requests rejected, as a share of all."),
    Metric("dropped", "1", "lower", "Requests dropped by their server, as a share of all."),
    Metric("held", "1", "", "Times that requests were held back, per request."),
    Metric("loads", "1", "lower", "Models loaded, per request."),
    *(metric for name in PRIORITIES for metric in _sojourn_metrics(f"_{name}", f" of class {name}")),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)  # fmt: skip


def episode_metrics(
    requests: NDArray[Any], servers: NDArray[Any], fleet: Fleet, now_s: float, invalid: int
) -> dict[str, float]:
    """Metrics of the requests that have left the system so far; NaN where there are none.

    Args:
        requests: (requests,) REQUEST, those that have arrived.
        servers: (S,) SERVER.
        fleet: the tables.
        now_s: the clock.
        invalid: actions that the mask forbade.
    """
    found = {metric.name: float("nan") for metric in METRICS} | {"invalid_actions": float(invalid)}
    left = requests[np.isin(requests["fate"], (SERVED, REJECTED, DROPPED))]
    if not len(left):
        return found
    served = left[left["fate"] == SERVED]
    in_time = (left["fate"] == SERVED) & (left["response"] <= left["deadline"])
    worth = np.where(in_time, left["weight"] * fleet.accuracy[left["model"]], 0.0)
    found |= {
        "slo_attainment": float(in_time.mean()),
        "goodput": float(in_time.sum() / max(requests["arrival"][-1], 1e-9)),
        "accurate_goodput": float(worth.sum() / left["weight"].sum()),
        "fairness": jain(np.array([in_time[left["stream"] == s].mean() for s in np.unique(left["stream"])])),
        "rejected": float((left["fate"] == REJECTED).mean()),
        "dropped": float((left["fate"] == DROPPED).mean()),
        "held": float(left["holds"].mean()),
        "loads": float(servers["loads"].sum() / len(left)),
        "utilisation": float((servers["busy"] / fleet.slots).mean() / now_s) if now_s > 0 else float("nan"),
    }
    if len(served):
        found["accuracy"] = float(fleet.accuracy[served["model"]].mean())
        found["energy_j"] = float(servers["energy"].sum() / len(served))
    found |= _sojourns(served, "")
    for priority, name in enumerate(PRIORITIES):
        found |= _sojourns(served[served["priority"] == priority], f"_{name}")
    return found


def sojourn_s(served: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) times from arrival to answer."""
    return np.asarray(served["response"] - served["arrival"])


def jain(shares: NDArray[np.float64]) -> float:
    """Fairness index of R. Jain, D. Chiu and W. Hawe (1984): 1 if all are equal, 1 / n if one has everything."""
    squares = float((shares**2).sum())
    return float(shares.sum() ** 2 / (len(shares) * squares)) if squares > 0 else 1.0


def _sojourns(served: NDArray[Any], suffix: str) -> dict[str, float]:
    if not len(served):
        return {}
    times = sojourn_s(served)
    values = np.quantile(times, list(QUANTILES.values()))
    quantiles = {f"{name}{suffix}": float(value) for name, value in zip(QUANTILES, values, strict=True)}
    return {f"mean_sojourn{suffix}": float(times.mean()), **quantiles}
