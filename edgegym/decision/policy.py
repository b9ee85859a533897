"""Whatever acts is a policy: it scores candidates, or it plays a whole episode by itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.draws import bits
from edgegym.decision.spaces import Columns
from edgegym.decision.system import System

Kind = Literal["heuristic", "bound", "learned"]


@dataclass(frozen=True)
class EpisodeResult:
    """What an episode ended with.

    Attributes:
        total: the return, sum of the rewards; NaN where a bound says nothing about it.
        metrics: the family's metrics; NaN where a bound says nothing.
        series: named curves over the episode, for the family's own pictures.
        cpu_s: CPU seconds of the whole episode, environment included; a share of the batch's where several ran side by
            side. Measured, so no part of what an episode is: results are equal whatever it says.
        decision_s: CPU seconds of a decision of the policy alone; NaN where it plays episodes by itself. Likewise.
    """

    total: float
    metrics: Mapping[str, float]
    series: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    cpu_s: float = field(default=math.nan, compare=False)
    decision_s: float = field(default=math.nan, compare=False)


class Policy(ABC):
    """Base of all policies.

    Attributes:
        name: as users type it.
        kind: ``"heuristic"``, ``"bound"`` or ``"learned"``.
        description: one line for ``edgegym list``.
    """

    name: str
    kind: Kind = "heuristic"
    description: str = ""


class ActingPolicy(Policy):
    """A policy that chooses among the candidates of pending decisions, many rows at a time."""

    @abstractmethod
    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose an allowed candidate in every row.

        Args:
            columns: candidate and context columns by name.
            mask: (rows, candidates) bool.

        Returns:
            (rows,) int64.
        """

    def begin(self, seed: int) -> None:  # most policies keep no state between decisions
        """Prepare for a batch of episodes, the first of which has workload seed ``seed``."""


class PlayingPolicy(Policy):
    """A policy that plays an episode by itself, because it keeps state that candidates do not show."""

    @abstractmethod
    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode that ``system.begin(row, workload_seed, options)`` would start."""


Score = Callable[[Columns], NDArray[Any]]


class ScorePolicy(ActingPolicy):
    """Takes the allowed candidate with the highest score, the first one among equals.

    Args:
        name: as users type it.
        score: from columns to (rows, candidates); usually one line.
        description: one line; the function's docstring if left out.
    """

    def __init__(self, name: str, score: Score, description: str = "") -> None:
        self.name, self.score = name, score
        self.description = description or (score.__doc__ or "").strip().split("\n")[0]

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose the best-scored allowed candidate."""
        return np.where(mask, self.score(columns), -np.inf).argmax(axis=1)


class UniformPolicy(ActingPolicy):
    """Takes an allowed candidate uniformly at random, from a stream that its seed fixes."""

    name = "Uniform"
    description = "An allowed candidate uniformly at random."

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, seed: int) -> None:
        """Restart the stream."""
        self._rng = np.random.default_rng(int(bits(seed, 0)))

    def act(self, columns: Columns, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Choose among the allowed candidates."""
        return np.where(mask, self._rng.random(mask.shape), -1.0).argmax(axis=1)
