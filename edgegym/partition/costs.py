"""Times of the parts of a network on a device: the card's prediction for the counted work of the part.

Runtimes fold batch norms and activation functions into the layer before, so these launch nothing; cards were fitted to
counts of that kind. An empty part is not called and takes no time, not even the card's overhead.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.zoo.graph import ModelGraph
from edgegym.cards import DeviceCard, LayerWork, Work

Array = NDArray[np.float64]
FOLDED = ("norm", "activation")


def layer_work(graph: ModelGraph) -> Work:
    """Work of every layer, (layers,), split by class of operator."""
    kinds = np.array([layer.kind for layer in graph.layers])
    layers = LayerWork(
        kind=kinds,
        macs=graph.column("macs"),
        in_elements=graph.column("input_elements"),
        out_elements=graph.column("output_elements"),
        params=graph.column("params"),
        channels_in=graph.column("channels_in"),
        channels_out=graph.column("channels_out"),
    )
    return replace(layers.split(), layers=(~np.isin(kinds, FOLDED)).astype(np.float64))


def summed(work: Work) -> Work:
    """Work of every prefix of parts in sequence.

    Args:
        work: the parts along the first axis, (parts, ...).

    Returns:
        (parts + 1, ...); entry k holds the first k parts.
    """
    split = (None if part is None else _prefix_sums(part) for part in (work.class_macs, work.class_elements))
    counts = (work.macs, work.act_elements, work.params, work.layers)
    return Work(*(_prefix_sums(count) for count in counts), *split)


def _prefix_sums(parts: Array) -> Array:
    return np.concatenate([np.zeros((1, *parts.shape[1:])), np.cumsum(parts, axis=0)])


def call_times_s(work: Work, card: DeviceCard) -> Array:
    """Time of a call for each entry of ``work``; 0 where there is nothing to do. Shape of its counts."""
    is_empty = (work.layers == 0) & (work.macs == 0) & (work.act_elements == 0)
    return np.where(is_empty, 0.0, card.latency_s(work))


def prefix_times_s(graph: ModelGraph, card: DeviceCard) -> Array:
    """Time of the first k layers, (layers + 1,) seconds, never falling."""
    return _kind_factor(graph, card) * call_times_s(summed(layer_work(graph)), card)


def suffix_times_s(graph: ModelGraph, card: DeviceCard) -> Array:
    """Time of all but the first k layers, (layers + 1,) seconds, never growing."""
    prefixes = summed(layer_work(graph))
    whole = prefixes[np.array([len(graph)])]
    return _kind_factor(graph, card) * call_times_s(whole - prefixes, card)


def layer_times_s(graph: ModelGraph, card: DeviceCard) -> Array:
    """What each layer adds to the time of those before it, (layers,) seconds; they sum to the whole network's."""
    return np.diff(prefix_times_s(graph, card))


def _kind_factor(graph: ModelGraph, card: DeviceCard) -> float:
    """What the card knows of this kind of network in excess of its model; a property of the whole network."""
    return float(card.known.factor(graph.name, graph.macs))
