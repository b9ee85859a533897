"""Classic dispatching: where to send a request, with a state or at random, and what its rules share."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.draws import bits
from edgegym.decision.policy import ActingPolicy
from edgegym.decision.spaces import Columns

Array = NDArray[Any]
LAST_RESORT = -1e9
"""Score of what is taken only if nothing else is allowed."""
LESS, LEAST = 1e-3, 1e-6
"""Weights of second and third opinions."""


def served(c: Columns, score: Array) -> Array:
    """A score for sending the request to a server, whatever it is."""
    return np.where(c.reject + c.hold > 0.0, LAST_RESORT, score)


def seconds(octaves: Array) -> Array:
    """From a column in octaves back to seconds."""
    return np.exp2((octaves.astype(np.float64) - 0.5) * 40.0)


class Dispatching(ActingPolicy):
    """Keeps a state or draws; sees each server by its most accurate variant.

    Args:
        name: as users type it.
        description: one line.
    """

    def __init__(self, name: str, description: str) -> None:
        self.name, self.description = name, description
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Restart the random numbers and forget."""
        self._rng = np.random.default_rng(int(bits(seed, 0)))
        self._memory: NDArray[np.float64] | None = None

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose among the most accurate variants."""
        sends = mask & (columns.reject + columns.hold == 0.0)
        accuracy = np.where(sends, columns.accuracy, -1.0)
        choice = sends & (accuracy == accuracy.max(axis=1, keepdims=True))
        score = self._score(columns, choice)
        found: NDArray[np.int64] = np.where(choice, score, -np.inf).argmax(axis=1)
        # With nowhere to send it argmax is 0, which is always allowed.
        return found

    def _remembered(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """(rows, candidates) what was kept from decision to decision; 0 at first."""
        if self._memory is None or self._memory.shape != mask.shape:
            self._memory = np.zeros(mask.shape)
        return self._memory

    @abstractmethod
    def _score(self, c: Columns, choice: NDArray[np.bool_]) -> Array:
        """(rows, candidates) score."""


class WeightedRandom(Dispatching):
    """At random, in proportion to the speeds."""

    def _score(self, c: Columns, choice: NDArray[np.bool_]) -> Array:
        # The smallest of exponential draws with the speeds as rates falls to each in proportion to its speed.
        return -self._rng.exponential(size=choice.shape) / np.maximum(c.speed, LEAST)


class RoundRobin(Dispatching):
    """In turn: smooth weighted round robin, with the speeds as weights or with equal ones.

    Args:
        name: as users type it.
        description: one line.
        weighted: by the speeds.
    """

    def __init__(self, name: str, description: str, weighted: bool) -> None:
        self.weighted = weighted
        super().__init__(name, description)

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Let credit grow by the weights, and take the total from whoever is chosen."""
        found = super().act(columns, mask)
        credit = self._remembered(mask)
        credit[np.arange(len(found)), found] -= self._gain.sum(axis=1)
        return found

    def _score(self, c: Columns, choice: NDArray[np.bool_]) -> Array:
        credit = self._remembered(choice)
        self._gain = np.where(choice, c.speed if self.weighted else 1.0, 0.0).astype(np.float64)
        credit += self._gain
        return credit


class PowerOfTwo(Dispatching):
    """The better of two servers at random (M. Mitzenmacher, IEEE TPDS 2001).

    Args:
        name: as users type it.
        description: one line.
        column: what the better has less of.
    """

    def __init__(self, name: str, description: str, column: str) -> None:
        self.column = column
        super().__init__(name, description)

    def _score(self, c: Columns, choice: NDArray[np.bool_]) -> Array:
        draw = np.where(choice, self._rng.random(choice.shape), -1.0)
        second = np.sort(draw, axis=1)[:, -2:-1]
        return np.where(draw >= second, -getattr(c, self.column), -2.0)
