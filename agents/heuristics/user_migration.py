"""Heuristics for service migration: rules over columns, and on the hexagonal plane the policies of the two MDPs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.bounds.user_migration import walked
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System
from edgegym.envs.user_migration.columns import HOPS
from edgegym.envs.user_migration.prediction import MARKOV
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.workload_settings import HexWalkSettings
from edgegym.mobility.hex_mdp import HexMdp
from edgegym.mobility.hop_costs import HopCosts
from edgegym.mobility.migration_mdp import Policy as MdpPolicy
from edgegym.mobility.ring_mdp import RingMdp

FAR = 20
"""Rings of the one-dimensional problem over real cells, and where Never moves after all, as in the published runs."""
RECURRENT, MARKOVIAN = "Recurrent look-ahead", "Markov look-ahead"
TRADEOFF = 1.0
"""V of the Lyapunov rule: weight of a slot's cost against the virtual queue."""


def amount(column: NDArray[Any], half: float = 1.0) -> NDArray[np.float64]:
    """The number behind a column x / (x + half)."""
    c = np.asarray(column, np.float64)
    return half * c / np.maximum(1.0 - c, 1e-9)


def slot_cost(c: Columns) -> NDArray[np.float64]:
    """Cost of this slot that a candidate causes."""
    return amount(c.near) + amount(c.move) + amount(c.congestion)


def always(c: Columns) -> NDArray[Any]:
    """To the user's cell, or the nearest site with room."""
    return -c.from_user - 1e-4 * c.from_service


def myopic(c: Columns) -> NDArray[Any]:
    """The least cost of this slot."""
    return -slot_cost(c)


def lookahead(c: Columns) -> NDArray[Any]:
    """The least cost of this slot and to go by the predictor."""
    return -slot_cost(c) - amount(c.outlook)


def eager_lookahead(c: Columns) -> NDArray[Any]:
    """The look-ahead with migrations at half their cost: who moves also gives way to others, for longer than a slot."""
    return lookahead(c) + 0.5 * amount(c.move)


def follow_me(c: Columns) -> NDArray[Any]:
    """The least cost of serving plus the migration cost times a virtual queue of its excess (Lyapunov)."""
    return -TRADEOFF * (amount(c.near) + amount(c.congestion)) - amount(c.overspent) * amount(c.move)


def least_loaded(c: Columns) -> NDArray[Any]:
    """To the least utilised site within a hop of the user; stay while the service is within one and below .7."""
    hops = np.round(amount(c.from_user, HOPS))
    content = (c.stay > 0) & (hops <= 1) & (c.utilisation < 0.7)
    return np.where(content, 9.0, np.where(hops <= 1, -c.utilisation - 0.01 * hops, -2.0 - hops))


def threshold(hops: int, name: str = "") -> ScorePolicy:
    """To the user's cell from some hops on, else stay."""

    def score(c: Columns) -> NDArray[Any]:
        far = np.round(amount(c.offset, HOPS)) >= hops
        return np.where(far, always(c), c.stay)

    return ScorePolicy(name or f"Threshold {hops}", score, f"To the user's cell from {hops} hops on, else stay.")


def ring_policy(rings: int, move: float, discount: float, costs: HopCosts) -> ScorePolicy:
    """The policy of the one-dimensional MDP: to the candidate nearest to its target ring."""
    target = RingMdp(rings, move, discount, costs).policy_iteration()

    def score(c: Columns) -> NDArray[Any]:
        offset = np.round(amount(c.offset, HOPS)).astype(np.int64)
        wanted = target[np.minimum(offset, rings)]
        stays = (wanted == np.minimum(offset, rings)) & (offset < rings)
        missed = np.abs(np.round(amount(c.from_user, HOPS)) - wanted)
        return np.where(stays, c.stay, -missed - 1e-3 * c.from_service)

    return ScorePolicy("1-D MDP", score, f"The one-dimensional approximation with {rings} rings, gamma {discount:g}.")


class DiscPolicy(PlayingPolicy):
    """The optimal policy of the two-dimensional MDP on the hexagonal plane, for the settings' discount."""

    name = "MDP optimum"
    description = "Policy iteration on the disc of hexagons: the least expected discounted cost of all policies."

    def __init__(self) -> None:
        self._solved: tuple[Disc, HexMdp, MdpPolicy] | None = None

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode."""
        assert isinstance(system, UserMigrationSystem)
        mdp, policy = self._solution(disc_of(system))
        episode = system.episode(workload_seed, options)
        plan = walked(episode.place, episode.start, mdp.cells, policy)
        system.begin(0, workload_seed, options)
        total = system.follow(0, plan)
        return EpisodeResult(total, system.episode_metrics(0))

    def _solution(self, disc: Disc) -> tuple[HexMdp, MdpPolicy]:
        """The problem and its optimal policy; that of the episode before is kept, since policy iteration takes long."""
        if self._solved is None or self._solved[0] != disc:
            mdp = HexMdp(*disc)
            self._solved = disc, mdp, mdp.policy_iteration()
        return self._solved[1:]


class Disc(NamedTuple):
    """What defines the MDP behind a system on the hexagonal plane, as :class:`HexMdp` takes it."""

    rings: int
    move: float
    discount: float
    costs: HopCosts


def disc_of(system: UserMigrationSystem) -> Disc:
    """The numbers of a system on the hexagonal plane."""
    params = system.params
    assert isinstance(params.workload, HexWalkSettings)
    assert isinstance(params.cost, HopCosts)
    assert params.reach is not None
    return Disc(params.reach, params.workload.move, params.discount, params.cost)


def move_probability(trace: NDArray[np.int32]) -> float:
    """Probability of each of six neighbours that fits a trace (slots, users) of cells, -1 while away; 0 without any."""
    known = (trace[:-1] >= 0) & (trace[1:] >= 0)
    return float((trace[1:] != trace[:-1])[known].sum()) / max(6.0 * float(known.sum()), 1.0)


class MarkovLookahead(PlayingPolicy):
    """The look-ahead by the Markov chain where another predictor is observed."""

    name = MARKOVIAN
    description = "The least cost of this slot and to go by the Markov chain, whatever predictor is observed."

    def __init__(self) -> None:
        self._systems: tuple[UserMigrationSystem, UserMigrationSystem] | None = None

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode in a system that observes the chain."""
        assert isinstance(system, UserMigrationSystem)
        if self._systems is None or self._systems[0] is not system:
            observed = system.params.model_copy(update={"predictor": MARKOV})
            self._systems = system, UserMigrationSystem(observed)
        own, policy = self._systems[1], ScorePolicy(MARKOVIAN, lookahead)
        own.begin(0, workload_seed, options)
        decisions, total = Decisions.empty(own), 0.0
        own.observe(decisions)
        while not decisions.done[0]:
            columns = Columns(decisions.candidates, decisions.context, own.candidate_features, own.context_features)
            own.step(policy.act(columns, decisions.mask > 0), np.ones(1, np.bool_), decisions)
            total += float(decisions.reward[0])
        return EpisodeResult(total, own.episode_metrics(0))


def heuristics(system: System | None = None) -> list[Policy]:
    """Those of the system's workload; without a system those that every one has."""
    common: list[Policy] = [
        ScorePolicy("Always", always),
        *(threshold(hops) for hops in (2, 3, 5)),
        ScorePolicy("Myopic", myopic),
        ScorePolicy("Follow-me (Lyapunov)", follow_me),
    ]
    if not isinstance(system, UserMigrationSystem):
        return [threshold(FAR, "Never"), *common]
    costs, params = system.params.cost, system.params
    if system.plane:
        return [threshold(1 << 20, "Never"), *common, ring_policy(*disc_of(system)), DiscPolicy()]
    found = [threshold(1 << 20 if system.contended else FAR, "Never"), *common]
    if isinstance(costs, HopCosts):
        found.append(ring_policy(FAR, move_probability(system.source.fitting_trace), params.discount, costs))
    else:
        found.append(ScorePolicy("Least-loaded nearest", least_loaded))
    if params.observe == "prediction":
        found.append(ScorePolicy(RECURRENT, lookahead) if system.learned else ScorePolicy(MARKOVIAN, lookahead))
        found.append(ScorePolicy("Eager look-ahead", eager_lookahead))
    if system.learned:
        found.append(MarkovLookahead())
    return found
