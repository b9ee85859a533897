"""The recurrent network in torch, whose weights :mod:`edgegym.mobility.recurrent` reads; and what it is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgegym.mobility.recurrent import INPUTS, PredictorRecord
from edgegym.mobility.sites import OUTSIDE

NOBODY = -1
"""Next cell of a user that is not seen to leave."""


class RecurrentNetwork(nn.Module):
    """Corrections to a chain's log-odds of leaving and log-probabilities of the next other cell.

    Args:
        record: its shape.
    """

    def __init__(self, record: PredictorRecord) -> None:
        super().__init__()
        self.embedding = nn.Embedding(record.cells, record.embedding)
        self.recurrent = nn.GRU(len(INPUTS[record.inputs]) + record.embedding, record.hidden)
        self.leave = nn.Linear(record.hidden, record.horizon)
        self.towards = nn.Linear(record.hidden, record.cells)
        nn.init.normal_(self.embedding.weight, std=0.1)
        for last in (self.leave, self.towards):  # training begins at the chain itself
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def forward(self, inputs: Tensor, cell: Tensor, leave: Tensor, towards: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds and log-probabilities, corrected.

        Args:
            inputs: (slots, users, inputs).
            cell: (slots, users).
            leave: (slots, users) the chain's log-odds.
            towards: (slots, users, cells) the chain's log-probabilities.

        Returns:
            (slots, users, horizon) log-odds, (slots, users, cells) log-probabilities.
        """
        hidden, _ = self.recurrent(torch.cat([inputs, self.embedding(cell)], dim=-1))
        return leave.unsqueeze(-1) + self.leave(hidden), functional.log_softmax(towards + self.towards(hidden), dim=-1)


@dataclass(frozen=True)
class Departures:
    """What came after each slot.

    Attributes:
        stayed: (slots, users) further slots that the user was seen in its cell.
        cell: (slots, users) the next other cell, or -1 where the session ends first.
    """

    stayed: NDArray[np.int64]
    cell: NDArray[np.int64]

    @classmethod
    def of(cls, cell: NDArray[np.int32]) -> Departures:
        """Those of a trace (slots, users)."""
        stayed, target = np.zeros(cell.shape, np.int64), np.full(cell.shape, NOBODY, np.int64)
        for t in range(len(cell) - 2, -1, -1):
            here, then = cell[t], cell[t + 1]
            known = (here != OUTSIDE) & (then != OUTSIDE)
            stays = known & (here == then)
            stayed[t] = np.where(stays, stayed[t + 1] + 1, 0)
            target[t] = np.where(stays, target[t + 1], np.where(known, then, NOBODY))
        return cls(stayed, target)


def surprise(leave: Tensor, towards: Tensor, stayed: Tensor, target: Tensor, there: Tensor) -> Tensor:
    """Mean negative log-likelihood a slot of when users left within the horizon, and of where they went.

    Args:
        leave: (slots, users, horizon) log-odds.
        towards: (slots, users, cells) log-probabilities.
        stayed: (slots, users), as are all that follow; see :class:`Departures`.
        target: next other cell.
        there: whether the slot counts.
    """
    ahead = torch.arange(leave.shape[-1])
    left = (target != NOBODY) & there
    leaves = left.unsqueeze(-1) & (ahead == stayed.unsqueeze(-1))
    at_risk = there.unsqueeze(-1) & ((ahead < stayed.unsqueeze(-1)) | leaves)
    when = functional.binary_cross_entropy_with_logits(leave, leaves.to(leave.dtype), reduction="none")
    where = -towards.gather(-1, target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    return ((when * at_risk).sum() + (where * left).sum()) / there.sum().clamp(min=1)
