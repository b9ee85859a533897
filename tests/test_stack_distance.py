"""Stack distances: against a list that is searched, and against LRU replayed cache by cache."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.envs.caching.replay import replay
from edgegym.errors import TraceError
from edgegym.workload.generators import zipf
from edgegym.workload.stack_distance import INFINITE, curve_of, miss_ratio_curve, stack_distances
from edgegym.workload.trace import dense_ids

REQUESTS = st.lists(st.integers(0, 12), min_size=1, max_size=80)


def searched(content: np.ndarray, size: np.ndarray) -> list[int]:
    """The definition: walk down the list of contents, most recent first."""
    stack: list[int] = []
    distances = []
    for x in content.tolist():
        if x in stack:
            above = stack[: stack.index(x) + 1]
            distances.append(int(size[above].sum()))
            stack.remove(x)
        else:
            distances.append(INFINITE)
        stack.insert(0, x)
    return distances


@settings(max_examples=150, deadline=None)
@given(REQUESTS, st.lists(st.integers(1, 50), min_size=13, max_size=13))
def test_distances_are_those_of_a_searched_list(requests: list[int], sizes: list[int]) -> None:
    content = dense_ids(np.array(requests))
    size = np.array(sizes)
    assert stack_distances(content).tolist() == searched(content, np.ones_like(size))
    assert stack_distances(content, size).tolist() == searched(content, size)


@settings(max_examples=100, deadline=None)
@given(REQUESTS, st.integers(1, 15))
def test_a_distance_within_the_capacity_is_a_hit_of_lru(requests: list[int], capacity: int) -> None:
    content = dense_ids(np.array(requests))
    replayed = replay(content, np.ones(content.max() + 1, np.int64), capacity, "LRU")
    assert np.array_equal(stack_distances(content) <= capacity, replayed.hit)


def test_the_curve_is_lru_at_every_capacity() -> None:
    trace = zipf(60_000, 5000, 0.8, 3)
    curve = miss_ratio_curve(trace.content)
    for capacity in (1, 2, 7, 50, 333, 2000, trace.contents - 1, trace.contents, 10**9):
        expected = replay(trace.content, np.ones(trace.contents, np.int64), capacity, "LRU").miss_ratio
        assert curve.at(capacity) == pytest.approx(expected, abs=1e-12)
    assert curve.at([0, 0.5]).tolist() == [1.0, 1.0]
    assert np.all(np.diff(curve.miss_ratio) < 0)
    # Every content misses once in the largest cache.
    assert curve.miss_ratio[-1] == pytest.approx(trace.contents / len(trace))


def test_the_byte_curve_is_lru_but_for_the_room_of_an_object() -> None:
    """LRU over whole objects lies between the curve and the curve of a cache smaller by the largest object."""
    trace = zipf(40_000, 2000, 0.8, 4, sizes=lambda rng, n: rng.integers(1, 100, n))
    size_of_request = trace.size[trace.content]
    objects, bytes_ = (miss_ratio_curve(trace.content, trace.size, w) for w in (None, size_of_request))
    for capacity in (500, 5000, 30_000, int(trace.size.sum())):
        replayed = replay(trace.content, trace.size, capacity, "LRU")
        assert objects.at(capacity) <= replayed.miss_ratio <= objects.at(capacity - 99) + 1e-12
        byte_miss = 1.0 - replayed.byte_hit_ratio(size_of_request)
        assert bytes_.at(capacity) - 1e-12 <= byte_miss <= bytes_.at(capacity - 99) + 1e-12


def test_requests_before_the_counted_ones_only_warm_the_caches() -> None:
    trace = zipf(20_000, 1000, 0.9, 5)
    curve = miss_ratio_curve(trace.content, from_index=15_000)
    hit = replay(trace.content, np.ones(trace.contents, np.int64), 100, "LRU").hit[15_000:]
    assert curve.at(100) == pytest.approx(1.0 - hit.mean(), abs=1e-12)


def test_a_loop_hits_nothing_until_all_of_it_fits() -> None:
    curve = miss_ratio_curve(np.tile(np.arange(50), 10))
    assert curve.capacity.tolist() == [50]
    assert curve.at([49, 50]).tolist() == pytest.approx([1.0, 0.1])
    assert curve_of(np.full(3, INFINITE)).at(10**12) == 1.0


@pytest.mark.parametrize(
    ("content", "size", "word"),
    [([-1, 0], [1], "ids run from -1"), ([0, 3], [1, 1], "allowed are 0 .. 1"), ([0, 1], [1, 0], "size 0")],
)
def test_ids_and_sizes_out_of_range(content: list[int], size: list[int], word: str) -> None:
    with pytest.raises(TraceError, match=word):
        stack_distances(np.array(content), np.array(size))
    with pytest.raises(TraceError, match="from_index"):
        miss_ratio_curve(np.array([0, 0]), from_index=2)
