"""Bounds for binary offloading: without queues the best of all modes, frame by frame."""

from __future__ import annotations

from edgegym.agents.heuristics.binary_offloading import ModeSearch
from edgegym.decision.policy import Policy
from edgegym.decision.system import System
from edgegym.envs.binary_offloading.kernel import EXHAUSTIVE
from edgegym.envs.binary_offloading.system import BinaryOffloadingSystem


class Exhaustive(ModeSearch):
    """The best of all 2^N modes in every frame: no policy has a higher rate where frames are independent."""

    kind = "bound"

    def __init__(self) -> None:
        super().__init__("Exhaustive", "the best of all modes in every frame", EXHAUSTIVE)


def bounds(system: System) -> list[Policy]:
    """The best of all modes without queues, for a number of devices that allows it.

    With queues the best mode of a frame bounds nothing over the frames, and is a heuristic (drift-plus-penalty).
    """
    assert isinstance(system, BinaryOffloadingSystem)
    return [Exhaustive()] if not system.queueing and system.devices <= system.most_devices else []


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name, bound or not in the system at hand."""
    return [Exhaustive()]
