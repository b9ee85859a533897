"""Arrival streams: against closed forms and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.integrate import quad
from scipy.stats import kstest

from edgegym.errors import SettingsError, TraceError
from edgegym.workload.arrivals import (
    Arrivals,
    ArrivalSettings,
    ArrivalTraceSettings,
    DiurnalSettings,
    GammaSettings,
    MmppSettings,
    OnOffSettings,
    PeriodicSettings,
    PoissonSettings,
    draw_arrivals,
    draw_count,
)
from edgegym.workload.arrivals.processes import diurnal_rate
from edgegym.workload.arrivals.settings import ArrivalProcess
from edgegym.workload.arrivals.statistics import fano_factor, gap_cv, mean_rate
from edgegym.workload.arrivals.theory import index_of_dispersion

ADAPTER: TypeAdapter[ArrivalProcess | ArrivalTraceSettings] = TypeAdapter(ArrivalSettings)
RATES = st.floats(0.1, 50.0)
SPANS = st.floats(0.1, 50.0)
PROCESSES: st.SearchStrategy[ArrivalProcess] = st.one_of(
    st.builds(PeriodicSettings, rate=RATES, jitter=st.floats(0.0, 1.0)),
    st.builds(PoissonSettings, rate=RATES),
    st.builds(GammaSettings, rate=RATES, cv=st.floats(0.05, 20.0)),
    st.builds(MmppSettings, rate=RATES, burst_ratio=st.floats(1.0, 100.0), calm_s=SPANS, burst_s=SPANS),
    st.builds(DiurnalSettings, rate=RATES, period_s=SPANS, peak_to_mean=st.floats(1.0, 2.0)),
    st.builds(OnOffSettings, rate=RATES, users=st.integers(1, 8), session_s=SPANS, pause_s=SPANS),
)
CASES: list[ArrivalProcess] = [
    PeriodicSettings(rate=2.0),
    PeriodicSettings(rate=2.0, jitter=0.7),
    PoissonSettings(rate=3.0),
    GammaSettings(rate=3.0, cv=0.5),
    GammaSettings(rate=3.0, cv=3.0),
    MmppSettings(rate=2.0, burst_ratio=8.0, calm_s=3.0, burst_s=0.8),
    DiurnalSettings(rate=4.0, period_s=9.0, peak_to_mean=1.8),
    OnOffSettings(rate=4.0, users=3, session_s=1.0, pause_s=2.0),
]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def counts(process: ArrivalProcess, seconds: float, runs: int) -> np.ndarray:
    return np.array([len(draw_arrivals(process, seconds=seconds, rng=rng(seed))) for seed in range(runs)])


@settings(max_examples=150, deadline=None)
@given(PROCESSES, st.floats(0.01, 60.0), st.floats(0.0, 1.0), st.integers(0, 2**32))
def test_runs_are_ordered_within_the_horizon_and_start_like_longer_ones(
    process: ArrivalProcess, seconds: float, share: float, seed: int
) -> None:
    long = draw_arrivals(process, seconds=seconds, rng=rng(seed)).time_s
    assert np.all(np.diff(long) >= 0.0)
    assert np.all((long >= 0.0) & (long < seconds))
    shorter_s = max(share * seconds, 0.005)
    short = draw_arrivals(process, seconds=shorter_s, rng=rng(seed)).time_s
    assert np.array_equal(short, long[long < shorter_s])
    if len(long):
        assert np.array_equal(draw_count(process, len(long), rng(seed)).time_s, long)


@settings(max_examples=50, deadline=None)
@given(PROCESSES, st.integers(1, 700), st.integers(0, 2**32))
def test_a_count_is_met_exactly(process: ArrivalProcess, count: int, seed: int) -> None:
    arrivals = draw_count(process, count, rng(seed))
    assert len(arrivals) == count
    assert not arrivals.marks


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from([PeriodicSettings(jitter=0.5), PoissonSettings(), GammaSettings(cv=4.0)]),
    st.floats(0.01, 1e4),
    st.integers(0, 2**32),
)
def test_rate_only_scales_time_where_the_process_has_no_other_time(
    process: ArrivalProcess, rate: float, seed: int
) -> None:
    base = draw_count(process, 50, rng(seed)).time_s
    scaled = draw_count(process.model_copy(update={"rate": rate}), 50, rng(seed)).time_s
    np.testing.assert_allclose(scaled * rate, base * process.rate, rtol=1e-9)


@pytest.mark.parametrize("process", CASES, ids=repr)
@pytest.mark.parametrize("window_s", [0.4, 5.3])
def test_mean_and_dispersion_from_the_first_second_on(process: ArrivalProcess, window_s: float) -> None:
    runs = 3000
    found = counts(process, window_s, runs)
    mean, dispersion = process.rate * window_s, index_of_dispersion(process, window_s)
    assert abs(found.mean() - mean) < 4.0 * math.sqrt(mean * dispersion / runs) + 1e-9
    squares = (found - mean) ** 2
    assert abs(squares.mean() / mean - dispersion) < 4.5 * squares.std() / mean / math.sqrt(runs) + 1e-9


@pytest.mark.parametrize("process", CASES[2:], ids=repr)
def test_dispersion_along_one_run(process: ArrivalProcess) -> None:
    seconds, window_s = 60_000.0, 2.0
    time_s = draw_arrivals(process, seconds=seconds, rng=rng(5)).time_s
    assert fano_factor(time_s, window_s, seconds) == pytest.approx(index_of_dispersion(process, window_s), rel=0.12)


def test_dispersion_of_gamma_gaps_has_the_known_cases() -> None:
    assert index_of_dispersion(GammaSettings(rate=3.0, cv=1.0), 7.0) == pytest.approx(1.0, abs=1e-9)
    # Erlang-2 gaps, rate r: Var N(t) = r t / 2 + (1 - exp(-4 r t)) / 8 (Cox, Renewal Theory, section 4.5).
    rate, t = 1.5, 0.8
    erlang = (rate * t / 2 + (1 - math.exp(-4 * rate * t)) / 8) / (rate * t)
    assert index_of_dispersion(GammaSettings(rate=rate, cv=math.sqrt(0.5)), t) == pytest.approx(erlang, rel=1e-9)
    assert index_of_dispersion(GammaSettings(rate=3.0, cv=3.0), 1e5) == pytest.approx(9.0, rel=1e-3)


def test_dispersion_of_a_clock_is_that_of_a_rounded_number() -> None:
    for mean in (0.3, 1.0, 4.6):
        rest = mean % 1.0
        clock = index_of_dispersion(PeriodicSettings(rate=2.0), mean / 2.0)
        assert clock == pytest.approx(rest * (1.0 - rest) / mean, abs=1e-12)


def test_modulation_vanishes_into_poisson_and_users_into_each_other() -> None:
    assert index_of_dispersion(MmppSettings(burst_ratio=1.0), 30.0) == 1.0
    assert index_of_dispersion(DiurnalSettings(peak_to_mean=1.0), 30.0) == 1.0
    few, many = (OnOffSettings(rate=rate, users=users) for rate, users in ((2.0, 2), (20.0, 20)))
    assert index_of_dispersion(few, 30.0) == pytest.approx(index_of_dispersion(many, 30.0))


@pytest.mark.parametrize(
    ("process", "cv"),
    [
        (PeriodicSettings(jitter=0.6), 0.6 / math.sqrt(6.0)),
        (PoissonSettings(), 1.0),
        (GammaSettings(cv=0.3), 0.3),
        (GammaSettings(cv=3.0), 3.0),
        # Kuczura: squared CV = 1 + 2 * rate on * on * off ** 2 / (on + off) ** 2, here with rate on 10 * 5 / 2 = 25.
        (OnOffSettings(users=1, session_s=2.0, pause_s=3.0), math.sqrt(1.0 + 2.0 * 25.0 * 2.0 * 9.0 / 25.0)),
    ],
    ids=repr,
)
def test_variation_of_gaps(process: ArrivalProcess, cv: float) -> None:
    time_s = draw_count(process, 200_000, rng(3)).time_s
    assert gap_cv(time_s) == pytest.approx(cv, rel=0.04)
    assert mean_rate(time_s) == pytest.approx(process.rate, rel=0.04)


def test_poisson_and_gamma_gaps_have_their_laws() -> None:
    gaps_s = np.diff(draw_count(PoissonSettings(rate=4.0), 5000, rng(1)).time_s)
    assert kstest(gaps_s, "expon", args=(0, 0.25)).pvalue > 1e-3
    gaps_s = np.diff(draw_count(GammaSettings(rate=4.0, cv=2.0), 5000, rng(1)).time_s)
    assert kstest(gaps_s, "gamma", args=(0.25, 0, 1.0)).pvalue > 1e-3


def test_a_clock_ticks() -> None:
    gaps_s = np.diff(draw_count(PeriodicSettings(rate=30.0), 1000, rng()).time_s)
    np.testing.assert_allclose(gaps_s, 1.0 / 30.0, rtol=1e-9)


def test_a_diurnal_stream_of_given_phase_follows_its_rate() -> None:
    process = DiurnalSettings(rate=10.0, period_s=40.0, peak_to_mean=1.9, phase=0.1)
    time_s = np.concatenate([draw_arrivals(process, seconds=40.0, rng=rng(seed)).time_s for seed in range(200)])
    found = np.histogram(time_s, bins=8, range=(0.0, 40.0))[0] / 200
    for i in range(8):
        wanted, _ = quad(lambda t: float(diurnal_rate(process, np.float64(t), 0.1)), 5.0 * i, 5.0 * i + 5.0)
        assert abs(found[i] - wanted) < 4.5 * math.sqrt(wanted / 200)
    assert diurnal_rate(process, np.array([0.4 * 40.0]), 0.1)[0] == pytest.approx(19.0)


def test_users_are_seen_in_sessions() -> None:
    """One user with rare long sessions: the gaps are short or very long, with nothing in between."""
    process = OnOffSettings(rate=1.0, users=1, session_s=1.0, pause_s=1000.0)
    gaps_s = np.diff(draw_count(process, 20_000, rng(2)).time_s)
    ends = np.mean(gaps_s > 0.1)
    # A request is a session's last one with probability 1 / (1 + requests a session) = 1 / 1002.
    assert abs(ends - 1 / 1002) < 4.5 * math.sqrt(1 / 1002 / 20_000)


def test_settings_are_told_apart_by_kind_and_checked() -> None:
    assert ADAPTER.validate_python({"kind": "gamma", "cv": 4, "rate": 3}) == GammaSettings(cv=4.0, rate=3.0)
    for wrong in (
        {"kind": "poisson", "rate": 0},
        {"kind": "poisson", "rate": math.inf},
        {"kind": "periodic", "jitter": 1.5},
        {"kind": "diurnal", "peak_to_mean": 2.5},
        {"kind": "mmpp", "burst_ratio": 0.5},
        {"kind": "trace", "path": "a.csv", "rate": 1.0, "speed": 2.0},
        {"kind": "trace", "path": "a.csv", "part": [0.5, 0.5]},
        {"kind": "posson"},
    ):
        with pytest.raises(ValidationError):
            ADAPTER.validate_python(wrong)
    for seconds in (0.0, math.inf, math.nan):
        with pytest.raises(SettingsError, match="seconds"):
            draw_arrivals(PoissonSettings(), seconds=seconds, rng=rng())
    with pytest.raises(SettingsError, match="count"):
        draw_count(PoissonSettings(), 0, rng())


def test_arrivals_are_checked() -> None:
    with pytest.raises(TraceError, match="sort"):
        Arrivals(np.array([1.0, 0.5]))
    with pytest.raises(TraceError, match="mark size"):
        Arrivals(np.array([0.5, 1.0]), {"size": np.array([1])})


def test_statistics_by_hand() -> None:
    time_s = np.array([0.0, 1.0, 3.0, 3.0, 4.2])
    assert mean_rate(time_s) == pytest.approx(4 / 4.2)
    # Windows [0, 2) and [2, 4) hold 2 arrivals each; [4, 6) is not whole.
    assert fano_factor(time_s, 2.0) == 0.0
    assert fano_factor(time_s, 2.0, seconds=6.0) == pytest.approx(np.var([2, 2, 1], ddof=1) / (5 / 3))
    for few in (np.array([]), np.array([1.0]), np.array([1.0, 1.0])):
        with pytest.raises(TraceError):
            gap_cv(few)
    with pytest.raises(TraceError, match="whole windows"):
        fano_factor(time_s, 3.0)
