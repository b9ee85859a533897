"""The card of one's own network: which cuts it keeps, what it counts, and what it refuses."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgegym.calibration.model_card import model_card
from edgegym.calibration.zoo import INPUT, Layer, ModelGraph, graph_of
from edgegym.cards import ModelCard, Provenance, load_card, save_card
from edgegym.errors import EdgeGymError

PROVENANCE = Provenance(source="a test")


def counts(card: ModelCard, place: int) -> np.ndarray:
    """All counts up to a point, (17,)."""
    at = card.points[place]
    return np.array([at.macs, at.act_elements, at.params, at.layers, *at.class_macs, *at.class_elements])


def chain(sizes: list[int]) -> ModelGraph:
    """Dense layers of these widths, one after the other."""
    layers = tuple(
        Layer(
            name=f"dense{place}",
            kind="dense",
            macs=before * after,
            params=before * after,
            param_bytes=4 * before * after,
            input_elements=before,
            output_elements=after,
            output_bytes=4 * after,
            channels_in=before,
            channels_out=after,
            predecessors=(INPUT if place == 0 else f"dense{place - 1}",),
        )
        for place, (before, after) in enumerate(pairwise(sizes))
    )
    return ModelGraph(
        name="chain",
        family="chain",
        input_shape=(sizes[0],),
        input_bytes=4 * sizes[0],
        layers=layers,
        outputs=(layers[-1].name,),
    )


@given(st.lists(st.integers(1, 9), min_size=2, max_size=12), st.integers(2, 12))
def test_thinning_keeps_the_ends_and_the_front(sizes: list[int], most: int) -> None:
    card = model_card(chain(sizes), PROVENANCE, most_points=most)
    kept = {point.name for point in card.points}
    front = {f"dense{place}" for place in range(len(sizes) - 2) if sizes[place + 1] < min(sizes[: place + 1])}
    assert front <= kept
    assert {INPUT, f"dense{len(sizes) - 2}"} <= kept
    assert len(kept) <= max(most, len(front) + 2)
    assert card.macs == sum(before * after for before, after in pairwise(sizes))


def test_the_card_of_ones_own_network(tmp_path: Path) -> None:
    card = model_card(chain([8, 4, 2]), PROVENANCE, name="mine", task="toy")
    save_card(card, tmp_path / "mine.yaml")
    assert load_card(tmp_path / "mine.yaml", "model") == card
    np.testing.assert_array_equal(counts(card, 1), [32, 4, 32, 1, 0, 32, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(EdgeGymError, match="stored as int8"):
        model_card(chain([8, 4, 2]).stored_as("int8"), PROVENANCE)
    skipping = chain([8, 4, 4, 2])
    layers = list(skipping.layers)
    layers[2] = layers[2].model_copy(update={"predecessors": ("dense0", "dense1")})
    leave = layers[0].model_copy(update={"name": "leave", "predecessors": ("dense1",)})
    early = ModelGraph(**dict(skipping) | {"layers": (*layers, leave), "outputs": ("leave", "dense2")})
    with pytest.raises(EdgeGymError, match="more than one tensor crosses"):
        model_card(early, PROVENANCE, exit_shares=(0.5, 0.5))
    with pytest.raises(EdgeGymError, match="2 exit shares for 1 outputs"):
        model_card(chain([8, 4, 2]), PROVENANCE, exit_shares=(0.5, 0.5))


def test_a_graph_that_was_looked_at_before_gives_the_same_card() -> None:
    """What a graph caches is no field of it."""
    graph = graph_of("branchy_alexnet")
    fresh = model_card(ModelGraph(**{name: getattr(graph, name) for name in ModelGraph.model_fields}), PROVENANCE)
    assert len(graph.index) + 1 == len(graph.cuts)
    assert model_card(graph, PROVENANCE).points == fresh.points
