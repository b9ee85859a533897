"""From the log of an episode to its metrics: what they are and how they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.envs.inference_offloading.timeline import MEGABYTE

METRICS = (
    Metric("mean_latency_s", "s", "lower", "From the arrival of a task to its result, or to its failing."),
    Metric("p95_latency_s", "s", "lower", "95th percentile of that."),
    Metric("p99_latency_s", "s", "lower", "99th percentile of that."),
    Metric("deadline_miss_ratio", "1", "lower", "Tasks whose result is late or fails."),
    Metric("failure_ratio", "1", "lower", "Tasks that time out, or that an empty battery loses."),
    Metric("hopeless_ratio", "1", "", "Tasks whose deadline or accuracy no plan could meet; the fallback ran."),
    Metric("energy_j", "J", "lower", "Energy of the device per task."),
    Metric("accuracy", "1", "higher", "Mean accuracy of the results; a failed task has 0."),
    Metric("uplink_mbyte", "MB", "lower", "Sent over the access link, per task."),
    Metric("server_s", "s", "lower", "Time of edge servers and the cloud, per task."),
    Metric("device_utilisation", "1", "", "Share of the time that devices compute."),
    Metric("link_utilisation", "1", "", "Share of the time that uplinks send."),
    Metric("server_utilisation", "1", "", "Share of the time that edge servers compute, mean over them."),
    Metric(
        "battery_life_h", "h", "higher", "Time until a device's battery is empty at its mean power (with batteries)."
    ),
    Metric("frames_per_s", "1/s", "higher", "Results in time, per second and user: the frame rate that is held."),
    Metric("motion_to_photon_s", "s", "lower", "Mean latency plus half a mean gap between a user's tasks."),
    Metric("offloaded_share", "1", "", "Tasks that send anything."),
    Metric("reused_share", "1", "", "Tasks answered by an earlier result."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)
SLICES = 40
"""Points of the curves over an episode."""
HOUR_S = 3600.0


def latencies(tasks: NDArray[Any], log: NDArray[Any]) -> NDArray[np.float64]:
    """Seconds from arrival to result of each task that ran, (tasks that ran,)."""
    ran = log["plan"] >= 0
    return np.asarray(log["finish"][ran] - tasks["time"][ran])


def missed(tasks: NDArray[Any], log: NDArray[Any], deadline_s: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each task is late or failed, (tasks,).

    Args:
        tasks: (tasks,) TASK.
        log: (tasks,) LOG.
        deadline_s: (tasks,) of each.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(log["failed"] | (log["finish"] - tasks["time"] > deadline_s))


def episode_metrics(
    tasks: NDArray[Any],
    log: NDArray[Any],
    groups: NDArray[Any],
    group_of: NDArray[np.int64],
    busy_s: NDArray[np.float64],
    seconds: float,
) -> dict[str, float]:
    """Metrics of the tasks that are finished, all but ``invalid_actions``; NaN where there are none.

    Args:
        tasks: (tasks,) TASK.
        log: (tasks,) LOG.
        groups: (groups,) GROUP.
        group_of: (users,) group of each user.
        busy_s: (servers,) seconds that each edge server computed.
        seconds: length of the episode.
    """
    found = {metric.name: float("nan") for metric in METRICS}
    done = log["failed"] | ~np.isnan(log["finish"])
    tasks, log = tasks[done], log[done]
    if len(tasks) == 0:
        return found
    late = missed(tasks, log, groups["deadline_s"][group_of[tasks["user"]]])
    times, ran = latencies(tasks, log), log["plan"] >= 0
    users = len(group_of)
    span = max(seconds, float(np.nanmax(log["finish"], initial=0.0)))
    found |= {
        "deadline_miss_ratio": float(late.mean()),
        "failure_ratio": float(log["failed"].mean()),
        "hopeless_ratio": float(log["hopeless"].mean()),
        "energy_j": float(log["energy_j"].mean()),
        "accuracy": float(np.where(log["failed"], 0.0, log["accuracy"]).mean()),
        "uplink_mbyte": float(log["bytes"].mean() / MEGABYTE),
        "server_s": float(log["server_s"].mean()),
        "device_utilisation": float((log["device_end"] - log["device_start"])[ran].sum() / span / users),
        "link_utilisation": float((log["sent"] - log["send"])[ran].sum() / span / users),
        "server_utilisation": float(busy_s.mean() / span) if len(busy_s) else 0.0,
        "battery_life_h": _battery_life_h(tasks, log, groups[group_of], seconds),
        "frames_per_s": float((~late).sum() / seconds / users),
        "offloaded_share": float((log["bytes"] > 0).mean()),
        "reused_share": float((log["reused"] & ran).mean()),
    }
    if len(times):
        found["mean_latency_s"] = float(times.mean())
        found["p95_latency_s"], found["p99_latency_s"] = (float(q) for q in np.quantile(times, (0.95, 0.99)))
        found["motion_to_photon_s"] = found["mean_latency_s"] + 0.5 * users * seconds / len(tasks)
    return found


def _battery_life_h(tasks: NDArray[Any], log: NDArray[Any], of_user: NDArray[Any], seconds: float) -> float:
    """Mean over the users with batteries of charge over mean power, hours; NaN without any."""
    powered = np.isfinite(of_user["battery_j"])
    if not powered.any():
        return float("nan")
    spent = np.bincount(tasks["user"], log["energy_j"], len(of_user))
    power = of_user["idle_w"] + spent / seconds
    life = np.divide(of_user["battery_j"], power, out=np.full(len(power), np.inf), where=power > 0)
    return float(life[powered].mean() / HOUR_S)


def latency_series(tasks: NDArray[Any], log: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Mean latency in equal slices of the tasks; none where there are fewer tasks than slices."""
    times = latencies(tasks, log)
    if len(times) < SLICES:
        return {}
    return {"latency_s": np.array([part.mean() for part in np.array_split(times, SLICES)])}
