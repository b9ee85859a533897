"""The laws that cards hold, against integrals, scipy and exact shares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgegym.cards import ByteTable, CountTable, QuantileTable


@st.composite
def quantile_tables(draw: st.DrawFn) -> QuantileTable:
    steps = draw(st.lists(st.integers(1, 50), min_size=1, max_size=8))
    growth = draw(st.lists(st.floats(0, 1e3), min_size=len(steps) + 1, max_size=len(steps) + 1))
    ends = np.cumsum([0, *steps]) / sum(steps)
    return QuantileTable(probabilities=tuple(ends.tolist()), values=tuple(np.cumsum(growth).tolist()))


@settings(max_examples=60, deadline=None)
@given(quantile_tables())
def test_the_mean_of_a_quantile_table_is_the_integral_of_its_quantiles(table: QuantileTable) -> None:
    # Midpoint rule on 20,000 cells a segment: the integrand is exponential or linear in each.
    ends = np.array(table.probabilities)
    cells = np.linspace(ends[:-1], ends[1:], 20_001)
    integral = float((table.quantile((cells[1:] + cells[:-1]) / 2) * np.diff(cells, axis=0)).sum())
    # A segment grows by at most 12 orders of magnitude, 1.4e-3 in the logarithm per cell: an error far below 1e-6.
    assert table.mean() == pytest.approx(integral, rel=1e-6, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(quantile_tables())
def test_quantiles_never_fall_and_meet_the_entries(table: QuantileTable) -> None:
    curve = table.quantile(np.linspace(0, 1, 301))
    assert np.all(np.diff(curve) >= -1e-9 * curve.max())
    np.testing.assert_allclose(table.quantile(table.probabilities), table.values, rtol=1e-9, atol=1e-9)


def test_a_quantile_table_of_the_log_uniform_law_is_exact() -> None:
    table = QuantileTable(probabilities=(0.0, 1.0), values=(1.0, np.e**3))
    law = stats.loguniform(1.0, np.e**3)
    p = np.linspace(0, 1, 21)
    np.testing.assert_allclose(table.quantile(p), law.ppf(p), rtol=1e-12)
    assert table.mean() == pytest.approx(law.mean(), rel=1e-12)
    # A correct sampler fails this one time in a thousand; the seed is fixed.
    assert stats.kstest(table.sample(np.random.default_rng(0), 20_000), law.cdf).pvalue > 1e-3


def test_equal_neighbours_are_a_point_mass_and_zero_an_outage() -> None:
    table = QuantileTable(probabilities=(0, 0.2, 0.5, 0.8, 1), values=(0, 0, 10, 10, 20))
    drawn = table.sample(np.random.default_rng(1), 50_000)
    # Five standard errors of a share are at most 0.012.
    assert np.mean(drawn == 0) == pytest.approx(0.2, abs=0.012)
    assert np.mean(drawn == 10) == pytest.approx(0.3, abs=0.012)
    np.testing.assert_allclose(table.quantile([0.35]), [5.0])


def test_sizes_are_whole_bytes() -> None:
    sizes = ByteTable(probabilities=(0, 1), values=(1, 3)).sample(np.random.default_rng(2), 1000)
    assert sizes.dtype == np.int64
    assert set(np.unique(sizes)) == {1, 2, 3}


def test_counts_are_drawn_with_their_masses() -> None:
    table = CountTable(values=(1, 2, 7.5), probabilities=(0.5, 0.3, 0.2))
    drawn = table.sample(np.random.default_rng(3), 30_000)
    observed = [np.sum(drawn == value) for value in table.values]
    # A correct sampler fails this one time in a thousand; the seed is fixed.
    assert stats.chisquare(observed, 30_000 * table.masses).pvalue > 1e-3
    assert table.mean() == pytest.approx(0.5 + 0.6 + 1.5)
