"""The cheapest way of one user: every way, a forward programme, prices, and sessions that start anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.envs.user_migration.viterbi import plan


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 3))
def test_viterbi_is_the_best_of_all_ways(seed: int, slots: int, sites: int) -> None:
    rng = np.random.default_rng(seed)
    cell = rng.integers(-1, sites, slots).astype(np.int32)
    near, move, handover = rng.random((sites, sites)), rng.random((sites, sites)), 4.0 * rng.random() ** 3
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    far = None if seed % 2 else (rng.random((sites, sites)) < 0.4) & ~np.eye(sites, dtype=np.bool_)
    price = None if seed % 3 else rng.random((slots, sites))
    anywhere, start = seed % 5 == 0, -1 if seed % 7 else int(rng.integers(sites))

    def cost_of(way: Sequence[int]) -> float:
        total = 0.0
        for t, site in enumerate(way):
            if cell[t] < 0:
                continue
            new = t == 0 or cell[t - 1] < 0
            before = (cell[t] if t > 0 or start < 0 else start) if new else way[t - 1]
            handed = 0.0 if new or cell[t] == cell[t - 1] else handover
            paid = 0.0 if new and anywhere else move[before, site] if site != before else handed
            total += near[cell[t], site] + paid + (0.0 if price is None else price[t, site])
            if far is not None and site == before and far[cell[t], site]:
                return np.inf
        return total

    best = min(cost_of(way) for way in product(range(sites), repeat=slots))
    way, cost = plan(cell, near, move, handover, far, price, start, anywhere)
    assert cost == pytest.approx(best, abs=1e-12)
    assert cost_of(way.tolist()) == pytest.approx(best, abs=1e-12)
    assert np.array_equal(way < 0, cell < 0)


def naive_optimum(cell: np.ndarray, near: np.ndarray, move: np.ndarray, handover: float) -> float:
    """Forward dynamic programme over a layered graph, one session after the other."""
    total, value = 0.0, np.zeros(1)
    for t, here in enumerate(cell):
        if here < 0:
            continue
        new = t == 0 or cell[t - 1] < 0
        step = move + np.diag(np.full(len(move), 0.0 if new or cell[t - 1] == here else handover))
        if new:
            total += value.min()
            value = step[here]
        else:
            value = (value[:, None] + step).min(axis=0)
        value = value + near[here]
    return float(total + value.min())


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(2, 40),
    st.sampled_from(["uniform", "constant", "hops", "dear"]),
    st.sampled_from([0.0, 0.05, 9.0]),
)
def test_viterbi_agrees_with_a_forward_programme(seed: int, slots: int, sites: int, kind: str, handover: float) -> None:
    rng = np.random.default_rng(seed)
    near = rng.random((sites, sites)) * rng.choice([0.01, 1.0, 100.0])
    apart = np.abs(np.subtract.outer(np.arange(sites), np.arange(sites)))
    move = {
        "uniform": lambda: (lambda m: m + m.T)(rng.random((sites, sites))),
        "constant": lambda: np.full((sites, sites), 0.3),
        "hops": lambda: 2.0 - 0.8**apart,
        "dear": lambda: 1.0 + 50.0 * (lambda m: m + m.T)(rng.random((sites, sites)) ** 4),
    }[kind]()
    np.fill_diagonal(move, 0.0)
    cell = np.where(rng.random(slots) < 0.1, -1, rng.integers(0, sites, slots)).astype(np.int32)
    assert plan(cell, near, move, handover)[1] == pytest.approx(naive_optimum(cell, near, move, handover), rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_viterbi_is_exact_at_full_size_where_nothing_is_pruned(seed: int) -> None:
    rng = np.random.default_rng(seed)
    near, move = 0.01 * rng.random((200, 200)), 1.0 + rng.random((200, 200))
    move = move + move.T
    np.fill_diagonal(move, 0.0)
    cell = rng.integers(0, 200, 100).astype(np.int32)
    assert plan(cell, near, move, 0.05)[1] == pytest.approx(naive_optimum(cell, near, move, 0.05), rel=1e-12)
