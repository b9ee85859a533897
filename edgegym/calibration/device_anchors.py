"""What a few anchors say about the rest of a table, and how far off that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.anchors import level_only, predict_like_others, spread_out
from edgegym.calibration.fits.folds import errors_of
from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.cards import DevicePriorCard, PredictionError, Work, list_cards, load_card
from edgegym.errors import TableError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class AnchorResult:
    """Prediction of a table from some of its rows.

    Attributes:
        prior: name of the prior.
        anchors: models (with batch, where it varies) that were taken.
        rest: the other rows.
        predicted_s: (rest,) their predicted seconds.
        error: errors on the rest.
        flops: errors of times in proportion to MACs through the same anchors.
    """

    prior: str
    anchors: tuple[str, ...]
    rest: MeasuredTable
    predicted_s: Array
    error: PredictionError
    flops: PredictionError


def predict_from_anchors(table: MeasuredTable, anchors: int, prior: DevicePriorCard | None = None) -> AnchorResult:
    """Take the most telling rows, predict the others.

    Args:
        table: rows of whole models on one device.
        anchors: how many rows to take.
        prior: what devices have in common; the library's for the table's runtime if left out.

    Raises:
        TableError: for a table of layers.
        EdgeGymError: for too few rows.
    """
    if not isinstance(table.work, Work):
        raise TableError(f"{table.source}: holds single layers; anchors are whole models.")
    prior = prior or prior_for(table)
    if prior is None:
        return _like_other_devices(table, table.work, anchors)
    known = np.isin(table.model, prior.models)
    told = table[known]
    chosen = prior.most_telling(told.model.tolist(), anchors)
    seen = np.isin(told.model, chosen)
    seconds = dict(zip(told.model.tolist(), told.time_s.tolist(), strict=True))
    rest = told[~seen]
    times = {model: seconds[model] for model in chosen}
    predicted, _ = prior.predict(times, rest.model.tolist())
    macs = dict(zip(told.model.tolist(), told.work.macs.tolist(), strict=True))
    by_macs = level_only(macs, times, rest.model.tolist())
    flops = errors_of(by_macs, rest.time_s)
    return AnchorResult(prior.name, tuple(chosen), rest, predicted, errors_of(predicted, rest.time_s), flops)


def prior_for(table: MeasuredTable) -> DevicePriorCard | None:
    """The library's prior for a runtime, or None."""
    name = table.runtime.lower().replace(" ", "_")
    return load_card(name, "prior") if name in list_cards("prior")["prior"] else None


def _like_other_devices(table: MeasuredTable, work: Work, anchors: int) -> AnchorResult:
    """Without a prior over these models: a mixture of the library's devices that know all the columns."""
    others = [load_card(name, "device") for name in list_cards("device")["device"]]
    columns = work.columns(table.batch)
    able = [card for card in others if card.latency.serves(columns) and card.device != table.device]
    seen = spread_out(work, table.batch, anchors)
    predicted = predict_like_others(work, table.batch, seen, table.time_s[seen], able)
    unseen = np.ones(len(table), bool)
    unseen[seen] = False
    per_mac = np.exp(np.mean(np.log(table.time_s[seen] / columns["macs"][seen])))
    varied = len(np.unique(table.batch)) > 1
    names = [f"{table.model[i]}{f' (batch {table.batch[i]:g})' if varied else ''}" for i in seen]
    return AnchorResult(
        "library devices",
        tuple(names),
        table[unseen],
        predicted[unseen],
        errors_of(predicted[unseen], table.time_s[unseen]),
        errors_of(per_mac * columns["macs"][unseen], table.time_s[unseen]),
    )
