"""A neural network as a graph of layers with their costs: pure data, no torch.

A layer is one operator that computes; views (reshape, transpose, split) are no layers, since they move nothing. Layers
are in topological order, so that every prefix can run on one device and the rest on another. Between the two goes the
set of tensors that the prefix makes and the rest reads: the cut of Kang et al. (Neurosurgeon, ASPLOS 2017) for chains,
of Hu et al. (DADS, INFOCOM 2019) for graphs, restricted to prefixes of the order.

All counts are per sample: multiply by the batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgegym.cards.work import ITEM_BYTES
from edgegym.errors import SettingsError, unknown
from edgegym.files import write_text
from edgegym.settings import Settings, read_yaml

INPUT = "input"
"""Name of the tensor that enters the network."""

Kind = Literal[
    "conv",
    "depthwise_conv",
    "dense",
    "attention",
    "recurrent",
    "embedding",
    "pool",
    "norm",
    "activation",
    "add",
    "multiply",
    "concat",
    "resize",
    "reduce",
    "copy",
    "other",
]
"""What a layer does; kinds differ in how fast a device works them off."""


class Layer(Settings):
    """One operator with its costs per sample."""

    name: str = Field(min_length=1)
    """Unique in the graph: path of the module and name of the operator."""
    kind: Kind
    """What it does."""
    operator: str = ""
    """Name of the operator in the framework the graph was taken from."""
    macs: int = Field(default=0, ge=0)
    """Multiply-accumulates."""
    params: int = Field(default=0, ge=0)
    """Trained parameters; shared ones count where they are used first."""
    param_bytes: int = Field(default=0, ge=0)
    """Bytes of these parameters."""
    input_elements: int = Field(default=0, ge=0)
    """Elements of the activations that it reads."""
    input_bytes: int = Field(default=0, ge=0)
    """Bytes of these activations."""
    output_elements: int = Field(default=0, ge=0)
    """Elements that it puts out."""
    output_bytes: int = Field(default=0, ge=0)
    """Bytes that it puts out."""
    channels_in: int | None = Field(default=None, ge=1)
    """Input channels or features of a convolution or dense layer."""
    channels_out: int | None = Field(default=None, ge=1)
    """Output channels or features of a convolution or dense layer."""
    predecessors: tuple[str, ...] = ()
    """Layers whose output it reads, or ``"input"``."""


@dataclass(frozen=True)
class Cut:
    """A way to part a network: the first layers here, the rest there.

    Attributes:
        position: how many layers come before the cut; 0 sends the input, the number of layers sends nothing.
        tensors: the layers whose output crosses, or ``"input"``, in topological order.
        bytes: what crosses per sample.
    """

    position: int
    tensors: tuple[str, ...]
    bytes: int


class ModelGraph(Settings):
    """A network: layers in topological order, with the input they start from and the outputs they lead to."""

    name: str = Field(min_length=1)
    """Name of the model."""
    family: str = Field(min_length=1)
    """Architecture that the model shares with its variants."""
    input_shape: tuple[int, ...]
    """Shape of one sample, without the batch."""
    input_bytes: int = Field(ge=0)
    """Bytes of one sample."""
    dtype: str = "float32"
    """Number format of parameters and activations."""
    layers: tuple[Layer, ...] = Field(min_length=1)
    """Topologically ordered."""
    outputs: tuple[str, ...] = Field(min_length=1)
    """Layers whose output is a result; for a network with early exits one per exit, the earliest first."""

    @model_validator(mode="after")
    def _topological(self) -> Self:
        known = {INPUT}
        for layer in self.layers:
            for name in layer.predecessors:
                if name not in known:
                    raise ValueError(f"layers: {layer.name!r} reads {name!r}, which is no earlier layer")
            if layer.name in known:
                raise ValueError(f"layers: {layer.name!r} occurs twice; names are unique and not 'input'")
            known.add(layer.name)
        for name in self.outputs:
            if name not in known:
                raise ValueError(f"outputs: {name!r} is not a layer")
        return self

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return sum(layer.macs for layer in self.layers)

    @property
    def params(self) -> int:
        """Trained parameters."""
        return sum(layer.params for layer in self.layers)

    @property
    def param_bytes(self) -> int:
        """Bytes of the parameters: what must be loaded, or sent to another machine."""
        return sum(layer.param_bytes for layer in self.layers)

    @property
    def act_elements(self) -> int:
        """Elements put out per sample, over all layers."""
        return sum(layer.output_elements for layer in self.layers)

    @property
    def mac_act_elements(self) -> int:
        """Elements put out per sample by the layers that multiply: the usual count of published model tables."""
        return sum(layer.output_elements for layer in self.layers if layer.macs)

    def column(self, name: str) -> NDArray[np.float64]:
        """A numeric field of all layers, (layers,); NaN where a layer has none.

        Raises:
            SettingsError: for a field that layers do not have.
        """
        if name not in Layer.model_fields:
            raise unknown("field of a layer", name, Layer.model_fields, SettingsError)
        return np.array([getattr(layer, name) for layer in self.layers], np.float64)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each layer by its name."""
        return {layer.name: place for place, layer in enumerate(self.layers)}

    @cached_property
    def cuts(self) -> tuple[Cut, ...]:
        """All cuts, by position 0 .. layers; entry k has k layers before it.

        A tensor that several later layers read crosses once. Results are not counted: an exit that the first part
        reaches is known there.
        """
        last_read = {INPUT: -1} | dict.fromkeys(self.index, -1)
        for place, layer in enumerate(self.layers):
            last_read.update(dict.fromkeys(layer.predecessors, place))
        size = {INPUT: self.input_bytes} | {layer.name: layer.output_bytes for layer in self.layers}
        alive = [INPUT]
        cuts = []
        for position in range(len(self.layers) + 1):
            alive = [name for name in alive if last_read[name] >= position]
            cuts.append(Cut(position, tuple(alive), sum(size[name] for name in alive)))
            if position < len(self.layers):
                alive.append(self.layers[position].name)
        return tuple(cuts)

    @property
    def single_tensor_cuts(self) -> tuple[Cut, ...]:
        """The cuts where exactly one tensor crosses."""
        return tuple(cut for cut in self.cuts if len(cut.tensors) == 1)

    def needed_for(self, outputs: Iterable[str]) -> tuple[int, ...]:
        """Positions of the layers that the given outputs depend on, growing: what an early exit costs."""
        wanted = set(outputs)
        for layer in reversed(self.layers):
            if layer.name in wanted:
                wanted.update(layer.predecessors)
        return tuple(place for place, layer in enumerate(self.layers) if layer.name in wanted)

    def part(self, start: int, stop: int) -> ModelGraph:
        """The layers ``start`` .. ``stop - 1`` as a graph of their own; what they read from before is its input.

        Args:
            start: first layer, 0 .. stop - 1.
            stop: one behind the last layer.

        Raises:
            ValueError: for an empty or impossible range.
        """
        if not 0 <= start < stop <= len(self.layers):
            raise ValueError(
                f"part {start}..{stop} of {len(self.layers)} layers: 0 <= start < stop <= layers is needed"
            )
        inside = {layer.name for layer in self.layers[start:stop]}
        layers = [
            layer.model_copy(update={"predecessors": _renamed(layer.predecessors, inside)})
            for layer in self.layers[start:stop]
        ]
        crossing = set(self.cuts[stop].tensors) & inside
        outputs = [layer.name for layer in layers if layer.name in crossing or layer.name in self.outputs]
        entering = self.cuts[start].bytes
        shape = self.input_shape if start == 0 else (entering // ITEM_BYTES.get(self.dtype, 1),)
        return self._with(
            layers=tuple(layers),
            outputs=tuple(outputs or [layers[-1].name]),
            input_shape=shape,
            input_bytes=entering,
        )

    def stored_as(self, dtype: str) -> ModelGraph:
        """The graph with parameters and activations in another number format: bytes change, counts stay.

        The input changes with them if it was in the old format, as images are; tokens keep theirs.

        Raises:
            SettingsError: for an unknown format.
        """
        for name in (dtype, self.dtype):
            if name not in ITEM_BYTES:
                raise unknown("number format", name, ITEM_BYTES, SettingsError)
        old, new = ITEM_BYTES[self.dtype], ITEM_BYTES[dtype]
        sizes = ("param_bytes", "input_bytes", "output_bytes")
        scaled = [
            layer.model_copy(update={key: getattr(layer, key) * new // old for key in sizes}) for layer in self.layers
        ]
        in_old_format = self.input_bytes == int(np.prod(self.input_shape)) * old
        return self._with(
            dtype=dtype,
            layers=tuple(scaled),
            input_bytes=self.input_bytes * new // old if in_old_format else self.input_bytes,
        )

    def _with(self, **changes: Any) -> ModelGraph:
        """A graph with other fields; unlike pydantic's copy it takes no cached cuts along."""
        return ModelGraph(**{name: changes.get(name, getattr(self, name)) for name in type(self).model_fields})


def save_graph(graph: ModelGraph, path: str | Path) -> None:
    """Write a graph as JSON, one layer a line, whole or not at all; :func:`load_graph` gives an equal one."""
    head = graph.model_dump(mode="json", exclude={"layers"})
    layers = [json.dumps(layer.model_dump(mode="json", exclude_defaults=True)) for layer in graph.layers]
    body = json.dumps(head, indent=1)[:-2] + ',\n "layers": [\n  ' + ",\n  ".join(layers) + "\n ]\n}\n"
    write_text(path, body)


def load_graph(path: str | Path) -> ModelGraph:
    """Read a graph from JSON or YAML.

    Raises:
        SettingsError: if the file cannot be read or does not follow the schema, naming the field.
    """
    values: Any
    if str(path).endswith(".json"):
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{path}: cannot be read ({error}). Give a graph as JSON or YAML.") from None
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: holds a {type(values).__name__}; a graph is an object with layers.")
    else:
        values = read_yaml(path)
    return ModelGraph.parse(values, str(path))


def _renamed(predecessors: tuple[str, ...], inside: set[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name if name in inside else INPUT for name in predecessors))
