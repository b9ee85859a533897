"""From the graph of a network to its card: counts by class of operator, at the cuts that are worth a choice.

A cut is useful if one tensor crosses it and no result lies before it. Between two multiplying layers the cut with the
least bytes is taken, so that what only shrinks or rectifies a tensor stays with the layer before. Of too many cuts
those stay that send less than every earlier one: the Pareto front of bytes against work done before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.zoo.graph import INPUT, Cut, ModelGraph
from edgegym.cards import CutPoint, EarlyExit, LayerWork, ModelCard, Provenance, Published
from edgegym.cards.work import MAC_CLASSES, MULTIPLYING
from edgegym.errors import EdgeGymError

MOST_POINTS = 24
OVER_CHANNELS = ("layer_norm", "group_norm", "instance_norm", "rms_norm")
"""Norms whose statistics are taken of the sample: nothing can fold them into weights."""
FLOAT_BYTES = 4


def model_card(
    graph: ModelGraph,
    provenance: Provenance,
    *,
    name: str | None = None,
    task: str = "inference",
    input_bytes: int | None = None,
    accuracy_metric: str | None = None,
    accuracy: Mapping[str, Published] | None = None,
    exit_shares: Sequence[float] = (),
    exit_accuracy: Published | None = None,
    folded: bool = True,
    most_points: int = MOST_POINTS,
) -> ModelCard:
    """The card of a network.

    Args:
        graph: in float32, for example from :func:`~edgegym.calibration.zoo.graph_of`.
        provenance: where the network comes from.
        name: of the card and the model; the graph's by default.
        task: what the network does.
        input_bytes: bytes of a raw sample when it is sent; those of the graph's input by default.
        accuracy_metric: what ``accuracy`` measures.
        accuracy: published figures by number format.
        exit_shares: share of the samples that leave at each output, the earliest first; empty if the outputs of the
            network are parts of one result.
        exit_accuracy: accuracy over all samples with these shares.
        folded: count no launch for batch norms and activation functions that follow the only layer they read, as
            runtimes for inference fold them; False counts every operator, as plain PyTorch launches them.
        most_points: points that the card may have; the Pareto front and exits are kept in any case.

    Raises:
        EdgeGymError: for a graph in another format, shares that do not fit its outputs, or an exit that leaves where no
            cut is.
    """
    if graph.dtype != "float32":
        raise EdgeGymError(f"{graph.name}: stored as {graph.dtype}; give graph.stored_as('float32').")
    if exit_shares and len(exit_shares) != len(graph.outputs):
        raise EdgeGymError(f"{graph.name}: {len(exit_shares)} exit shares for {len(graph.outputs)} outputs.")
    counts = _counts(graph, folded)
    trunk = graph.needed_for(graph.outputs[-1:]) if exit_shares else tuple(range(len(graph)))
    chain = _only(graph, trunk)
    branches = _branches(graph, trunk) if exit_shares else []
    joints = [_joint(graph, chain, branch) for branch in branches]
    cuts = useful_cuts(chain, keep=joints, most=most_points)
    totals = np.vstack([np.zeros_like(counts[:1]), np.cumsum(counts[list(trunk)], axis=0)])
    places = [cut.position for cut in cuts]
    if not set(joints) <= set(places):
        raise EdgeGymError(f"{graph.name}: an early exit leaves where more than one tensor crosses, or beside another.")
    return ModelCard(
        name=name or graph.name,
        provenance=provenance,
        model=name or graph.name,
        family=graph.family,
        task=task,
        input_shape=graph.input_shape,
        input_bytes=input_bytes or graph.input_bytes,
        output_bytes=graph.layers[graph.index[graph.outputs[-1]]].output_bytes if exit_shares else _output_bytes(graph),
        accuracy_metric=accuracy_metric,
        accuracy=dict(accuracy or {}),
        exits=tuple(
            EarlyExit(
                name=f"exit {number}",
                point=places.index(joint),
                share=share,
                **_fields(counts[list(branch)].sum(axis=0)),
            )
            for number, (joint, share, branch) in enumerate(zip(joints, exit_shares, branches, strict=False), start=1)
        ),
        exit_accuracy=exit_accuracy,
        folded=folded,
        points=tuple(
            CutPoint(name=_point_name(chain, cut), elements=_elements(chain, cut), **_fields(totals[cut.position]))
            for cut in cuts
        ),
    )


def useful_cuts(graph: ModelGraph, keep: Sequence[int] = (), most: int = MOST_POINTS) -> list[Cut]:
    """The cuts of a card, in order; the first before all layers, the last behind them.

    Args:
        graph: the network.
        keep: positions that must be among them.
        most: how many are enough; more are given only if the Pareto front or ``keep`` needs them.
    """
    result = min(graph.index[name] for name in graph.outputs)
    legal = [cut for cut in graph.cuts if len(cut.tensors) == 1 and INPUT not in cut.tensors and cut.position <= result]
    before = np.append(0, np.cumsum(graph.column("macs")))
    chosen = [
        min(reversed(list(same)), key=lambda cut: (cut.position not in keep, cut.bytes))
        for _, same in groupby(legal, key=lambda cut: before[cut.position])
    ]
    cuts = [graph.cuts[0], *(cut for cut in chosen if 0 < before[cut.position] < before[-1]), graph.cuts[-1]]
    least = np.minimum.accumulate([_elements(graph, cut) for cut in cuts])
    fixed = {cut.position for cut, low, lower in zip(cuts[1:], least, least[1:], strict=False) if lower < low}
    fixed |= {0, len(graph), *keep}
    while len(cuts) > most:
        gaps = {
            place: before[cuts[place + 1].position] - before[cuts[place - 1].position]
            for place in range(1, len(cuts) - 1)
            if cuts[place].position not in fixed
        }
        if not gaps:
            break
        del cuts[min(gaps, key=gaps.__getitem__)]
    return cuts


def _counts(graph: ModelGraph, folded: bool) -> NDArray[np.float64]:
    """(layers, 16): act_elements, params, layers, MACs by class, elements by class, of every layer."""
    column = graph.column
    work = LayerWork(
        kind=np.array(["layer_norm" if each.operator in OVER_CHANNELS else each.kind for each in graph.layers]),
        macs=column("macs"),
        in_elements=column("input_elements"),
        out_elements=column("output_elements"),
        params=column("params"),
        channels_in=column("channels_in"),
        channels_out=column("channels_out"),
    ).split()
    launched = ~_folds(graph) if folded else np.ones(len(graph), np.bool_)
    assert work.class_macs is not None
    assert work.class_elements is not None
    return np.column_stack([work.act_elements, work.params, launched, work.class_macs, work.class_elements])


def _folds(graph: ModelGraph) -> NDArray[np.bool_]:
    """Which layers a runtime folds into the multiplying layer whose output they alone read."""
    readers = Counter(name for layer in graph.layers for name in layer.predecessors)
    hosts: set[str] = set()
    folds = []
    for layer in graph.layers:
        can = layer.kind == "activation" or (layer.kind == "norm" and layer.operator not in OVER_CHANNELS)
        fold = can and all(name in hosts and readers[name] == 1 for name in layer.predecessors)
        if fold or layer.kind in MULTIPLYING:
            hosts.add(layer.name)
        folds.append(fold)
    return np.array(folds)


def _only(graph: ModelGraph, places: Sequence[int]) -> ModelGraph:
    """The network with these layers alone, and the last of its outputs."""
    if len(places) == len(graph):
        return graph
    layers = tuple(graph.layers[place] for place in places)
    # Not dict(graph): that holds what was cached on it, too.
    fields = {name: getattr(graph, name) for name in ModelGraph.model_fields}
    return ModelGraph(**fields | {"layers": layers, "outputs": graph.outputs[-1:]})


def _branches(graph: ModelGraph, trunk: Sequence[int]) -> list[list[int]]:
    """Layers of every early exit that belong neither to the trunk nor to an earlier exit."""
    counted, branches = set(trunk), []
    for output in graph.outputs[:-1]:
        branches.append([place for place in graph.needed_for([output]) if place not in counted])
        counted.update(branches[-1])
    return branches


def _joint(graph: ModelGraph, chain: ModelGraph, branch: Sequence[int]) -> int:
    """Position of the first cut of the trunk where the tensor that a branch reads has been made."""
    read = [name for place in branch for name in graph.layers[place].predecessors if name in chain.index]
    if not read:
        raise EdgeGymError(f"{graph.name}: an early exit shares no layer with the network it leaves.")
    return max(chain.index[name] for name in read) + 1


def _output_bytes(graph: ModelGraph) -> int:
    return sum(graph.layers[graph.index[name]].output_bytes for name in graph.outputs)


def _point_name(graph: ModelGraph, cut: Cut) -> str:
    return graph.layers[cut.position - 1].name if cut.position else INPUT


def _elements(graph: ModelGraph, cut: Cut) -> int:
    return cut.bytes // FLOAT_BYTES if cut.position else int(np.prod(graph.input_shape))


def _fields(row: NDArray[np.float64]) -> dict[str, object]:
    acts, params, layers, *split = (int(count) for count in row)
    return {
        "act_elements": acts,
        "params": params,
        "layers": layers,
        "class_macs": tuple(split[: len(MAC_CLASSES)]),
        "class_elements": tuple(split[len(MAC_CLASSES) :]),
    }
