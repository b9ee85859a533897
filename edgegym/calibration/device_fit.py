"""Device cards from tables of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.fits.folds import errors_of
from edgegym.calibration.fits.forms import BASELINES, LAYER_FORMS, MODEL_FORMS, Form
from edgegym.calibration.fits.intervals import parameters_of, significant
from edgegym.calibration.fits.known import held_out_known_family, known_kinds
from edgegym.calibration.fits.memory import assumed_memory, fit_memory, fit_power
from edgegym.calibration.fits.selecting import Rows, choose_and_fit, fit_form, held_out
from edgegym.calibration.fits.solver import FittedForm
from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.cards import DeviceCard, LatencyModel, PredictionError, Provenance, Work
from edgegym.cards.work import LayerWork
from edgegym.errors import TableError

Array = NDArray[np.float64]
FEWEST_ROWS, FEWEST_FAMILIES = 4, 2
MEMORY_NOTE = "Memory: the width of the number format, all activations alive at once; not measured."


@dataclass(frozen=True)
class Calibration:
    """A card and the predictions behind its errors.

    Attributes:
        card: the card.
        table: the rows of the fit.
        held_out_s: (n,) seconds predicted by fits that did not see the row's family.
    """

    card: DeviceCard
    table: MeasuredTable
    held_out_s: Array


def rows_of(table: MeasuredTable, groups: NDArray[np.str_] | None = None) -> Rows:
    """What the fits see of a table; families stay together unless other groups are given."""
    return Rows(table.work.columns(table.batch), table.time_s, table.family if groups is None else groups)


def calibrate(table: MeasuredTable, name: str, provenance: Provenance) -> Calibration:
    """Fit a card.

    Args:
        table: rows of one device.
        name: name of the card.
        provenance: where the table comes from.

    Raises:
        TableError: for fewer rows or families than held-out errors need.
    """
    families = len(np.unique(table.family))
    if len(table) < FEWEST_ROWS or families < FEWEST_FAMILIES:
        raise TableError(
            f"{table.source}: column model, row at line {table.line[0]} and others: {len(table)} rows of {families} "
            f"families; held-out errors need at least {FEWEST_ROWS} rows of {FEWEST_FAMILIES} families. Measure more "
            "models, or predict from anchors with --anchors."
        )
    if isinstance(table.work, LayerWork):
        return _calibrated(table, name, provenance, LAYER_FORMS)
    return _calibrated(table, name, provenance, MODEL_FORMS)


def _calibrated(table: MeasuredTable, name: str, provenance: Provenance, forms: Sequence[Form]) -> Calibration:
    rows = rows_of(table)
    fitter = choose_and_fit(forms)
    fitted, unseen_s = fitter(rows), held_out(rows, fitter)
    single_layers = isinstance(table.work, LayerWork)
    memory = None if isinstance(table.work, LayerWork) else fit_memory(table.work, table.batch, table.memory_bytes)
    if memory is None and (memory := assumed_memory(table.dtype)) is not None:
        provenance = provenance.model_copy(update={"assumed": {"memory": MEMORY_NOTE, **provenance.assumed}})
    model = latency_model(rows, fitted, table.work)
    layer_model, layer_error = _layer_model(table.layers)
    residual = np.log(table.time_s / unseen_s)
    card = DeviceCard(
        name=name,
        provenance=provenance,
        device=table.device or name,
        runtime=table.runtime,
        dtype=table.dtype,
        threads=table.threads,
        batches=(float(table.batch.min()), float(table.batch.max())),
        rows=len(table),
        families=len(np.unique(table.family)),
        latency=model,
        layer_latency=model if single_layers else layer_model,
        held_out=errors_of(unseen_s, table.time_s),
        held_out_known_family=None if single_layers else _known_family_error(table, rows, fitted.form),
        held_out_layer=layer_error,
        held_out_batch=None if single_layers else _batch_error(table),
        baselines={form.name: errors_of(held_out(rows, fit_form(form)), table.time_s) for form in BASELINES},
        sigma=significant(1.4826 * float(np.median(np.abs(residual - np.median(residual)))), 3),
        run_sigma=None if table.run_sigma is None else significant(table.run_sigma, 3),
        power=fit_power(table.time_s, table.energy_j),
        memory=memory,
    )
    # The models of a profile are those that its machine is asked about: each is told by its own time.
    if card.held_out_known_family is not None or (table.layers is not None and not single_layers):
        residual = np.log(table.time_s / fitted.seconds(rows.columns))
        known = known_kinds(residual, table.model, table.family, table.work.macs)
        card = card.model_copy(update={"known": known})
    return Calibration(card, table, unseen_s)


def latency_model(rows: Rows, fitted: FittedForm, work: Work | LayerWork) -> LatencyModel:
    """The fit as a card holds it."""
    shares = traffic = None
    if isinstance(work, Work) and work.class_macs is not None and any("macs." in name for name in fitted.costs):
        shares = _mean_of(work.class_macs / work.macs[:, None])
    if isinstance(work, Work) and work.class_elements is not None and any("elements." in n for n in fitted.costs):
        traffic = _mean_of(work.class_elements / work.act_elements[:, None])
    return LatencyModel(
        form=fitted.form.name,
        hiding_power=fitted.form.hiding_power,
        parameters=parameters_of(rows, fitted),
        typical_mac_shares=shares,
        typical_traffic=traffic,
    )


def _mean_of(shares: Array) -> tuple[float, ...]:
    return tuple(significant(float(value), 3) for value in shares.mean(axis=0))


def _layer_model(layers: MeasuredTable | None) -> tuple[LatencyModel | None, PredictionError | None]:
    """Model of single layers and its held-out error, if there are enough of them."""
    if layers is None or len(layers) < FEWEST_ROWS or len(np.unique(layers.family)) < FEWEST_FAMILIES:
        return None, None
    rows, fitter = rows_of(layers), choose_and_fit(LAYER_FORMS)
    error = errors_of(held_out(rows, fitter), layers.time_s)
    return latency_model(rows, fitter(rows), layers.work), error


def _known_family_error(table: MeasuredTable, rows: Rows, form: Form) -> PredictionError | None:
    """Error for further models of known families, where families have several models."""
    if len(np.unique(table.family)) > len(np.unique(table.model)) / 2:
        return None
    predicted = held_out_known_family(rows, table.model, table.family, table.work.macs, fit_form(form))
    return errors_of(predicted, table.time_s)


def _batch_error(table: MeasuredTable) -> PredictionError | None:
    """Error at batch sizes that the fit did not see, those between the smallest and the largest."""
    sizes = np.unique(table.batch)
    if len(sizes) < 3 or len(table) < 5 * len(sizes) or len(np.unique(table.model)) * 2 > len(table):
        return None
    predicted = np.full(len(table), np.nan)
    rows = rows_of(table)
    for size in sizes[1:-1]:
        unseen = table.batch == size
        predicted[unseen] = choose_and_fit(MODEL_FORMS)(rows[~unseen]).seconds(rows[unseen].columns)
    told = np.isfinite(predicted)
    return errors_of(predicted[told], table.time_s[told])


def _macs(table: MeasuredTable) -> Array:
    return table.work.macs
