"""From an ONNX file to a graph, so that networks of any framework come in. Needs the package ``onnx``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from edgegym.calibration.zoo.graph import INPUT, Kind, Layer, ModelGraph
from edgegym.errors import EdgeGymError

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv"), "conv"),
    **dict.fromkeys(("Gemm", "MatMul", "MatMulInteger", "QLinearMatMul", "QGemm"), "dense"),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), "recurrent"),
    "Gather": "embedding",
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"), "pool"),
    **dict.fromkeys(("BatchNormalization", "LayerNormalization", "InstanceNormalization", "LRN"), "norm"),
    **dict.fromkeys(("Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid"), "activation"),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Elu", "PRelu", "Erf", "Gelu", "Swish"), "activation"),
    **dict.fromkeys(("Add", "Sub", "Sum"), "add"),
    **dict.fromkeys(("Mul", "Div", "Pow", "Sqrt"), "multiply"),
    "Concat": "concat",
    **dict.fromkeys(("Resize", "Upsample"), "resize"),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2", "ArgMax"), "reduce"),
    **dict.fromkeys(("Transpose", "Pad", "Slice", "Split", "Cast"), "copy"),
}
"""Kind of a layer by its ONNX operator; QuantizeLinear and the like are ``other``."""
VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}
"""Operators that move nothing."""
NOT_COUNTED = {"Attention", "MultiHeadAttention", "Einsum", "DeformConv"}
"""Operators that multiply in ways that are not counted here."""
FORMATS = {1: "float32", 2: "int8", 3: "int8", 10: "float16", 16: "bfloat16"}
"""Number format of a network by ONNX's element type of its largest weight."""
NUMBERS = {*FORMATS, 6}
"""Element types of trained numbers: biases of int8 networks are int32; int64 are sizes."""
WEIGHT_INPUT = {"QLinearConv": 3, "QLinearMatMul": 3}
"""Which input holds the weights, where it is not the second."""


def read_onnx_graph(path: str | Path, name: str | None = None) -> ModelGraph:
    """Take the graph of an ONNX file; the batch, the first axis of the input, is set to 1.

    Args:
        path: the file.
        name: name of the graph; the file's stem if left out.

    Raises:
        EdgeGymError: if ``onnx`` is missing, the file is damaged, a size is open, or an operator cannot be counted.
    """
    onnx = import_onnx()
    try:
        model = onnx.load(str(path))
        _close_batch(model, path)
        model = _with_all_sizes(onnx, model)
    except EdgeGymError:
        raise
    except Exception as error:  # protobuf and onnx raise a dozen unrelated classes
        raise EdgeGymError(
            f"{path}: cannot be read as ONNX ({error}). Give a file that onnx.checker accepts."
        ) from None
    return _Reader(onnx, model, path).graph(name or Path(path).stem)


def import_onnx() -> Any:
    """The package ``onnx``.

    Raises:
        EdgeGymError: if it is not installed.
    """
    try:
        import onnx
        import onnx.reference
    except ImportError:
        raise EdgeGymError("ONNX files need the package onnx: pip install 'edgegym[onnx]'.") from None
    return onnx


def _close_batch(model: Any, path: str | Path) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in (value for value in model.graph.input if value.name not in weights):
        for place, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.HasField("dim_value") and dimension.dim_value > 0 and place > 0:
                continue
            if place > 0:
                raise EdgeGymError(
                    f"{path}: input {value.name!r}: axis {place} ({dimension.dim_param or '?'}) is open; only the "
                    "batch, axis 0, may be. Export the network for one input size."
                )
            dimension.dim_value = 1
    for value in model.graph.output:
        dimensions = value.type.tensor_type.shape.dim
        if dimensions and not dimensions[0].dim_value:
            dimensions[0].dim_value = 1


def _with_all_sizes(onnx: Any, model: Any) -> Any:
    """Infer sizes; sizes that the file computes as it runs are computed here, until nothing new is learnt."""
    remaining = -1
    while len(model.graph.node) != remaining:
        remaining = len(model.graph.node)
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        _fold_constants(onnx, model.graph)
    return model


def _fold_constants(onnx: Any, graph: Any) -> None:
    """Replace the nodes whose result does not depend on the input by their values."""
    values = {tensor.name: tensor for tensor in graph.initializer}
    sizes = {name: shape for name, (shape, _) in _typed(graph).items() if 0 not in shape}
    kept = []
    for node in graph.node:
        given = [name for name in node.input if name]
        if node.op_type == "Shape" and given[0] in sizes:
            start, end = _attribute(node, "start", 0), _attribute(node, "end", len(sizes[given[0]]))
            found = [np.array(sizes[given[0]][start:end], np.int64)]
        elif all(name in values for name in given):
            feeds = {name: onnx.numpy_helper.to_array(values[name]) for name in given}
            found = onnx.reference.ReferenceEvaluator(node).run(None, feeds)
        else:
            kept.append(node)
            continue
        made = [onnx.numpy_helper.from_array(np.asarray(v), n) for v, n in zip(found, node.output, strict=True)]
        values.update({tensor.name: tensor for tensor in made})
        graph.initializer.extend(made)
    del graph.node[:]
    graph.node.extend(kept)


def _typed(graph: Any) -> dict[str, tuple[tuple[int, ...], int]]:
    """Size and element type of the tensors whose size is known; an open axis is 0."""
    types = {value.name: value.type.tensor_type for value in (*graph.input, *graph.value_info, *graph.output)}
    return {
        name: (tuple(axis.dim_value for axis in kind.shape.dim), kind.elem_type)
        for name, kind in types.items()
        if kind.HasField("shape")
    }


class _Reader:
    def __init__(self, onnx: Any, model: Any, path: str | Path) -> None:
        self._onnx, self._model, self._path = onnx, model, path
        graph = model.graph
        self._weights = {tensor.name: (tuple(tensor.dims), tensor.data_type) for tensor in graph.initializer}
        self._tensors = _typed(graph) | self._weights
        self._inputs = [value.name for value in graph.input if value.name not in self._weights]
        self._producers = dict.fromkeys(self._inputs, INPUT)
        self._counted: set[str] = set()

    def graph(self, name: str) -> ModelGraph:
        layers = [layer for node in self._model.graph.node if (layer := self._layer(node)) is not None]
        outputs = tuple(dict.fromkeys(self._producers.get(value.name, INPUT) for value in self._model.graph.output))
        if not layers or INPUT in outputs:
            raise EdgeGymError(f"{self._path}: its result is not computed from its input.")
        largest = max(self._weights.values(), key=lambda weight: math.prod(weight[0]), default=((), 1))
        return ModelGraph(
            name=name,
            family=name,
            input_shape=self._tensors[self._inputs[0]][0][1:],
            input_bytes=sum(self._bytes(each) for each in self._inputs),
            dtype=FORMATS.get(largest[1], "float32"),
            layers=tuple(layers),
            outputs=outputs,
        )

    def _layer(self, node: Any) -> Layer | None:
        given = [each for each in node.input if each]
        activations = list(dict.fromkeys(each for each in given if each in self._producers))
        if not activations:
            return None
        if node.op_type in VIEWS:
            self._producers.update(dict.fromkeys(node.output, self._producers[activations[0]]))
            return None
        name = node.name or f"{node.op_type}_{node.output[0]}"
        results = [each for each in node.output if each]
        first_used = [each for each in self._trained(node) if each not in self._counted]
        self._counted.update(first_used)
        channels_in, channels_out = self._channels(node)
        layer = Layer(
            name=name,
            kind=self._kind(node),
            operator=node.op_type,
            macs=self._macs(node),
            params=sum(self._elements(each) for each in first_used),
            param_bytes=sum(self._bytes(each) for each in first_used),
            input_elements=sum(self._elements(each) for each in activations),
            input_bytes=sum(self._bytes(each) for each in activations),
            output_elements=sum(self._elements(each) for each in results),
            output_bytes=sum(self._bytes(each) for each in results),
            channels_in=channels_in,
            channels_out=channels_out,
            predecessors=tuple(dict.fromkeys(self._producers[each] for each in activations)),
        )
        self._producers.update(dict.fromkeys(results, name))
        return layer

    def _kind(self, node: Any) -> Kind:
        kind = KINDS.get(node.op_type, "other")
        if kind == "conv":
            channels_in = self._channels(node)[0] or 0
            return "depthwise_conv" if channels_in > 1 and self._weight_shape(node)[1] == 1 else "conv"
        if kind == "embedding" and node.input[0] not in self._weights:
            return "copy"
        return kind

    def _macs(self, node: Any) -> int:
        if node.op_type in NOT_COUNTED:
            raise EdgeGymError(
                f"{self._path}: layer {node.name!r} of type {node.op_type} cannot be counted; export the network with "
                "plain MatMul, Conv and Gemm."
            )
        kind = KINDS.get(node.op_type)
        if node.op_type == "ConvTranspose":
            return self._elements(node.input[0]) * math.prod(self._weight_shape(node)[1:])
        if kind == "conv":
            return self._elements(node.output[0]) * math.prod(self._weight_shape(node)[1:])
        if kind == "dense":
            shape = self._shape(node.input[0])
            return self._elements(node.output[0]) * shape[0 if _attribute(node, "transA") else -1]
        if kind == "recurrent":
            steps, batch = self._shape(node.input[0])[:2]
            return steps * batch * (self._elements(node.input[1]) + self._elements(node.input[2]))
        return 0

    def _channels(self, node: Any) -> tuple[int | None, int | None]:
        kind = KINDS.get(node.op_type)
        if kind == "conv":
            return self._shape(node.input[0])[1], self._shape(node.output[0])[1]
        if kind == "dense":
            return self._shape(node.input[0])[0 if _attribute(node, "transA") else -1], self._shape(node.output[0])[-1]
        return None, None

    def _trained(self, node: Any) -> list[str]:
        """Weights of a node; running means and variances, first states, sizes and scales are none."""
        if node.op_type == "BatchNormalization":
            given = node.input[:3]
        else:
            given = node.input[:4] if KINDS.get(node.op_type) == "recurrent" else node.input
        shaped = [each for each in given if each in self._weights and self._weights[each][0]]
        return [each for each in shaped if self._weights[each][1] in NUMBERS]

    def _weight_shape(self, node: Any) -> tuple[int, ...]:
        return self._shape(node.input[WEIGHT_INPUT.get(node.op_type, 1)])

    def _shape(self, tensor: str) -> tuple[int, ...]:
        shape = self._tensors.get(tensor, (None, 0))[0]
        if shape is None or 0 in shape:
            raise EdgeGymError(
                f"{self._path}: the size of tensor {tensor!r} cannot be inferred; run onnx.shape_inference with fixed "
                "sizes, or export the network for one input size."
            )
        return shape

    def _elements(self, tensor: str) -> int:
        return math.prod(self._shape(tensor))

    def _bytes(self, tensor: str) -> int:
        kind = self._onnx.helper.tensor_dtype_to_np_dtype(self._tensors[tensor][1])
        return self._elements(tensor) * int(kind.itemsize)


def _attribute(node: Any, name: str, default: int = 0) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == name), default)
