"""Heuristics for content caching: scores over columns, and replays of policies that keep more state than that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.heuristics.caching_cooperation import cooperative_heuristics
from edgegym.agents.heuristics.caching_forecast import forecast_heuristics
from edgegym.agents.heuristics.caching_replay import NodeReplay, NodeRequests, account, node_requests, origin_s
from edgegym.agents.linear_rule import LinearRulePolicy, kept_or_fitted
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.caching.accounting import trace_costs
from edgegym.envs.caching.replay import REPLAY_POLICIES, Replay, replay
from edgegym.envs.caching.replay.static import most_requested
from edgegym.envs.caching.state import HIT, REFUSED
from edgegym.envs.caching.system import CachingSystem


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


class CachingReplay(NodeReplay):
    """Replays a caching policy in every node's cache.

    Args:
        name: one of :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES`.
    """

    def __init__(self, name: str) -> None:
        entry = REPLAY_POLICIES[name]
        self.name, self.description = name, entry.summary
        self.kind = "bound" if entry.clairvoyant else "heuristic"

    def replay_node(self, requests: NodeRequests) -> Replay:
        """Replay one node's cache."""
        return replay(
            requests.content,
            requests.size,
            requests.capacity,
            self.name,
            seed=requests.seed,
            log=True,
            next_use=requests.next_use,
        )


class Static(PlayingPolicy):
    """Fills every node's cache, when the warm-up ends, with what the node was asked for most, and never changes it.

    Until then the caches are empty, so that nothing is held before it was counted; without a warm-up they stay so.
    """

    name = "Static"
    description = (
        "holds what the warm-up requested most, per byte where bytes count, and never changes it; "
        "without a warm-up it holds nothing"
    )

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Place contents by the warm-up and serve the rest."""
        assert isinstance(system, CachingSystem)
        episode = system.episode(workload_seed, options)
        trace, state = episode.trace, system.state
        count_from = system.count_from(len(trace))
        outcome, holders = np.zeros(len(trace), np.uint8), np.zeros(trace.contents, np.int64)
        for n, node in enumerate(node_requests(system, episode, workload_seed)):
            warm = int(np.searchsorted(node.place, count_from))
            held = most_requested(node.content[:warm], node.size, node.capacity)
            holders |= held.astype(np.int64) << n
            outcome[node.place[warm:]] = held[node.content[warm:]] * np.uint8(HIT)
        retrieval_s = origin_s(system, episode)
        retrieval_s[count_from:] = trace_costs(
            trace.content[count_from:],
            trace.node[count_from:],
            trace.size,
            outcome[count_from:],
            np.zeros(len(trace) - count_from, np.bool_),
            np.empty(0, np.int32),
            np.empty(0, np.int64),
            holders,
            state.near,
            state.fetch_s,
            state.byte_s,
        )
        outcome[outcome & HIT == 0] |= REFUSED
        return account(system, episode, outcome, retrieval_s, evictions=0)


def heuristics(system: System | None = None) -> list[Policy]:
    """The online policies that every comparison shows; with a ``system`` also what its settings make possible."""
    scores: list[Policy] = [
        ScorePolicy("FIFO", fifo),
        ScorePolicy("LRU", lru),
        ScorePolicy("LFU", lfu),
        ScorePolicy("GDSF", gdsf),
    ]
    names = {policy.name for policy in scores}
    online = [name for name, entry in REPLAY_POLICIES.items() if not entry.clairvoyant]
    replays = [CachingReplay(name) for name in online if name not in names]
    return [*scores, *replays, Static(), *cooperative_heuristics(system), *forecast_heuristics(system)]


BYTE_METRICS = ("byte_hit_ratio", "backhaul_bytes")


def fitted_heuristics(
    system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Callable[[str, float], None]
) -> list[Policy]:
    """The linear rule, tuned on object or byte misses, whichever the metric is about."""
    assert isinstance(system, CachingSystem)
    objective = "bytes" if metric in BYTE_METRICS else "objects"
    rule = kept_or_fitted(folder / "linear_rule.json", system, seeds, objective, progress)  # type: ignore[arg-type]
    return [LinearRulePolicy(rule.weights)]
