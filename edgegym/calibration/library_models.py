"""Recipes of the model cards that ship with EdgeGym: the graphs of the zoo with published accuracies.

No data is read: the counts come from the graphs, the accuracies from :mod:`~edgegym.calibration.zoo.accuracies`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgegym.calibration.model_card import model_card
from edgegym.calibration.zoo import ZOO, graph_of
from edgegym.calibration.zoo.accuracies import BRANCHYNET, Accuracy, accuracies_of, exit_shares
from edgegym.cards import ModelCard, Provenance, Published

METRICS = {"top1": "top-1", "map": "mAP", "map50": "AP50", "glue": "GLUE"}
FORMATS = ("float32", "int8")
UNVERIFIED = (BRANCHYNET,)
"""Sources whose figures nobody compared with the original."""
ONE_SECOND = 2 * 16_000
RAW_SAMPLES: dict[str, tuple[int, str]] = {
    "ds_cnn": (ONE_SECOND, "One second of sound, 16 bits at 16 kHz; computing its features is not in the counts."),
    "lstm_kws": (ONE_SECOND, "One second of sound, 16 bits at 16 kHz; computing its features is not in the counts."),
    "bert_mini": (2 * 128, "128 tokens of 16 bits."),
    "kitnet": (4 * 115, "115 float32 features; computing them from packets is not in the counts."),
    "traffic_cnn": (784, "784 bytes of a session."),
}
"""Bytes of a raw sample with what they are; of other networks it is an image with pixels of 8 bits."""
PIXELS = "Pixels of 8 bits, not compressed."


def make_model_card(name: str) -> ModelCard:
    """The card of a network of the zoo.

    Raises:
        EdgeGymError: for an unknown name.
    """
    graph, network, known = graph_of(name), ZOO[name], accuracies_of(name)
    raw, sample = RAW_SAMPLES.get(name, (int(np.prod(graph.input_shape)), PIXELS))
    shares = exit_shares(name)
    return model_card(
        graph,
        _provenance(network.source, sample),
        task=network.task,
        input_bytes=raw,
        accuracy_metric=next((METRICS[each.metric] for each in known if each.metric in METRICS), None),
        accuracy=_by_format(known, bool(shares)),
        exit_shares=shares,
        exit_accuracy=next((_published(each) for each in known if each.variant.startswith("entropy")), None),
    )


def make_resized_card(name: str) -> ModelCard:
    """The card of MobileNetV2 for a smaller image, such as ``mobilenet_v2_160``: frames can be sent that much smaller.

    Raises:
        KeyError: for a side that is not in :data:`RESIZED`.
    """
    side, network = RESIZED[name], ZOO["mobilenet_v2"]
    graph = graph_of(network.factory, (3, side, side))
    figure = next(each for each in accuracies_of("mobilenet_v2") if each.variant == f"input {side}")
    card = model_card(
        graph,
        _provenance(network.source, PIXELS),
        name=name,
        task=network.task,
        input_bytes=3 * side * side,
        accuracy_metric=METRICS[figure.metric],
        accuracy={"float32": _published(figure)},
    )
    # Device cards know the network by its own name.
    return card.model_copy(update={"model": "mobilenet_v2", "family": network.family})


def _provenance(source: str, sample: str) -> Provenance:
    return Provenance(
        source=source,
        method="derived",
        rule="Counted from the graph of the network; nothing was measured. Accuracies are published ones.",
        assumed={"input_bytes": sample},
    )


def _by_format(known: tuple[Accuracy, ...], has_exits: bool) -> dict[str, Published]:
    """Accuracies of the network as it stands; one with early exits is published without them."""
    names = {"without exits": "float32"} if has_exits else {name: name for name in FORMATS}
    return {names[each.variant]: _published(each) for each in known if each.variant in names}


def _published(figure: Accuracy) -> Published:
    mark = " (unverified)" if figure.source in UNVERIFIED else ""
    detail = "" if figure.variant in FORMATS else f", {figure.variant}"
    return Published(value=figure.value, source=f"{figure.source}{detail}{mark}")


RESIZED = {f"mobilenet_v2_{side}": side for side in (192, 160, 128)}
"""Cards for smaller images, with the side in pixels."""
MODELS: dict[str, Callable[[Path, str], ModelCard]] = {
    **dict.fromkeys(ZOO, lambda _, name: make_model_card(name)),
    **dict.fromkeys(RESIZED, lambda _, name: make_resized_card(name)),
}
"""Recipe of each model card: data folder, which is not needed, and name in, card out."""
