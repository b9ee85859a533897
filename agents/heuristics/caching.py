"""Heuristics for content caching: scores over columns, and replays of policies that keep more state than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.caching.accounting import (
    Log,
    episode_metrics,
    episode_return,
    hit_ratio_series,
    trace_costs,
)
from edgegym.envs.caching.replay import REPLAY_POLICIES, replay
from edgegym.envs.caching.state import HIT, REFUSED
from edgegym.envs.caching.system import CachingSystem
from edgegym.workload.sources import Episode


def lru(c: Columns) -> NDArray[Any]:
    """Evict the least recently used content."""
    return c.lru_victim


def fifo(c: Columns) -> NDArray[Any]:
    """Evict the content that was admitted first."""
    return c.fifo_victim


def lfu(c: Columns) -> NDArray[Any]:
    """Evict the content with the fewest uses while cached, the least recently used among equals."""
    return c.lfu_victim


def gdsf(c: Columns) -> NDArray[Any]:
    """Evict the content with the lowest frequency per size, aged by inflation (Cherkasova, 1998)."""
    return c.gdsf_victim


class CachingReplay(PlayingPolicy):
    """Replays a caching policy in every node's cache and accounts for it like the environment.

    Each node's cache acts on the requests that reach it and admits what it fetches, from a neighbour or the origin.

    Args:
        name: one of :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES`.
    """

    def __init__(self, name: str) -> None:
        entry = REPLAY_POLICIES[name]
        self.name, self.description = name, entry.summary
        self.kind = "bound" if entry.clairvoyant else "heuristic"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Replay the episode."""
        assert isinstance(system, CachingSystem)
        episode = system.episode(workload_seed, options)
        trace, state = episode.trace, system.state
        outcome, admitted, evicted, evicted_at = self._replay_nodes(system, episode, workload_seed)
        network = (state.near, state.fetch_s, state.byte_s)
        retrieval = trace_costs(trace.content, trace.node, trace.size, outcome, admitted, evicted, evicted_at, *network)
        size = trace.size[trace.content]
        outcome[(outcome & HIT == 0) & ~admitted] |= REFUSED
        latency = (state.rules["access_s"][0] + retrieval).astype(np.float32)
        log, count_from = Log(outcome, latency, size), system.count_from(len(trace))
        evictions = int(np.count_nonzero(evicted_at >= count_from))
        origin = state.fetch_s[trace.node, -1] + state.byte_s[trace.node, -1] * size
        return EpisodeResult(
            episode_return(log, origin, retrieval, system.params.reward),
            episode_metrics(log, count_from, evictions) | {"invalid_actions": 0.0},
            hit_ratio_series(log, count_from),
        )

    def _replay_nodes(
        self, system: CachingSystem, episode: Episode, seed: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int64]]:
        """Replay each node's requests; outcomes and evictions in the order of the whole trace."""
        trace, capacity = episode.trace, system.capacity_of(episode)
        occupancy = np.ones_like(trace.size) if system.params.unit == "objects" else trace.size
        outcome, admitted = np.zeros(len(trace), np.uint8), np.zeros(len(trace), np.bool_)
        evicted, evicted_at = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for n in range(trace.nodes):
            mine = np.flatnonzero(trace.node == n)
            # Nothing after the episode counts, so for a clairvoyant it never comes.
            next_use = np.minimum(episode.next_use[mine], len(mine)).astype(np.int32)
            result = replay(
                trace.content[mine], occupancy, capacity, self.name, seed=seed + n, log=True, next_use=next_use
            )
            outcome[mine], admitted[mine] = result.hit * np.uint8(HIT), result.admitted
            evicted.append(result.evicted)
            evicted_at.append(mine[result.evicted_at])
        events = np.argsort(np.concatenate(evicted_at), kind="stable")
        return outcome, admitted, np.concatenate(evicted)[events], np.concatenate(evicted_at)[events]


def heuristics() -> list[Policy]:
    """The online policies that every comparison shows."""
    scores: list[Policy] = [
        ScorePolicy("FIFO", fifo),
        ScorePolicy("LRU", lru),
        ScorePolicy("LFU", lfu),
        ScorePolicy("GDSF", gdsf),
    ]
    names = {policy.name for policy in scores}
    online = [name for name, entry in REPLAY_POLICIES.items() if not entry.clairvoyant]
    return scores + [CachingReplay(name) for name in online if name not in names]
