"""From the requests of an episode to its metrics: what they are and how they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.envs.network_functions.state import ACTIVE, DONE, FAILED, REJECTED, UNIT

METRICS = (
    Metric("acceptance_ratio", "1", "higher", "Accepted requests over all that arrived."),
    Metric("revenue_rate", "1", "higher", "Revenue times time served of accepted requests over elapsed time."),
    Metric("revenue_to_cost", "1", "higher", "Revenue over cost of accepted requests, both times time served."),
    Metric("flow_success", "1", "higher", "Flows served to their end within their delay budget, over all requests."),
    Metric("delay_mean_s", "s", "lower", "End-to-end delay, mean over the flows that ended."),
    Metric("delay_p95_s", "s", "lower", "95th percentile of that."),
    Metric("deadline_misses", "1", "lower", "Share of accepted flows that ended with a delay above their budget."),
    Metric("startup_mean_s", "s", "lower", "Wait of accepted flows for new instances, mean."),
    Metric("node_utilisation", "1", "", "Used computing capacity, as a share of all, mean over time."),
    Metric("link_utilisation", "1", "", "Used bandwidth, as a share of all, mean over time."),
    Metric("running_instances", "1", "lower", "Instances, mean over time."),
    Metric("started_instances", "1", "lower", "Instances that were started."),
    Metric("power_w", "W", "lower", "Power above that of idle devices, mean over time."),
    Metric("failed_flows", "1", "lower", "Flows that failures ended, as a share of the accepted ones."),
    Metric("rerouted_segments", "1", "", "Segments that were led over another path."),
    Metric("relieved_segments", "1", "", "Those of them that were led around congestion."),
    Metric("congested_links", "1", "lower", "Share of the links that are congested, mean over time."),
    Metric("invalid_actions", "1", "lower", "Actions that the mask forbade; each counted as candidate 0."),
)
SLICES = 40
"""Points of the curves over an episode."""


def episode_metrics(row: Any, network: Any, requests: NDArray[Any]) -> dict[str, float]:
    """Metrics of the requests decided so far; NaN where there is nothing to average.

    Args:
        row: ROW.
        network: NETWORK.
        requests: (R,) REQUEST.
    """
    found = {metric.name: float("nan") for metric in METRICS}
    found |= {
        "started_instances": float(row["started"]),
        "rerouted_segments": float(row["rerouted"]),
        "relieved_segments": float(row["relieved"]),
        "invalid_actions": float(row["invalid"]),
    }
    status = requests["status"]
    accepted = requests[(status == ACTIVE) | (status == DONE) | (status == FAILED)]
    decided = len(accepted) + int((status == REJECTED).sum())
    if decided == 0:
        return found
    ended = requests[status == DONE]
    cut_short = accepted["status"] == FAILED
    served_s = np.where(cut_short, accepted["end_s"] - accepted["time_s"], accepted["life_s"])
    late = ended["delay_s"] > ended["budget_s"]
    elapsed_s = max(float(min(row["clock_s"], requests["time_s"][-1])), 1e-9)
    found |= {
        "acceptance_ratio": len(accepted) / decided,
        "revenue_rate": float((accepted["revenue"] * served_s).sum()) / elapsed_s,
        "flow_success": float((~late).sum()) / decided,
        "node_utilisation": float(row["cpu_time"]) / (elapsed_s * UNIT * max(float(network["cpu"]), 1e-9)),
        "link_utilisation": float(row["bandwidth_time"]) / (elapsed_s * UNIT * max(float(network["bandwidth"]), 1e-9)),
        "congested_links": float(row["congested_time"]) / (elapsed_s * max(int(network["links"]), 1)),
        "running_instances": float(row["running_time"]) / elapsed_s,
        "power_w": float(row["energy_j"]) / elapsed_s,
    }
    if len(accepted):
        cost = float((accepted["cost"] * served_s).sum())
        found |= {
            "revenue_to_cost": float((accepted["revenue"] * served_s).sum()) / max(cost, 1e-9),
            "startup_mean_s": float(accepted["startup_s"].mean()),
            "failed_flows": float(cut_short.mean()),
        }
    if len(ended):
        found |= {
            "delay_mean_s": float(ended["delay_s"].mean()),
            "delay_p95_s": float(np.quantile(ended["delay_s"], 0.95)),
            "deadline_misses": float(late.sum() / len(accepted)),
        }
    return found


def acceptance_series(requests: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Acceptance ratio in equal slices of the requests decided so far; none where there are fewer than slices."""
    decided = requests[requests["status"] > 0]["status"]
    if len(decided) < SLICES:
        return {}
    accepted = decided != REJECTED
    return {"acceptance_ratio": np.array([part.mean() for part in np.array_split(accepted, SLICES)])}
