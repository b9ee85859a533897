"""What an aten operator does and what it costs, read from its name and its arguments.

Multiply-accumulates come from torch's own counter (half its floating point operations), except for the operators
that it does not know whole: recurrent layers and attention.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from edgegym.calibration.zoo.graph import Kind

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution", "conv_transpose2d"), "conv"),
    **dict.fromkeys(("linear", "addmm", "mm", "bmm", "baddbmm", "matmul", "mv"), "dense"),
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), "recurrent"),
    **dict.fromkeys(("embedding", "embedding_bag"), "embedding"),
    **dict.fromkeys(("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"), "norm"),
    **dict.fromkeys(("relu", "relu6", "hardtanh", "leaky_relu", "silu", "gelu", "sigmoid", "tanh"), "activation"),
    **dict.fromkeys(("softmax", "log_softmax", "hardswish", "hardsigmoid", "elu", "clamp", "threshold"), "activation"),
    **dict.fromkeys(("add", "sub", "rsub"), "add"),
    **dict.fromkeys(("mul", "div", "pow", "sqrt", "exp", "square"), "multiply"),
    **dict.fromkeys(("cat", "concat", "stack"), "concat"),
    **dict.fromkeys(("mean", "sum", "amax", "max", "norm", "linalg_vector_norm"), "reduce"),
    **dict.fromkeys(("clone", "contiguous", "reshape", "flatten", "copy", "pad", "constant_pad_nd"), "copy"),
}
"""Kind of an operator by its name, without the mark of in-place operation."""
PATTERNS: tuple[tuple[str, Kind], ...] = (("attention", "attention"), ("pool", "pool"), ("upsample", "resize"))
"""Kinds by a part of the name, where :data:`KINDS` has no entry."""


MULTIPLYING = ("conv", "dense", "other")
"""Kinds whose multiply-accumulates torch counts."""


def operator_name(function: Any) -> str:
    """Plain name of an operator: ``relu`` for ``aten.relu_.default``."""
    name = str(function.overloadpacket.__name__)
    return name if name.startswith("_") else name.rstrip("_")


def kind_of(name: str, args: tuple[Any, ...]) -> Kind:
    """Kind of a launch, from the name of the operator and the shapes of its arguments."""
    by_part = (found for part, found in PATTERNS if part in name)
    kind: Kind = KINDS[name] if name in KINDS else next(by_part, "other")
    if kind == "conv" and _is_depthwise(args[1], channels_of(name, args)[0]):
        return "depthwise_conv"
    return kind


def channels_of(name: str, args: tuple[Any, ...]) -> tuple[int | None, int | None]:
    """Input and output channels (features) of a convolution or dense layer; None for other operators."""
    kind = KINDS.get(name)
    if kind == "conv":
        transposed = "transpose" in name or (name == "convolution" and bool(args[6]))
        return int(args[0].shape[1]), None if transposed else int(args[1].shape[0])
    if name == "linear":
        return int(args[1].shape[1]), int(args[1].shape[0])
    if kind == "dense":
        left, right = [argument for argument in args if isinstance(argument, Tensor)][-2:]
        return int(left.shape[-1]), int(right.shape[-1])
    return None, None


def macs_of(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Multiply-accumulates of a launch; runs the operator once more unless it writes into its arguments."""
    name = operator_name(function)
    if counter := COUNTERS.get(name):
        return counter(args)
    if function._schema.is_mutable or KINDS.get(name, "other") not in MULTIPLYING:
        return 0
    with FlopCounterMode(display=False) as flops:
        function(*args, **kwargs)
    return flops.get_total_flops() // 2


def _is_depthwise(weight: Tensor, channels_in: int | None) -> bool:
    return channels_in is not None and channels_in > 1 and weight.shape[1] == 1


def _attention_macs(args: tuple[Any, ...]) -> int:
    """Scores of all queries against all keys, and the weighted sum of values."""
    query, key, value = args[:3]
    pairs = query.numel() // query.shape[-1] * key.shape[-2]
    return int(pairs * (query.shape[-1] + value.shape[-1]))


def _recurrent_macs(args: tuple[Any, ...]) -> int:
    """Every weight matrix once per step and sample: (steps, batch, features) or (batch, steps, features)."""
    inputs = args[0]
    weights = args[2] if isinstance(args[2], list | tuple) else args[3]
    return int(inputs.shape[0] * inputs.shape[1] * sum(weight.numel() for weight in weights if weight.dim() == 2))


COUNTERS: dict[str, Callable[[tuple[Any, ...]], int]] = {
    "scaled_dot_product_attention": _attention_macs,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent_macs),
}
"""Multiply-accumulates of operators that torch's counter does not know whole."""


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors in nested lists, tuples and dicts."""
    leaves = torch.utils._pytree.tree_leaves(value)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]
