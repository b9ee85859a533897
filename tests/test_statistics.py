"""Statistics against scipy, hand-computed cases and the properties that an interval must have."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from edgegym.evaluation import statistics
from edgegym.evaluation.statistics import Estimate

TABLES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-100, 100))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_interquartile_mean_by_hand() -> None:
    assert statistics.interquartile_mean(np.array([100.0, 1.0, 3.0, -50.0])) == 2.0
    # Seven values: one is dropped at each end (7 // 4 = 1).
    assert statistics.interquartile_mean(np.array([9.0, 1.0, 2.0, 3.0, 4.0, 5.0, -9.0])) == 3.0
    assert statistics.interquartile_mean(np.array([7.0])) == 7.0


@given(TABLES)
@settings(max_examples=50, deadline=None)
def test_interquartile_estimate_is_the_mean_of_the_sorted_middle(values: np.ndarray) -> None:
    ordered = np.sort(values.ravel())
    cut = ordered.size // 4
    expected = ordered[cut : ordered.size - cut].mean()
    assert statistics.interquartile_estimate(values, rng(), resamples=10).value == pytest.approx(expected, abs=1e-9)


def test_interval_over_runs_equals_all_resamples_counted_out() -> None:
    """Three runs have 27 resamples, so the bootstrap distribution is known exactly."""
    values = np.array([[0.0, 0.2], [1.0, 1.3], [5.0, 5.9]])
    exact = [stats.trim_mean(values[list(drawn)].ravel(), 0.25) for drawn in product(range(3), repeat=3)]
    found = statistics.interquartile_estimate(values, rng(), resamples=20_000)
    # Inverted: the probability mass at or below each end is 2.5 % within 5 standard errors of 20,000 draws (0.6 %).
    for end, mass in ((found.low, 0.025), (found.high, 0.975)):
        below, up_to = np.mean(np.array(exact) < end - 1e-9), np.mean(np.array(exact) <= end + 1e-9)
        assert below - 0.006 <= mass <= up_to + 0.006
    assert found.resampled == "runs"


def test_interval_of_one_run_agrees_with_scipy_bootstrap_over_episodes() -> None:
    values = rng(3).normal(size=(1, 40))
    theirs = stats.bootstrap(
        (values[0],),
        lambda x, axis: np.asarray(stats.trim_mean(x, 0.25, axis=axis)),
        n_resamples=20_000,
        method="percentile",
        rng=rng(1),
    ).confidence_interval
    ours = statistics.interquartile_estimate(values, rng(), resamples=20_000)
    # Two independent draws of 20,000: a quantile's standard error is about 0.003 here.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)
    assert ours.resampled == "episodes"


def test_stratified_scheme_draws_runs_anew_in_each_episode() -> None:
    """Two runs, 0 and 1 everywhere: drawing whole runs gives 0 or 1 half of the time, drawing anew averages out."""
    values = np.repeat([[0.0], [1.0]], 50, axis=1)
    whole = statistics.interquartile_estimate(values, rng(), "runs")
    anew = statistics.interquartile_estimate(values, rng(), "stratified")
    assert (whole.low, whole.high) == (0.0, 1.0)
    assert 0.2 < anew.low < anew.high < 0.8


def test_one_run_of_one_episode_has_no_interval() -> None:
    one = np.array([[3.0]])
    for found in (
        statistics.interquartile_estimate(one, rng()),
        statistics.paired_difference(one, one - 1, rng()),
        statistics.probability_of_improvement(one, one, "higher", rng()),
        statistics.optimality_gap(one, one + 2, "higher", rng()),
        statistics.gap_closed(one, one - 1, one + 3, "higher", rng()),
    ):
        assert found is not None
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert found.resampled == "nothing"
        assert not found.informative
        assert not found.excludes(0.0)
        assert "[" not in found.text()


def test_probability_of_improvement_equals_mann_whitney() -> None:
    values, others = rng(1).integers(0, 4, size=(6, 3)).astype(float), rng(2).integers(0, 4, size=(5, 3)).astype(float)
    expected = np.mean([stats.mannwhitneyu(values[:, e], others[:, e]).statistic / 30 for e in range(3)])
    assert statistics.probability_of_improvement(values, others, "higher", rng()).value == pytest.approx(expected)
    lower = statistics.probability_of_improvement(values, others, "lower", rng()).value
    assert lower == pytest.approx(1 - expected)


def test_ties_count_one_half() -> None:
    values, heuristic = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[1.0, 1.0, 4.0, 4.0]])
    assert statistics.probability_of_improvement(values, heuristic, "higher", rng()).value == 0.5
    assert statistics.probability_of_improvement(values, values, "lower", rng()).value == 0.5


def test_pairing_removes_what_makes_episodes_hard() -> None:
    hard = rng(5).normal(0, 10, size=(1, 30))
    values, others = hard + 0.5 + rng(6).normal(0, 0.1, (5, 30)), hard
    found = statistics.paired_difference(values, others, rng())
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.high - found.low < 0.2
    assert found.excludes(0.0)
    assert found.resampled == "runs and episodes"


def test_paired_difference_of_single_runs_agrees_with_scipy_paired_bootstrap() -> None:
    values, others = rng(1).normal(1, 1, (1, 25)), rng(2).normal(0, 1, (1, 25))
    theirs = stats.bootstrap(
        (values[0], others[0]),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        paired=True,
        n_resamples=20_000,
        method="percentile",
        rng=rng(3),
    ).confidence_interval
    ours = statistics.paired_difference(values, others, rng(), resamples=20_000)
    # The ends' standard errors are about 0.008 each.
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.04)


@given(TABLES)
@settings(max_examples=30, deadline=None)
def test_a_policy_does_not_differ_from_itself(values: np.ndarray) -> None:
    single = values[:1]
    found = statistics.paired_difference(single, single, rng(), resamples=50)
    assert found.value == 0.0
    assert not found.excludes(0.0)


@pytest.mark.parametrize(("better", "sign"), [("higher", 1.0), ("lower", -1.0)])
def test_gap_closed_by_hand(better: str, sign: float) -> None:
    heuristic, bound = sign * np.array([[1.0, 2.0]]), sign * np.array([[3.0, 6.0]])
    assert statistics.gap_closed(heuristic, heuristic, bound, better, rng()).value == 0.0  # type: ignore[union-attr]
    assert statistics.gap_closed(bound, heuristic, bound, better, rng()).value == 1.0  # type: ignore[union-attr]
    # Means 1.5, 4.5 and 2.25: a quarter of the way; means 0.75: a quarter of it backwards.
    quarter = statistics.gap_closed(sign * np.array([[1.5, 3.0]]), heuristic, bound, better, rng())
    loss = statistics.gap_closed(sign * np.array([[0.5, 1.0]]), heuristic, bound, better, rng())
    assert quarter is not None
    assert loss is not None
    assert (quarter.value, loss.value) == pytest.approx((0.25, -0.25))


def test_no_gap_no_share() -> None:
    level = np.array([[1.0, 1.0]])
    assert statistics.gap_closed(level, level, level, "higher", rng()) is None
    assert statistics.gap_closed(level, level, level - 1, "higher", rng()) is None
    # Some resamples leave no gap: a share is there, an interval is not.
    found = statistics.gap_closed(level * 2, level, np.array([[1.0, 3.0]]), "higher", rng())
    assert found is not None
    assert found.value == 1.0
    assert not found.informative


def test_optimality_gap_does_not_let_excess_make_up_for_a_miss() -> None:
    values, target = np.array([[1.0, 5.0]]), np.array([3.0, 4.0])
    assert statistics.optimality_gap(values, target, "higher", rng()).value == 1.0
    assert statistics.optimality_gap(values, target, "lower", rng()).value == 0.5


def coverage(runs: int, trials: int = 1500) -> float:
    """Share of the intervals over ``runs`` normal runs that hold the true value."""
    draw = rng(runs)
    inside = 0
    for _ in range(trials):
        found = statistics.paired_difference(draw.normal(1.0, 1.0, (runs, 1)), np.zeros((1, 1)), draw, resamples=200)
        inside += found.low <= 1.0 <= found.high
    return inside / trials


def test_coverage_of_the_bootstrap_over_runs() -> None:
    """Coverage is what theory says of percentile intervals: below 95 % for few runs.

    The interval of n normal runs is about z times the biased standard deviation over sqrt(n) to either side, so it
    covers P(|T| <= z sqrt((n - 1) / n)), T with n - 1 degrees of freedom: .85, .90, .94. The tolerances are 4 to 5
    standard errors of 1,500 trials, with room for the uneven bootstrap distribution of 5 runs.
    """
    for runs, tolerance in ((5, 0.05), (10, 0.04), (40, 0.03)):
        z = stats.norm.ppf(0.975) * math.sqrt((runs - 1) / runs)
        expected = 1 - 2 * stats.t.sf(z, runs - 1)
        assert coverage(runs) == pytest.approx(expected, abs=tolerance)


def test_the_generator_decides_everything() -> None:
    values = rng(1).normal(size=(5, 7))
    assert statistics.interquartile_estimate(values, rng(4)) == statistics.interquartile_estimate(values, rng(4))
    assert statistics.interquartile_estimate(values, rng(4)) != statistics.interquartile_estimate(values, rng(5))


@pytest.mark.parametrize("bad", [np.array([1.0]), np.empty((0, 3)), np.array([[np.nan]])])
def test_bad_tables_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="runs, episodes"):
        statistics.interquartile_estimate(bad, rng())
    with pytest.raises(ValueError, match="'higher' or 'lower'"):
        statistics.optimality_gap(np.ones((1, 1)), np.ones(1), "up", rng())


def test_text_shows_two_digits_of_the_width() -> None:
    assert Estimate(0.51234, 0.50812, 0.51698, "runs").text() == "0.5123 [0.5081, 0.5170]"
    assert Estimate(-3.0, -5.0, 12.0, "runs").text() == "\N{MINUS SIGN}3 [\N{MINUS SIGN}5, 12]"
    assert Estimate(0.0123, 0.011, 0.014, "runs").text(1000.0, signed=True) == "+12.3 [11.0, 14.0]"
    assert Estimate.point(1234.5678).text() == "1,235"
    assert Estimate(1.0, 1.0, 1.0, "runs").text(decimals=2) == "1.00"
