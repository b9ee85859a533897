"""Fused tiles over devices near each other, after DeepThings (Zhao, Barijough and Gerstlauer, IEEE TCAD 37(11), 2018).

The last output is parted in a grid of tiles. A tile is made on one device from the region of the network's input that
it depends on, through all layers at once: nothing is sent in between, and what neighbouring tiles both need is made
twice. Idle devices take the next tile from the owner of the input. The paper's reuse of overlaps is left out.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.cards import DeviceCard
from edgegym.partition.costs import call_times_s, summed
from edgegym.partition.rows import FLOAT_BYTES, row_bounds
from edgegym.partition.spatial import SpatialLayer, rows_read, slice_work

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(frozen=True)
class TileSplit:
    """A grid of tiles; tile (i, j) has rows by i and columns by j.

    Attributes:
        layers: of the network, in order.
        extents: (layers + 1, grid) rows of every map that tiles of one row of the grid touch: of the network's input
            first, of its output last. Columns are the same, since maps are square.
    """

    layers: tuple[SpatialLayer, ...]
    extents: Rows

    @property
    def areas(self) -> Array:
        """(layers + 1, tiles) positions of every map that each tile touches."""
        both = self.extents[:, :, None] * self.extents[:, None, :]
        return both.reshape(len(both), -1).astype(np.float64)

    @property
    def redundancy(self) -> float:
        """Multiply-accumulates of all tiles over those of the network, at least 1."""
        macs = np.array([layer.macs for layer in self.layers], np.float64)
        return float((macs[:, None] * self._shares()).sum() / macs.sum())

    @property
    def peak_bytes(self) -> float:
        """Most bytes of a layer's input and output together, over all tiles."""
        channels = np.array([[layer.channels_in, layer.channels_out] for layer in self.layers])
        held = self.areas[:-1] * channels[:, :1] + self.areas[1:] * channels[:, 1:]
        return float(held.max()) * FLOAT_BYTES

    def compute_s(self, card: DeviceCard) -> Array:
        """Time of each tile on a device, (tiles,) seconds."""
        return call_times_s(summed(slice_work(self.layers, self._shares())), card)[-1]

    def input_bytes(self, input_item_bytes: float = FLOAT_BYTES) -> Array:
        """What each tile reads of the network's input, (tiles,)."""
        return self.areas[0] * self.layers[0].channels_in * input_item_bytes

    def output_bytes(self) -> Array:
        """What each tile makes of the last output, (tiles,)."""
        return self.areas[-1] * self.layers[-1].channels_out * FLOAT_BYTES

    def _shares(self) -> Array:
        return self.areas[1:] / np.array([[layer.side_out**2] for layer in self.layers])


def split_tiles(layers: tuple[SpatialLayer, ...], grid: int) -> TileSplit:
    """Part the last output in ``grid`` x ``grid`` tiles and follow them back to the input.

    Args:
        layers: the network.
        grid: tiles in a row, at most the side of the last output.
    """
    bounds = row_bounds(layers[-1].side_out, np.full(grid, 1.0 / grid))
    low, high = bounds[:-1], bounds[1:]
    extents = [high - low]
    for layer in reversed(layers):
        low, high = rows_read(layer, low, high)
        extents.append(high - low)
    return TileSplit(layers, np.array(extents[::-1]))


@dataclass(frozen=True)
class TileRun:
    """One sample over several devices.

    Attributes:
        latency_s: until the owner has the whole output, seconds.
        tiles_done: (devices,) tiles that each device made; the owner is the first.
        sent_bytes: over the channel.
    """

    latency_s: float
    tiles_done: Rows
    sent_bytes: float


def run_tiles(
    split: TileSplit,
    card: DeviceCard,
    speeds: ArrayLike,
    rate_bps: float,
    message_s: float = 0.0,
    input_item_bytes: float = FLOAT_BYTES,
) -> TileRun:
    """Let devices take tiles whenever they are idle; one shared channel serves transfers in order of request.

    Args:
        split: the tiles.
        card: of a device at speed 1.
        speeds: (devices,) relative to it; device 0 has the input and collects the output.
        rate_bps: of the channel, bit/s.
        message_s: added by every message, seconds.
        input_item_bytes: of a number of the input; 1 for pixels.
    """
    speed = np.asarray(speeds, np.float64)
    compute, brought, returned = split.compute_s(card), split.input_bytes(input_item_bytes), split.output_bytes()
    done = np.zeros(len(speed), np.intp)
    waiting = list(range(len(compute)))[::-1]
    # Events: time, device, and the tile that it has just finished or -1 if it is idle.
    events = [(0.0, device, -1) for device in range(len(speed))]
    channel_free = latency = sent = 0.0
    while events:
        now, device, tile = heapq.heappop(events)
        if tile >= 0:
            channel_free = max(now, channel_free) + message_s + 8.0 * returned[tile] / rate_bps
            sent += returned[tile]
            heapq.heappush(events, (channel_free, device, -1))
            continue
        latency = max(latency, now)
        if not waiting:
            continue
        tile = waiting.pop()
        done[device] += 1
        seconds = compute[tile] / speed[device]
        if device == 0:
            heapq.heappush(events, (now + seconds, device, -1))
        else:
            channel_free = max(now, channel_free) + message_s + 8.0 * brought[tile] / rate_bps
            sent += brought[tile]
            heapq.heappush(events, (channel_free + seconds, device, tile))
    return TileRun(latency, done, float(sent))
