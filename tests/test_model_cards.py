"""Model cards: against the graphs they were counted from, published counts, and naive sums over layers."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgegym.calibration.library_models import MODELS as RECIPES
from edgegym.calibration.library_models import RESIZED
from edgegym.calibration.model_card import model_card
from edgegym.calibration.zoo import ZOO, ModelGraph, graph_of
from edgegym.calibration.zoo.accuracies import exit_shares
from edgegym.cards import ModelCard, Provenance, Work, list_cards, load_card
from edgegym.cards.architectures import operator_mix
from edgegym.cards.library import card_text, parse_card
from edgegym.cards.work import ELEMENT_CLASSES, MAC_CLASSES
from edgegym.errors import CardError, EdgeGymError

MODELS = list(ZOO)
DEVICES = list_cards("device")["device"]
WITH_EXITS = [name for name in MODELS if exit_shares(name)]
PLAIN = [name for name in MODELS if name not in WITH_EXITS]
PUBLISHED = {
    "alexnet": (0.714e9, 61.10e6),
    "vgg16": (15.47e9, 138.36e6),
    "resnet18": (1.814e9, 11.69e6),
    "resnet50": (4.089e9, 25.557e6),
    "mobilenet_v2": (0.301e9, 3.505e6),
    "squeezenet1_1": (0.349e9, 1.235e6),
    "efficientnet_b0": (0.386e9, 5.289e6),
    "mobilenet_v2_050": (97e6, 1.97e6),
}
"""MACs and parameters as torchvision documents them; width 0.5 as the slim models of TensorFlow do."""
PROVENANCE = Provenance(source="a test")


def test_every_network_of_the_zoo_has_a_card() -> None:
    assert set(list_cards("model")["model"]) == set(RECIPES) == {*ZOO, *RESIZED}


@pytest.mark.parametrize("name", RECIPES)
def test_the_library_is_what_the_zoo_gives(name: str) -> None:
    made, card = RECIPES[name](Path(), name), load_card(name, "model")
    assert card == made
    assert parse_card(card_text(made), "model", "text") == made
    assert len(card.points) <= 24


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_are_the_published_ones(name: str) -> None:
    card = load_card(name, "model")
    macs, params = PUBLISHED[name]
    assert card.macs == pytest.approx(macs, rel=0.01)
    assert card.params == pytest.approx(params, rel=0.01)


@pytest.mark.parametrize("name", PLAIN)
def test_points_are_cuts_of_the_graph(name: str) -> None:
    card, graph = load_card(name, "model"), graph_of(name)
    for place, point in enumerate(card.points[1:], start=1):
        position = graph.index[point.name] + 1
        before = graph.layers[:position]
        assert card.cut_bytes(place) == graph.cuts[position].bytes
        assert point.macs == sum(layer.macs for layer in before)
        assert point.params == sum(layer.params for layer in before)
        assert point.act_elements == sum(layer.output_elements for layer in before if layer.macs)
        assert sum(point.class_elements) == sum(layer.input_elements + layer.output_elements for layer in before)
    assert card.cut_bytes(0) == card.input_bytes
    assert card.output_bytes == sum(graph.layers[graph.index[output]].output_bytes for output in graph.outputs)


@pytest.mark.parametrize("name", PLAIN)
def test_no_cut_that_was_left_out_sends_less_and_computes_no_more(name: str) -> None:
    card, graph = load_card(name, "model"), graph_of(name)
    first_result = min(graph.index[output] for output in graph.outputs)
    before = np.append(0, np.cumsum(graph.column("macs")))
    points = [(point.macs, point.elements) for point in card.points[:-1]]
    for cut in graph.single_tensor_cuts:
        macs, elements = before[cut.position], cut.bytes / 4
        if 0 < cut.position <= first_result and macs < graph.macs:
            assert any(m <= macs and (e <= elements or (m, e) == points[0]) for m, e in points)


@pytest.mark.parametrize("name", WITH_EXITS)
def test_exits_cost_what_their_layers_cost(name: str) -> None:
    card, graph = load_card(name, "model"), graph_of(name)
    assert card.exit_shares == pytest.approx(exit_shares(name))
    for leave in range(len(graph.outputs)):
        needed = graph.needed_for(graph.outputs[: leave + 1])
        work = card.exit_work(leave)
        assert work.macs == graph.column("macs")[list(needed)].sum()
        assert work.params == graph.column("params")[list(needed)].sum()
    trunk = set(graph.needed_for(graph.outputs[-1:]))
    for output, leave in zip(graph.outputs, card.exits, strict=False):
        branch = [graph.layers[place] for place in graph.needed_for([output]) if place not in trunk]
        crossing = {name for layer in branch for name in layer.predecessors} - {layer.name for layer in branch}
        assert crossing == {card.points[leave.point].name}
        assert card.cut_bytes(leave.point) == graph.layers[graph.index[card.points[leave.point].name]].output_bytes
    assert card.macs < graph.macs


@given(st.sampled_from(MODELS), st.data())
def test_parts_sum_to_the_whole(name: str, data: st.DataObject) -> None:
    card = load_card(name, "model")
    last = len(card.points) - 1
    start, cut = sorted(data.draw(st.tuples(st.integers(0, last), st.integers(0, last))))
    both = card.work(start, cut) + card.work(cut)
    whole = card.work(start)
    for part, total in ((both.macs, whole.macs), (both.class_macs, whole.class_macs), (both.layers, whole.layers)):
        np.testing.assert_array_equal(part, total)
    np.testing.assert_array_equal(both.class_elements, whole.class_elements)
    assert whole.class_macs is not None
    assert whole.macs == whole.class_macs.sum()
    assert whole.macs + card.points[start].macs == card.macs


def test_parts_are_taken_in_arrays() -> None:
    card = load_card("resnet18", "model")
    places = np.arange(len(card.points))
    heads, tails = card.work(0, places), card.work(places)
    np.testing.assert_array_equal(heads.macs + tails.macs, card.macs)
    assert heads.class_macs is not None
    assert heads.class_macs.shape == (len(places), 5)
    sent = card.cut_bytes(places, np.array([[32], [8], [4]]))
    assert sent.shape == (3, len(places))
    assert np.all(sent[:, 0] == 3 * 224 * 224)
    np.testing.assert_array_equal(sent[0, 1:], 4 * sent[1, 1:])
    assert np.all(sent[:, -1] == 0)


def naive_work(graph: ModelGraph) -> Work:
    """Counts as the classes are defined, layer by layer, with the kernel from the parameters."""
    macs, elements = dict.fromkeys(MAC_CLASSES, 0), dict.fromkeys(ELEMENT_CLASSES, 0)
    acts = launches = 0
    for layer in graph.layers:
        moved, kind = layer.input_elements + layer.output_elements, layer.kind
        launches += kind not in ("norm", "activation")
        if kind in ("conv", "dense"):
            kernel = layer.params // ((layer.channels_in or 1) * (layer.channels_out or 1))
            macs["spatial" if kind == "conv" and kernel > 1 else "pointwise"] += layer.macs
            elements["dense"] += moved
        elif kind == "depthwise_conv":
            macs["depthwise"] += layer.macs
            elements["depthwise"] += moved
        else:
            name = {"norm": "batch_norm", "activation": "activation"}.get(kind, "elementwise")
            elements[name] += moved
        acts += layer.output_elements * (layer.macs > 0)
    split = list(macs.values()), list(elements.values())
    return Work.of(graph.macs, acts, graph.params, launches, *split)


@pytest.mark.parametrize("device", DEVICES)
def test_devices_take_the_card_for_the_graph(device: str) -> None:
    """In these two networks every norm and activation follows a convolution or dense layer that nothing else reads."""
    for name in ("vgg16", "mobilenet_v2"):
        card = load_card(name, "model")
        taken = load_card(device, "device").latency_s(card.work())
        assert taken == pytest.approx(load_card(device, "device").latency_s(naive_work(graph_of(name))), rel=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_parts_take_at_least_the_time_of_the_whole(device: str) -> None:
    """Launching hides behind work as a norm of the two, so that parting never helps; it costs an overhead a part."""
    card, model = load_card(device, "device"), load_card("mobilenet_v2", "model")
    overhead = card.latency.costs().get("overhead", 0.0)
    places = np.arange(1, len(model.points) - 1)
    both = card.latency_s(model.work(0, places)) + card.latency_s(model.work(places))
    whole = card.latency_s(model.work())
    assert np.all(both >= whole * (1 - 1e-12))
    if card.latency.hiding_power == 1.0:
        np.testing.assert_allclose(both, whole + overhead)
    else:
        # Of two terms a p-norm is at least 2^(1/p - 1) times the sum.
        assert np.all(both <= whole * 2 ** (1 - 1 / card.latency.hiding_power) + overhead)


def test_classes_that_a_device_card_does_not_tell_apart_are_not_free() -> None:
    card, work = load_card("raspberry_pi_3", "device"), load_card("resnet50", "model").work()
    assert "macs.pointwise" not in card.latency.parameters
    assert work.class_macs is not None
    merged = np.array([work.class_macs[[0, 1, 3, 4]].sum(), 0, work.class_macs[2], 0, 0])
    same = Work.of(work.macs, work.act_elements, work.params, work.layers, merged, work.class_elements)
    assert card.latency_s(work) == pytest.approx(card.latency_s(same))


def test_the_split_is_that_of_another_count() -> None:
    """The shares of VGG counted over another library's graphs, written with three digits and averaged over depths."""
    work, mix = load_card("vgg16", "model").work(), operator_mix("vgg16")
    assert mix is not None
    assert work.class_macs is not None
    assert work.class_elements is not None
    np.testing.assert_allclose(work.class_macs / work.macs, mix.mac_shares, atol=0.01)
    np.testing.assert_allclose(work.class_elements / work.act_elements, mix.traffic, atol=0.03)


def test_launches_are_those_of_a_runtime_that_folds(data_folder: Path) -> None:
    with (data_folder / "profiles" / "ncnn" / "model_features.csv").open() as text:
        there = {row["model"]: int(row["n_layers"]) for row in csv.DictReader(text)}
    for name in ("vgg16", "resnet18", "resnet50", "mobilenet_v2"):
        # Its networks end with a softmax, and one of them has a convolution more.
        assert 0 < there[name] - load_card(name, "model").points[-1].layers <= 2
    plain = model_card(graph_of("resnet18"), PROVENANCE, folded=False)
    assert plain.points[-1].layers == len(graph_of("resnet18"))


def test_accuracy_is_published_or_an_error() -> None:
    assert load_card("mobilenet_v2", "model").accuracy_of("int8") == pytest.approx(0.7166, abs=1e-4)
    with pytest.raises(CardError, match=r"alexnet: accuracy in int8 is not known \(known: float32\)"):
        load_card("alexnet", "model").accuracy_of("int8")
    with pytest.raises(CardError, match="known: none"):
        load_card("kitnet", "model").accuracy_of()
    card = load_card("alexnet", "model")
    assert card.feature_loss_of(32) == 0.0
    with pytest.raises(CardError, match="features of 8 bits is not known"):
        card.feature_loss_of(8)
    for name in MODELS:
        assert all(figure.source for figure in load_card(name, "model").accuracy.values())


def test_indices_and_formats_that_do_not_exist() -> None:
    card = load_card("alexnet", "model")
    with pytest.raises(CardError, match=r"alexnet: point 9: indices 0\.\.8"):
        card.work(0, 9)
    with pytest.raises(CardError, match="indices 0"):
        card.cut_bytes(-1)
    with pytest.raises(CardError, match="indices 0"):
        card.cut_bytes(1.5)
    with pytest.raises(CardError, match="cannot stop before it starts"):
        card.work(3, 2)
    with pytest.raises(CardError, match="has 0 early exits"):
        card.branch_work(0)
    with pytest.raises(CardError, match="the last being the output"):
        card.exit_work(1)
    with pytest.raises(CardError, match="Did you mean 'int8'"):
        card.param_bytes("int9")
    assert card.param_bytes("int8") * 4 == card.param_bytes() == 4 * card.params


@pytest.mark.parametrize(
    ("field", "row", "change", "message"),
    [
        ("points", -1, {"elements": 5}, r"points\.8: elements is 5; behind the end it is 0"),
        ("points", -1, {"params": 3}, r"points\.8: counts are of all that comes before and cannot fall"),
        ("points", -1, {"class_macs": [1, 2]}, r"points\.8\.class_macs"),
        ("points", 0, {"name": "image"}, "must be 'input'"),
        ("exits", -1, {"point": 8}, r"must grow within 1\.\.7"),
        ("exits", 1, {"point": 1}, "must grow"),
        ("exits", -1, {"share": 0.9}, "sum to more than 1"),
    ],
)
def test_damaged_cards_name_the_field(field: str, row: int, change: dict[str, Any], message: str) -> None:
    values = load_card("branchy_alexnet", "model").model_dump()
    values[field][row].update(change)
    with pytest.raises(EdgeGymError, match=message):
        ModelCard.parse(values, "test")


def test_cards_need_no_torch() -> None:
    code = (
        "import sys; from edgegym.cards import load_card; load_card('resnet18', 'model').work(1, 3); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
