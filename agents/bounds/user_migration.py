"""Bounds for service migration: the clairvoyant optimum per user, and under capacity a relaxation of the joint one.

With contention the service times of a site grow with all services there. A Lagrangian relaxation prices the load of
each site and slot: whatever the prices, the users' cheapest ways at these prices, plus the least of the sites' own
parts, bound the joint optimum from below (weak duality). The part of site s with load x is at least
kappa x^2 / (capacity - x), where kappa is the least work per load of all services, since service times sum to
(work) / (1 - utilisation) = work + work * utilisation / (1 - utilisation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.bounds.joint_plan import ClairvoyantPlan
from edgegym.compiling import njit
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.viterbi import plan
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import SettingsError
from edgegym.mobility.hex_plane import hops, packed_cell, unpack, unpack_q, unpack_s

ROUNDS = 30
"""Subgradient steps of the relaxation."""


class Clairvoyant(PlayingPolicy):
    """The cheapest way of every user whose path is known: no policy costs less where users do not meet."""

    name = "Clairvoyant"
    kind = "bound"
    description = "Least cost of users whose paths are known (Viterbi); under capacity a Lagrangian lower bound."

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Bound the episode; under capacity only its cost per slot."""
        assert isinstance(system, UserMigrationSystem)
        episode = system.episode(workload_seed, options)
        metrics = {metric.name: float("nan") for metric in system.metrics}
        if system.contended:
            total = joint_bound(system, episode)
        else:
            system.begin(0, workload_seed, options)
            total = -system.follow(0, clairvoyant_plan(system, episode))
        metrics["user_slots"] = float((episode.place >= 0).sum())
        metrics["cost_per_slot"] = total / metrics["user_slots"]
        return EpisodeResult(-total, metrics)


def clairvoyant_plan(system: UserMigrationSystem, episode: Episode) -> NDArray[np.int32]:
    """(slots, users) optimal sites of every user alone; not for the hexagonal plane."""
    ways = [
        plan(episode.place[:, u], *system.single_costs(service), system.far, start=int(episode.start[u]))[0]
        for u, service in enumerate(episode.service)
    ]
    return np.stack(ways, axis=1)


def joint_bound(system: UserMigrationSystem, episode: Episode, rounds: int = ROUNDS) -> float:
    """Lower bound on the total cost of an episode under capacity.

    Args:
        system: with contention.
        episode: what the users do.
        rounds: subgradient steps; each round is a bound, and the best one counts.
    """
    tables = system.tables
    slots, sites = len(episode.place), len(tables.capacity)
    kappa = float((tables.work / tables.load).min())
    room = np.maximum(tables.capacity * tables.full, 0.0)
    price, best = np.zeros((slots, sites)), -np.inf
    for step in range(rounds):
        load, users = _priced(system, episode, price)
        want, own = _site_part(price, kappa, tables.capacity, room)
        best = max(best, users + own)
        slack = load - want
        size = float((slack**2).sum())
        if size < 1e-12:
            break
        price = np.maximum(price + 0.05 * abs(best) / size / (1.0 + step / 5.0) * slack, 0.0)
    return best


def _priced(
    system: UserMigrationSystem, episode: Episode, price: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """(slots, sites) load of the users' cheapest ways at these prices, and what the ways cost, prices included.

    A session starts anywhere without paying, which never costs more than starting where the room is.
    """
    load, total = np.zeros(price.shape), 0.0
    slots = np.arange(len(price))
    for u, kind in enumerate(episode.service):
        priced = price * system.tables.load[kind]
        way, cost = plan(episode.place[:, u], *system.single_costs(kind), price=priced, anywhere=True)
        there = way >= 0
        load[slots[there], way[there]] += system.tables.load[kind]
        total += cost
    return load, total


def _site_part(
    price: NDArray[np.float64], kappa: float, capacity: NDArray[np.float64], room: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Loads (slots, sites) that minimise kappa x^2 / (capacity - x) - price x over 0 .. room, and the sum of minima.

    With y = x / capacity the slope is kappa (y (2 - y)) / (1 - y)^2 - price, which vanishes at
    y = 1 - 1 / sqrt(1 + price / kappa).
    """
    load = np.minimum(capacity * (1.0 - 1.0 / np.sqrt(1.0 + price / kappa)), room)
    idle = np.where(capacity > 0, capacity - load, 1.0)
    return load, float((kappa * load**2 / idle - price * load).sum())


def walked(
    place: NDArray[np.int32], start: NDArray[np.int32], cells: NDArray[np.int64], policy: NDArray[np.int64]
) -> NDArray[np.int32]:
    """(slots, users) places of the services under a policy over offsets on the hexagonal plane.

    Raises:
        SettingsError: for users who are away, or services that start beyond the policy's cells.
    """
    rings = int(hops(cells).max())
    if (place < 0).any():
        raise SettingsError("MDP optimum: a user is away in some slots; its policy is for users who never are.")
    far = hops(unpack(np.where(start < 0, place[0], start)) - unpack(place[0]))
    if far.max() > rings:
        raise SettingsError(
            f"MDP optimum: a service starts {far.max()} hops from its user; its policy is for up to {rings}."
        )
    index = np.full((2 * rings + 1, 2 * rings + 1), -1)
    index[cells[:, 0] + rings, cells[:, 1] + rings] = np.arange(len(cells))
    return _walked(place, start, cells, policy, index, rings)


@njit(cache=True)
def _walked(place, start, cells, policy, index, rings):  # type: ignore[no-untyped-def]
    found = np.empty(place.shape, np.int32)
    for u in range(place.shape[1]):
        site = start[u] if start[u] >= 0 else place[0, u]
        for t in range(len(place)):
            user = place[t, u]
            q, s = unpack_q(user) - unpack_q(site), unpack_s(user) - unpack_s(site)
            offset = cells[policy[index[q + rings, s + rings]]]
            site = packed_cell(unpack_q(user) - offset[0], unpack_s(user) - offset[1])
            found[t, u] = site
    return found


def bounds(system: System) -> list[Policy]:
    """What no policy can beat in this system; on the plane the MDP optimum is among the heuristics instead."""
    assert isinstance(system, UserMigrationSystem)
    return [] if system.plane else [Clairvoyant()]


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name."""
    return [Clairvoyant(), ClairvoyantPlan()]
