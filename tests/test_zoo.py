"""The zoo: counts against published figures, and what must hold of any graph."""

from __future__ import annotations

import math
from pathlib import Path

import networkx as nx
import pytest
import torch
from torch import nn

from edgegym.calibration.zoo import INPUT, ZOO, ModelGraph, graph_of, load_graph, save_graph, zoo_model
from edgegym.calibration.zoo.accuracies import ACCURACIES, exit_shares
from edgegym.calibration.zoo.exits import cifar_resnet_trunk
from edgegym.calibration.zoo.sequences import Bert
from edgegym.calibration.zoo.trace import sample_input, trace
from edgegym.errors import EdgeGymError, SettingsError

TORCHVISION = "torchvision 0.20, weights metadata: num_params and _ops"
PUBLISHED = {
    # model: (MACs, parameters, source); None where no figure of this variant is published
    "alexnet": (0.714e9, 61_100_840, TORCHVISION),
    "vgg16": (15.47e9, 138_357_544, TORCHVISION),
    "resnet18": (1.814e9, 11_689_512, TORCHVISION),
    "resnet50": (4.089e9, 25_557_032, TORCHVISION),
    "mobilenet_v2": (0.301e9, 3_504_872, TORCHVISION),
    "mobilenet_v2_050": (97e6, 1.97e6, "MACs: tensorflow/models MobileNet README; parameters: timm mobilenetv2_050"),
    "squeezenet1_1": (0.349e9, 1_235_496, TORCHVISION),
    "efficientnet_b0": (0.386e9, 5_288_548, TORCHVISION),
    "yolov3_tiny": (5.56e9 / 2, 8.848e6, "operations: Darknet site; parameters: Open Model Zoo, yolo-v3-tiny-tf"),
    "ssd_mobilenet_v1": (2.47e9 / 2, 6.807e6, "operations: MLPerf Inference, table I; parameters: Open Model Zoo"),
    "ds_cnn": (2_656_768, 23_756, "MLPerf Tiny, keyword spotting reference model, trainable parameters"),
    "lstm_kws": (5.9e6 / 2, 63.3e3, "Hello Edge, basic LSTM S: operations, and bytes of 8-bit weights"),
    "bert_mini": (None, 11_170_560, "Hugging Face, bert-mini, number of parameters"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_equal_published_figures(name: str) -> None:
    macs, params, _ = PUBLISHED[name]
    graph = graph_of(name)
    assert macs is None or graph.macs == pytest.approx(macs, rel=0.01)
    assert graph.params == pytest.approx(params, rel=0.01)


def test_bert_base_has_published_counts() -> None:
    """BERT-Base: 110 M parameters (Devlin et al.), 22.5 G operations at 128 tokens (Jiao et al., TinyBERT, table 2)."""
    with torch.device("meta"):
        graph = trace(Bert(12, 768), (128,), "int64", name="bert_base", family="bert").graph
    assert graph.params == pytest.approx(110e6, rel=0.01)
    assert graph.macs == pytest.approx(22.5e9 / 2, rel=0.01)


def test_cifar_resnet110_has_published_counts() -> None:
    """ResNet-110: 1.7 M parameters (He et al., table 6), 253 M multiply-accumulates (He et al. 2018, pruning)."""
    with torch.device("meta"):
        trunk = nn.Sequential(*cifar_resnet_trunk(110), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        graph = trace(trunk, (3, 32, 32), name="resnet110", family="resnet").graph
    assert graph.macs == pytest.approx(253e6, rel=0.01)
    assert graph.params == pytest.approx(1.73e6, rel=0.01)


def test_small_networks_have_the_counts_of_their_papers_layers() -> None:
    sizes = [10] * 11 + [5]
    pairs = [(size, math.ceil(0.75 * size)) for size in (*sizes, len(sizes))]
    kitnet = graph_of("kitnet")
    assert kitnet.macs == sum(2 * size * hidden for size, hidden in pairs)
    assert kitnet.params == sum(size * hidden + size + hidden for size, hidden in pairs)
    traffic = graph_of("traffic_cnn")
    assert traffic.macs == 784 * 32 * 25 + 262 * 64 * 32 * 25 + 88 * 64 * 1024 + 1024 * 12
    assert traffic.params == 32 * 26 + 64 * (32 * 25 + 1) + 1024 * (88 * 64 + 1) + 12 * 1025


@pytest.mark.parametrize("name", ZOO)
def test_sums_of_layers_equal_the_whole(name: str) -> None:
    graph = graph_of(name)
    with torch.device("meta"):
        module = ZOO[name].build()
    assert graph.params == sum(parameter.numel() for parameter in module.parameters())
    assert graph.param_bytes == 4 * graph.params
    assert graph.macs == int(graph.column("macs").sum())
    assert all(layer.output_bytes == 4 * layer.output_elements for layer in graph.layers)
    assert 0 < graph.mac_act_elements <= graph.act_elements
    assert [layer.kind for layer in graph.layers].count("other") == 0


@pytest.mark.parametrize("name", ZOO)
def test_cuts_separate_the_graph(name: str) -> None:
    """Without the tensors that cross, nothing behind the cut is reachable from before it."""
    graph = graph_of(name)
    edges = nx.DiGraph([(before, layer.name) for layer in graph.layers for before in layer.predecessors])
    size = {INPUT: graph.input_bytes} | {layer.name: layer.output_bytes for layer in graph.layers}
    assert len(graph.cuts) == len(graph) + 1
    order = [INPUT, *graph.index]
    for cut in graph.cuts:
        first, rest = set(order[: cut.position + 1]), set(order[cut.position + 1 :])
        crossing = {before for before, after in edges.edges if before in first and after in rest}
        assert set(cut.tensors) == crossing
        assert cut.bytes == sum(size[tensor] for tensor in crossing)
    assert graph.cuts[0].tensors == (INPUT,)
    assert graph.cuts[-1].bytes == 0


def test_chain_has_a_single_tensor_cut_everywhere_and_shortcuts_forbid_some() -> None:
    alexnet, resnet = graph_of("alexnet"), graph_of("resnet18")
    assert len(alexnet.single_tensor_cuts) == len(alexnet)
    assert 1 < len(resnet.single_tensor_cuts) < len(resnet)


@pytest.mark.parametrize("name", ["mobilenet_v2", "ds_cnn", "bert_mini", "yolov3_tiny", "branchy_alexnet"])
def test_parts_make_the_whole(name: str) -> None:
    graph = graph_of(name)
    for cut in graph.cuts[1:-1:7]:
        first, rest = graph.part(0, cut.position), graph.part(cut.position, len(graph))
        assert ModelGraph.model_validate(first.model_dump()) == first
        assert first.macs + rest.macs == graph.macs
        assert rest.input_bytes == cut.bytes
        assert set(graph.outputs) <= set(first.outputs) | set(rest.outputs)


def test_early_exits_cost_less_and_shares_sum_to_one() -> None:
    for name in ("branchy_alexnet", "branchy_resnet110"):
        graph = graph_of(name)
        macs = graph.column("macs")
        costs = [float(macs[list(graph.needed_for(graph.outputs[: k + 1]))].sum()) for k in range(len(graph.outputs))]
        assert costs == sorted(costs)
        assert costs[-1] == graph.macs
        assert len(graph.needed_for(graph.outputs[-1:])) < len(graph)
        assert sum(exit_shares(name)) == pytest.approx(1.0)
        assert len(exit_shares(name)) == len(graph.outputs)


def test_published_accuracies_are_fractions_of_known_models_with_sources() -> None:
    keys = [(entry.model, entry.variant, entry.metric) for entry in ACCURACIES]
    assert len(set(keys)) == len(keys)
    for entry in ACCURACIES:
        assert entry.model in ZOO
        assert 0 < entry.value < 1
        assert entry.source


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("squeezenet1_1", [(2, 1000)]),
        ("efficientnet_b0", [(2, 1000)]),
        ("ssd_mobilenet_v1", [(2, 1917, 4), (2, 1917, 91)]),
        ("yolov3_tiny", [(2, 255, 13, 13), (2, 255, 26, 26)]),
        ("ds_cnn", [(2, 12)]),
        ("lstm_kws", [(2, 12)]),
        ("bert_mini", [(2, 256)]),
        ("kitnet", [(2, 1)]),
        ("branchy_resnet110", [(2, 10)] * 3),
    ],
)
def test_output_shapes(name: str, shapes: list[tuple[int, ...]]) -> None:
    model = ZOO[name]
    with torch.device("meta"):
        module = model.build()
    with torch.inference_mode():
        result = module(sample_input(model.input_shape, model.input_dtype, 2, "meta"))
    results = result if isinstance(result, tuple) else (result,)
    assert [tuple(each.shape) for each in results] == shapes


def test_trace_on_the_processor_equals_the_trace_without_weights() -> None:
    for name in ("ds_cnn", "lstm_kws", "kitnet", "branchy_alexnet"):
        model = ZOO[name]
        real = trace(model.build(), model.input_shape, model.input_dtype, name=name, family=model.family).graph
        assert real == graph_of(name)


def test_int8_takes_a_quarter_of_the_bytes_and_the_same_work() -> None:
    graph = graph_of("mobilenet_v2")
    small = graph.stored_as("int8")
    assert (small.macs, small.params, small.act_elements) == (graph.macs, graph.params, graph.act_elements)
    assert [4 * cut.bytes for cut in small.cuts] == [cut.bytes for cut in graph.cuts]
    tokens = graph_of("bert_mini")
    assert tokens.stored_as("int8").input_bytes == tokens.input_bytes
    with pytest.raises(SettingsError, match="int4"):
        graph.stored_as("int4")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_saved_graph_is_equal(tmp_path: Path, suffix: str) -> None:
    graph = graph_of("branchy_alexnet")
    save_graph(graph, tmp_path / f"graph.{suffix}")
    assert load_graph(tmp_path / f"graph.{suffix}") == graph


def test_bad_graphs_name_the_fault(tmp_path: Path) -> None:
    file = tmp_path / "graph.yaml"
    file.write_text(
        "{name: a, family: a, input_shape: [1], input_bytes: 4, outputs: [x],"
        " layers: [{name: x, kind: conv, predecessors: [y]}]}"
    )
    with pytest.raises(SettingsError, match="'x' reads 'y'"):
        load_graph(file)
    file.write_text("{name: a, family: a, input_shape: [1], input_bytes: 4, outputs: [x], layers: [{nme: x}]}")
    with pytest.raises(SettingsError, match=r"layers\.0\.nme: unknown key"):
        load_graph(file)


class Functional(nn.Module):
    """Operators that no module hook sees: views, in-place work, a shortcut, a parameter used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(8, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = nn.functional.linear(x.reshape(x.shape[0], -1), self.weight)
        shortcut = hidden.view(-1, 8)
        hidden = torch.sigmoid(hidden)
        hidden += shortcut
        return nn.functional.linear(hidden, self.weight.t())


def test_trace_sees_functional_operators() -> None:
    graph = trace(Functional(), (2, 4), name="functional", family="functional").graph
    assert [layer.operator for layer in graph.layers] == ["linear", "sigmoid", "add", "linear"]
    assert graph.layers[2].predecessors == ("sigmoid", "linear")
    assert graph.layers[3].predecessors == ("add",)
    assert (graph.macs, graph.params) == (128, 64)
    assert [layer.params for layer in graph.layers] == [64, 0, 0, 0]


class Constant(nn.Module):
    """Its result does not depend on its input."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ones(1, 3)


def test_models_that_cannot_be_traced_say_why() -> None:
    with pytest.raises(EdgeGymError, match="not computed from its input"):
        trace(Constant(), (3,), name="constant", family="constant")
    with pytest.raises(EdgeGymError, match="does not run on an input of shape 5"):
        trace(nn.Linear(3, 2), (5,), name="linear", family="linear")
    with pytest.raises(EdgeGymError, match="Did you mean 'resnet18'"):
        zoo_model("resnet81")
    with pytest.raises(EdgeGymError, match="shape of one input sample"):
        zoo_model("torch.nn:Identity")
    with pytest.raises(EdgeGymError, match="cannot be built"):
        zoo_model("no_such_module:make", (3,)).build()
    with pytest.raises(EdgeGymError, match="a dict; a torch"):
        zoo_model("builtins:dict", (3,)).build()


def test_own_model_by_module_and_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_networks.py").write_text("import torch\ndef make():\n    return torch.nn.Linear(3, 2)\n")
    monkeypatch.chdir(tmp_path)
    graph = graph_of("own_networks:make", (3,))
    assert (graph.name, graph.macs, graph.params) == ("make", 6, 8)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "vgg16"])
def test_counts_agree_with_measured_tables(name: str, data_folder: Path) -> None:
    """Work and activations per sample as the tables that device cards are fitted to count them."""
    import csv
    import gzip

    name_there = {"mobilenet_v2": "mobilenetv2_100"}.get(name, name)
    file = data_folder / "profiles/timm/benchmark-infer-amp-nhwc-pt240-cu124-rtx3090.csv.gz"
    with gzip.open(file, "rt") as text:
        rows = [row for row in csv.DictReader(text) if row["model"] == name_there and row["infer_img_size"] == "224"]
    graph = graph_of(name)
    for row in rows:
        assert graph.params == pytest.approx(float(row["param_count"]) * 1e6, rel=0.01)
        assert graph.mac_act_elements == pytest.approx(float(row["infer_macts"]) * 1e6, rel=0.01)
        assert graph.macs == pytest.approx(float(row["infer_gmacs"]) * 1e9, rel=0.04)
