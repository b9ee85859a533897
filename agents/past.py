"""What a live episode has shown so far, to be played again: all that a family adds so that its policies can adapt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from edgegym.decision.system import System
from edgegym.errors import unknown

PASTS: Mapping[str, str] = {"EdgeGym/ContentCaching-v0": "edgegym.agents.caching_past:CachingPast"}
"""Environment id to ``module:class`` of its :class:`Past`."""


@dataclass(frozen=True)
class Mark:
    """The live system at one moment, with a decision pending.

    Attributes:
        seen: requests seen by then, the pending one included.
        state: a copy of what the system needs to go on from there; the family's own.
    """

    seen: int
    state: Any


class Past(ABC):
    """The past of a live system's row 0. Nothing that it returns depends on requests that are still to come.

    Args:
        live: the system; its episode has begun.
    """

    def __init__(self, live: System) -> None:
        self.live = live

    @property
    @abstractmethod
    def seen(self) -> int:
        """Requests seen so far, the one whose decision is pending included."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Environment settings to lay over an experiment's so that another system can go on from a mark.

        They spell out what the live episode made of relative settings, such as a capacity in percent. Workload and
        reward are left alone.
        """

    @abstractmethod
    def mark(self) -> Mark:
        """Remember the present moment."""

    @abstractmethod
    def resume(self, system: System, row: int, mark: Mark, stop: int, seed: int) -> None:
        """Let a row of another system go on from a mark until request ``stop``; its metrics count from the mark.

        A clairvoyant signal of that system knows the requests before ``stop`` and none after.

        Args:
            system: made with :meth:`settings`.
            row: which of its rows.
            mark: where to go on; a decision is pending there.
            stop: first request that is not served, above ``mark.seen`` and at most :attr:`seen`.
            seed: of whatever is drawn after the mark.
        """


def past_of(env_id: str, live: System) -> Past:
    """The past of a live episode.

    Raises:
        EdgeGymError: for an environment without one.
    """
    return past_class(env_id)(live)


def past_class(env_id: str) -> type[Past]:
    """How an environment's past is played again.

    Raises:
        EdgeGymError: for an environment that does not say.
    """
    if env_id not in PASTS:
        raise unknown("environment with online adaptation", env_id, PASTS)
    module, _, name = PASTS[env_id].partition(":")
    found: type[Past] = getattr(import_module(module), name)
    return found
