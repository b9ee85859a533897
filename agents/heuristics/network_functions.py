"""Heuristics for network functions: scores over columns, node ranks of the literature, simulated annealing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.priced_completion import cheapest_completion, kept_or_fitted
from edgegym.decision.draws import bits
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System
from edgegym.envs.network_functions import ranks
from edgegym.envs.network_functions.annealing import anneal
from edgegym.envs.network_functions.state import PLACE, RELIEVE
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.errors import SettingsError


def first_fit(c: Columns) -> NDArray[Any]:
    """The first feasible node."""
    return c.place


def nearest(c: Columns) -> NDArray[Any]:
    """The node with the fewest hops from the previous function, then the shortest delay."""
    return c.place - 0.5 * c.hops - 1e-3 * c.path_delay


def least_loaded(c: Columns) -> NDArray[Any]:
    """The node with the largest share of its computing capacity left."""
    return c.place + c.cpu_left


def shortest_path(c: Columns) -> NDArray[Any]:
    """The node that lengthens the way to the destination least, of those the nearest, then the least loaded."""
    return 2.0 * c.place - c.detour - 0.1 * c.hops + 1e-3 * c.cpu_left


def marginal_cost(c: Columns) -> NDArray[Any]:
    """The node that takes the smallest shares of what is free on links and node, ways onward and starts included."""
    links = c.congestion / np.maximum(1.0 - c.congestion, 1e-3)
    waits = c.processing + c.path_delay + c.startup * (1.0 - c.running)
    return 10.0 * c.place - links - c.cpu_taken - 2.0 * c.detour - waits


class RankPolicy(PlayingPolicy):
    """Places each function on the feasible node that ranks highest.

    Args:
        name: as users type it.
        description: one line.
        rule: one of :mod:`~edgegym.envs.network_functions.ranks`.
    """

    def __init__(self, name: str, description: str, rule: int) -> None:
        self.name, self.description, self._rule = name, description, rule

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode."""
        assert isinstance(system, NetworkFunctionsSystem)
        system.begin(0, workload_seed, options)
        total = float(ranks.play(system.state, 0, self._rule))
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))


class SimulatedAnnealing(PlayingPolicy):
    """Plans the whole chain of each request by simulated annealing.

    Args:
        moves: for a request.

    Raises:
        SettingsError: for fewer moves than 1.
    """

    name = "Simulated annealing"

    def __init__(self, moves: int = 3000) -> None:
        if moves < 1:
            raise SettingsError(f"Simulated annealing: moves is {moves}; at least 1 is needed.")
        self.description, self._moves = f"Plans whole chains, {moves} moves a request.", moves

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode; a node that turns out to be infeasible is replaced by the nearest feasible one.

        Segments stay on congested links, since plans are of nodes.
        """
        assert isinstance(system, NetworkFunctionsSystem)
        system.begin(0, workload_seed, options)
        decisions, total, active = Decisions.empty(system), 0.0, np.ones(1, np.bool_)
        r = system.state.rows[0]
        while r["pending"]:
            if r["decision"] == PLACE and r["position"] == 0:
                anneal(system.state, 0, int(bits(workload_seed, int(r["request"])) >> np.uint64(2)), self._moves)
            system.step(np.array([self._action(system)], np.int64), active, decisions)
            total += float(decisions.reward[0])
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))

    def _action(self, system: NetworkFunctionsSystem) -> int:
        state, r = system.state, system.state.rows[0]
        allowed = np.flatnonzero(state.slot[0] >= 0)
        if len(allowed) == 0 or r["decision"] == RELIEVE:
            return 0
        choices = state.choices[0][state.slot[0, allowed]]
        if r["decision"] != PLACE:
            return int(allowed[0]) + 1
        planned = int(state.scratch[0, r["position"]])
        hops = state.hops[r["network"], planned, choices["node"], 0]
        return int(allowed[hops.argmin()]) + 1


def heuristics(system: System | None = None) -> list[Policy]:
    """All of them; with a system that shows completions also the cheapest one."""
    shown = isinstance(system, NetworkFunctionsSystem) and system.params.completion
    return [
        *([ScorePolicy("Cheapest completion", cheapest_completion)] if shown else []),
        ScorePolicy("First fit", first_fit),
        ScorePolicy("Nearest", nearest),
        ScorePolicy("Least loaded", least_loaded),
        ScorePolicy("Shortest path", shortest_path),
        ScorePolicy("Marginal cost", marginal_cost),
        RankPolicy("NRM rank", "computing times bandwidth around (Zhang et al., 2018)", ranks.NRM),
        RankPolicy("RW rank", "random walk between rich nodes (Cheng et al., 2011)", ranks.RANDOM_WALK),
        RankPolicy("GRC rank", "global resource capacity (Gong et al., 2014)", ranks.GRC),
        RankPolicy("PL rank", "computing times bandwidth over path length", ranks.PATH_LENGTH),
        SimulatedAnnealing(),
    ]


def fitted_heuristics(
    system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Callable[[str, float], None]
) -> list[Policy]:
    """Admission by prices, fitted to the metric, where the system shows completions."""
    assert isinstance(system, NetworkFunctionsSystem)
    if not system.params.completion:
        return []
    return [kept_or_fitted(folder / "prices.json", system, seeds, metric, progress)]
