"""Cards: their joint laws, the library, and what a wrong card says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from edgegym.cards import (
    LinkCard,
    Provenance,
    WorkloadCard,
    list_cards,
    load_card,
    save_card,
)
from edgegym.errors import CardError

LIBRARY = [(kind, name) for kind, names in list_cards().items() for name in names]
WORKLOADS = list_cards("workload")["workload"]
PROVENANCE: dict[str, Any] = {"source": "a test"}
LINK: dict[str, Any] = {"name": "mine", "kind": "link", "provenance": PROVENANCE, "rtt_s": 0.01, "rate_bps": 1e6}


@pytest.mark.parametrize("name", WORKLOADS)
def test_drawn_means_are_the_stated_means(name: str) -> None:
    card = load_card(name, "workload")
    rng, n = np.random.default_rng(4), 400_000
    counts, masses = np.array(card.requests_per_object.values), card.requests_per_object.masses
    deviation = np.sqrt(masses @ counts**2 - (masses @ counts) ** 2)
    # Five standard errors, from the law's own variance: the tail is too heavy for the sample's.
    assert card.requests_per_object.sample(rng, n).mean() == pytest.approx(
        card.requests_per_object.mean(), abs=5 * deviation / np.sqrt(n)
    )
    sizes = card.object_bytes.sample(rng, n)
    assert sizes.dtype == np.int64
    assert sizes.min() >= 1
    assert sizes.mean() == pytest.approx(card.object_bytes.mean(), abs=0.5 + 5 * sizes.std() / np.sqrt(n))


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_joint_law_has_the_marginals_of_the_card(name: str) -> None:
    card = load_card(name, "workload")
    implied = card.joint.group_masses @ card.joint.segment_masses
    # Probabilities are written with four significant digits.
    np.testing.assert_allclose(implied, np.diff(card.object_bytes.probabilities), atol=2e-4)
    requests, sizes = card.joint.sample(np.random.default_rng(5), 100_000)
    alone = card.object_bytes.sample(np.random.default_rng(6), 100_000)
    # Twice the 1e-3 point of the two-sample statistic would be 0.0174; rounding of the table adds at most 0.001.
    assert stats.ks_2samp(sizes, alone).statistic < 0.0095
    assert np.isin(requests, card.requests_per_object.values).all()
    observed = np.array([np.sum(requests == value) for value in card.requests_per_object.values[:6]]) / 1e5
    # Five standard errors of a share of 100,000 are at most 0.008.
    np.testing.assert_allclose(observed, card.requests_per_object.masses[:6], atol=0.008)


@pytest.mark.parametrize("name", ["akamai_video", "akamai_media", "akamai_downloads"])
def test_sizes_depend_on_popularity_as_the_table_says(name: str) -> None:
    card = load_card(name, "workload")
    assert card.size_given_requests is not None
    requests, sizes = card.joint.sample(np.random.default_rng(7), 200_000)
    means = card.joint.segment_masses @ card.object_bytes.segment_means()
    groups = np.searchsorted(card.size_given_requests.requests_from, requests, side="right") - 1
    for group, mean in enumerate(means):
        drawn = sizes[groups == group]
        if len(drawn) >= 1000:
            # Five standard errors; sizes of a group vary by up to several times their mean.
            assert drawn.mean() == pytest.approx(mean, abs=5 * drawn.std() / np.sqrt(len(drawn)))


def test_the_traffic_of_a_joint_law_by_hand() -> None:
    card = WorkloadCard.parse(
        {
            "name": "two kinds",
            "provenance": PROVENANCE,
            "object_bytes": {"probabilities": [0, 0.499999, 0.5, 1], "values": [100, 100, 1000, 1000]},
            "requests_per_object": {"values": [1, 9], "probabilities": [0.5, 0.5]},
            "size_given_requests": {"requests_from": [1, 5], "segment_probabilities": [[1, 0, 0], [0, 0, 1]]},
        }
    )
    requests, sizes = card.joint.sample(np.random.default_rng(8), 1000)
    assert set(zip(requests.tolist(), sizes.tolist(), strict=True)) == {(1.0, 100), (9.0, 1000)}
    # Nine of ten requests are for large objects.
    assert card.joint.mean_bytes_per_request() == pytest.approx(0.1 * 100 + 0.9 * 1000, rel=1e-4)


def test_without_a_dependence_size_and_popularity_are_independent() -> None:
    card = load_card("meta_cdn", "workload")
    requests, sizes = card.joint.sample(np.random.default_rng(9), 50_000)
    # Five standard errors of a rank correlation of independent pairs are 5 / sqrt(50,000) = 0.022.
    assert abs(stats.spearmanr(requests, sizes).statistic) < 0.022
    assert card.joint.mean_bytes_per_request() == pytest.approx(card.object_bytes.mean(), rel=1e-9)


def test_published_figures_of_the_video_workload() -> None:
    """Figures computed from the source file apart from the fit."""
    card = load_card("akamai_video", "workload")
    assert card.requests_per_object.masses[0] == pytest.approx(0.564, abs=5e-4)
    assert card.requests_per_object.mean() == pytest.approx(3.426, abs=1e-3)
    # The card promises quantiles within 10 % and means within 1 %.
    np.testing.assert_allclose(
        card.object_bytes.quantile([0.01, 0.1, 0.5, 0.9]), [5e3, 27e3, 599e3, 10.549e6], rtol=0.1
    )
    assert card.object_bytes.mean() == pytest.approx(2.214e6, rel=0.01)
    assert card.joint.mean_bytes_per_request() == pytest.approx(3.754e6, rel=0.01)
    assert card.joint.bytes_per_request().quantile(0.5) == pytest.approx(1.164e6, rel=0.05)


@pytest.mark.parametrize(
    ("name", "rtt_ms"),
    [
        ("5g_first_hop", 25.8),
        ("lte_first_hop", 28.8),
        ("5g_us_east", 53.5),
        ("5g_us_west", 80.0),
        ("lte_us_east", 58.1),
        ("lte_us_west", 88.0),
        ("wan_us_east", 27.7),
        ("wan_us_west", 54.2),
        ("metro_fibre_50km", 0.49),
    ],
)
def test_published_round_trips(name: str, rtt_ms: float) -> None:
    # The published medians are rounded to 0.1 ms, fibre to 0.01 ms.
    assert 1e3 * load_card(name, "link").rtt_s == pytest.approx(rtt_ms, abs=0.0501)


@pytest.mark.parametrize(
    ("name", "mean", "quantiles"),
    [("5g_first_hop", 522, (46, 434, 1170)), ("lte_first_hop", 40, (5, 30, 93))],
)
def test_published_throughput(name: str, mean: float, quantiles: tuple[float, ...]) -> None:
    """Mbit/s of Lumos5G; the card promises its table's quantiles within 15 % and its mean within 2 %."""
    card = load_card(name, "link")
    assert card.rate_table is not None
    assert card.rate_bps == pytest.approx(1e6 * quantiles[1])
    assert card.rate_table.mean() == pytest.approx(1e6 * mean, rel=0.02)
    np.testing.assert_allclose(card.rate_table.quantile([0.1, 0.5, 0.9]) / 1e6, quantiles, rtol=0.15)


@pytest.mark.parametrize(("kind", "name"), LIBRARY)
def test_every_library_card_is_small_named_like_its_file_and_says_where_it_is_from(kind: Any, name: str) -> None:
    card = load_card(name, kind)
    assert (card.kind, card.name) == (kind, name)
    assert card.provenance.source
    assert card.provenance.rule
    assert card.provenance.method == "derived" or card.provenance.licence
    file = Path(__file__).parents[1] / "edgegym" / "cards" / "library" / kind / f"{name}.yaml"
    assert len(file.read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize(("kind", "name"), LIBRARY)
def test_a_card_survives_writing_and_reading(kind: Any, name: str, tmp_path: Path) -> None:
    card = load_card(name, kind)
    save_card(card, tmp_path / "copy.yaml")
    assert load_card(tmp_path / "copy.yaml", kind) == card


@pytest.mark.parametrize("name", list_cards("link")["link"])
def test_what_nobody_measured_is_marked_as_assumed(name: str) -> None:
    card = load_card(name, "link")
    for value, table in (("rtt_s", "rtt_table"), ("rate_bps", "rate_table")):
        derived_rtt = value == "rtt_s" and card.provenance.method == "derived"
        assert getattr(card, table) is not None or derived_rtt or value in card.provenance.assumed


def test_a_card_of_ones_own_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    save_card(LinkCard(name="mine", provenance=Provenance(source="a test"), rtt_s=0.01, rate_bps=1e6), file)
    assert load_card(str(file), "link").rtt_s == 0.01
    file.write_text(file.read_text().replace("0.01", "0.0205"))
    assert load_card(str(file), "link").rtt_s == 0.0205


def test_list_cards() -> None:
    assert set(list_cards()) == {"device", "link", "model", "prior", "workload"}
    assert "wan_us_west" in list_cards("link")["link"]
    with pytest.raises(CardError, match="unknown card kind 'links'"):
        list_cards("links")


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("akamai_vidio", "workload", r"unknown workload card 'akamai_vidio'.*Did you mean 'akamai_video'.*meta_cdn"),
        ("akamai_video", "link", "unknown link card"),
        ("5g_first_hop", "cable", "unknown card kind 'cable'"),
        ("nowhere/mine.yaml", "link", "nowhere/mine.yaml: cannot be read"),
    ],
)
def test_cards_that_are_not_there(name: str, kind: Any, message: str) -> None:
    with pytest.raises(CardError, match=message):
        load_card(name, kind)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rtt": 0.1}, r"rtt: unknown key.*Did you mean 'rtt_"),
        ({"rtt_s": -1}, "rtt_s: .*greater than or equal to 0"),
        ({"rtt_s": ".nan"}, "rtt_s: .*finite"),
        ({"rate_bps": 0}, "rate_bps: .*greater than 0"),
        ({"kind": "workload"}, "kind: a link card is needed"),
        ({"provenance": {}}, "provenance.source: missing"),
        ({"provenance": {"source": "a test", "assumed": {"rat_bps": "so"}}}, "'rat_bps' is not a field.*'rate_bps'"),
        ({"rtt_table": {"probabilities": [0, 0.5, 1], "values": [1, 3, 2]}}, "must not fall.*entry 2 is 2.0 after 3.0"),
        ({"rtt_table": {"probabilities": [0, 0.5, 1], "values": [-1, 3, 4]}}, r"rtt_table\.values: entry 0 is -1.0"),
        ({"rtt_table": {"probabilities": [0, 1], "values": [1, 2, 3]}}, "2 probabilities but 3 values"),
        ({"rtt_table": {"probabilities": [0.1, 1], "values": [1, 2]}}, "must start with 0"),
        ({"rtt_table": {"probabilities": [0, 0.5, 0.5, 1], "values": [1, 2, 3, 4]}}, "must grow"),
    ],
)
def test_a_wrong_link_card_names_file_and_field(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**LINK, **changes}).replace("'.nan'", ".nan"))
    with pytest.raises(CardError, match=message) as caught:
        load_card(file, "link")
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("object_bytes", {"probabilities": [0, 1], "values": [0, 9]}, "object_bytes.values: .*at least 1 byte"),
        ("requests_per_object", {"values": [1, 2], "probabilities": [0.5, 0.6]}, "sum to 1.1"),
        ("requests_per_object", {"values": [2, 1], "probabilities": [0.5, 0.5]}, "must grow"),
        ("requests_per_object", {"values": [0, 1], "probabilities": [0.5, 0.5]}, "at least 1"),
        ("size_given_requests", {"requests_from": [2], "segment_probabilities": [[1]]}, "must start with 1"),
        ("size_given_requests", {"requests_from": [1], "segment_probabilities": [[0.5, 0.5]]}, "1 rows of 40 entries"),
        (
            "size_given_requests",
            {"requests_from": [1], "segment_probabilities": [[1] + [0] * 39]},
            "implies probability 1",
        ),
    ],
)
def test_a_wrong_workload_card_is_told_in_a_few_lines(field: str, value: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    save_card(load_card("akamai_video", "workload"), file)
    values = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**values, field: value}))
    with pytest.raises(CardError, match=message) as caught:
        load_card(file, "workload")
    assert str(file) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_no_card(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    for content in (b"- 1\n", b"a: [1\n", b"\xff\xfe\x00"):
        file.write_bytes(content)
        os.utime(file, ns=(len(content), len(content)))
        with pytest.raises(CardError, match=r"mine\.yaml"):
            load_card(file, "link")


def test_importing_cards_loads_nothing_heavy() -> None:
    code = (
        "import sys, edgegym.cards; print([m for m in ('torch', 'matplotlib', 'numba', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
