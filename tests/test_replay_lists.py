"""CLOCK, SLRU, 2Q, ARC, LIRS and W-TinyLFU against slow models of the papers, and against theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.envs.caching.replay import ADMITTED, replay
from edgegym.envs.caching.replay.arc import B1, B2, T1, T2, adapted
from edgegym.envs.caching.replay.sketch import count, estimate, halve, new_sketch
from edgegym.workload.generators import zipf

from .cache_models import Arc, Clock, Lirs, Model, Slru, TwoQueues
from .tinylfu_model import WTinyLfu

MODELS: dict[str, type[Model]] = {
    "CLOCK": Clock,
    "SLRU": Slru,
    "2Q": TwoQueues,
    "ARC": Arc,
    "LIRS": Lirs,
    "W-TinyLFU": WTinyLfu,
}
Workload = tuple[list[int], list[int], int]


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Requests, sizes and a capacity: a tiny cache of unit or mixed sizes, or one whose hundredth holds something."""
    large = draw(st.booleans())
    contents = draw(st.integers(150, 400) if large else st.integers(1, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = rng.integers(1, draw(st.sampled_from([1, 4])) + 1, contents)
    weight = np.arange(1, contents + 1) ** -draw(st.sampled_from([0.0, 0.8, 1.5]))
    content = rng.choice(contents, 900 if large else 150, p=weight / weight.sum())
    if draw(st.booleans()):
        content[::2] = np.arange(len(content[::2])) % contents
    capacity = draw(st.integers(100, 500) if large else st.integers(1, max(2, int(size.sum()))))
    return content.tolist(), size.tolist(), capacity


@pytest.mark.parametrize("policy", MODELS)
@given(workload=workloads())
@settings(max_examples=80, deadline=None)
def test_kernel_equals_slow_model(policy: str, workload: Workload) -> None:
    content, size, capacity = workload
    model = MODELS[policy](size, capacity)
    outcomes = model.run(content)
    result = replay(np.array(content), np.array(size), capacity, policy, log=True)
    assert result.outcome.tolist() == outcomes
    assert list(zip(result.evicted.tolist(), result.evicted_at.tolist(), strict=True)) == model.log


@pytest.mark.parametrize("policy", MODELS)
def test_a_cache_of_one_object_hits_repetitions_alone(policy: str) -> None:
    content = np.random.default_rng(0).integers(0, 3, 500)
    hit = replay(content, np.ones(3, np.int64), 1, policy).hit
    assert np.array_equal(hit[1:], content[1:] == content[:-1])
    assert not hit[0]


@pytest.mark.parametrize("policy", MODELS)
def test_a_cache_of_all_objects_misses_each_once(policy: str) -> None:
    content = np.random.default_rng(1).integers(0, 40, 2000)
    result = replay(content, np.ones(40, np.int64), 40, policy)
    assert len(content) - result.hits == len(np.unique(content))
    assert result.evictions == 0


@pytest.mark.parametrize(
    ("policy", "largest"), [("CLOCK", 400), ("SLRU", 100), ("2Q", 100), ("ARC", 400), ("LIRS", 4), ("W-TinyLFU", 4)]
)
def test_an_object_must_fit_where_newcomers_go(policy: str, largest: int) -> None:
    result = replay(np.array([0, 1, 0, 1]), np.array([largest, largest + 1]), 400, policy)
    assert result.outcome.tolist() == [2, 0, 1, 0]


def test_order_under_independent_requests() -> None:
    """On Zipf requests all beat FIFO, those with a memory beat LRU, and none the mass of the most popular objects."""
    trace = zipf(200_000, 5000, 0.9, 7)
    ones = np.ones(trace.contents, np.int64)
    mass = np.arange(1.0, 5001.0) ** -0.9
    for capacity in (50, 400):
        hits = {name: replay(trace.content, ones, capacity, name).hit_ratio for name in [*MODELS, "FIFO", "LRU"]}
        assert hits["FIFO"] + 0.005 < hits["CLOCK"]
        best = mass[:capacity].sum() / mass.sum()
        for name in ("SLRU", "2Q", "ARC", "LIRS", "W-TinyLFU"):
            assert hits["LRU"] + 0.02 < hits[name] < best + 0.005, name


def hot_and_scans(rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """60 objects, asked for twice in turn, and a scan of 200 that come once, over and over: (requests, whether hot)."""
    hot = np.tile(np.arange(60), 2)
    parts = [np.concatenate([hot, 60 + 200 * r + np.arange(200)]) for r in range(rounds)]
    return np.concatenate(parts), np.tile(np.arange(320) < 120, rounds)


def test_scans_do_not_wash_out_what_was_requested_often() -> None:
    """2Q is left out: what comes again while it is in A1in is correlated by its definition, not hot."""
    content, hot = hot_and_scans(40)
    ones = np.ones(content.max() + 1, np.int64)
    kept = {name: replay(content, ones, 100, name).hit[hot].mean() for name in [*MODELS, "LRU"]}
    assert kept["LRU"] == kept["CLOCK"] == 0.5
    assert min(kept[name] for name in ("SLRU", "ARC", "LIRS", "W-TinyLFU")) > 0.9, kept


@pytest.mark.parametrize(("capacity", "kept"), [(10, 9), (99, 98), (100, 99), (300, 297)])
def test_lirs_keeps_its_lir_objects_through_a_loop(capacity: int, kept: int) -> None:
    """LRU has no hit in a loop that is longer than the cache; LIRS has one per LIR object and round."""
    content = np.tile(np.arange(500), 7)
    ones = np.ones(500, np.int64)
    assert replay(content, ones, capacity, "LRU").hits == 0
    assert replay(content, ones, capacity, "LIRS").hits == 6 * kept


def test_lirs_evicts_the_hir_object_requested_least_recently() -> None:
    """Two HIR objects, 198 and 199, have left S with the LIR objects' second round; then 198 is asked for again."""
    content = np.concatenate([np.arange(200), np.arange(198), [198, 200]])
    result = replay(content, np.ones(201, np.int64), 200, "LIRS", log=True)
    assert (result.hits, result.evicted.tolist()) == (199, [199])


def test_arc_moves_its_target_by_the_quotient_of_the_ghost_lists() -> None:
    used = np.zeros(4, np.int64)
    used[[T1, T2, B1, B2]] = 6, 4, 2, 5
    assert adapted(3.0, used, B1, 1, 10) == 5.5
    assert adapted(3.0, used, B2, 1, 10) == 2.0
    assert adapted(3.0, used, B1, 2, 10) == 8.0
    assert adapted(9.0, used, B1, 1, 10) == 10.0
    assert adapted(0.5, used, B2, 1, 10) == 0.0


@pytest.mark.parametrize("scans_first", [False, True])
def test_arc_follows_the_workload(scans_first: bool) -> None:
    """Objects that come twice, 80 requests apart, need a large T1; hot ones between scans need a large T2."""
    twice = 100_000 + np.arange(20_000) // 160 * 80 + np.arange(20_000) % 80
    scans, hot = hot_and_scans(60)
    ids = np.unique(np.concatenate([scans, twice] if scans_first else [twice, scans]), return_inverse=True)[1]
    hit = replay(ids, np.ones(ids.max() + 1, np.int64), 100, "ARC").hit
    among_scans, among_twice = (hit[: len(scans)], hit[len(scans) :]) if scans_first else (hit[20_000:], hit[:20_000])
    assert among_scans[hot][-3000:].mean() > 0.9
    assert among_twice[-10_000:].mean() > 0.45


def test_two_queues_promotes_what_its_ghosts_remember() -> None:
    """Capacity 4, so Kin 1 and Kout 2: 0 leaves A1in for 4, comes back into Am and stays through 5, 6 and 7."""
    content = np.array([0, 1, 2, 3, 4, 0, 5, 6, 7, 0])
    result = replay(content, np.ones(8, np.int64), 4, "2Q", log=True)
    assert result.outcome.tolist() == [ADMITTED] * 9 + [1]
    assert result.evicted.tolist() == [0, 1, 2, 3, 4]


def test_slru_may_evict_at_a_hit() -> None:
    """Capacity 5, shares of 1: 4 waits beside 0 in the lowest segment, which 1 enters alone when 0 climbs."""
    result = replay(np.array([0, 1, 2, 3, 4, 0]), np.ones(5, np.int64), 5, "SLRU", log=True)
    assert (result.hits, result.evicted.tolist(), result.evicted_at.tolist()) == (1, [4], [5])


@pytest.mark.parametrize("capacity", [8, 30])
def test_w_tinylfu_halves_its_counts(capacity: int) -> None:
    """Long enough for many halvings, and with popularity drifting, so that they decide who is admitted."""
    rng = np.random.default_rng(capacity)
    content = rng.zipf(1.3, 8000) % 100 + np.arange(8000) // 400
    model = WTinyLfu([1] * 130, capacity)
    outcomes = model.run(content.tolist())
    assert model.hits > 3 * 32 * model.entries
    assert replay(content, np.ones(130, np.int64), capacity, "W-TinyLFU").outcome.tolist() == outcomes


@given(counted=st.lists(st.integers(0, 300), max_size=200), entries=st.integers(1, 50))
@settings(max_examples=60, deadline=None)
def test_the_sketch_never_counts_too_little(counted: list[int], entries: int) -> None:
    sketch = new_sketch(entries)
    for x in counted:
        count(sketch, x)
    assert all(estimate(sketch, x) >= counted.count(x) for x in set(counted))
    halve(sketch)
    assert all(estimate(sketch, x) >= counted.count(x) // 2 for x in set(counted))


def test_the_sketch_errs_as_often_as_its_filter_should() -> None:
    """Made for n contents and holding n, it knows a new one with probability 2 ** -10."""
    n = 100_000
    sketch = new_sketch(n)
    for x in range(n):
        count(sketch, x)
    wrong = sum(estimate(sketch, x) > 0 for x in range(n, 3 * n))
    assert wrong == pytest.approx(2 * n / 1024, abs=5 * (2 * n / 1024) ** 0.5)
