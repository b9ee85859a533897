"""Workload generators: seeds, and the laws that the requests must follow.

Statistical tests use fixed seeds, so they always give the same answer; tolerances are 4 standard errors or a
chi-square p-value of .001, which a right generator misses for less than one seed in a thousand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgegym.errors import SettingsError
from edgegym.workload.generators import drifting, shot_noise, zipf, zipf_weights
from edgegym.workload.trace import RequestTrace, dense_ids


def one_to_nine(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.integers(1, 10, n)


def volumes(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.choice([2.0, 20.0], n)


def shots(requests: int, seed: int, **changes: Any) -> RequestTrace:
    defaults: dict[str, Any] = {"birth_rate": 2.0, "lifetimes": (50.0, 200.0), "volumes": volumes}
    return shot_noise(requests, seed=seed, **(defaults | changes))


def zipfs(requests: int, seed: int, **changes: Any) -> RequestTrace:
    return zipf(requests, 500, 0.9, seed, **changes)


def drifts(requests: int, seed: int, **changes: Any) -> RequestTrace:
    return drifting(requests, 500, 0.9, seed, every=100, share=0.1, **changes)


GENERATORS: list[Callable[..., RequestTrace]] = [zipfs, drifts, shots]


def columns(trace: RequestTrace) -> list[np.ndarray]:
    return [trace.time, trace.content, trace.size, trace.node]


@pytest.mark.parametrize("generate", GENERATORS)
def test_the_seed_is_everything(generate: Callable[..., RequestTrace]) -> None:
    first, again, other = (generate(3000, s, sizes=one_to_nine, nodes=3, overlap=0.5) for s in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(columns(first), columns(again), strict=True))
    assert not np.array_equal(first.content, other.content)
    assert not np.array_equal(first.node, other.node)


@pytest.mark.parametrize("generate", GENERATORS)
def test_traces_have_the_length_asked_for_and_dense_ids(generate: Callable[..., RequestTrace]) -> None:
    for requests in (1, 2, 1000):
        trace = generate(requests, 3)
        assert len(trace) == requests
        assert np.array_equal(trace.content, dense_ids(trace.content))
        assert trace.contents == trace.content.max() + 1
        assert np.all(np.diff(trace.time) >= 0)
        assert np.all(trace.size == 1)


@pytest.mark.parametrize("generate", GENERATORS)
def test_sizes_and_nodes_leave_the_requests_as_they_are(generate: Callable[..., RequestTrace]) -> None:
    plain = generate(2000, 5)
    rich = generate(2000, 5, sizes=one_to_nine, nodes=4, overlap=0.3)
    assert np.array_equal(plain.content, rich.content)
    assert np.array_equal(plain.time, rich.time)
    assert set(rich.size.tolist()) == set(range(1, 10))


def test_zipf_is_the_inverted_distribution_function() -> None:
    """The recipe by which published values for seed 42 are made, written out."""
    cdf = np.cumsum(np.arange(1, 10_001) ** -0.9)
    cdf /= cdf[-1]
    cdf[-1] = 1.0
    rank = np.searchsorted(cdf, np.random.default_rng(42).random(1_000_000))
    assert np.array_equal(zipf(1_000_000, 10_000, 0.9, 42).content, dense_ids(rank))


@pytest.mark.parametrize(("alpha", "q"), [(0.0, 0.0), (0.9, 0.0), (1.2, 0.0), (0.9, 50.0)])
def test_zipf_law(alpha: float, q: float) -> None:
    requests, contents = 100_000, 200
    weight = (np.arange(1, contents + 1) + q) ** -alpha
    expected = np.sort(requests * weight / weight.sum())[::-1]
    trace = zipf(requests, contents, alpha, 11, q=q)
    assert trace.contents == contents
    # Dense ids hide the ranks: a content of known size shows its rank.
    ranked = zipf(requests, contents, alpha, 11, q=q, sizes=lambda rng, n: np.arange(1, n + 1))
    counts = np.bincount(ranked.size[ranked.content] - 1, minlength=contents)
    assert stats.chisquare(counts, expected).pvalue > 0.001
    assert np.allclose(zipf_weights(contents, alpha, q), weight / weight.sum())


def by_rank(rng: np.random.Generator, n: int) -> np.ndarray:
    """Sizes that tell the content's first rank, from 1 on."""
    return np.arange(1, n + 1)


def test_drifting_keeps_the_law_and_moves_the_contents() -> None:
    requests, contents, every = 50_000, 100, 5000
    still = zipf(requests, contents, 1.0, 4, sizes=by_rank)
    moved = drifting(requests, contents, 1.0, 4, every=every, share=1.0, sizes=by_rank)
    rank = (still.size[still.content] - 1).reshape(-1, every)
    content = (moved.size[moved.content] - 1).reshape(-1, every)
    held = np.full((len(rank), contents), -1)
    for epoch in range(len(rank)):
        held[epoch, rank[epoch]] = content[epoch]
        # Within an epoch every rank is held by one content.
        assert np.array_equal(held[epoch, rank[epoch]], content[epoch])
    assert np.array_equal(held[0][held[0] >= 0], np.flatnonzero(held[0] >= 0))
    known = (held[1:] >= 0) & (held[:-1] >= 0)
    assert np.all((held[1:] != held[:-1])[known])


def test_drifting_moves_the_share_of_contents_that_is_asked_for() -> None:
    trace = drifting(400_000, 50, 0.0, 9, every=10_000, share=0.2, sizes=by_rank)
    still = zipf(400_000, 50, 0.0, 9, sizes=by_rank)
    held = np.zeros((40, 50), np.int64)
    epoch = np.arange(400_000) // 10_000
    held[epoch, still.size[still.content] - 1] = trace.size[trace.content]
    assert np.all(np.count_nonzero(np.diff(held, axis=0), axis=1) == 10)
    none = drifting(4000, 50, 0.9, 9, every=10, share=0.0)
    assert np.array_equal(none.content, zipf(4000, 50, 0.9, 9).content)


def test_shot_noise_is_stationary_from_time_zero() -> None:
    """Requests per window have the same mean from the first window on, birth rate times mean volume."""
    rate, window, seeds = 2.0 * 11.0, 50.0, 60
    counts = np.array(
        [np.histogram(shots(12_000, seed).time, np.arange(0.0, 501.0, window))[0] for seed in range(seeds)]
    )
    error = counts.std(axis=0, ddof=1) / np.sqrt(seeds)
    assert np.all(np.abs(counts.mean(axis=0) - rate * window) < 4 * error)
    assert all(shots(100, seed).time[0] < 2.0 for seed in range(20))


def test_shot_noise_contents_appear_steadily_and_for_their_lifetime() -> None:
    trace = shots(200_000, 1, lifetimes=(100.0,), volumes=lambda rng, n: np.full(n, 5.0))
    first = np.full(trace.contents, np.inf)
    last = np.zeros(trace.contents)
    np.minimum.at(first, trace.content, trace.time)
    np.maximum.at(last, trace.content, trace.time)
    assert np.all(last - first <= 100.0)
    horizon = trace.time[-1]
    whole = (first > 100.0) & (first < horizon - 100.0)
    # Contents with at least one request are born at rate birth_rate (1 - exp(-V)); Poisson counts.
    expected = 2.0 * (1 - np.exp(-5.0)) * (horizon - 200.0)
    assert abs(whole.sum() - expected) < 4 * np.sqrt(expected)


def test_shot_noise_counts_are_poisson_without_the_zeros() -> None:
    trace = shots(100_000, 2, lifetimes=(100.0,), volumes=lambda rng, n: np.full(n, 3.0))
    counts = np.bincount(trace.content)
    first = np.full(trace.contents, np.inf)
    np.minimum.at(first, trace.content, trace.time)
    counts = counts[(first > 100.0) & (first < trace.time[-1] - 100.0)]
    observed = np.bincount(np.minimum(counts, 9), minlength=10)[1:]
    law = np.append(stats.poisson.pmf(np.arange(1, 9), 3.0), stats.poisson.sf(8, 3.0)) / (1 - np.exp(-3.0))
    assert stats.chisquare(observed, law * len(counts)).pvalue > 0.001


def test_shot_noise_draws_size_and_volume_together() -> None:
    def joint(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        large = rng.random(n) < 0.5
        return np.where(large, 50.0, 1.0), np.where(large, 1000, 10)

    trace = shots(60_000, 6, volumes=None, joint=joint)
    share = np.mean(trace.size[trace.content] == 1000)
    # Requests of large contents: 50 of 51. They cluster in contents of 50, so that their share has the standard error
    # of some 1,200 contents.
    assert set(trace.size.tolist()) == {10, 1000}
    assert abs(share - 50 / 51) < 4 * np.sqrt(50 / 51 / 51 / 1200)
    with pytest.raises(SettingsError, match="joint"):
        shots(10, 6, joint=joint)
    with pytest.raises(SettingsError, match="joint"):
        shots(10, 6, volumes=None)


@pytest.mark.parametrize("generate", GENERATORS)
def test_overlap_decides_who_requests_what(generate: Callable[..., RequestTrace]) -> None:
    apart = generate(20_000, 1, nodes=4, overlap=0.0)
    pairs = np.unique(np.stack([apart.content, apart.node]), axis=1)
    assert pairs.shape[1] == apart.contents
    owners = np.bincount(pairs[1], minlength=4)
    assert stats.chisquare(owners).pvalue > 0.001

    together = generate(20_000, 1, nodes=4, overlap=1.0)
    assert stats.chisquare(np.bincount(together.node, minlength=4)).pvalue > 0.001

    half = generate(20_000, 1, nodes=4, overlap=0.5)
    often = np.bincount(half.content) >= 20
    nodes = np.array([len(np.unique(half.node[half.content == c])) for c in np.flatnonzero(often)])
    # A shared content with 20 requests misses all nodes but one with probability 4 ** -19.
    shared = np.count_nonzero(nodes > 1)
    assert stats.binomtest(shared, len(nodes), 0.5).pvalue > 0.001


@pytest.mark.parametrize(
    ("generate", "changes", "word"),
    [
        (zipfs, {"nodes": 0}, "nodes"),
        (zipfs, {"overlap": 1.5}, "overlap"),
        (zipfs, {"q": -1.0}, "q"),
        (zipfs, {"sizes": lambda rng, n: np.zeros(n)}, "sizes"),
        (shots, {"birth_rate": 0.0}, "birth_rate"),
        (shots, {"lifetimes": ()}, "lifetimes"),
        (shots, {"lifetimes": (1.0, float("inf"))}, "lifetimes"),
        (shots, {"volumes": lambda rng, n: np.zeros(n)}, "volumes"),
        (shots, {"lifetimes": (1e12,)}, "births"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    generate: Callable[..., RequestTrace], changes: dict[str, Any], word: str
) -> None:
    with pytest.raises(SettingsError, match=word):
        generate(100, 1, **changes)
    with pytest.raises(SettingsError, match="requests"):
        generate(0, 1)
