"""Spaces and observations that every family shares: candidates, context and mask, or one flat vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from edgegym.decision.system import Decisions, System
from edgegym.errors import SettingsError, unknown

ObservationKind = Literal["dict", "flat"]
OBSERVATION_KINDS = ("dict", "flat")


def observation_space(system: System, kind: str) -> spaces.Space[Any]:
    """The observation space of one row.

    Args:
        system: gives the numbers of candidates and features.
        kind: ``"dict"`` for ``{"candidates", "context", "mask"}``, ``"flat"`` for one Box that holds the same numbers
            in that order.

    Raises:
        SettingsError: for another kind.
    """
    if kind not in OBSERVATION_KINDS:
        raise unknown("observation", kind, OBSERVATION_KINDS, SettingsError)
    candidates = (system.num_candidates, len(system.candidate_features))
    context = len(system.context_features)
    if kind == "flat":
        return spaces.Box(0.0, 1.0, (candidates[0] * candidates[1] + context + candidates[0],), np.float32)
    return spaces.Dict(
        {
            "candidates": spaces.Box(0.0, 1.0, candidates, np.float32),
            "context": spaces.Box(0.0, 1.0, (context,), np.float32),
            "mask": spaces.MultiBinary(system.num_candidates),
        }
    )


def observation(decisions: Decisions, kind: str) -> Any:
    """Batched observation of all rows; the arrays are those of ``decisions`` (dict) or new (flat)."""
    if kind == "flat":
        rows = len(decisions.mask)
        parts = (decisions.candidates.reshape(rows, -1), decisions.context, decisions.mask.astype(np.float32))
        return np.concatenate(parts, axis=1)
    return {"candidates": decisions.candidates, "context": decisions.context, "mask": decisions.mask}


def row_observation(decisions: Decisions, kind: str, row: int) -> Any:
    """Observation of one row, as a single environment returns it."""
    batch = observation(decisions, kind)
    return batch[row] if kind == "flat" else {key: value[row] for key, value in batch.items()}


class Columns:
    """Candidate and context columns by name, for policies that score candidates.

    ``columns.age`` is (rows, candidates) for a candidate feature and (rows, 1) for a context feature, so that both
    mix in one expression.
    """

    def __init__(
        self,
        candidates: NDArray[np.float32],
        context: NDArray[np.float32],
        candidate_features: Sequence[str],
        context_features: Sequence[str],
    ) -> None:
        self._candidates, self._context = candidates, context
        self._where = {name: (True, i) for i, name in enumerate(candidate_features)}
        self._where |= {name: (False, i) for i, name in enumerate(context_features)}

    def __getattr__(self, name: str) -> NDArray[np.float32]:
        """Return the column of that name.

        Raises:
            AttributeError: naming the columns that exist.
        """
        if name.startswith("_") or name not in self._where:
            raise AttributeError(str(unknown("column", name, () if name.startswith("_") else self._where)))
        of_candidate, index = self._where[name]
        return self._candidates[..., index] if of_candidate else self._context[..., index : index + 1]
