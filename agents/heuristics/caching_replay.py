"""Whole-episode replays of caches: which requests each node sees, and the accounting that all replays share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import EpisodeResult, PlayingPolicy
from edgegym.decision.system import System
from edgegym.envs.caching.accounting import Log, episode_metrics, episode_return, hit_ratio_series, trace_costs
from edgegym.envs.caching.replay import Replay
from edgegym.envs.caching.state import HIT, REFUSED
from edgegym.envs.caching.system import CachingSystem
from edgegym.workload.sources import Episode


@dataclass(frozen=True)
class NodeRequests:
    """The requests that reach one node, as replay kernels take them.

    Attributes:
        place: (requests,) int64, where they stand in the episode.
        content: (requests,) int32, contents of the episode.
        size: (contents,) int64, room that a content takes, in the unit of ``capacity``.
        capacity: room in the node's cache, in objects or bytes.
        next_use: (requests,) int32, the node's request for the same content; the number of requests where none comes.
        seed: of the node's draws.
    """

    place: NDArray[np.int64]
    content: NDArray[np.int32]
    size: NDArray[np.int64]
    capacity: int
    next_use: NDArray[np.int32]
    seed: int


def node_requests(system: CachingSystem, episode: Episode, workload_seed: int) -> Iterator[NodeRequests]:
    """Take an episode apart by node, in the order of their numbers."""
    trace, capacity = episode.trace, system.capacity_of(episode)
    size = np.ones_like(trace.size) if system.params.unit == "objects" else trace.size
    for n in range(trace.nodes):
        place = np.flatnonzero(trace.node == n)
        # Nothing after the episode counts, so for a clairvoyant it never comes.
        next_use = np.minimum(episode.next_use[place], len(place)).astype(np.int32)
        yield NodeRequests(place, trace.content[place], size, capacity, next_use, workload_seed + n)


def account(
    system: CachingSystem,
    episode: Episode,
    outcome: NDArray[np.uint8],
    retrieval_s: NDArray[np.float64],
    evictions: int,
) -> EpisodeResult:
    """Account for an episode like the environment.

    Args:
        system: whose settings say what counts.
        episode: the requests.
        outcome: (requests,) uint8, bits of :mod:`~edgegym.envs.caching.state`.
        retrieval_s: (requests,) seconds of retrieval, 0 for hits.
        evictions: since the warm-up.
    """
    trace, state = episode.trace, system.state
    size = trace.size[trace.content]
    latency_s = (state.rules["access_s"][0] + retrieval_s).astype(np.float32)
    log, count_from = Log(outcome, latency_s, size), system.count_from(len(trace))
    return EpisodeResult(
        episode_return(log, origin_s(system, episode), retrieval_s, system.params.reward),
        episode_metrics(log, count_from, evictions) | {"invalid_actions": 0.0},
        hit_ratio_series(log, count_from),
    )


def origin_s(system: CachingSystem, episode: Episode) -> NDArray[np.float64]:
    """(requests,) seconds that each request would take to fetch from the origin."""
    trace, state = episode.trace, system.state
    return state.fetch_s[trace.node, -1] + state.byte_s[trace.node, -1] * trace.size[trace.content]


class NodeReplay(PlayingPolicy):
    """Replays every node's cache by itself and accounts for it like the environment.

    Each node's cache acts on the requests that reach it and admits what it fetches, from a neighbour or the origin.
    """

    @abstractmethod
    def replay_node(self, requests: NodeRequests) -> Replay:
        """Replay one node's cache, empty at the start, and keep the log of evictions."""

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Replay the episode."""
        assert isinstance(system, CachingSystem)
        episode = system.episode(workload_seed, options)
        trace, state = episode.trace, system.state
        outcome, admitted, evicted, evicted_at = self._replay_nodes(system, episode, workload_seed)
        holders, network = np.zeros(trace.contents, np.int64), (state.near, state.fetch_s, state.byte_s)
        happened = (outcome, admitted, evicted, evicted_at)
        retrieval_s = trace_costs(trace.content, trace.node, trace.size, *happened, holders, *network)
        outcome[(outcome & HIT == 0) & ~admitted] |= REFUSED
        evictions = int(np.count_nonzero(evicted_at >= system.count_from(len(trace))))
        return account(system, episode, outcome, retrieval_s, evictions)

    def _replay_nodes(
        self, system: CachingSystem, episode: Episode, workload_seed: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int32], NDArray[np.int64]]:
        """Outcomes, admissions and evictions of all nodes, in the order of the whole trace."""
        outcome, admitted = np.zeros(len(episode.trace), np.uint8), np.zeros(len(episode.trace), np.bool_)
        evicted, evicted_at = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for requests in node_requests(system, episode, workload_seed):
            result, place = self.replay_node(requests), requests.place
            outcome[place], admitted[place] = result.hit * np.uint8(HIT), result.admitted
            evicted.append(result.evicted)
            evicted_at.append(place[result.evicted_at])
        events = np.argsort(np.concatenate(evicted_at), kind="stable")
        return outcome, admitted, np.concatenate(evicted)[events], np.concatenate(evicted_at)[events]
