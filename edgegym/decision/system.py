"""The protocol of a family: a system is the pure game, arrays with a leading row axis and no gymnasium.

A family implements :class:`System` over its numba kernel; the shells in :mod:`~edgegym.decision.single` and
:mod:`~edgegym.decision.vector` turn it into environments, and the harness runs policies on it. All that families share
(seeding, autoreset, truncation, masks, infos) lives in the shells, so a family knows nothing of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.metrics import Metric
from edgegym.errors import SettingsError, unknown
from edgegym.settings import Settings, merged

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FALLBACK = 0
"""The candidate that is always allowed: admit nothing, reject, stay, run locally."""


@dataclass(frozen=True)
class Decisions:
    """One pending decision per row, as fresh arrays that a system's kernel fills.

    Attributes:
        candidates: (rows, candidates, candidate features) float32 in [0, 1].
        context: (rows, context features) float32 in [0, 1].
        mask: (rows, candidates) int8, 1 = allowed; candidate 0 always is.
        reward: (rows,) float64, what the last action earned until now.
        done: (rows,) bool, the episode's trace is exhausted and no decision is pending.
    """

    candidates: NDArray[np.float32]
    context: NDArray[np.float32]
    mask: NDArray[np.int8]
    reward: NDArray[np.float64]
    done: NDArray[np.bool_]

    @classmethod
    def empty(cls, system: System) -> Self:
        """Allocate arrays for all rows of ``system``; every entry is written by the kernel."""
        rows, candidates = system.rows, system.num_candidates
        return cls(
            np.empty((rows, candidates, len(system.candidate_features)), np.float32),
            np.empty((rows, len(system.context_features)), np.float32),
            np.empty((rows, candidates), np.int8),
            np.zeros(rows, np.float64),
            np.zeros(rows, np.bool_),
        )

    def copy_row(self, row: int) -> Decisions:
        """Return row ``row`` as a one-row copy."""
        part = slice(row, row + 1)
        return Decisions(
            self.candidates[part].copy(),
            self.context[part].copy(),
            self.mask[part].copy(),
            self.reward[part].copy(),
            self.done[part].copy(),
        )


class System(ABC):
    """The state and the transitions of ``rows`` independent copies of one system.

    From :meth:`begin` on, a row is a deterministic function of its episode (workload seed and options) and the actions.

    Attributes:
        rows: number of independent copies.
        num_candidates: length of every candidate list, the fallback at index 0 included.
    """

    settings_class: ClassVar[type[Settings]]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    training_only: ClassVar[Mapping[str, Any]] = {}
    """Settings that evaluation lays over whatever it is given, to switch clairvoyant signals off."""
    candidate_features: tuple[str, ...]
    """Of the class; an instance may have more, which its settings add at the end."""
    context_features: ClassVar[tuple[str, ...]]
    metrics: ClassVar[tuple[Metric, ...]]

    rows: int
    num_candidates: int

    @abstractmethod
    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Load an episode into a row and run it up to its first decision.

        Args:
            row: which copy.
            workload_seed: the only source of randomness of the episode.
            options: the family's own ``reset`` options, for example a trace.

        Raises:
            EdgeGymError: for options that are unknown or do not fit.
        """

    @abstractmethod
    def step(self, actions: NDArray[np.int64], active: NDArray[np.bool_], out: Decisions) -> None:
        """Apply one action in every active row and run it to its next decision; then fill ``out`` for all rows.

        A forbidden action takes candidate 0 and is counted. In rows that are not active nothing moves and the reward
        is 0, but the pending decision is written all the same.
        """

    @abstractmethod
    def episode_metrics(self, row: int) -> dict[str, float]:
        """Metrics of the row's episode so far, a float for each name in :attr:`metrics` and ``invalid_actions``."""

    def episode_series(self, row: int) -> dict[str, NDArray[np.float64]]:
        """Named curves over the row's episode so far, for the family's pictures; none by default."""
        return {}

    def draw(self, row: int, axes: Axes) -> bool:
        """Draw the row's state into matplotlib axes, for pictures of the environment.

        Returns:
            Whether there is such a picture; by default there is none.
        """
        return False

    def provenance(self) -> dict[str, str]:
        """Where the costs and the workload come from: cards and traces with their sources, for reports."""
        return {}

    @abstractmethod
    def progress(self) -> float:
        """Fraction of the rows' episodes that is done, for progress bars."""

    def observe(self, out: Decisions) -> None:
        """Fill ``out`` with the pending decisions without moving anything."""
        self.step(np.zeros(self.rows, np.int64), np.zeros(self.rows, np.bool_), out)

    def memory_bytes(self) -> int:
        """Bytes of the state arrays over all rows."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray))


def make_settings(system_class: type[System], preset: str | None, values: Mapping[str, Any]) -> Settings:
    """Validate the settings of a family, laid over one of its presets.

    Raises:
        SettingsError: for an unknown preset or field, or a value out of range.
    """
    base: Mapping[str, Any] = {}
    if preset is not None:
        if preset not in system_class.presets:
            raise unknown("preset", preset, system_class.presets, SettingsError)
        base = system_class.presets[preset]
    return system_class.settings_class.parse(merged(base, values), system_class.__name__.removesuffix("System"))


def check_options(options: Mapping[str, Any], allowed: Mapping[str, str]) -> Mapping[str, Any]:
    """Check a family's reset options against the names that it documents.

    Raises:
        EdgeGymError: naming the unknown option.
    """
    for name in options:
        if name not in allowed:
            raise unknown("reset option", name, allowed)
    return options
