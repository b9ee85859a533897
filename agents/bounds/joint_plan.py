"""A plan for all users whose paths are known: in turns, each one's cheapest way at the loads that the others leave.

What a service adds to the service times of a site depends on who else is there, so the joint optimum is no shortest
path. Best responses converge, since each one lowers the cost of all users by what its user saves (an exact potential
game: D. Monderer, L. Shapley, "Potential games", Games and Economic Behavior 14, 1996), to a plan that no single user
can mend. It is no bound: the optimum lies between the relaxation's bound and this plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.decision.policy import EpisodeResult, PlayingPolicy
from edgegym.decision.system import System
from edgegym.envs.user_migration.charges import TINY, idle_share
from edgegym.envs.user_migration.costs import Tables
from edgegym.envs.user_migration.state import NOWHERE
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.viterbi import cost_to_go
from edgegym.errors import EdgeGymError

SWEEPS = 10
"""Responses of each user; more hardly change the cost."""
NO_ROOM = 1e6
"""Price of a site that is full: more than any way around it costs."""


class ClairvoyantPlan(PlayingPolicy):
    """Best responses of users who know all paths."""

    name = "Clairvoyant plan"
    description = "Under capacity: best responses of users whose paths are known; feasible, so no bound."

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Plan the episode and play the plan."""
        assert isinstance(system, UserMigrationSystem)
        if not system.contended:
            raise EdgeGymError("Clairvoyant plan: without contention the policy Clairvoyant is the optimum.")
        episode = system.episode(workload_seed, options)
        planned = best_responses(system.tables, episode.place, episode.service)
        system.begin(0, workload_seed, options)
        total = system.follow(0, planned)
        return EpisodeResult(total, system.episode_metrics(0))


def best_responses(
    tables: Tables, cell: NDArray[np.int32], service: NDArray[np.int32], sweeps: int = SWEEPS
) -> NDArray[np.int32]:
    """Plan all users.

    Args:
        tables: costs.
        cell: (slots, users) -1 while a user is away, which ends its session; the next one starts free at its cell.
        service: (users,).
        sweeps: responses of each user.

    Returns:
        (slots, users) sites, -1 while away.
    """
    t = tables
    room = np.maximum(t.capacity * t.full, 0.0)
    return _best_responses(cell, service, t.near, t.move, t.handover, t.work, t.load, t.capacity, room, sweeps)


@njit(cache=True)
def _best_responses(cell, service, near, move, handover, work, load, capacity, room, sweeps):  # type: ignore[no-untyped-def]
    slots, users = cell.shape
    way = np.full((slots, users), NOWHERE, np.int32)
    busy, times = np.zeros((slots, len(capacity))), np.zeros((slots, len(capacity)))
    price = np.empty(busy.shape)
    for sweep in range(sweeps):
        for u in range(users):
            k = service[u]
            if sweep > 0:
                _put(way[:, u], busy, times, -load[k], -work[k])
            for t in range(slots):
                for s in range(len(capacity)):
                    price[t, s] = _added(busy[t, s], times[t, s], load[k], work[k], capacity[s], room[s])
            after = cost_to_go(cell[:, u], near[k], move[k], handover, None, price)
            _walk(cell[:, u], near[k], move[k], handover, price, after, way[:, u])
            _put(way[:, u], busy, times, load[k], work[k])
    return way


@njit(cache=True)
def _added(busy, times, load, work, capacity, room):  # type: ignore[no-untyped-def]
    """What a service adds to the service times of a site; very much where there is no room."""
    if busy + load > room + TINY:
        return NO_ROOM
    return (times + work) / idle_share(busy + load, capacity) - times / idle_share(busy, capacity)


@njit(cache=True)
def _walk(cell, near, move, handover, price, after, way):  # type: ignore[no-untyped-def]
    """Write the cheapest way; of those that tie, not always the one that ``viterbi.plan`` takes."""
    site = NOWHERE
    for t in range(len(cell)):
        if cell[t] == NOWHERE:
            continue
        new = t == 0 or cell[t - 1] == NOWHERE
        if new:
            site = cell[t]
        cost = move[site] + near[cell[t]] + price[t] + after[t]
        cost[site] += 0.0 if new or cell[t] == cell[t - 1] else handover
        way[t] = site = cost.argmin()


@njit(cache=True)
def _put(way, busy, times, load, work):  # type: ignore[no-untyped-def]
    for t in range(len(way)):
        if way[t] != NOWHERE:
            busy[t, way[t]] += load
            times[t, way[t]] += work
