"""What is profiled: a model made ready on a device, by torch or by ONNX Runtime.

A subject knows its graph, runs a batch, and times its layers if its runtime lets it.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_model, save_model
from torch import nn

from edgegym.calibration.profiler.clock import Clock
from edgegym.calibration.profiler.operator_timer import LayerTimes, time_layers
from edgegym.calibration.zoo import ModelGraph, ZooModel
from edgegym.calibration.zoo.trace import sample_input, trace

Run = Callable[[], object]


class Subject(Protocol):
    """A model made ready on a device."""

    @property
    def graph(self) -> ModelGraph:
        """Its layers and their costs."""

    @property
    def runtime(self) -> str:
        """Software that runs it, with its version."""

    @property
    def load_s(self) -> float | None:
        """Seconds to read the weights from a file; None if not measured."""

    @property
    def layer_columns(self) -> Sequence[dict[str, Any]]:
        """What the table tells of each timed layer, besides its times; known once :meth:`time_layers` has run."""

    def running(self, batch: int) -> AbstractContextManager[Run]:
        """A function that runs one batch, valid inside the context."""

    def time_layers(self, run: Run, batch: int, clock: Clock, repetitions: int) -> LayerTimes:
        """Time the layers in the order of :attr:`layer_columns`; ``run`` is that of :meth:`running`."""


class TorchSubject:
    """A torch model in evaluation mode.

    Args:
        model: what to build.
        device: ``"cpu"`` or ``"cuda"``.
    """

    def __init__(self, model: ZooModel, device: str) -> None:
        self._model, self._device = model, device
        self._module = model.build()
        self.load_s = _load_time(self._module, device)
        self._module.to(device)
        self._traced = trace(self._module, model.input_shape, model.input_dtype, name=model.name, family=model.family)
        self.graph = self._traced.graph
        self.runtime = f"pytorch {torch.__version__}"
        self.layer_columns = graph_columns(self.graph)

    @contextmanager
    def running(self, batch: int) -> Iterator[Run]:
        """Run one batch of made-up samples in inference mode."""
        sample = sample_input(self._model.input_shape, self._model.input_dtype, batch, self._device)
        with torch.inference_mode():
            yield lambda: self._module(sample)

    def time_layers(self, run: Run, batch: int, clock: Clock, repetitions: int) -> LayerTimes:
        """Time the operators of each layer."""
        return time_layers(run, self._traced, clock, repetitions)


def graph_columns(graph: ModelGraph) -> list[dict[str, Any]]:
    """What the table tells of each layer of a graph, besides its times."""
    return [
        {
            "layer": layer.name,
            "kind": layer.kind,
            "macs": layer.macs,
            "params": layer.params,
            "act_elements": layer.output_elements,
            "layers": 1,
            "input_elements": layer.input_elements,
            "channels_in": layer.channels_in,
            "channels_out": layer.channels_out,
        }
        for layer in graph.layers
    ]


def model_columns(graph: ModelGraph) -> dict[str, Any]:
    """What the table tells of a whole model, besides its times."""
    return {
        "macs": graph.macs,
        "params": graph.params,
        "act_elements": graph.act_elements,
        "layers": len(graph),
        "input_elements": math.prod(graph.input_shape),
    }


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let operators use a number of threads; restores the number from before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _load_time(module: nn.Module, device: str) -> float | None:
    """Seconds from a file of weights (in the page cache) to weights on the device; None if there is no room for it."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "weights.safetensors"
            save_model(module, str(file))
            start = time.perf_counter()
            load_model(module, file)
            module.to(device)
            if device == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - start
    except OSError:
        return None
