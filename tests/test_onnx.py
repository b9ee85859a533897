"""ONNX files: the graph of a small one, and its times by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgegym.calibration.profiler import ProfilePlan
from edgegym.calibration.profiler.clock import WallClock
from edgegym.calibration.profiler.machine import MemoryMeter
from edgegym.calibration.profiler.measure import Instruments, measure
from edgegym.calibration.zoo.onnx_graph import read_onnx_graph
from edgegym.errors import EdgeGymError

onnx = pytest.importorskip("onnx")


def _tiny_onnx(path: Path) -> None:
    """Convolution, activation, mean, dense; open batch; a size computed as the file runs."""
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", group=2, pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Add", ["c", "r"], ["s"], "add"),
        helper.make_node("GlobalAveragePool", ["s"], ["m"], "mean"),
        helper.make_node("Shape", ["x"], ["size"], "size", start=0, end=1),
        helper.make_node("Concat", ["size", "rest"], ["shape"], "shape", axis=0),
        helper.make_node("Reshape", ["m", "shape"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "v", "d"], ["y"], "dense", transB=1),
    ]
    weights = [
        array(np.zeros((6, 1, 3, 3), np.float32), "w"),
        array(np.zeros(6, np.float32), "b"),
        array(np.zeros((5, 6), np.float32), "v"),
        array(np.zeros(5, np.float32), "d"),
        array(np.array([6], np.int64), "rest"),
    ]
    inputs = [helper.make_tensor_value_info("x", 1, ["n", 2, 8, 8])]
    outputs = [helper.make_tensor_value_info("y", 1, ["n", 5])]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def test_onnx_file(tmp_path: Path) -> None:
    _tiny_onnx(tmp_path / "tiny.onnx")
    graph = read_onnx_graph(tmp_path / "tiny.onnx")
    assert [layer.kind for layer in graph.layers] == ["depthwise_conv", "activation", "add", "pool", "dense"]
    assert [layer.macs for layer in graph.layers] == [4 * 4 * 6 * 9, 0, 0, 0, 30]
    assert graph.params == 54 + 6 + 30 + 5
    assert graph.layers[2].predecessors == ("conv", "relu")
    assert graph.layers[4].predecessors == ("mean",)
    assert (graph.input_shape, graph.input_bytes, graph.outputs) == ((2, 8, 8), 512, ("dense",))
    assert [cut.bytes for cut in graph.cuts] == [512, 384, 768, 384, 24, 0]


def test_damaged_onnx_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nonsense")
    with pytest.raises(EdgeGymError, match=r"bad\.onnx: cannot be read as ONNX"):
        read_onnx_graph(tmp_path / "bad.onnx")


def test_onnx_file_is_profiled_by_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from edgegym.calibration.profiler.onnx_subject import OnnxSubject

    helper = onnx.helper
    weights = onnx.numpy_helper.from_array(np.ones((256, 256), np.float32), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], "multiply"), helper.make_node("Relu", ["h"], ["y"], "relu")]
    inputs, outputs = (helper.make_tensor_value_info(name, 1, ["n", 256]) for name in ("x", "y"))
    model = helper.make_model(
        helper.make_graph(nodes, "tiny", [inputs], [outputs], [weights]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "tiny.onnx")
    subject = OnnxSubject(tmp_path / "tiny.onnx", 1)
    plan = ProfilePlan(models=("tiny.onnx",), threads=1, seconds_per_cell=0.01, allow_contended=True)
    cell = measure(subject, 64, plan, Instruments(WallClock(), "cpu", MemoryMeter("cpu")))
    assert cell.whole is not None
    assert cell.whole.macs == 256 * 256
    assert {row.kind for row in cell.rows if row.level == "layer"} == {"dense", "activation"}
    assert all(row.macs is None for row in cell.rows if row.level == "layer")
