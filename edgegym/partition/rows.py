"""Rows of every map shared out over devices near each other, after MoDNN (Mao et al., DATE 2017).

Each device makes a band of rows of every output, as tall as its speed allows. Before a layer it fetches the rows of the
layer's input that it lacks: the halo, made by neighbours. Device 0 owns the input and collects the last output. The
devices wait for each other at every layer and share one wireless channel, on which messages follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.cards import DeviceCard
from edgegym.errors import EdgeGymError
from edgegym.partition.costs import call_times_s, summed
from edgegym.partition.spatial import SpatialLayer, rows_read, slice_work

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
FLOAT_BYTES = 4


@dataclass(frozen=True)
class RowSplit:
    """Bands of rows for every layer and device.

    Attributes:
        layers: of the network, in order.
        bounds: (layers, devices + 1) first row of each device's band of the output; the last entry is the side.
        fetched: (layers, devices) rows of the layer's input that the device lacks.
    """

    layers: tuple[SpatialLayer, ...]
    bounds: Rows
    fetched: Rows

    @property
    def bands(self) -> Rows:
        """(layers, devices) rows of output that each device makes."""
        return np.diff(self.bounds, axis=1)

    def compute_s(self, card: DeviceCard, speeds: ArrayLike = 1.0) -> Array:
        """Time that each device computes for each layer, (layers, devices) seconds.

        Args:
            card: of a device at speed 1.
            speeds: of the devices relative to it, (devices,).
        """
        share = self.bands / np.array([layer.side_out for layer in self.layers])[:, None]
        calls = call_times_s(summed(slice_work(self.layers, share)), card)
        return np.diff(calls, axis=0) / np.asarray(speeds, np.float64)

    def sent_bytes(self, input_item_bytes: float = FLOAT_BYTES) -> Array:
        """What is sent before each layer and, last, to collect the output; (layers + 1,) bytes.

        Args:
            input_item_bytes: of a number of the input; 1 for pixels.
        """
        item = [input_item_bytes, *[FLOAT_BYTES] * (len(self.layers) - 1)]
        row = np.array([layer.side_in * layer.channels_in for layer in self.layers]) * item
        last = self.layers[-1]
        collected = self.bands[-1, 1:].sum() * last.side_out * last.channels_out * FLOAT_BYTES
        return np.append(self.fetched.sum(axis=1) * row, collected).astype(np.float64)

    def messages(self) -> Rows:
        """How many devices are sent to before each layer and, last, send their output; (layers + 1,)."""
        senders = int((self.bands[-1, 1:] > 0).sum())
        return np.append((self.fetched > 0).sum(axis=1), senders)

    def latency_s(
        self,
        card: DeviceCard,
        rate_bps: float,
        message_s: float = 0.0,
        speeds: ArrayLike = 1.0,
        input_item_bytes: float = FLOAT_BYTES,
    ) -> float:
        """Time of one sample: the slowest device of every layer and all that is sent, seconds.

        Args:
            card: of a device at speed 1.
            rate_bps: of the shared channel, bit/s.
            message_s: added by every message, seconds.
            speeds: of the devices relative to the card, (devices,).
            input_item_bytes: of a number of the input.
        """
        computing = self.compute_s(card, speeds).max(axis=1).sum()
        sending = 8.0 * self.sent_bytes(input_item_bytes).sum() / rate_bps + message_s * self.messages().sum()
        return float(computing + sending)


def shares_by_speed(speeds: ArrayLike) -> Array:
    """Shares of the rows in proportion to speed, (devices,), summing to 1.

    Raises:
        EdgeGymError: if a speed is negative or none is positive.
    """
    given = np.asarray(speeds, np.float64)
    if not (np.all(given >= 0) and np.any(given > 0)):
        raise EdgeGymError(f"speeds {given}: must not be negative, and one must be positive")
    return given / given.sum()


def shares_from_times(shares: ArrayLike, busy_s: ArrayLike) -> Array:
    """Shares for the next sample from the time that the devices took for theirs: for helpers that slow down.

    Args:
        shares: (devices,) that were shared out; a device without a share gets none again, since nothing is known.
        busy_s: (devices,) seconds that the devices computed.
    """
    given, busy = np.asarray(shares, np.float64), np.asarray(busy_s, np.float64)
    return shares_by_speed(np.divide(given, busy, out=np.zeros_like(given), where=(given > 0) & (busy > 0)))


def row_bounds(rows: int, shares: ArrayLike) -> Rows:
    """Bounds of bands that share out rows as evenly as whole rows allow, (devices + 1,), from 0 to ``rows``."""
    until = np.cumsum(np.asarray(shares, np.float64))
    return np.concatenate([[0], np.rint(rows * until / until[-1])]).astype(np.intp)


def split_rows(layers: tuple[SpatialLayer, ...], shares: ArrayLike) -> RowSplit:
    """Share out the rows of every layer's output.

    Args:
        layers: the network.
        shares: (devices,) parts of every output.
    """
    bounds = np.array([row_bounds(layer.side_out, shares) for layer in layers])
    owned = np.zeros_like(bounds[0])
    owned[1:] = layers[0].side_in  # device 0 has the whole input
    fetched = []
    for layer, out in zip(layers, bounds, strict=True):
        low, high = rows_read(layer, out[:-1], out[1:])
        at_hand = np.minimum(high, owned[1:]) - np.maximum(low, owned[:-1])
        fetched.append((high - low) - np.maximum(at_hand, 0))
        owned = out
    return RowSplit(layers, bounds, np.array(fetched))
