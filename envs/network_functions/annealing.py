"""Simulated annealing over the nodes of a whole chain, scalar code for one row.

A state is a node for each function; its energy is the bandwidth times hops of the first paths that fit, plus a penalty
for whatever does not. What functions of one request take from each other is left out until they are placed. Moves and
acceptance as in S. Kirkpatrick, C. D. Gelatt and M. P. Vecchi, "Optimization by simulated annealing", Science 220,
1983.
"""

from __future__ import annotations

import math

from edgegym.compiling import inlined, njit
from edgegym.decision.draws import below, uniform
from edgegym.envs.network_functions.resources import busy_of
from edgegym.envs.network_functions.routes import fits
from edgegym.envs.network_functions.state import UNIT, State

PENALTY = 1e4
"""Of a function or segment that does not fit, in units of bandwidth times hops."""
HOTTEST, COLDEST = 20.0, 0.4
"""Temperatures of the first and the last move, likewise: from the order of bandwidths down to less than a unit."""


@inlined
def _segment_energy(state: State, row: int, q: int, s: int, a: int, b: int) -> float:
    t, bandwidth = state.rows[row].network, state.segments[row, q, s].bandwidth
    for j in range(state.hops.shape[3]):
        if state.hops[t, a, b, j] < 0:
            break
        if fits(state, row, a, b, j, bandwidth):
            return (bandwidth / UNIT + 1e-3) * state.hops[t, a, b, j]
    return PENALTY


@inlined
def _energy_at(state: State, row: int, q: int, k: int) -> float:
    """Part of the energy that depends on the node of function ``k``."""
    request, nodes = state.requests[row, q], state.scratch[row]
    v = int(nodes[k])
    before = request.source if k == 0 else int(nodes[k - 1])
    after = request.destination if k == request.length - 1 else int(nodes[k + 1])
    energy = _segment_energy(state, row, q, k, before, v) + _segment_energy(state, row, q, k + 1, v, after)
    if state.nodes[row, v].cpu < busy_of(state, row, q, k, v) or not state.nodes[row, v].up:
        energy += PENALTY
    if state.rules[0].distinct:
        for other in range(request.length):
            if other != k and int(nodes[other]) == v:
                energy += PENALTY
    return energy


@njit(cache=True, _nrt=False)
def anneal(state: State, row: int, seed: int, moves: int) -> None:
    """Plan the request that is being placed.

    Args:
        state: the arrays of all rows.
        row: which one; ``scratch[row, k]`` becomes the node planned for function k.
        seed: of the draws.
        moves: how many are tried.
    """
    q, here = state.rows[row].request, state.rows[row].here
    length, nodes = state.requests[row, q].length, state.network[state.rows[row].network].nodes
    for k in range(length):
        state.scratch[row, k] = here
    hot, cooling = HOTTEST, (COLDEST / HOTTEST) ** (1.0 / moves)
    for move in range(moves):
        k = below(seed, 3 * move, length)
        old = state.scratch[row, k]
        before = _energy_at(state, row, q, k)
        state.scratch[row, k] = below(seed, 3 * move + 1, nodes)
        change = _energy_at(state, row, q, k) - before
        if change > 0.0 and uniform(seed, 3 * move + 2) >= math.exp(-change / hot):
            state.scratch[row, k] = old
        hot *= cooling
