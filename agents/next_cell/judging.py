"""How good a prediction of the next cell is on users that it was not fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.evaluation.statistics import LEVEL, RESAMPLES, Estimate
from edgegym.mobility.sites import OUTSIDE

MEASURES = ("log_loss", "top_1", "top_3", "moved_top_1", "moved_top_3")
"""Mean of minus ln of the probability of the cell that came, nats; share of slots in which that cell was the most
likely one, or among the three most likely; the same for the slots after which the user changed cell, among the other
cells."""


@dataclass(frozen=True)
class Judgement:
    """Sums over each user's slots in an episode.

    Attributes:
        sums: measure to (users,) sums.
        slots: (users,) slots that have a next one.
        moves: (users,) those after which the cell changed.
    """

    sums: dict[str, NDArray[np.float64]]
    slots: NDArray[np.float64]
    moves: NDArray[np.float64]

    def count(self, measure: str) -> NDArray[np.float64]:
        """(users,) slots that a measure is a mean of."""
        return self.moves if measure.startswith("moved") else self.slots


def judge(next_cell: NDArray[np.float32], cell: NDArray[np.int32]) -> Judgement:
    """Judge predictions.

    Args:
        next_cell: (slots, users, cells) probability of each cell in the next slot.
        cell: (slots, users) where the users were.
    """
    known = (cell[:-1] != OUTSIDE) & (cell[1:] != OUTSIDE)
    slot, user = np.nonzero(known)
    here, then = cell[slot, user], cell[slot + 1, user]
    p = next_cell[slot, user].astype(np.float64)
    moved = (here != then).astype(np.float64)
    rank = _rank(p, then)
    other = p.copy()
    other[np.arange(len(other)), here] = -1.0
    moved_rank = _rank(other, then)
    each = {
        "log_loss": -np.log(np.maximum(p[np.arange(len(p)), then], 1e-12)),
        "top_1": rank < 1,
        "top_3": rank < 3,
        "moved_top_1": moved * (moved_rank < 1),
        "moved_top_3": moved * (moved_rank < 3),
    }
    users = cell.shape[1]

    def of_users(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(user, values, users).astype(np.float64)

    sums = {name: of_users(values) for name, values in each.items()}
    return Judgement(sums, of_users(np.ones(len(user))), of_users(moved))


def _rank(p: NDArray[np.float64], cell: NDArray[np.int32]) -> NDArray[np.int64]:
    """Cells that are more likely than the one that came, and half of those that are as likely."""
    own = p[np.arange(len(p)), cell][:, None]
    return (p > own).sum(axis=1) + ((p == own).sum(axis=1) - 1) // 2


def joined(judgements: list[Judgement]) -> Judgement:
    """All users of several judgements; one that is in two episodes counts as two."""
    sums = {name: np.concatenate([one.sums[name] for one in judgements]) for name in MEASURES}
    slots, moves = (np.concatenate([getattr(one, name) for one in judgements]) for name in ("slots", "moves"))
    return Judgement(sums, slots, moves)


def mean(runs: list[Judgement], measure: str, against: Judgement | None = None) -> Estimate:
    """Mean of a measure over slots and runs, or its excess over another predictor's; the interval resamples users.

    Args:
        runs: one judgement for each seed, of the same users.
        measure: one of :data:`MEASURES`.
        against: what to subtract.

    Returns:
        NaN without an interval where there is nothing to judge, as of moves where nobody moved.
    """
    count = runs[0].count(measure)
    if not count.sum():
        return Estimate.point(float("nan"))
    sums = np.mean([run.sums[measure] for run in runs], axis=0) - (against.sums[measure] if against else 0.0)
    drawn = np.random.default_rng(0).integers(len(count), size=(RESAMPLES, len(count)))
    means = sums[drawn].sum(axis=1) / np.maximum(count[drawn].sum(axis=1), 1.0)
    low, high = np.quantile(means, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Estimate(float(sums.sum() / count.sum()), float(low), float(high), "users")
