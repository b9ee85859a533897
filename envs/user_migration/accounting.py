"""From the log of an episode to its metrics: what they are and how they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric

METRICS = (
    Metric("cost_per_slot", "1", "lower", "Cost per user and slot, undiscounted."),
    Metric("discounted_cost", "1", "lower", "Cost of all users, discounted from the first slot on."),
    Metric("latency_mean_s", "s", "lower", "Delay of a request, mean over users and slots."),
    Metric("latency_p95_s", "s", "lower", "95th percentile of that over users and slots."),
    Metric("deadline_misses", "1", "lower", "Share of users and slots with a delay beyond the service's deadline."),
    Metric("motion_to_photon_misses", "1", "lower", "The same for the service with the shortest deadline."),
    Metric("migrations_per_slot", "1", "", "Migrations per user and slot."),
    Metric("migrations_per_hour", "1/h", "", "Migrations per user and hour."),
    Metric("bytes_per_hour", "B/h", "lower", "Bytes that migrations send, per user and hour."),
    Metric("downtime", "1", "lower", "Share of the time in which a service is interrupted."),
    Metric("energy_j", "J", "lower", "Energy that cards state (servers, radio, backhaul), per user and slot."),
    Metric("load_balance", "1", "higher", "Jain's index of the sites' utilisations, mean over slots."),
    Metric("user_slots", "1", "", "Users times slots that were served."),
    Metric("outside", "1", "lower", "Share of the recorded users and slots that no site covers; nobody serves them."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)


def episode_metrics(
    log: NDArray[Any], delays: NDArray[np.float32], slot_s: float, contended: bool, metered: bool
) -> dict[str, float]:
    """Metrics of the slots closed so far, all but three; NaN where there are none or the costs have no such unit.

    Args:
        log: (slots,) LOG.
        delays: (slots, users) seconds.
        slot_s: length of a slot; NaN where it has none.
        contended: whether delays and loads have a meaning.
        metered: whether a card states energy.
    """
    found = {metric.name: float("nan") for metric in METRICS}
    users = float(log["users"].sum())
    if users == 0:
        return found
    hours = users * slot_s / 3600.0
    migrations = float(log["migrations"].sum())
    found |= {
        "cost_per_slot": float(log["cost"].sum()) / users,
        "migrations_per_slot": migrations / users,
        "migrations_per_hour": migrations / hours,
        "user_slots": users,
    }
    if contended:
        tight = float(log["tight"].sum())
        found |= {
            "latency_mean_s": float(log["latency"].sum()) / users,
            "latency_p95_s": float(np.nanquantile(delays, 0.95)),
            "deadline_misses": float(log["misses"].sum()) / users,
            "motion_to_photon_misses": float(log["tight_misses"].sum()) / tight if tight else float("nan"),
            "bytes_per_hour": float(log["sent"].sum()) / hours,
            "downtime": float(log["downtime"].sum()) / (users * slot_s),
            "load_balance": float(log["balance"].mean()),
        }
    if metered:
        found["energy_j"] = float(log["energy"].sum()) / users
    return found
