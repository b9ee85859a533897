"""Heuristics for request scheduling: classic dispatching, and rules that know deadlines and variants.

Those of dispatching have no opinion on variants and take the most accurate of a server. None but "Uniform" rejects or
holds a request back unless its description says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgegym.agents.heuristics.dispatching import (
    LAST_RESORT,
    LEAST,
    LESS,
    Array,
    PowerOfTwo,
    RoundRobin,
    WeightedRandom,
    served,
)
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/RequestScheduling-v0"
Progress = Callable[[str, float], None]


def shortest_expected_delay(c: Columns) -> Array:
    """The shortest expected delay."""
    return served(c, c.quickest - LESS * c.finish)


def join_shortest_queue(c: Columns) -> Array:
    """The fewest requests that are sent there and not finished; the fastest among equals."""
    return served(c, -c.queue + LESS * c.accuracy + LEAST * c.speed)


def least_work_left(c: Columns) -> Array:
    """The shortest wait; the fastest among equals."""
    return served(c, -c.wait + LESS * c.accuracy + LEAST * c.speed)


def earliest_feasible(c: Columns) -> Array:
    """The shortest expected delay if that is in time, else rejects (Clockwork, OSDI 2020)."""
    return np.where(c.feasible > 0.0, 1.0 - c.finish, LAST_RESORT * (1.0 - c.reject))


def most_accurate_feasible(c: Columns) -> Array:
    """The most accurate variant that is in time, there the shortest delay, else rejects (INFaaS, ATC 2021)."""
    return np.where(c.feasible > 0.0, c.accuracy + LESS * (1.0 - c.finish), LAST_RESORT * (1.0 - c.reject))


class EarliestDeadlineFirst(PlayingPolicy):
    """EDF: whoever is due first is served first (C. Liu and J. Layland, Journal of the ACM 20(1), 1973).

    It is an order of service, not a choice of servers, so this policy plays the same system with the order
    ``"edf"`` in every server, whatever the settings say, and sends each request where it is expected to finish first.
    Nothing is interrupted and nothing rejected. "SED" in the same system differs by the order of service alone.
    """

    name = "EDF"
    description = "the shortest expected delay, in front of servers that serve the earliest deadline first"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode with that order in the servers."""
        assert isinstance(system, RequestSchedulingSystem)
        settings = system.params.model_dump(mode="json")
        settings["discipline"]["order"] = "edf"
        policy = ScorePolicy("SED", shortest_expected_delay)
        return run_episodes(Task(ENV, settings), policy, [workload_seed], options)[0]


def heuristics(system: System | None = None) -> list[Policy]:
    """All that need no fitting; in a system without deadlines none that asks for them."""
    dispatching: list[Policy] = [
        ScorePolicy("SED", shortest_expected_delay),
        ScorePolicy("JSQ", join_shortest_queue),
        ScorePolicy("Least work left", least_work_left),
        PowerOfTwo("Power of two", "the shorter queue of two servers at random", "queue"),
        PowerOfTwo("Power of two by finish", "the shorter expected delay of two servers at random", "finish"),
        RoundRobin("Round robin", "the servers in turn", weighted=False),
        RoundRobin("Weighted round robin", "the servers in turn, in proportion to their speeds", weighted=True),
        WeightedRandom("Weighted random", "at random, in proportion to the speeds"),
    ]
    if isinstance(system, RequestSchedulingSystem) and not np.isfinite(system.streams["deadline"]).any():
        return dispatching
    return [
        *dispatching,
        ScorePolicy("Earliest feasible", earliest_feasible),
        ScorePolicy("Most accurate feasible", most_accurate_feasible),
        EarliestDeadlineFirst(),
    ]


def fitted_heuristics(
    system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Progress
) -> list[Policy]:
    """Rules with parameters, tuned on the episodes of ``seeds``; see :mod:`edgegym.agents.dispatch_rules`."""
    from edgegym.agents.dispatch_rules import fitted_rules

    assert isinstance(system, RequestSchedulingSystem)
    return fitted_rules(system, seeds, metric, folder, progress)
