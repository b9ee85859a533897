"""Was a measurement disturbed by other work? Times of a contended machine say nothing of the device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.profiler.plan import ProfilePlan, usable_cores


def busy(load: float | None, plan: ProfilePlan, cores: int | None = None) -> str | None:
    """Why the load average tells of other work, or None.

    The measurement itself keeps at most all cores busy, so a load beyond them is not its own.
    """
    cores = cores or usable_cores()
    limit = plan.load_per_core_limit * cores
    if load is None or load <= limit:
        return None
    return f"load average {load:.1f} on {cores} cores (limit {limit:.1f})"


def unsteady(samples: NDArray[np.float64], plan: ProfilePlan) -> str | None:
    """Why (repetitions,) seconds scatter more than a quiet machine's, or None."""
    p50, p90 = np.quantile(samples, (0.5, 0.9))
    if p90 <= plan.quantile_ratio_limit * p50:
        return None
    return f"p90/p50 = {p90 / p50:.2f} (limit {plan.quantile_ratio_limit:g})"
