"""The networks of the zoo by name, and any other network by ``module:factory``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgegym.calibration.zoo.graph import ModelGraph
from edgegym.errors import EdgeGymError, find_name

if TYPE_CHECKING:
    from torch import nn

IMAGE = (3, 224, 224)


@dataclass(frozen=True)
class ZooModel:
    """A network that can be built.

    Attributes:
        name: under which it is asked for.
        family: architecture that it shares with its variants.
        factory: ``module:callable``; called without arguments it makes the torch module.
        input_shape: shape of one sample.
        task: what it does.
        source: where it was published.
        input_dtype: torch type of the input.
    """

    name: str
    family: str
    factory: str
    input_shape: tuple[int, ...]
    task: str = ""
    source: str = ""
    input_dtype: str = "float32"

    def build(self) -> nn.Module:
        """Make the network with random weights; its speed does not depend on them.

        Raises:
            EdgeGymError: if the factory cannot be imported or called, or makes something else.
        """
        from torch import nn

        module, _, attribute = self.factory.partition(":")
        try:
            with _working_folder_importable():
                made = getattr(import_module(module), attribute)()
        except Exception as error:  # a user's factory may raise anything
            raise EdgeGymError(
                f"{self.factory}: cannot be built ({error}). Give module:factory, where factory() makes a torch module."
            ) from error
        if not isinstance(made, nn.Module):
            raise EdgeGymError(f"{self.factory}: made a {type(made).__name__}; a torch.nn.Module is needed.")
        return made.eval()


HE = "He et al. 2016, arXiv:1512.03385"
SANDLER = "Sandler et al. 2018, arXiv:1801.04381"
ZHANG = "Zhang et al. 2017, arXiv:1711.07128"
BRANCHYNET = "Teerapittayanon et al. 2016, arXiv:1709.01686"
ENTRIES: tuple[tuple[str, str, str, tuple[int, ...], str, str], ...] = (
    ("alexnet", "alexnet", "classic", IMAGE, "image classes", "Krizhevsky 2014, arXiv:1404.5997"),
    ("vgg16", "vgg", "classic", IMAGE, "image classes", "Simonyan and Zisserman 2015, arXiv:1409.1556"),
    ("resnet18", "resnet", "resnet", IMAGE, "image classes", HE),
    ("resnet50", "resnet", "resnet", IMAGE, "image classes", HE),
    ("mobilenet_v2", "mobilenet", "mobile", IMAGE, "image classes", SANDLER),
    ("mobilenet_v2_050", "mobilenet", "mobile", IMAGE, "image classes", SANDLER),
    ("squeezenet1_1", "squeezenet", "classic", IMAGE, "image classes", "Iandola et al. 2016, arXiv:1602.07360"),
    ("efficientnet_b0", "efficientnet", "mobile", IMAGE, "image classes", "Tan and Le 2019, arXiv:1905.11946"),
    ("yolov3_tiny", "yolo", "detection", (3, 416, 416), "objects", "Redmon and Farhadi 2018, arXiv:1804.02767"),
    ("ssd_mobilenet_v1", "ssd", "detection", (3, 300, 300), "objects", "Liu et al. 2016, arXiv:1512.02325"),
    ("ds_cnn", "ds_cnn", "small", (1, 49, 10), "keywords", ZHANG),
    ("lstm_kws", "lstm", "sequences", (49, 10), "keywords", ZHANG),
    ("bert_mini", "bert", "sequences", (128,), "text", "Turc et al. 2019, arXiv:1908.08962"),
    ("kitnet", "autoencoder", "small", (115,), "intrusions", "Mirsky et al. 2018, arXiv:1802.09089"),
    ("traffic_cnn", "cnn1d", "small", (1, 784), "traffic classes", "Wang et al. 2017, ISI, pages 43-48"),
    ("branchy_alexnet", "branchy_alexnet", "exits", (3, 32, 32), "image classes, early exits", BRANCHYNET),
    ("branchy_resnet110", "branchy_resnet", "exits", (3, 32, 32), "image classes, early exits", BRANCHYNET),
)
"""Name (also of the factory), family, module, shape of a sample, task, source."""
TOKENS = ("bert_mini",)
"""Networks whose input is token numbers."""
ZOO: dict[str, ZooModel] = {
    name: ZooModel(
        name=name,
        family=family,
        factory=f"edgegym.calibration.zoo.{module}:{name}",
        input_shape=shape,
        task=task,
        source=source,
        input_dtype="int64" if name in TOKENS else "float32",
    )
    for name, family, module, shape, task, source in ENTRIES
}
"""Every network of the zoo by its name."""


def zoo_model(reference: str, input_shape: tuple[int, ...] | None = None, input_dtype: str = "float32") -> ZooModel:
    """A network by name, or the user's own by ``module:factory``.

    Args:
        reference: name in :data:`ZOO`, or ``module:factory``.
        input_shape: shape of one sample; needed for the user's own.
        input_dtype: torch type of the user's input.

    Raises:
        EdgeGymError: for an unknown name, or a factory without an input shape.
    """
    if ":" not in reference:
        return ZOO[find_name("model", reference, ZOO)]
    if not input_shape:
        raise EdgeGymError(f"{reference}: the shape of one input sample is needed, for example 3x224x224.")
    name = reference.rpartition(":")[2]
    return ZooModel(name, name, reference, input_shape, input_dtype=input_dtype)


@lru_cache(maxsize=64)
def graph_of(reference: str, input_shape: tuple[int, ...] | None = None, input_dtype: str = "float32") -> ModelGraph:
    """Graph of a network, taken on torch's ``meta`` device: no weights are made.

    Args and errors as :func:`zoo_model`.
    """
    import torch

    from edgegym.calibration.zoo.trace import trace

    model = zoo_model(reference, input_shape, input_dtype)
    with torch.device("meta"):
        module = model.build()
    return trace(module, model.input_shape, model.input_dtype, name=model.name, family=model.family).graph


@contextmanager
def _working_folder_importable() -> Iterator[Any]:
    """Let a factory lie in the folder the command was given in."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
