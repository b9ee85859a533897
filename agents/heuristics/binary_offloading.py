"""Heuristics for binary offloading: fixed modes as scores over columns, and searches with the allocation as critic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy, ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System
from edgegym.envs.binary_offloading.kernel import COORDINATE_DESCENT, EXHAUSTIVE, FIRST, SWEEP
from edgegym.envs.binary_offloading.system import BinaryOffloadingSystem

FIXED = 3
"""Devices that offload in every frame under Top-3, the best fixed number on DROO's channels."""
MOST_INDEXED = 5
"""Most devices that offload under the index sweep; more at a time never pay on LyDROO's channels."""

ALL = 2**30
"""At least as many devices as there are."""


def all_local(c: Columns) -> NDArray[Any]:
    """Every device computes locally."""
    return -c.offload


def all_offload(c: Columns) -> NDArray[Any]:
    """Every device offloads."""
    return c.offload


class ModeSearch(PlayingPolicy):
    """Finds each frame's mode by a search; the metric ``critic_calls`` says what that costs.

    Args:
        name: as users type it.
        description: one line.
        search: one of the kernel's.
        most: devices that offload, or at most do, where the search asks for it.
    """

    def __init__(self, name: str, description: str, search: int, most: int = 0) -> None:
        self.name, self.description = name, description
        self._search, self._most = search, most

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode."""
        assert isinstance(system, BinaryOffloadingSystem)
        system.begin(0, workload_seed, options)
        total = system.play(0, self._search, self._most)
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))


def heuristics(system: System | None = None) -> list[Policy]:
    """Those of the system's problem; without a system those of the default, which has no queues."""
    fixed: list[Policy] = [ScorePolicy("All-local", all_local), ScorePolicy("All-offload", all_offload)]
    descent = ModeSearch(
        "Coordinate descent", "from all local, changes the device that gains most until none gains", COORDINATE_DESCENT
    )
    if isinstance(system, BinaryOffloadingSystem) and system.queueing:
        index = ModeSearch(
            "Index sweep",
            f"the best k = 0 .. {MOST_INDEXED} devices of highest (Q + V w) log2(1 + P h / N0)",
            SWEEP,
            MOST_INDEXED,
        )
        exact = ModeSearch(
            "Drift-plus-penalty", "the mode with the highest slot objective of all, in every frame", EXHAUSTIVE
        )
        small = system.devices <= system.most_devices
        return [*fixed, index, descent, *([exact] if small else [])]
    top = ModeSearch(f"Top-{FIXED}", f"the {FIXED} devices of highest gain offload, whatever the gains", FIRST, FIXED)
    sweep = ModeSearch("Top-k sweep", "the best k = 0 .. N devices of highest gain", SWEEP, ALL)
    return [*fixed, top, sweep, descent]
