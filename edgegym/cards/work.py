"""What a network asks of a device: counts per sample, from which every term of a latency model takes its column.

Work is counted, never measured. Multiply-accumulates (MACs) and activations can be split by class of operator, because
devices differ by an order of magnitude in how fast they work off, say, depthwise and dense convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import add, sub
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

MAC_CLASSES = ("spatial", "pointwise", "depthwise", "grouped", "attention")
"""Dense convolutions larger than 1 x 1; 1 x 1 convolutions and dense layers; depthwise; other grouped convolutions;
products of activations with each other, recurrence included."""
ELEMENT_CLASSES = (
    "dense", "depthwise", "grouped", "attention", "batch_norm", "layer_norm", "activation", "elementwise",
)  # fmt: skip
"""Activations that operators read and write: dense convolutions and layers, the other classes of MACs, the two kinds of
norm (group norm counts as layer norm), activation functions, and all that only moves or combines elements."""

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
"""Bytes of a number in each format a network can be stored in."""


@dataclass(frozen=True)
class Work:
    """Work of whole networks or of parts of them, per sample; all arrays broadcast against each other.

    Attributes:
        macs: multiply-accumulates.
        act_elements: elements that convolutions, dense layers and products of activations put out.
        params: weights that are read.
        layers: operators launched; 0 where unknown, for models without a term for it.
        class_macs: (..., 5) MACs by :data:`MAC_CLASSES`, or None.
        class_elements: (..., 8) elements read and written by :data:`ELEMENT_CLASSES`, or None.
    """

    macs: Array
    act_elements: Array
    params: Array
    layers: Array
    class_macs: Array | None = None
    class_elements: Array | None = None

    @classmethod
    def of(
        cls,
        macs: ArrayLike,
        act_elements: ArrayLike,
        params: ArrayLike,
        layers: ArrayLike = 0.0,
        class_macs: ArrayLike | None = None,
        class_elements: ArrayLike | None = None,
    ) -> Self:
        """Wrap plain numbers or sequences."""
        split = [None if given is None else np.asarray(given, np.float64) for given in (class_macs, class_elements)]
        counts = np.broadcast_arrays(*(np.asarray(given, np.float64) for given in (macs, act_elements, params, layers)))
        return cls(*counts, *split)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The chosen rows."""
        counts = (count[rows] for count in (self.macs, self.act_elements, self.params, self.layers))
        split = (None if part is None else part[rows] for part in (self.class_macs, self.class_elements))
        return type(self)(*counts, *split)

    def __add__(self, other: Self) -> Self:
        """Work of both; a split is kept where both have it."""
        return self._combined(other, add)

    def __sub__(self, other: Self) -> Self:
        """Work without a part of it; a split is kept where both have it."""
        return self._combined(other, sub)

    def _combined(self, other: Self, operation: Callable[[Array, Array], Array]) -> Self:
        result: dict[str, Any] = {}
        for name in (f.name for f in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            result[name] = None if mine is None or theirs is None else operation(mine, theirs)
        return type(self)(**result)

    def columns(self, batch: ArrayLike = 1.0) -> dict[str, Array]:
        """Column of every term that this work knows, by the name of the term.

        Args:
            batch: samples in a call, broadcast against the counts.
        """
        b = np.asarray(batch, np.float64)
        shape = np.broadcast_shapes(self.macs.shape, b.shape)
        found = {
            "overhead": np.ones(shape),
            "layers": np.broadcast_to(self.layers, shape),
            "macs": b * self.macs,
            "elements": b * self.act_elements,
            "weights": np.broadcast_to(self.params, shape),
        }
        if self.class_macs is not None:
            found |= {f"macs.{name}": b * self.class_macs[..., i] for i, name in enumerate(MAC_CLASSES)}
        if self.class_elements is not None:
            found |= {f"elements.{name}": b * self.class_elements[..., i] for i, name in enumerate(ELEMENT_CLASSES)}
        return found


CONVOLUTIONS = ("pointwise", "3x3", "5x5", "strided", "other")
"""Convolutions that libraries have their own kernels for; 3x3 and 5x5 stand for stride 1."""
KIND_CLASSES = {"depthwise_conv": "depthwise", "dense": "dense", "attention": "attention", "recurrent": "attention"}
"""Classes of the kinds of layers that multiply, convolutions apart."""
MULTIPLYING = ("conv", *KIND_CLASSES)
"""Kinds of layers that multiply."""
LAYER_CLASSES = (*CONVOLUTIONS, "depthwise", "dense", "attention")
MAC_CLASS_OF = {"depthwise": "depthwise", "dense": "pointwise", "pointwise": "pointwise", "attention": "attention"}
"""Class of MACs of a class of layers; other convolutions are spatial."""
ELEMENT_CLASS_OF = {"norm": "batch_norm", "layer_norm": "layer_norm", "activation": "activation"}
"""Class of elements of kinds that do not multiply; others are elementwise."""
TILE = 32
"""Output channels that a kernel works on at a time: fewer cost as much."""


@dataclass(frozen=True)
class LayerWork:
    """Work of single layers, per sample.

    Attributes:
        kind: (n,) str: ``conv``, ``depthwise_conv``, ``dense``, ``attention``, ``recurrent``, or another kind without
            multiplications, of which :data:`ELEMENT_CLASS_OF` tells three apart.
        macs: (n,) multiply-accumulates.
        in_elements: (n,) elements read.
        out_elements: (n,) elements written.
        params: (n,) weights.
        channels_in: (n,) input channels or features; NaN where it has no meaning.
        channels_out: (n,) output channels or features; NaN likewise.
    """

    kind: NDArray[np.str_]
    macs: Array
    in_elements: Array
    out_elements: Array
    params: Array
    channels_in: Array
    channels_out: Array

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The chosen rows."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def layer_class(self) -> NDArray[np.str_]:
        """(n,) str out of :data:`LAYER_CLASSES`, or the kind itself for layers that do not multiply."""
        side = np.sqrt(self.macs / np.maximum(self.out_elements * self.channels_in, 1.0))
        shrink = np.sqrt((self.in_elements / self.channels_in) / (self.out_elements / self.channels_out))
        strided = (shrink > 1.25 + 0.25 * (side > 4)) & (side > 1.25)
        shapes = [side < 1.25, strided, np.abs(side - 3) < 0.25, np.abs(side - 5) < 0.25]
        convolution = np.select(shapes, ["pointwise", "strided", "3x3", "5x5"], "other")
        other = np.array([KIND_CLASSES.get(kind, kind) for kind in self.kind])
        return np.where(self.kind == "conv", convolution, other)

    def split(self) -> Work:
        """The layers one by one as parts of a network, (n,), split by class of operator."""
        multiplies = np.isin(self.kind, MULTIPLYING)
        mac_class = np.array([MAC_CLASS_OF.get(name, "spatial") for name in self.layer_class])
        dense = np.isin(mac_class, ("spatial", "pointwise"))
        element_class = np.where(
            multiplies,
            np.where(dense, "dense", mac_class),
            [ELEMENT_CLASS_OF.get(kind, "elementwise") for kind in self.kind],
        )
        macs = np.where(multiplies, self.macs, 0.0)[:, None] * (mac_class[:, None] == MAC_CLASSES)
        traffic = (self.in_elements + self.out_elements)[:, None] * (element_class[:, None] == ELEMENT_CLASSES)
        acts = np.where(multiplies, self.out_elements, 0.0)
        return Work.of(macs.sum(axis=1), acts, self.params, np.ones(len(acts)), macs, traffic)

    def columns(self, batch: ArrayLike = 1.0) -> dict[str, Array]:
        """Column of every term that these layers know, by the name of the term; as :meth:`Work.columns`."""
        b = np.asarray(batch, np.float64)
        found, classes = {"overhead": np.ones(np.broadcast_shapes(self.macs.shape, b.shape))}, self.layer_class
        multiplies = self.macs > 0
        out = np.where(multiplies & (self.channels_out > 0), self.channels_out, 1.0)
        positions = b * self.out_elements / out
        tiled = b * self.macs * np.where(multiplies, np.ceil(out / TILE) * TILE / out, 1.0)
        found["macs"] = b * self.macs
        for name in LAYER_CLASSES:
            found[f"layer_macs.{name}"] = np.where(classes == name, tiled, 0.0)
        # Short sums, few positions and few channels leave arithmetic units idle: each costs as if there were more.
        found["short_sums"] = np.where(multiplies, b * self.out_elements, 0.0)
        found["few_positions"] = np.where(multiplies, tiled / np.maximum(positions, 1.0), 0.0)
        found["few_channels"] = np.where(multiplies, b * self.macs / out, 0.0)
        for name in dict.fromkeys(("multiplying", *np.unique(classes[~multiplies]))):
            here = multiplies if name == "multiplying" else (classes == name) & ~multiplies
            found[f"read.{name}"] = np.where(here, b * self.in_elements, 0.0)
            found[f"written.{name}"] = np.where(here, b * self.out_elements, 0.0)
        found["weights"] = self.params
        return found
