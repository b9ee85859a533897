"""Catalogues whose popularity and size belong together, and the settings that reach the generators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgegym.cards import load_card
from edgegym.errors import SettingsError
from edgegym.workload.generators import catalogue, drifting, zipf
from edgegym.workload.settings import CatalogueSettings, DriftingSettings, ZipfSettings
from edgegym.workload.sources import Source
from edgegym.workload.trace import RequestTrace


def columns(trace: RequestTrace) -> list[np.ndarray]:
    return [trace.time, trace.content, trace.size, trace.node]


def popular_are_large(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    large = rng.random(n) < 0.1
    return np.where(large, 90.0, 10.0), np.where(large, 1000, 10)


def catalogues(requests: int, seed: int, **changes: Any) -> RequestTrace:
    return catalogue(requests, 500, seed, **({"joint": popular_are_large} | changes))


def test_a_catalogue_draws_popularity_and_size_together() -> None:
    trace = catalogues(50_000, 3)
    large = trace.size == 1000
    share = large.mean()
    # Five standard errors; every content is requested so often that none is missing.
    assert trace.contents == 500
    assert share == pytest.approx(0.1, abs=5 * np.sqrt(0.09 / 500))
    expected = share * 90 / (share * 90 + (1 - share) * 10)
    assert np.mean(large[trace.content]) == pytest.approx(expected, abs=5 * np.sqrt(0.25 / 50_000))
    counts = np.bincount(trace.content)
    weight = np.where(large, 90.0, 10.0)
    assert stats.chisquare(counts, 50_000 * weight / weight.sum()).pvalue > 0.001


def test_a_catalogue_has_no_locality_and_its_seed_is_everything() -> None:
    first, again, other = (catalogues(4000, s, nodes=3, overlap=0.5) for s in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(columns(first), columns(again), strict=True))
    assert not np.array_equal(first.content, other.content)
    assert np.array_equal(first.content, catalogues(4000, 7).content)
    with pytest.raises(SettingsError, match="contents"):
        catalogue(10, 0, 1, joint=popular_are_large)
    with pytest.raises(SettingsError, match="popularity"):
        catalogue(10, 5, 1, joint=lambda rng, n: (np.zeros(n), np.ones(n)))
    with pytest.raises(SettingsError, match="sizes"):
        catalogue(10, 5, 1, joint=lambda rng, n: (np.ones(n), np.zeros(n)))


def test_a_flat_head_reaches_drifting_too() -> None:
    still = drifting(20_000, 200, 0.9, 4, every=100, share=0.0, q=50.0)
    assert np.array_equal(still.content, zipf(20_000, 200, 0.9, 4, q=50.0).content)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ZipfSettings(requests=500, contents=80, alpha=0.7, q=9.0), lambda: zipf(500, 80, 0.7, 5, q=9.0)),
        (
            DriftingSettings(requests=500, contents=80, q=9.0, drift_every=50, drift_share=0.5),
            lambda: drifting(500, 80, 0.9, 5, every=50, share=0.5, q=9.0),
        ),
        (
            CatalogueSettings(requests=500, contents=80, card="akamai_video"),
            lambda: catalogue(500, 80, 5, joint=load_card("akamai_video", "workload").joint.sample),
        ),
    ],
)
def test_settings_reach_the_generators(settings: Any, expected: Callable[[], RequestTrace]) -> None:
    drawn, wanted = Source(settings).episode(5).trace, expected()
    assert all(np.array_equal(a, b) for a, b in zip(columns(drawn), columns(wanted), strict=True))


def test_catalogues_of_cards_have_the_cards_traffic() -> None:
    """Over many catalogues: bytes per request of independent requests are those of the joint law."""
    card = load_card("akamai_media", "workload")
    settings = CatalogueSettings(requests=20_000, contents=20_000, card="akamai_media")
    means = [float(t.size[t.content].mean()) for t in (Source(settings).episode(s).trace for s in range(20))]
    error = np.std(means) / np.sqrt(20)
    assert np.mean(means) == pytest.approx(card.joint.mean_bytes_per_request(), abs=4 * error)


def test_q_below_its_range_is_told_by_the_settings() -> None:
    with pytest.raises(SettingsError, match=r"q: .*greater than -1"):
        ZipfSettings.parse({"q": -1.0})
