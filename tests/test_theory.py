"""Closed-form hit ratios: limits, published values, and simulation of generated traces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from edgegym.envs.caching.replay import replay
from edgegym.envs.caching.replay.q_lru import replay_q_lru
from edgegym.errors import SettingsError
from edgegym.workload import theory
from edgegym.workload.generators import shot_noise, zipf, zipf_weights

CLASSES = {"volumes": [2.0, 20.0, 300.0], "probabilities": [0.8, 0.18, 0.02]}
LIFETIME = 2000.0


@pytest.mark.parametrize(
    ("alpha", "q", "capacity", "lru", "fifo", "q_lru"),
    [
        (0.6, 0, 1000, 0.2432, 0.2200, 0.2979),
        (0.8, 0, 1000, 0.4367, 0.3942, 0.4991),
        (1.0, 0, 100, 0.3905, 0.3423, 0.4572),
        (0.9, 50, 1000, 0.3373, 0.2958, 0.4215),
    ],
)
def test_independent_requests_have_the_values_of_a_second_implementation(
    alpha: float, q: float, capacity: int, lru: float, fifo: float, q_lru: float
) -> None:
    """Values with four digits from another implementation; tolerance is their rounding."""
    popularity = zipf_weights(10_000, alpha, q)
    assert theory.lru(popularity, capacity).hit_ratio == pytest.approx(lru, abs=6e-5)
    assert theory.fifo(popularity, capacity).hit_ratio == pytest.approx(fifo, abs=6e-5)
    assert theory.q_lru(popularity, capacity, 0.1).hit_ratio == pytest.approx(q_lru, abs=6e-5)


@pytest.mark.parametrize(
    ("capacity", "time", "hit"), [(50, 5.4, 0.3159), (200, 34.6, 0.6291), (800, 282.2, 0.8566), (1500, 845.9, 0.9060)]
)
def test_shot_noise_has_the_values_of_a_second_implementation(capacity: int, time: float, hit: float) -> None:
    found = theory.shot_noise_lru(1.0, lifetime=LIFETIME, capacity=capacity, **CLASSES)
    assert found.hit_ratio == pytest.approx(hit, abs=6e-5)
    assert found.characteristic_time == pytest.approx(time, abs=0.06)


@given(
    rates=st.lists(st.floats(0.01, 100.0), min_size=2, max_size=40),
    share=st.floats(0.05, 0.95),
    q=st.floats(0.01, 1.0),
    unit=st.floats(0.1, 10.0),
)
def test_limits_order_and_units(rates: list[float], share: float, q: float, unit: float) -> None:
    popularity = np.array(rates)
    capacity = share * len(rates)
    lru, fifo, q_lru = (
        theory.lru(popularity, capacity),
        theory.fifo(popularity, capacity),
        theory.q_lru(popularity, capacity, q),
    )
    # The most popular objects that fit, the last one fractionally, are the best that any fixed filling can do.
    best = np.sort(popularity)[::-1]
    whole = int(capacity)
    top = (best[:whole].sum() + (capacity - whole) * best[whole]) / best.sum()
    assert share - 1e-9 <= fifo.hit_ratio <= lru.hit_ratio + 1e-9 <= q_lru.hit_ratio + 2e-9 <= top + 3e-9
    assert theory.q_lru(popularity, capacity, 1.0).hit_ratio == pytest.approx(lru.hit_ratio, abs=1e-9)
    scaled = theory.lru(unit * popularity, capacity)
    assert scaled.hit_ratio == pytest.approx(lru.hit_ratio, abs=1e-9)
    assert scaled.characteristic_time * unit == pytest.approx(lru.characteristic_time, rel=1e-6)


def test_everything_fits() -> None:
    assert theory.lru([0.5, 0.5, 0.0], 2) == (1.0, float("inf"))


@pytest.mark.parametrize("capacity", [100, 1500, 4000])
def test_shot_noise_equals_the_integral_over_a_content_s_life(capacity: int) -> None:
    """The occupancy and the misses from their definitions, by numerical integration over the content's age."""
    found = theory.shot_noise_lru(1.0, lifetime=LIFETIME, capacity=capacity, **CLASSES)
    time = found.characteristic_time
    occupied = missed = 0.0
    for volume, share in zip(*CLASSES.values(), strict=True):
        rate = volume / LIFETIME

        def cached(age: float, rate: float = rate) -> float:
            """Whether one of the last ``time`` seconds had a request, at an age that may be beyond the lifetime."""
            return 1.0 - np.exp(-rate * max(min(age, LIFETIME) - max(age - time, 0.0), 0.0))

        kinks = sorted({min(time, LIFETIME), max(time, LIFETIME)})
        occupied += share * integrate.quad(cached, 0.0, LIFETIME + time, points=kinks, limit=200)[0]
        missed += share * rate * integrate.quad(lambda age: 1.0 - cached(age), 0.0, LIFETIME, points=kinks[:1])[0]
    assert occupied == pytest.approx(capacity, rel=1e-5)
    mean = float(np.dot(*CLASSES.values()))
    assert found.hit_ratio == pytest.approx(1.0 - missed / mean, abs=1e-6)


@pytest.mark.parametrize(("alpha", "capacity"), [(0.6, 300), (0.8, 1000), (1.0, 100), (1.2, 100)])
def test_simulation_of_independent_requests(alpha: float, capacity: int) -> None:
    """Tolerance .004: at most .0013 is the approximation's own error, the rest is noise of half a million requests."""
    requests = 1_000_000
    trace = zipf(requests, 10_000, alpha, 17)
    popularity = zipf_weights(10_000, alpha)
    for policy, formula in (("LRU", theory.lru), ("FIFO", theory.fifo)):
        hit = replay(trace.content, trace.size, capacity, policy).hit[requests // 2 :].mean()
        assert hit == pytest.approx(formula(popularity, capacity).hit_ratio, abs=0.004), policy


@pytest.mark.parametrize(
    ("alpha", "flattened", "capacity", "q"),
    [
        (0.6, 0, 1000, 0.1),
        (0.8, 0, 1000, 0.1),
        (1.0, 0, 100, 0.1),
        (0.9, 50, 1000, 0.1),
        (0.6, 0, 300, 0.3),
        (0.8, 0, 3000, 0.5),
        (1.2, 0, 100, 0.05),
        (0.9, 0, 200, 0.02),
    ],
)
def test_simulation_of_q_lru(alpha: float, flattened: float, capacity: int, q: float) -> None:
    """Tolerance .004: see above; a small q needs long to fill the cache, so three quarters of the run warm it up."""
    requests = 2_000_000
    trace = zipf(requests, 10_000, alpha, 17, q=flattened)
    outcome, none = np.empty(requests, np.uint8), np.empty(0, np.int32)
    replay_q_lru(trace.content, trace.size, capacity, 3, q, outcome, none, none)
    hit = (outcome[requests * 3 // 4 :] == 1).mean()
    expected = theory.q_lru(zipf_weights(10_000, alpha, flattened), capacity, q).hit_ratio
    assert hit == pytest.approx(expected, abs=0.004)


def test_simulation_of_shot_noise() -> None:
    """Tolerance .005 on the mean of three runs: few of the contents that are born in one get most of its requests."""
    requests = 700_000
    traces = [
        shot_noise(
            requests,
            birth_rate=1.0,
            volumes=lambda rng, n: rng.choice(CLASSES["volumes"], n, p=CLASSES["probabilities"]),
            lifetimes=(LIFETIME,),
            seed=seed,
        )
        for seed in (5, 6, 7)
    ]
    for capacity in (50, 200, 800, 1500):
        replays = [replay(trace.content, trace.size, capacity, "LRU") for trace in traces]
        hit = np.mean([one.hit[requests // 4 :].mean() for one in replays])
        expected = theory.shot_noise_lru(1.0, lifetime=LIFETIME, capacity=capacity, **CLASSES).hit_ratio
        assert hit == pytest.approx(expected, abs=0.005), capacity
        # Independent requests with the same popularity would have at most a third of the hits.
        shuffled = np.random.default_rng(1).permutation(traces[0].content)
        assert replay(shuffled, traces[0].size, capacity, "LRU").hit_ratio < 0.5 * hit


@pytest.mark.parametrize(
    "call",
    [
        lambda: theory.lru([], 1),
        lambda: theory.lru([0.0, 0.0], 1),
        lambda: theory.lru([0.5, -0.5], 1),
        lambda: theory.lru([0.5, 0.5], 0),
        lambda: theory.q_lru([0.5, 0.5], 1, 0.0),
        lambda: theory.shot_noise_lru(0.0, [1.0], [1.0], 1.0, 1),
        lambda: theory.shot_noise_lru(1.0, [1.0], [1.0], 1.0, float("inf")),
    ],
)
def test_values_out_of_range_are_refused(call: object) -> None:
    with pytest.raises(SettingsError):
        call()  # type: ignore[operator]
