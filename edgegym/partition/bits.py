"""Cut and number of bits together, at bounded loss of accuracy.

JALAD (Li et al., JALAD: Joint Accuracy- and Latency-Aware Deep Structure Decoupling for Edge-Cloud Execution, ICPADS
2018) sends the numbers that cross in fewer bits and takes the fastest of the pairs whose loss of accuracy, measured
beforehand, is small enough. There are few pairs, so all are looked at instead of solving an integer program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.errors import EdgeGymError
from edgegym.partition.chain import CutCosts, best_cut

Array = NDArray[np.float64]
FLOAT_BITS = 32


@dataclass(frozen=True)
class BitChoice:
    """Cut and bits for every rate.

    Attributes:
        cut: (...) index of the cut.
        bits: (...) of each number that crosses.
        latency_s: (...) seconds.
    """

    cut: NDArray[np.intp]
    bits: NDArray[np.intp]
    latency_s: Array


def best_bits(
    costs: CutCosts, bits: ArrayLike, loss: ArrayLike, max_loss: float, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0
) -> BitChoice:
    """The fastest cut and number of bits whose loss of accuracy is allowed.

    Args:
        costs: of the network with 32-bit numbers; the input is sent as it is.
        bits: (choices,) bits of a number.
        loss: (cuts, choices) accuracy lost, as a fraction; entries of the first and the last cut do not count, since
            nothing is rounded there.
        max_loss: most loss allowed.
        rate_bps: uplink, bit/s; any shape.
        rtt_s: round trip, seconds, broadcast against it.

    Raises:
        EdgeGymError: if the table of losses has another shape.
    """
    widths, lost = np.asarray(bits, np.intp), np.array(loss, np.float64)
    cuts = len(costs.sent_bytes)
    if lost.shape != (cuts, len(widths)):
        raise EdgeGymError(f"loss: has shape {lost.shape}; one row a cut and one column a width is {cuts, len(widths)}")
    lost[[0, -1]] = 0.0
    latency = np.stack([_with_bits(costs, width).latency_s(rate_bps, rtt_s) for width in widths], axis=-1)
    allowed = np.where(lost <= max_loss, latency, np.inf)
    pair, time = best_cut(allowed.reshape(*allowed.shape[:-2], -1))
    cut, choice = np.divmod(pair, len(widths))
    return BitChoice(cut, widths[choice], time)


def _with_bits(costs: CutCosts, width: int) -> CutCosts:
    narrow = np.ceil(costs.sent_bytes * width / FLOAT_BITS)
    narrow[0] = costs.sent_bytes[0]
    return replace(costs, sent_bytes=narrow)
