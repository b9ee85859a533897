"""Bounds for inference offloading: a relaxation that bounds the return, and a policy that knows the future."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem


class Clairvoyant(PlayingPolicy):
    """The best plans of each user, all future known, as if servers never made anybody wait."""

    name = "Clairvoyant"
    kind = "bound"
    description = "each user's best plans by dynamic programming, all future known, on servers that never queue"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Bound the return, and the mean latency where nothing else counts; it says nothing of other metrics."""
        assert isinstance(system, InferenceOffloadingSystem)
        system.begin(0, workload_seed, options)
        cost = system.least_cost(0)
        metrics = {metric.name: float("nan") for metric in system.metrics}
        weights = system.params.reward
        only_latency = not any((weights.miss, weights.energy, weights.accuracy, weights.megabyte, weights.server))
        mains = all(group.battery_j is None for group in system.params.users)
        if only_latency and mains and weights.latency > 0.0:
            tasks = int(system.state.rows["tasks"][0])
            metrics["mean_latency_s"] = cost / weights.latency / tasks
        return EpisodeResult(-cost, metrics, {})


class Foreseen(PlayingPolicy):
    """Each task by its cheapest plan, future throughput known; later tasks are not foreseen."""

    name = "Foreseen"
    description = "the plan of least cost for each task, future throughput known, later tasks not: no bound"

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode."""
        assert isinstance(system, InferenceOffloadingSystem)
        system.begin(0, workload_seed, options)
        total = system.play_foreseen(0)
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))


def bounds(system: System) -> list[Policy]:
    """What no policy can beat."""
    return [Clairvoyant()]


def clairvoyant() -> list[Policy]:
    """Every policy of this module."""
    return [Clairvoyant(), Foreseen()]
