"""A Markov chain over (cell before, cell): fitted to training users, it predicts where a user goes and when.

Probabilities of the order-two chain are drawn towards those of the cell alone by ``prior`` pseudo-counts, since most
pairs of cells are rare. :func:`continuation` is the cost to go of a service whose user follows the chain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from edgegym.compiling import njit
from edgegym.mobility.sites import OUTSIDE

PRIOR = 5.0
"""Pseudo-counts of the order-one law in the order-two law."""


@dataclass(frozen=True)
class MarkovChain:
    """The fitted chain.

    Attributes:
        state: (cells, cells) int32, state of (cell before, cell); pairs never seen share the state of the cell alone.
        cell: (states,) int32, present cell of a state.
        transition: (states, states) sparse probabilities from slot to slot.
        next_cell: (states, cells) float32, probability of each cell in the next slot.
    """

    state: NDArray[np.int32]
    cell: NDArray[np.int32]
    transition: csr_matrix
    next_cell: NDArray[np.float32]


def fit_chain(trace: NDArray[np.int32], cells: int, prior: float = PRIOR) -> MarkovChain:
    """Fit the chain.

    Args:
        trace: (slots, users) cells of the training users, -1 in gaps.
        cells: number of cells.
        prior: pseudo-counts of the order-one law.
    """
    before, here, after = _triples(trace)
    pairs = np.unique(np.r_[before * cells + here, np.arange(cells) * (cells + 1)])
    state = np.tile(np.searchsorted(pairs, np.arange(cells) * (cells + 1)), (cells, 1)).astype(np.int32)
    state[pairs // cells, pairs % cells] = np.arange(len(pairs))
    cell = (pairs % cells).astype(np.int32)
    single = np.zeros((cells, cells))
    np.add.at(single, (here, after), 1.0)
    single[single.sum(axis=1) == 0.0] = np.eye(cells)[single.sum(axis=1) == 0.0]
    single /= single.sum(axis=1, keepdims=True)
    double = np.zeros((len(pairs), cells))
    np.add.at(double, (state[before, here], after), 1.0)
    probability = double + prior * single[cell]
    probability /= probability.sum(axis=1, keepdims=True)
    row, to = np.nonzero(probability)
    # Who stays keeps the cell that it came from.
    column = np.where(to == cell[row], row, state[cell[row], to])
    transition = csr_matrix((probability[row, to], (row, column)), shape=(len(pairs), len(pairs)))
    return MarkovChain(state, cell, transition, probability.astype(np.float32))


def log_loss(chain: MarkovChain, trace: NDArray[np.int32]) -> float:
    """Mean of minus ln of the probability of the next cell, nats, over the slots of a trace."""
    before, here, after = _triples(trace)
    return float(-np.log(np.maximum(chain.next_cell[chain.state[before, here], after], 1e-12)).mean())


def _triples(trace: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cell before (the last other cell of the session, at first the same), cell, and cell of the next slot."""
    before = cells_before(trace)
    known = (trace[:-1] != OUTSIDE) & (trace[1:] != OUTSIDE)
    return before[:-1][known], trace[:-1][known].astype(np.int64), trace[1:][known].astype(np.int64)


def cells_before(trace: NDArray[np.int32]) -> NDArray[np.int64]:
    """(slots, users) the last other cell of the session, at first the same; -1 or anything while a user is away."""
    before = np.full(trace.shape, OUTSIDE, np.int64)
    before[0] = trace[0]
    for t in range(1, len(trace)):
        last, here = trace[t - 1], trace[t]
        before[t] = np.where(last == OUTSIDE, here, np.where(here == last, before[t - 1], last))
    return before


def continuation(
    chain: MarkovChain,
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    discount: float,
    tolerance: float = 1e-3,
) -> NDArray[np.float64]:
    """Discounted cost to go of each site once the slot's decision is made, by value iteration on the chain.

    Args:
        chain: how users move.
        near: (cells, sites) cost of a slot in a cell with the service at a site.
        move: (sites, sites) cost of a migration, symmetric, 0 on the diagonal.
        handover: cost of staying in a slot in which the cell changed.
        discount: gamma below 1.
        tolerance: largest change at which iteration stops.

    Returns:
        (states, sites) float64.
    """
    t = chain.transition
    return _continuation(t.indptr, t.indices, t.data, chain.cell, near, move, handover, discount, tolerance)


@njit(cache=True)
def arrival(
    cell: NDArray[np.int32],
    near: NDArray[np.float64],
    move: NDArray[np.float64],
    handover: float,
    after: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(states, sites) least cost of a slot and to go, by the site before its decision, ``handover`` if none is made.

    ``cell`` (states,) are the chain's and ``after`` (states, sites) what :func:`continuation` gave.
    """
    value = np.empty_like(after)
    for x in range(len(cell)):
        total = near[cell[x]] + after[x]
        value[x] = total + handover
        relax(total, move, value[x])
    return value


@njit(cache=True)
def relax(total: NDArray[np.float64], move: NDArray[np.float64], best: NDArray[np.float64]) -> None:
    """Lower best[s] to the least total[to] + move[s, to] over the other sites.

    With the cheapest site alone no site is left at more than ``enough``, so sites beyond that are passed over. ``move``
    is symmetric, and its rows run along memory.
    """
    cheapest = total.argmin()
    enough = max(total[cheapest] + move[cheapest].max(), best[cheapest])
    for to in range(len(total)):
        value, way = total[to], move[to]
        if to != cheapest and value >= enough:
            continue
        kept = best[to]
        for s in range(len(total)):
            cost = value + way[s]
            best[s] = cost if cost < best[s] else best[s]
        best[to] = kept


@njit(cache=True)
def _continuation(indptr, indices, data, cell, near, move, handover, discount, tolerance):  # type: ignore[no-untyped-def]
    states, sites = len(cell), len(move)
    after, expected = np.zeros((states, sites)), np.empty(sites)
    change = tolerance + 1.0
    while change > tolerance:
        change = 0.0
        stayed = arrival(cell, near, move, 0.0, after)
        entered = arrival(cell, near, move, handover, after) if handover > 0.0 else stayed
        for x in range(states):
            expected[:] = 0.0
            for k in range(indptr[x], indptr[x + 1]):
                weight, to = discount * data[k], indices[k]
                row = stayed[to] if to == x else entered[to]
                for s in range(sites):
                    expected[s] += weight * row[s]
            for s in range(sites):
                change = max(change, abs(expected[s] - after[x, s]))
            after[x] = expected
    return after
