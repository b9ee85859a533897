"""ONNX files, run by ONNX Runtime on the processor. Needs the packages ``onnx`` and ``onnxruntime``.

ONNX Runtime fuses operators, so its layers are its own: the table tells their names, kinds and times; their counts stay
empty. Layer times come from its built-in profiler.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgegym.calibration.profiler.clock import Clock
from edgegym.calibration.profiler.operator_timer import LayerTimes
from edgegym.calibration.profiler.subjects import Run
from edgegym.calibration.zoo.onnx_graph import KINDS, read_onnx_graph
from edgegym.errors import EdgeGymError

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}
TYPES |= {"tensor(int32)": np.int32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
PROVIDERS = ["CPUExecutionProvider"]
MICRO = 1e-6


class OnnxSubject:
    """A network from an ONNX file.

    Args:
        path: the file.
        threads: that an operator may use.

    Raises:
        EdgeGymError: if a package is missing or the file cannot be used.
    """

    def __init__(self, path: str | Path, threads: int) -> None:
        self._onnxruntime = _import_onnxruntime()
        self._path, self._threads = str(path), threads
        self.graph = read_onnx_graph(path)
        start = time.perf_counter()
        self._session = self._make_session()
        self.load_s: float | None = time.perf_counter() - start
        self.runtime = f"onnxruntime {self._onnxruntime.__version__}"
        self.layer_columns: list[dict[str, Any]] = []

    @contextmanager
    def running(self, batch: int) -> Iterator[Run]:
        """Run one batch of made-up samples; fails if the file fixes another batch."""
        feeds = self._feeds(batch)
        try:
            self._session.run(None, feeds)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise EdgeGymError(f"{self._path}: does not run at batch {batch}: {error}") from None
        yield lambda: self._session.run(None, feeds)

    def time_layers(self, run: Run, batch: int, clock: Clock, repetitions: int) -> LayerTimes:
        """Time ONNX Runtime's own layers with its profiler, in a session of their own."""
        feeds = self._feeds(batch)
        with tempfile.TemporaryDirectory() as folder:
            session = self._make_session(profile_prefix=f"{folder}/profile")
            for _ in range(repetitions):
                session.run(None, feeds)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time")]
        totals = np.array([event["dur"] for event in events if event["name"] == "model_run"], np.float64) * MICRO
        names = list(dict.fromkeys(event["name"].removesuffix("_kernel_time") for event in nodes))
        times = np.array([event["dur"] for event in nodes], np.float64).reshape(len(totals), -1) * MICRO
        order = {event["name"]: event["args"]["op_name"] for event in nodes[: len(names)]}
        self.layer_columns = [
            {"layer": name, "kind": KINDS.get(kind, "other"), "layers": 1}
            for name, kind in zip(names, order.values(), strict=True)
        ]
        return LayerTimes(times, totals)

    def _make_session(self, profile_prefix: str | None = None) -> Any:
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self._threads, 1
        options.log_severity_level = 3
        if profile_prefix:
            options.enable_profiling, options.profile_file_prefix = True, profile_prefix
        try:
            return self._onnxruntime.InferenceSession(self._path, options, providers=PROVIDERS)
        except Exception as error:  # onnxruntime's errors share no public base class
            raise EdgeGymError(f"{self._path}: onnxruntime cannot load it: {error}") from None

    def _feeds(self, batch: int) -> dict[str, Any]:
        rng = np.random.default_rng(0)
        feeds = {}
        for given in self._session.get_inputs():
            if given.type not in TYPES:
                raise EdgeGymError(f"{self._path}: input {given.name!r} is a {given.type}; known: {', '.join(TYPES)}.")
            shape = (batch, *given.shape[1:])
            numbers = rng.standard_normal(shape) if "float" in given.type else np.zeros(shape)
            feeds[given.name] = numbers.astype(TYPES[given.type])
        return feeds


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise EdgeGymError("ONNX files need the package onnxruntime: pip install 'edgegym[onnx]'.") from None
    return onnxruntime
