"""From a torch module to its graph: a sample runs through it, and every operator that torch dispatches is seen.

Unlike hooks on modules this misses no functional operator, and unlike symbolic tracing it needs nothing of the module
but that it runs. On the ``meta`` device it costs milliseconds, whatever the size of the network.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from edgegym.calibration.zoo.graph import INPUT, Layer, ModelGraph
from edgegym.calibration.zoo.operators import channels_of, kind_of, macs_of, operator_name, tensors_in
from edgegym.errors import EdgeGymError


@dataclass(frozen=True)
class Launch:
    """One dispatched operator.

    Attributes:
        operator: its plain name.
        layer: position of its layer in the graph; None for views and for work on constants.
    """

    operator: str
    layer: int | None


@dataclass(frozen=True)
class Traced:
    """A graph and the sequence of operators it was taken from, in the order of execution."""

    graph: ModelGraph
    launches: tuple[Launch, ...]


def sample_input(
    input_shape: tuple[int, ...], dtype: str, batch: int, device: torch.device | str, seed: int = 0
) -> Tensor:
    """A batch of made-up samples: standard normal numbers, or zeros of an integer type (tokens).

    Args:
        input_shape: shape of one sample.
        dtype: name of a torch type, for example ``"float32"`` or ``"int64"``.
        batch: samples.
        device: where to.
        seed: of the numbers.

    Raises:
        EdgeGymError: for an unknown type.
    """
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype):
        raise EdgeGymError(f"input type {dtype!r}: unknown to torch. Use float32, float16 or int64.")
    shape = (batch, *input_shape)
    if not kind.is_floating_point or torch.device(device).type == "meta":
        return torch.zeros(shape, dtype=kind, device=device)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(device, kind)


def trace(
    module: nn.Module, input_shape: tuple[int, ...], input_dtype: str = "float32", *, name: str, family: str
) -> Traced:
    """Take the graph of a module.

    Args:
        module: takes one tensor whose first axis is the batch; any device, ``meta`` included.
        input_shape: shape of one sample.
        input_dtype: name of the torch type of the input.
        name: name of the graph.
        family: its family.

    Raises:
        EdgeGymError: if the module does not run on such an input, or its result does not depend on it.
    """
    module.eval()
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    sample = sample_input(input_shape, input_dtype, 1, device)
    recorder = _Recorder(module, sample)
    try:
        with torch.inference_mode(), recorder.paths(), recorder:
            result = module(sample)
    except Exception as error:  # a user's module may raise anything
        shape = "x".join(map(str, input_shape))
        raise EdgeGymError(f"{name}: does not run on an input of shape {shape}, type {input_dtype}: {error}") from None
    outputs = tuple(dict.fromkeys(recorder.producer_of(tensor) for tensor in tensors_in(result)))
    if not outputs or None in outputs or INPUT in outputs:
        raise EdgeGymError(f"{name}: its result is not computed from its input, so there is nothing to measure.")
    types = [parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()]
    graph = ModelGraph(
        name=name,
        family=family,
        input_shape=input_shape,
        input_bytes=_bytes(sample),
        dtype=str(types[0] if types else sample.dtype).removeprefix("torch."),
        layers=tuple(recorder.layers),
        outputs=outputs,
    )
    return Traced(graph, tuple(recorder.launches))


class _Recorder(TorchDispatchMode):
    """Follows tensors by their storage, so that a view belongs to the layer that made the numbers."""

    def __init__(self, module: nn.Module, sample: Tensor) -> None:
        super().__init__()
        self.layers: list[Layer] = []
        self.launches: list[Launch] = []
        self._module = module
        self._path = [""]
        self._producers = {_storage(sample): INPUT}
        parameters = list(module.parameters())
        self._parameters = {_storage(parameter): {place} for place, parameter in enumerate(parameters)}
        self._sizes = [(parameter.numel(), _bytes(parameter)) for parameter in parameters]
        self._counted: set[int] = set()
        self._names: dict[str, int] = {}
        # A freed storage would give its address, and so its identity, to another. Tensors are not kept: torch launches
        # one more operator for a tensor that someone else holds.
        self._kept = [tensor.untyped_storage() for tensor in (sample, *parameters)]

    def producer_of(self, tensor: Tensor) -> str | None:
        """The layer that made a tensor, ``"input"``, or None for a constant."""
        return self._producers.get(_storage(tensor))

    @contextmanager
    def paths(self) -> Iterator[None]:
        """Know which module is running, by its path."""
        handles = []
        for path, module in self._module.named_modules():
            handles.append(module.register_forward_pre_hook(lambda *_, path=path: self._path.append(path)))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self, *_: Any) -> None:
        self._path.pop()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs, outputs = tensors_in((args, kwargs)), tensors_in(result)
        self._kept += [tensor.untyped_storage() for tensor in outputs]
        operator = operator_name(func)
        given = {_storage(tensor) for tensor in inputs}
        is_view = not func._schema.is_mutable and all(_storage(tensor) in given for tensor in outputs)
        activations = [tensor for tensor in inputs if self.producer_of(tensor) is not None]
        if is_view:
            self.launches.append(Launch(operator, None))
        elif not activations:
            used = self._parameters_of(inputs)
            self._parameters.update({_storage(tensor): used for tensor in outputs})
            self.launches.append(Launch(operator, None))
        else:
            macs = macs_of(func, args, kwargs or {})
            self._add_layer(operator, macs, args, inputs, activations, outputs)
        return result

    def _add_layer(
        self,
        operator: str,
        macs: int,
        args: tuple[Any, ...],
        inputs: list[Tensor],
        activations: list[Tensor],
        outputs: list[Tensor],
    ) -> None:
        first_used = self._parameters_of(inputs) - self._counted
        self._counted |= first_used
        activations = list({id(tensor): tensor for tensor in activations}.values())
        channels_in, channels_out = channels_of(operator, args)
        layer = Layer(
            name=self._unique(operator),
            kind=kind_of(operator, args),
            operator=operator,
            macs=macs,
            params=sum(self._sizes[place][0] for place in first_used),
            param_bytes=sum(self._sizes[place][1] for place in first_used),
            input_elements=sum(tensor.numel() for tensor in activations),
            input_bytes=sum(_bytes(tensor) for tensor in activations),
            output_elements=sum(tensor.numel() for tensor in outputs),
            output_bytes=sum(_bytes(tensor) for tensor in outputs),
            channels_in=channels_in,
            channels_out=channels_out,
            predecessors=tuple(dict.fromkeys(self._producers[_storage(tensor)] for tensor in activations)),
        )
        self.launches.append(Launch(operator, len(self.layers)))
        self.layers.append(layer)
        self._producers.update({_storage(tensor): layer.name for tensor in outputs})

    def _parameters_of(self, tensors: list[Tensor]) -> set[int]:
        return set().union(*(self._parameters.get(_storage(tensor), set()) for tensor in tensors))

    def _unique(self, operator: str) -> str:
        name = ".".join(filter(None, (self._path[-1], operator)))
        self._names[name] = self._names.get(name, 0) + 1
        return name if self._names[name] == 1 else f"{name}_{self._names[name]}"


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(tensor: Tensor) -> int:
    return math.prod(tensor.shape) * tensor.element_size()
