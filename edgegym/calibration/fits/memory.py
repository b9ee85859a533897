"""Memory and power of a device from the columns that tell them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from edgegym.calibration.fits.intervals import significant
from edgegym.cards.device import MemoryModel, PowerModel
from edgegym.cards.work import Work

Array = NDArray[np.float64]
ITEM_BYTES = {"float32": 4.0, "amp": 2.0, "float16": 2.0, "bfloat16": 2.0, "int8": 1.0}
WEIGHT_BYTES = {"amp": 4.0}
"""Automatic mixed precision keeps weights in float32."""
FEWEST = 4


def fit_memory(work: Work, batch: Array, memory_bytes: Array | None) -> MemoryModel | None:
    """Non-negative least squares of relative errors; None where fewer than four rows tell the memory.

    Args:
        work: counts of whole models.
        batch: (n,) samples in a call.
        memory_bytes: (n,) peak memory with NaN where not measured, or None.
    """
    if memory_bytes is None or np.isfinite(memory_bytes).sum() < FEWEST:
        return None
    told = np.isfinite(memory_bytes) & (memory_bytes > 0)
    columns = np.column_stack([np.ones(len(batch)), work.params, batch * work.act_elements])[told]
    base, per_param, per_element = nnls(columns / memory_bytes[told, None], np.ones(told.sum()))[0]
    return MemoryModel(
        base_bytes=significant(float(base)),
        bytes_per_param=max(significant(float(per_param)), 1e-3),
        bytes_per_element=max(significant(float(per_element)), 1e-3),
    )


def assumed_memory(dtype: str) -> MemoryModel | None:
    """Weights and activations at the width of the number format; None for a format of unknown width."""
    name = next((name for name in ITEM_BYTES if dtype.startswith(name)), None)
    if name is None:
        return None
    return MemoryModel(bytes_per_param=WEIGHT_BYTES.get(name, ITEM_BYTES[name]), bytes_per_element=ITEM_BYTES[name])


def fit_power(time_s: Array, energy_j: Array | None) -> PowerModel | None:
    """Median of energy over time; None where no row tells the energy."""
    if energy_j is None or not np.isfinite(energy_j).any():
        return None
    told = np.isfinite(energy_j) & (energy_j > 0)
    watts = significant(float(np.median(energy_j[told] / time_s[told])))
    return PowerModel(active_w=watts, source=f"median of energy over time of {told.sum()} rows of the table")
