"""Geometry of convolutions and pooling in a chain: which rows of its input a row of output reads.

Maps are square. A model graph states counts, not geometry, so :func:`spatial_chain` derives it: the side of a map from
its elements and channels, the kernel of a convolution from its multiply-accumulates per output and input channel, the
stride from both sides, the padding from all of these. Pooling multiplies nothing; its kernel is taken as the least that
covers the input without padding, which is right unless the pooling pads (ResNet's does: name its kernel).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.calibration.zoo.graph import INPUT, Layer, ModelGraph
from edgegym.cards import Work
from edgegym.cards.work import ELEMENT_CLASSES, MAC_CLASSES
from edgegym.errors import EdgeGymError
from edgegym.partition.costs import FOLDED

Array = NDArray[np.float64]
Rows = NDArray[np.intp]
SPATIAL = ("conv", "depthwise_conv", "pool")
SpatialKind = Literal["conv", "depthwise_conv", "pool"]


@dataclass(frozen=True)
class SpatialLayer:
    """A convolution or pooling of a square map.

    Attributes:
        name: of the layer.
        kind: what it does.
        kernel: side of the window.
        stride: step of the window.
        padding: zeros before the first row.
        side_in: rows of the input, and its columns.
        side_out: rows of the output, and its columns.
        channels_in: channels of the input.
        channels_out: channels of the output.
        params: weights.
    """

    name: str
    kind: SpatialKind
    kernel: int
    stride: int
    padding: int
    side_in: int
    side_out: int
    channels_in: int
    channels_out: int
    params: int

    @property
    def elements_in(self) -> int:
        """Elements of the whole input."""
        return self.side_in**2 * self.channels_in

    @property
    def elements_out(self) -> int:
        """Elements of the whole output."""
        return self.side_out**2 * self.channels_out

    @property
    def macs(self) -> int:
        """Multiply-accumulates for the whole output."""
        summed = {"conv": self.channels_in, "depthwise_conv": 1, "pool": 0}[self.kind]
        return self.elements_out * self.kernel**2 * summed


def rows_read(layer: SpatialLayer, start: ArrayLike, stop: ArrayLike) -> tuple[Rows, Rows]:
    """Rows of the input that rows ``start`` .. ``stop - 1`` of the output read.

    Args:
        layer: the layer.
        start: first rows of output; any shape.
        stop: rows behind the last, of that shape; equal to ``start`` for none.

    Returns:
        First row and row behind the last, within the map; equal where no row is wanted.
    """
    first, behind = np.asarray(start, np.intp), np.asarray(stop, np.intp)
    low = np.clip(first * layer.stride - layer.padding, 0, layer.side_in)
    high = np.clip((behind - 1) * layer.stride - layer.padding + layer.kernel, low, layer.side_in)
    return low, np.where(behind > first, high, low)


def slice_work(layers: Sequence[SpatialLayer], share: Array) -> Work:
    """Work of parts of the outputs; norms and activation functions are folded in.

    Args:
        layers: (layers) of them.
        share: (layers, ...) part of each output that is made, 0 .. 1.

    Returns:
        Work of the shape of ``share``. Weights are read whole wherever there is a part to make.
    """

    def each(values: Iterable[float]) -> Array:
        return np.array(list(values), np.float64).reshape(-1, *[1] * (share.ndim - 1))

    made = share > 0
    macs = share * each(layer.macs for layer in layers)
    outputs = each(layer.elements_out * (layer.kind != "pool") for layer in layers)
    traffic = share * each(layer.elements_in + layer.elements_out for layer in layers)
    mac_class = np.array([[name == _mac_class(layer) for name in MAC_CLASSES] for layer in layers])
    element_class = np.array([[name == _element_class(layer) for name in ELEMENT_CLASSES] for layer in layers])
    wide = (len(layers), *[1] * (share.ndim - 1), -1)
    return Work.of(
        macs,
        share * outputs,
        made * each(layer.params for layer in layers),
        made,
        macs[..., None] * mac_class.reshape(wide),
        traffic[..., None] * element_class.reshape(wide),
    )


def _mac_class(layer: SpatialLayer) -> str:
    if layer.kind == "depthwise_conv":
        return "depthwise"
    return "pointwise" if layer.kernel == 1 else "spatial"


def _element_class(layer: SpatialLayer) -> str:
    return {"conv": "dense", "depthwise_conv": "depthwise", "pool": "elementwise"}[layer.kind]


def chain_of(side: int, channels: int, layers: Iterable[tuple[SpatialKind, int, int, int]]) -> tuple[SpatialLayer, ...]:
    """A chain from its description; convolutions pad by half their kernel, pooling does not.

    Args:
        side: of the input.
        channels: of the input.
        layers: kind, kernel, stride and output channels of each (a pooling and a depthwise convolution keep theirs).
    """
    found: list[SpatialLayer] = []
    for number, (kind, kernel, stride, wanted) in enumerate(layers):
        padding = 0 if kind == "pool" else kernel // 2
        out = wanted if kind == "conv" else channels
        params = {"conv": (kernel**2 * channels + 1) * out, "depthwise_conv": (kernel**2 + 1) * out, "pool": 0}[kind]
        after = (side + 2 * padding - kernel) // stride + 1
        found.append(
            SpatialLayer(f"{number}.{kind}", kind, kernel, stride, padding, side, after, channels, out, params)
        )
        side, channels = after, out
    return tuple(found)


def spatial_chain(graph: ModelGraph, kernels: Mapping[str, int] | None = None) -> tuple[SpatialLayer, ...]:
    """The convolutions and poolings that a network starts with, as far as each alone reads the one before.

    Args:
        graph: a network on square images, (channels, side, side).
        kernels: kernels by the name of the layer, where the derived one is wrong.

    Raises:
        EdgeGymError: if the input is no square image, or a convolution is grouped or not square.
    """
    if len(graph.input_shape) != 3 or graph.input_shape[1] != graph.input_shape[2]:
        raise EdgeGymError(f"{graph.name}: input {graph.input_shape} is no square image (channels, side, side)")
    channels, side, _ = graph.input_shape
    readers = Counter(name for layer in graph.layers for name in layer.predecessors)
    found: list[SpatialLayer] = []
    before = INPUT
    for layer in graph.layers:
        if layer.predecessors != (before,) or readers[before] > 1 or layer.kind not in (*SPATIAL, *FOLDED):
            break
        before = layer.name
        if layer.kind in FOLDED:
            continue
        spatial = _derived(layer, side, channels, (kernels or {}).get(layer.name))
        found.append(spatial)
        side, channels = spatial.side_out, spatial.channels_out
    return tuple(found)


def _derived(layer: Layer, side: int, channels: int, kernel: int | None) -> SpatialLayer:
    out = layer.channels_out or channels
    after = math.isqrt(layer.output_elements // out)
    stride = max(1, round(side / after))
    if kernel is None:
        kernel = max(1, side - (after - 1) * stride) if layer.kind == "pool" else _kernel(layer, channels)
    padding = max(0, math.ceil(((after - 1) * stride + kernel - side) / 2))
    kind: SpatialKind = "pool" if layer.kind == "pool" else "depthwise_conv" if "depth" in layer.kind else "conv"
    found = SpatialLayer(layer.name, kind, kernel, stride, padding, side, after, channels, out, layer.params)
    if found.macs != layer.macs or found.elements_out != layer.output_elements:
        raise EdgeGymError(
            f"{layer.name}: {layer.macs} multiply-accumulates for {layer.output_elements} outputs are no square "
            "convolution of a square map; end the chain before it (ModelGraph.part)."
        )
    return found


def _kernel(layer: Layer, channels: int) -> int:
    summed = 1 if layer.kind == "depthwise_conv" else channels
    return max(1, round(math.sqrt(layer.macs / (layer.output_elements * summed))))
