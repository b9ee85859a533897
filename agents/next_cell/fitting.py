"""Fitting a recurrent predictor to the training users."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgegym.agents.next_cell.network import Departures, RecurrentNetwork, surprise
from edgegym.agents.next_cell.settings import NextCellSettings
from edgegym.errors import SettingsError
from edgegym.mobility.markov import cells_before, fit_chain
from edgegym.mobility.motion import Walks, motion_inputs
from edgegym.mobility.recurrent import INPUTS, CellPredictor, PredictorRecord, Prior
from edgegym.mobility.sites import OUTSIDE

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""Inputs (slots, stretches, inputs); then (slots, stretches): cell, row of the prior, slots stayed, next other cell."""


@dataclass(frozen=True)
class Stretches:
    """The training users' sessions, cut into stretches of a bounded length.

    Attributes:
        prior: of all chains, one below the other.
        parts: of each stretch inputs (slots, inputs) and a table (slots, 4): cell, row of the prior, slots stayed,
            next other cell.
        user: (stretches,) whose it is.
    """

    prior: Prior
    parts: list[tuple[Tensor, Tensor]]
    user: NDArray[np.int64]

    @classmethod
    def of(cls, walks: Walks, xy: NDArray[np.float64], names: tuple[str, ...], settings: NextCellSettings) -> Stretches:
        """Cut up walks; a user's prior is that of a chain fitted without its fold of the users."""
        cell, cells = walks.cell, len(xy)
        there, fold = cell != OUTSIDE, np.arange(cell.shape[1]) % settings.folds
        here, before = np.where(there, cell, 0), np.where(there, cells_before(cell), 0)
        row, priors, rows = np.zeros(cell.shape, np.int64), [], 0
        for k in range(settings.folds):
            chain = fit_chain(cell[:, fold != k], cells)
            own = fold == k
            row[:, own] = rows + chain.state[before[:, own], here[:, own]]
            priors.append(Prior.of(chain))
            rows += len(chain.cell)
        prior = Prior(*(np.concatenate([getattr(one, name) for one in priors]) for name in ("leave", "towards")))
        ahead, inputs = Departures.of(cell), motion_inputs(walks, xy, names)
        table = np.stack([here, row, ahead.stayed, ahead.cell], axis=-1)
        parts, users = [], []
        for user in range(cell.shape[1]):
            for start, stop in _stretches(there[:, user], settings.window):
                parts.append(
                    (
                        torch.from_numpy(inputs[start:stop, user].copy()),
                        torch.from_numpy(table[start:stop, user].copy()),
                    )
                )
                users.append(user)
        return cls(prior, parts, np.array(users, np.int64))


def _stretches(there: NDArray[np.bool_], window: int) -> list[tuple[int, int]]:
    """Starts and stops of the runs of True, cut at ``window``; single slots tell nothing and are left out."""
    edges = np.flatnonzero(np.diff(np.r_[False, there, False])).reshape(-1, 2)
    cut = [(t, min(t + window, stop)) for start, stop in edges for t in range(start, stop, window)]
    return [(start, stop) for start, stop in cut if stop - start > 1]


def fit_predictor(
    walks: Walks,
    xy: NDArray[np.float64],
    record: PredictorRecord,
    settings: NextCellSettings,
    seed: int,
    progress: Callable[[float], None] = lambda done: None,
) -> CellPredictor:
    """Train a recurrent network and keep its best epoch.

    Args:
        walks: of the training users.
        xy: (cells, 2) positions of the cells' sites.
        record: shape of the predictor.
        settings: how to train.
        seed: of the initial weights, the users held out, and the order of the stretches.
        progress: called with the fraction done.

    Raises:
        SettingsError: if there is nothing to train on, or training diverges from the first epoch on.
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    data = Stretches.of(walks, xy, INPUTS[record.inputs], settings)
    held = np.isin(data.user, rng.permutation(walks.cell.shape[1])[: round(settings.holdout * walks.cell.shape[1])])
    fitted, judged = np.flatnonzero(~held), np.flatnonzero(held)
    if not len(fitted):
        raise SettingsError(
            f"next_cell.holdout: with a holdout of {settings.holdout:g} of {walks.cell.shape[1]} training users nobody "
            "is left who is seen in two slots in a row; lower it, or give more users or longer sessions."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = RecurrentNetwork(record)
    optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * -(-len(fitted) // settings.batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    best, kept = np.inf, copy.deepcopy(network.state_dict())
    for epoch in range(settings.epochs):
        for chosen in _batches(rng.permutation(fitted), settings.batch):
            loss = _loss(network, data, chosen)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        score = _score(network, data, judged if len(judged) else fitted, settings.batch)
        if score < best:
            best, kept = score, copy.deepcopy(network.state_dict())
        progress((epoch + 1) / settings.epochs)
    if not np.isfinite(best):
        raise SettingsError(
            f"next_cell.learning_rate: training diverged with {settings.learning_rate:g}: no epoch has a finite error; "
            "lower it."
        )
    return CellPredictor(record, {name: value.numpy() for name, value in kept.items()})


def _batches(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


def _loss(network: RecurrentNetwork, data: Stretches, chosen: NDArray[np.int64]) -> Tensor:
    pad = torch.nn.utils.rnn.pad_sequence
    inputs = pad([data.parts[i][0] for i in chosen])
    table = pad([data.parts[i][1] for i in chosen], padding_value=-2)
    cell, row, stayed, target = table.unbind(-1)
    there = cell >= 0
    leave, towards = (torch.from_numpy(each)[row.clamp(min=0)] for each in (data.prior.leave, data.prior.towards))
    found = network(inputs, cell.clamp(min=0), leave, towards)
    return surprise(found[0], found[1], stayed, target.clamp(min=-1), there)


def _score(network: RecurrentNetwork, data: Stretches, chosen: NDArray[np.int64], batch: int) -> float:
    """Mean over the stretches' batches, weighted by their slots."""
    with torch.no_grad():
        parts = _batches(chosen, batch)
        slots = np.array([sum(len(data.parts[i][0]) for i in part) for part in parts])
        losses = np.array([float(_loss(network, data, part)) for part in parts])
    return float((losses * slots).sum() / slots.sum())
