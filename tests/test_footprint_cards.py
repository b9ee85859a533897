"""Footprints on cards: the estimate and its condensed law, the descriptors of TRAGEN, and what a wrong one says."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgegym.calibration.workload_descriptors import DISTANCE_BIN_BYTES, descriptor_footprint, read_descriptor
from edgegym.calibration.workload_footprint import binned_law, one_hit_share, top_percent_share, truncated_law
from edgegym.cards import FirstRequests, Footprint, Provenance, StackDistances, WorkloadCard, load_card, save_card
from edgegym.errors import EdgeGymError
from edgegym.workload.footprint import footprint
from edgegym.workload.stack_distance import INFINITE, curve_of, stack_distances

PROVENANCE = Provenance(source="a test")


def test_the_law_of_truncated_values_is_found_again() -> None:
    rng = np.random.default_rng(3)
    value, limit = rng.integers(1, 101, 200_000), rng.integers(20, 201, 200_000)
    seen = value <= limit
    values, cumulative = truncated_law(value[seen], limit[seen])
    # Five standard errors of a share of some 150,000; without the correction the error would be .1.
    np.testing.assert_allclose(cumulative, values / 100, atol=0.0065)
    naive = np.searchsorted(np.sort(value[seen]), values, side="right") / seen.sum()
    assert np.abs(naive - values / 100).max() > 0.05
    everything = truncated_law(value, np.full(len(value), 200))
    np.testing.assert_allclose(everything[1], np.cumsum(np.bincount(value)[1:]) / len(value), atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=300), st.integers(1, 40))
def test_bins_keep_the_law(distances: list[int], finest: int) -> None:
    values, count = np.unique(distances, return_counts=True)
    cumulative = np.cumsum(count) / len(distances)
    law = binned_law(values, cumulative, finest)
    assert law.edges[-1] >= values[-1]
    at_edges = np.append(0.0, cumulative)[np.searchsorted(values, law.edges, side="right")]
    np.testing.assert_allclose(law.cumulative, at_edges, atol=1e-4)
    # Above the finest distance the line between two edges is never further from the law than a bin's tolerance plus the
    # step of one distance that is not probable enough to end a bin.
    beyond = values[values > finest]
    line = np.interp(beyond, law.edges, law.cumulative)
    np.testing.assert_allclose(line, cumulative[values > finest], atol=0.0085)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"edges": (1, 5), "probabilities": (1.0,)}, "start with 0"),
        ({"edges": (0, 5, 5), "probabilities": (0.5, 0.5)}, "grow"),
        ({"edges": (0, 5), "probabilities": (0.5, 0.5)}, "2 edges need 1"),
        ({"edges": (0, 5), "probabilities": (0.9,)}, "sum to 0.9"),
        ({"requests": (1, 5, 9), "contents": (1.0, 2.0)}, "one each"),
        ({"requests": (2, 5), "contents": (1.0, 2.0)}, "1 content of 1 request"),
        ({"requests": (1, 5), "contents": (1.0, 6.0)}, "exceed"),
        ({"requests": (1, 5, 9), "contents": (1.0, 3.0, 2.0)}, "fall"),
    ],
)
def test_what_is_no_footprint(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        (StackDistances if "edges" in values else FirstRequests)(**values)


def test_the_curve_of_first_requests_is_a_power_law_between_and_beyond_its_points() -> None:
    curve = FirstRequests(requests=(1, 100, 10_000), contents=(1, 100, 1000))
    np.testing.assert_allclose(curve.at([1, 50, 100, 1000, 10_000, 1_000_000]), [1, 50, 100, 1e5**0.5, 1e3, 1e4])


@pytest.mark.parametrize(("name", "file"), [("akamai_media", "eu-2"), ("akamai_media_eu3", "eu-3")])
def test_traces_from_descriptors_have_their_miss_ratios(name: str, file: str, data_folder: Path) -> None:
    descriptor = read_descriptor(data_folder / "requests" / "akamai_tragen" / f"{file}_fd.txt.xz")
    assert descriptor.probability.sum() == pytest.approx(1 - descriptor.first_requests / descriptor.requests, abs=1e-6)
    card = load_card(name, "workload")
    trace = footprint(200_000, card, seed=1)
    warm = curve_of(stack_distances(trace.content, trace.size)[100_000:])
    for place in (0, 1, 4, 9):
        capacity = descriptor.distance[place] + DISTANCE_BIN_BYTES
        expected = 1.0 - descriptor.probability[: place + 1].sum()
        assert warm.at(capacity) == pytest.approx(expected, abs=0.005)


def test_requests_per_object_of_a_descriptor_hold_in_any_window(data_folder: Path) -> None:
    """Most contents are asked for again within minutes or never, so a short trace shows the counts of a long one."""
    drawn = footprint(200_000, load_card("akamai_media", "workload"), seed=1)
    # One content in 1.3 million has 9,000 requests, 5 % of these: it is there or it is not.
    assert top_percent_share(drawn) == pytest.approx(0.10, abs=0.06)
    assert one_hit_share(drawn) == pytest.approx(0.42, abs=0.1)


def test_a_descriptor_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "fd.txt.xz"
    rows = "1000 5000 0 600 400 2000\n0 0 0.3\n200 0 0.2\n0 400000 0.1\n"
    file.write_bytes(lzma.compress(rows.encode()))
    descriptor = read_descriptor(file)
    assert descriptor.distance.tolist() == [0.0, 4e8]
    assert descriptor.probability.tolist() == pytest.approx([0.5, 0.1])
    assert (descriptor.requests, descriptor.first_requests, descriptor.first_bytes) == (1000, 400, 2e6)
    made = descriptor_footprint(descriptor)
    assert made.stack_distances.unit == "bytes"
    assert made.stack_distances.edges == (0, 200_000_000, 600_000_000)
    assert made.stack_distances.probabilities == pytest.approx((5 / 6, 1 / 6), abs=1e-5)
    # Objects of 5 kB: all distances exceed what 400 of them fill, so that nearly every request is for a new one.
    assert made.first_requests.requests[-1] == pytest.approx(400, abs=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", "line 1: 3 fields"),
        ("1 2 3 4 5 6\n", "no stack distances"),
        ("1 2 3 4 5 6\n0 0 x\n", "line 2: .*'x'"),
        ("1 2 3 4 5 6\n0 0\n", "line 2: 2 fields"),
    ],
)
def test_damaged_descriptors_name_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "fd.txt.xz"
    file.write_bytes(lzma.compress(text.encode()))
    with pytest.raises(EdgeGymError, match=rf"fd\.txt\.xz: .*{message}"):
        read_descriptor(file)


def test_distances_in_bytes_decide_caches_of_bytes(tmp_path: Path) -> None:
    """A card whose distances count bytes, as those made from descriptors; objects are small against the bins."""
    card = WorkloadCard(
        name="bytes",
        provenance=PROVENANCE,
        object_bytes={"probabilities": (0, 1), "values": (500, 1500)},
        requests_per_object={"values": (1, 2, 12), "probabilities": (0.5, 0.3, 0.2)},
        footprint=Footprint(
            requests=30_000,
            contents=9000,
            stack_distances=StackDistances(
                unit="bytes", edges=(0, 100_000, 1_000_000, 5_000_000), probabilities=(0.5, 0.3, 0.2)
            ),
            first_requests=FirstRequests(requests=(1, 30_000), contents=(1, 9000)),
            popular_first=0.0,
        ),
    )
    save_card(card, tmp_path / "bytes.yaml")
    assert load_card(tmp_path / "bytes.yaml", "workload") == card
    distance = stack_distances(*(lambda t: (t.content, t.size))(footprint(30_000, card, 1)))[10_000:]
    again = distance[distance < INFINITE]
    shares = [np.mean(again <= edge) for edge in (100_000, 1_000_000, 5_001_500)]
    # Five standard errors of a share of some 14,000, and an object at each edge.
    np.testing.assert_allclose(shares, [0.5, 0.8, 1.0], atol=0.025)
