"""Heuristics for content caching that need several nodes: what "LRU", which copies from its neighbours, does not do.

Caching on the path adds none: in every topology a node's way to the origin has one cache, its own. Leave copy down is
then the same as leaving copies everywhere, which is "LRU"; and ProbCache admits one miss in ten, whoever else caches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgegym.agents.heuristics.caching_replay import account
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.caching.cooperation import CLUSTER_RULES, replay_cluster
from edgegym.envs.caching.system import CachingSystem


class CooperativeReplay(PlayingPolicy):
    """Replays LRU caches under a rule of cooperation and accounts for them like the environment.

    With one node every rule is LRU.

    Args:
        name: one of :data:`~edgegym.envs.caching.cooperation.CLUSTER_RULES`.
    """

    def __init__(self, name: str) -> None:
        self.name, self.description = name, CLUSTER_RULES[name][1]

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Replay the episode."""
        assert isinstance(system, CachingSystem)
        episode = system.episode(workload_seed, options)
        trace, state = episode.trace, system.state
        room = np.ones_like(trace.size) if system.params.unit == "objects" else trace.size
        network = (state.near, state.fetch_s, state.byte_s)
        result = replay_cluster(trace, room, system.capacity_of(episode), self.name, *network, workload_seed)
        evictions = int(result.evictions[system.count_from(len(trace)) :].sum())
        return account(system, episode, result.outcome, result.retrieval_s, evictions)


def cooperative_heuristics(system: System | None = None) -> list[Policy]:
    """The policies for several nodes; none for a ``system`` with one, where they are all LRU."""
    if isinstance(system, CachingSystem) and system.nodes == 1:
        return []
    return [CooperativeReplay(name) for name in CLUSTER_RULES]
