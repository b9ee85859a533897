"""Bounds for content caching: Belady where it is exact, PFOO-L where sizes differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from edgegym.agents.heuristics.caching import CachingReplay
from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.caching.replay import pfoo_l
from edgegym.envs.caching.system import CachingSystem


class PfooL(PlayingPolicy):
    """The PFOO-L bound on hits and on byte hits (Berger et al., 2018): no policy reaches more at any node.

    The two ratios are bounded apart: no policy need reach both at once. It says nothing about other metrics.
    """

    name = "PFOO-L"
    kind = "bound"
    description = "Upper bound on the hits of any policy, for contents of any sizes (Berger et al., 2018)."
    objectives: ClassVar[Mapping[str, str]] = {"hit_ratio": "objects", "byte_hit_ratio": "bytes"}

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Bound the episode."""
        assert isinstance(system, CachingSystem)
        episode = system.episode(workload_seed, options)
        metrics = {metric.name: float("nan") for metric in system.metrics}
        count_from = system.count_from(len(episode.trace))
        for name, objective in self.objectives.items():
            metrics[name] = self._ratio(system, episode, count_from, objective)
        return EpisodeResult(float("nan"), metrics)

    def _ratio(self, system: CachingSystem, episode: Any, count_from: int, objective: str) -> float:
        trace, capacity = episode.trace, system.capacity_of(episode)
        objects = system.params.unit == "objects"
        hits = requested = 0.0
        for n in range(trace.nodes):
            mine = np.flatnonzero(trace.node == n)
            bound = pfoo_l(
                trace.content[mine],
                np.ones_like(trace.size) if objects else trace.size,
                capacity,
                objective="objects" if objects else objective,  # type: ignore[arg-type]
                from_index=int(np.searchsorted(mine, count_from)),
            )
            hits, requested = hits + bound.hits, requested + bound.requested
        return hits / requested


def bounds(system: System) -> list[Policy]:
    """What no policy can beat in this system.

    With room counted in objects, Belady that may refuse admission (bypass) is the optimum, and plain Belady the optimum
    among policies that always admit; with bytes, PFOO-L is a bound and Belady is not.
    """
    assert isinstance(system, CachingSystem)
    if system.params.unit == "objects":
        return [CachingReplay("Belady"), CachingReplay("Belady-bypass")]
    return [PfooL()]


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name, bound or not in the system at hand."""
    return [CachingReplay("Belady"), CachingReplay("Belady-bypass"), PfooL()]
