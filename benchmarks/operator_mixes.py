"""Count the operator mixes of architectures that `edgegym.cards.architectures` ships.

python benchmarks/operator_mixes.py NAMES [--output FILE]

Needs the package timm (pytorch-image-models), which EdgeGym does not depend on. NAMES is a text file with a model name
and an image size a line. Every graph runs on torch's meta device: shapes only, no arithmetic, no measurement. Rows that
differ from their family's mean by less than ``NEAR`` are left out, since the family stands for them.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from edgegym.cards.architectures import family_of, kind_of
from edgegym.cards.work import ELEMENT_CLASSES, MAC_CLASSES
from edgegym.files import write_text

NEAR = 0.12
VIEWS = """view _unsafe_view reshape transpose permute expand unsqueeze squeeze t slice select split split_with_sizes
chunk unbind detach alias as_strided diagonal narrow movedim unflatten flatten swapaxes mT view_as expand_as
tensor_split empty zeros ones full arange dropout identity"""
"""Operators that move nothing: views, constants, and what inference skips."""
HEADER = """\
# How the work of architectures splits by class of operator, counted by benchmarks/operator_mixes.py over the graphs of
# pytorch-image-models {version} (Apache-2.0, github.com/huggingface/pytorch-image-models); no measurements.
# A row: shares of the MACs ({macs}), then elements read and written
# per activation element ({elements}).
mixes:
"""


def convolution_class(weight: torch.Tensor, groups: int) -> str:
    if groups > 1:
        return "depthwise" if weight.shape[1] == 1 else "grouped"
    return "pointwise" if weight[0, 0].numel() == 1 else "spatial"


def element_class(name: str) -> str:
    if "batch_norm" in name:
        return "batch_norm"
    if "layer_norm" in name or "group_norm" in name:
        return "layer_norm"
    if "softmax" in name:
        return "attention"
    marks = ("relu", "silu", "gelu", "sigmoid", "hardtanh", "hardswish", "tanh", "leaky", "elu")
    return "activation" if any(mark in name for mark in marks) else "elementwise"


def tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    found = []
    for value in values:
        found += tensors(value) if isinstance(value, list | tuple) else [value] * isinstance(value, torch.Tensor)
    return found


class Counter(TorchDispatchMode):
    """Sums MACs, elements put out by products, and elements read and written, by class."""

    def __init__(self) -> None:
        super().__init__()
        self.macs: dict[str, float] = defaultdict(float)
        self.traffic: dict[str, float] = defaultdict(float)
        self.activations = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        name = function._schema.name.split("::")[1].rstrip("_")
        if name in VIEWS.split():
            return result
        read = sum(tensor.numel() for tensor in tensors(args))
        written = sum(tensor.numel() for tensor in tensors([result]))
        group, macs = None, 0.0
        if name.startswith("conv"):
            groups = args[6] if len(args) > 6 else (kwargs or {}).get("groups", 1)
            group, macs, read = convolution_class(args[1], groups), written * args[1][0].numel(), args[0].numel()
        elif name == "linear":
            group, macs, read = "pointwise", written * args[1].shape[1], args[0].numel()
        elif name in ("matmul", "bmm", "einsum"):
            left = args[1][0] if name == "einsum" else args[0]
            group, macs = "attention", written * left.shape[-1]
        elif "scaled_dot" in name:
            group, macs = "attention", 2 * args[0].numel() * args[1].shape[-2]
        elif "lstm" in name or "rnn" in name:
            group = "attention"
        if group is None:
            self.traffic[element_class(name)] += read + written
        else:
            self.macs[group] += macs
            self.traffic["dense" if group in ("spatial", "pointwise") else group] += read + written
            self.activations += written
            if "scaled_dot" in name:  # Fused attention keeps its scores to itself, but counts of activations hold them.
                self.activations += written / args[0].shape[-1] * args[1].shape[-2]
        return result


def counted(name: str, size: int) -> NDArray[np.float64]:
    """Mix of one model, (13,)."""
    import timm

    with torch.device("meta"):
        try:
            model = timm.create_model(name, pretrained=False, img_size=size)
        except TypeError:
            model = timm.create_model(name, pretrained=False)
    counter = Counter()
    with torch.inference_mode(), counter:
        model.eval()(torch.empty(1, 3, size, size, device="meta"))
    macs = np.array([counter.macs[group] for group in MAC_CLASSES])
    traffic = np.array([counter.traffic[group] for group in ELEMENT_CLASSES])
    return np.concatenate([macs / macs.sum(), traffic / counter.activations])


def table(mixes: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """Mean mixes by kind and family, without kinds that their family stands for."""
    by_family, by_kind = defaultdict(list), defaultdict(list)
    for name, mix in mixes.items():
        by_family[family_of(name)].append(mix)
        by_kind[kind_of(name)].append(mix)
    rows = {family: np.mean(found, axis=0) for family, found in by_family.items()}
    for kind, found in sorted(by_kind.items()):
        mean, parent = np.mean(found, axis=0), rows[kind.partition("_")[0]]
        if np.abs(mean - parent)[:5].sum() > NEAR or np.abs(mean - parent)[5:].sum() > NEAR * parent[5:].sum():
            rows[kind] = mean
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", type=Path)
    parser.add_argument("--output", type=Path, default=Path("operator_mixes.yaml"))
    options = parser.parse_args()
    import timm

    lines = [line.split() for line in options.names.read_text(encoding="utf-8").splitlines()]
    rows = table({name: counted(name, int(size)) for name, size in lines})
    text = HEADER.format(version=timm.__version__, macs=", ".join(MAC_CLASSES), elements=", ".join(ELEMENT_CLASSES))
    body = [f"  {kind}: [{', '.join(f'{value:.3g}' for value in row)}]" for kind, row in sorted(rows.items())]
    write_text(options.output, text + "\n".join(body) + "\n")


if __name__ == "__main__":
    main()
