"""Settings of the content caching environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from edgegym.amounts import check_amount
from edgegym.envs.caching.capacity import Unit
from edgegym.network.topology import TopologySettings
from edgegym.settings import Settings
from edgegym.workload.sources import ShotNoiseSettings, WorkloadSettings


class RewardWeights(Settings):
    """Reward per request from named terms; and, for training only, the clairvoyant signal."""

    hit: float = 1.0
    """Per request served from the node's own cache."""
    byte_hit: float = 0.0
    """Per megabyte served from the node's own cache."""
    latency_saved: float = 0.0
    """Per second saved against fetching from the origin."""
    backhaul_saved: float = 0.0
    """Per megabyte that was not fetched from the origin."""
    signal: Literal["terms", "clairvoyant"] = "terms"
    """``"terms"`` pays the terms above as requests are served. ``"clairvoyant"`` pays, at each decision, minus the
    regret against the nominated candidate whose future hits are worth least; the weights above say what a hit is
    worth. It looks into the future, so it is for training only."""
    horizon: float = Field(0.05, gt=0)
    """Clairvoyant signal: a hit after ``horizon`` cache capacities of requests is worth half of a hit now."""


class CachingParams(Settings):
    """Everything that defines a content caching system; the environment's docstring is the manual."""

    workload: WorkloadSettings = ShotNoiseSettings()
    """Where requests come from."""
    warmup: float = Field(0.25, ge=0)
    """Requests before the metrics count: a share of the episode if below 1, else a number."""
    warmup_by: Literal["policy", "lru"] = "policy"
    """Who evicts during the warm-up: the policy itself, or LRU without asking."""
    topology: TopologySettings = TopologySettings()
    """Edge nodes, origin and the link cards between them."""
    access_link: str = "5g_first_hop"
    """Link card between a user and the edge node: its round trip is part of every latency."""
    capacity: int | str | tuple[int | str, ...] = "2%"
    """Capacity of each node's cache, in ``unit``; ``"N%"`` is of the distinct contents or their bytes, rounded. A list
    is for training over several sizes: each episode has one of them, drawn by its workload seed."""
    unit: Unit = "bytes"
    """What the capacity counts."""
    candidates: int = Field(16, ge=4, le=1024)
    """Residents nominated per decision; the action space has one more, candidate 0 = admit nothing."""
    forecaster: str | None = None
    """Folder of a forecaster that ``edgegym forecast`` has fitted: its forecast becomes the last candidate column."""
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""

    @field_validator("capacity")
    @classmethod
    def _at_least_one(cls, capacity: int | str | tuple[int | str, ...]) -> int | str | tuple[int | str, ...]:
        if not isinstance(capacity, tuple):
            return check_amount(capacity)
        if not capacity:
            raise ValueError("an empty list; give one capacity or several")
        return tuple(check_amount(each) for each in capacity)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "edge_video": {},
    "edge_cluster": {
        "topology": {"builder": "edge_cluster", "nodes": 4},
        "workload": {"kind": "shot_noise", "requests": 40_000, "overlap": 0.5},
    },
    "zipf_objects": {
        "workload": {"kind": "zipf"},
        "capacity": "1%",
        "unit": "objects",
    },
}
"""``edge_video`` is the registered default; ``edge_cluster`` lets four nodes help each other; ``zipf_objects`` is the
textbook case without temporal locality."""
