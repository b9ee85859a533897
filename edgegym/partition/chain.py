"""Cuts of a chain: one between device and server, or several between tiers.

With cut k the first k layers run on the device and the rest on the server; 0 sends the input, the last cut nothing.
Latency and energy are those of Neurosurgeon (Kang et al., ASPLOS 2017): time of the prefix, transfer, time of the
suffix; energy of the prefix and of sending. The result's way back is neglected, as there. A graph that is no chain is
cut by prefixes of its order, with all tensors that cross.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.calibration.zoo.graph import ModelGraph
from edgegym.cards import DeviceCard, RadioPower
from edgegym.partition.costs import prefix_times_s, suffix_times_s

Array = NDArray[np.float64]
Cuts = NDArray[np.intp]


@dataclass(frozen=True)
class CutCosts:
    """What every cut of a network costs; each array is (cuts,), with one cut more than layers.

    Attributes:
        prefix_s: time of the first part on the device, seconds.
        suffix_s: time of the second part on the server, seconds.
        sent_bytes: what crosses; 0 at the last cut.
    """

    prefix_s: Array
    suffix_s: Array
    sent_bytes: Array

    @classmethod
    def of(cls, graph: ModelGraph, device: DeviceCard, server: DeviceCard, input_bytes: float | None = None) -> Self:
        """Costs by device cards.

        Args:
            graph: the network.
            device: runs the first part.
            server: runs the second part.
            input_bytes: of a sample as it is sent, for example of 8-bit pixels; as the graph stores it by default.
        """
        return cls(prefix_times_s(graph, device), suffix_times_s(graph, server), sent_bytes(graph, input_bytes))

    def transfer_s(self, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0) -> Array:
        """Time to send, seconds; a round trip is charged unless nothing is sent.

        Args:
            rate_bps: uplink, bit/s; any shape.
            rtt_s: round trip, seconds, broadcast against it.

        Returns:
            Their shape with the cuts as a last axis.
        """
        rate, rtt = (np.asarray(given, np.float64)[..., None] for given in (rate_bps, rtt_s))
        return 8.0 * self.sent_bytes / rate + np.where(self.sent_bytes > 0, rtt, 0.0)

    def latency_s(self, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0) -> Array:
        """End-to-end time of every cut, seconds; shapes as :meth:`transfer_s`."""
        return self.prefix_s + self.transfer_s(rate_bps, rtt_s) + self.suffix_s

    def energy_j(self, rate_bps: ArrayLike, device_w: float, radio: RadioPower) -> Array:
        """Energy that the device spends on every cut, joules; waiting for the server is free, as in the paper.

        Args:
            rate_bps: uplink, bit/s; any shape.
            device_w: power while it computes, watts.
            radio: what sending draws.

        Returns:
            The shape of ``rate_bps`` with the cuts as a last axis.
        """
        sending_j = radio.up_base_w * self.transfer_s(rate_bps) + radio.up_j_per_byte * self.sent_bytes
        return device_w * self.prefix_s + sending_j


def sent_bytes(graph: ModelGraph, input_bytes: float | None = None) -> Array:
    """What crosses at every cut, (layers + 1,) bytes; ``input_bytes`` stands for the size of the input if given."""
    found = np.array([cut.bytes for cut in graph.cuts], np.float64)
    if input_bytes is not None:
        found += [(input_bytes - graph.input_bytes) * ("input" in cut.tensors) for cut in graph.cuts]
    return found


def best_cut(cost: Array) -> tuple[Cuts, Array]:
    """The cheapest cut of each row, the earliest of equals.

    Args:
        cost: (..., cuts), as :class:`CutCosts` gives it.

    Returns:
        Its index and its cost, (...).
    """
    cut = cost.argmin(axis=-1)
    return cut, np.take_along_axis(cost, cut[..., None], -1)[..., 0]


def best_tiers(
    prefix_s: ArrayLike, sent_bytes: ArrayLike, rate_bps: ArrayLike, rtt_s: ArrayLike = 0.0
) -> tuple[Cuts, Array]:
    """Part a chain over tiers, for example device, edge and cloud, each reached through the one before.

    Dynamic programming over tiers with a running minimum over cuts: time O(tiers x cuts) for each row of rates.

    Args:
        prefix_s: (tiers, cuts) time of the first k layers on each tier; a part takes the difference of two entries.
        sent_bytes: (cuts,) what crosses; 0 at the last cut.
        rate_bps: (..., tiers - 1) of the link from each tier to the next, bit/s.
        rtt_s: round trips of these links, seconds, broadcast against the rates.

    Returns:
        The cuts, (..., tiers - 1), never falling, and the latency in seconds, (...). Equal cuts leave a tier idle: what
        crosses there only passes through it.
    """
    prefix, sent = np.asarray(prefix_s, np.float64), np.asarray(sent_bytes, np.float64)
    rate, rtt = np.broadcast_arrays(np.asarray(rate_bps, np.float64), np.asarray(rtt_s, np.float64))
    until = np.broadcast_to(prefix[0], (*rate.shape[:-1], prefix.shape[1]))
    came_from = []
    for tier in range(1, len(prefix)):
        link = tier - 1
        hop = 8.0 * sent / rate[..., link, None] + np.where(sent > 0, rtt[..., link, None], 0.0)
        entered = until + hop - prefix[tier]
        least = np.minimum.accumulate(entered, axis=-1)
        came_from.append(_places_of_minima(entered, least))
        until = least + prefix[tier]
    end = np.full(rate.shape[:-1], prefix.shape[1] - 1)
    cuts = np.empty(rate.shape, np.intp)
    for link in reversed(range(rate.shape[-1])):
        end = np.take_along_axis(came_from[link], end[..., None], -1)[..., 0]
        cuts[..., link] = end
    return cuts, until[..., -1]


def _places_of_minima(values: Array, least: Array) -> Cuts:
    """Where the running minimum ``least`` of the last axis was last lowered."""
    lowered = np.empty(values.shape, bool)
    lowered[..., 0] = True
    lowered[..., 1:] = values[..., 1:] < least[..., :-1]
    return np.maximum.accumulate(np.where(lowered, np.arange(values.shape[-1]), 0), axis=-1)
