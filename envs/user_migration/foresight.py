"""What the predictor says of the asked user: look-ups for one row, in the chain's tables or in what was predicted.

A learned predictor's forecasts are computed when an episode begins, each slot's from that slot and those before it.
"""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.user_migration.state import NOWHERE, State

NEGLIGIBLE = 1e-4
"""Cells below this probability are passed over in expectations."""


@inlined
def chance(state: State, row: int, u: int, cell: int) -> float:
    """Probability that the user is in a cell in the next slot."""
    if state.rules[0].learned:
        return state.predicted_cell[row, state.rows[row].slot, u, cell]
    user = state.users[row, u]
    return state.next_cell[state.chain[user.before, user.cell], cell]


@inlined
def outlook(state: State, row: int, u: int, site: int) -> float:
    """Expected cost to go after this slot, of a service at a site."""
    if state.rules[0].learned:
        return state.predicted_cost[row, state.rows[row].slot, u, site]
    user = state.users[row, u]
    return state.outlook[user.kind, state.chain[user.before, user.cell], site]


@inlined
def next_near(state: State, row: int, u: int, site: int) -> float:
    """Expected cost of the next slot at a site, without the service time."""
    kind, total = state.users[row, u].kind, 0.0
    for cell in range(state.near.shape[1]):
        p = chance(state, row, u, cell)
        if p > NEGLIGIBLE:
            total += p * state.near[kind, cell, site]
    return total


@inlined
def likely(state: State, row: int, u: int, above: int) -> int:
    """The most likely other cell after ``above`` in the order of likelihood, or nowhere.

    ``above`` is what this function gave before, nowhere at first; among equals the lower number comes first.
    """
    here, best, most = state.users[row, u].cell, NOWHERE, 0.0
    bound = 2.0 if above == NOWHERE else chance(state, row, u, above)
    for cell in range(state.near.shape[1]):
        p = chance(state, row, u, cell)
        if cell != here and p > most and (p < bound or (p == bound and cell > above)):
            best, most = cell, p
    return best
