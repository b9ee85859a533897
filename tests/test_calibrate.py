"""Calibration: known parameters come back, folds are honest, wrong tables are refused, and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from edgegym.calibration.device_anchors import predict_from_anchors
from edgegym.calibration.device_fit import calibrate
from edgegym.calibration.fits.anchors import fit_prior
from edgegym.calibration.fits.folds import errors_of, grouped_folds
from edgegym.calibration.fits.forms import LAYER_FORMS, MODEL_FORMS
from edgegym.calibration.fits.intervals import parameters_of
from edgegym.calibration.fits.selecting import Rows, choose_form, fit_form, held_out
from edgegym.calibration.fits.solver import fit
from edgegym.calibration.tables import read_table
from edgegym.cards import LayerWork, Provenance, Work, load_card
from edgegym.cards.latency import combined
from edgegym.errors import EdgeGymError, TableError

from .measured_tables import ncnn_table, profile, timm_table

FORMS = {form.name: form for form in (*MODEL_FORMS, *LAYER_FORMS)}
PROVENANCE = Provenance(source="a test")


def work(rows: int, seed: int = 0) -> tuple[Work, np.ndarray, np.ndarray]:
    """Work of made-up models, their batch and family; counts vary apart from each other, as the zoo's do."""
    rng = np.random.default_rng(seed)
    counts = np.exp(rng.normal(np.log([2e9, 8e6, 2e7]), [1.2, 1.0, 1.0], (rows, 3)))
    layers = rng.integers(20, 300, rows).astype(float)
    shares = rng.dirichlet([2, 4, 0.5, 0.5, 0.5], rows)
    traffic = rng.gamma(2.0, 0.3, (rows, 8))
    families = np.array([f"family{place % 30}" for place in range(rows)])
    batch = rng.choice([1.0, 8.0, 64.0], rows)
    split = Work.of(*counts.T, layers, class_macs=counts[:, :1] * shares, class_elements=counts[:, 1:2] * traffic)
    return split, batch, families


def rows_with(form: str, costs: dict[str, float], noise: float = 0.03, rows: int = 240, seed: int = 0) -> Rows:
    """Rows that follow a form exactly, up to lognormal noise."""
    split, batch, families = work(rows, seed)
    columns = split.columns(batch)
    exact = combined(costs, columns, FORMS[form].hiding_power)
    return Rows(columns, exact * np.exp(np.random.default_rng(seed + 1).normal(0, noise, rows)), families)


ADDITIVE = {"overhead": 2e-3, "macs": 1e-12, "elements": 2e-11, "weights": 3e-10}
HIDDEN = {"layers": 2e-4, "macs": 1e-12, "elements": 2e-11, "weights": 3e-10}


@pytest.mark.parametrize(
    ("form", "costs"), [("additive", ADDITIVE), ("launch_added", HIDDEN), ("launch_hidden", HIDDEN)]
)
def test_known_costs_come_back(form: str, costs: dict[str, float]) -> None:
    fitted = fit(FORMS[form], *(lambda rows: (rows.columns, rows.time_s))(rows_with(form, costs)))
    # Noise of 3 % over 240 rows leaves about 3 % to a cost that is a tenth of the time.
    for name, cost in costs.items():
        assert fitted.costs[name] == pytest.approx(cost, rel=0.12), name


def test_costs_by_operator_come_back_in_predictions() -> None:
    names = FORMS["by_operator"].terms
    rng = np.random.default_rng(5)
    level = {"overhead": 1e-3, "weights": 2e-10}
    costs = {n: level.get(n) or (1e-12 if "macs" in n else 2e-11) * float(np.exp(rng.normal(0, 0.5))) for n in names}
    rows, unseen = rows_with("by_operator", costs), rows_with("by_operator", costs, noise=0.0, seed=9)
    fitted = fit_form(FORMS["by_operator"])(rows)
    assert errors_of(fitted.seconds(unseen.columns), unseen.time_s).mape < 0.02


def test_outliers_do_not_move_a_robust_fit() -> None:
    rows = rows_with("additive", ADDITIVE)
    spoiled = Rows(rows.columns, rows.time_s * np.where(np.arange(240) % 20 == 0, 8.0, 1.0), rows.groups)
    clean, robust = (fit_form(FORMS["additive"])(each).seconds(rows.columns) for each in (rows, spoiled))
    assert np.abs(np.log(robust / clean)).max() < 0.08


@settings(max_examples=25, deadline=None)
@given(st.floats(1e-4, 1e4))
def test_a_device_that_is_so_much_faster_has_so_much_lower_costs(factor: float) -> None:
    rows = rows_with("additive", ADDITIVE, rows=60)
    first, second = (
        fit_form(FORMS["additive"])(Rows(rows.columns, rows.time_s * scale, rows.groups)) for scale in (1.0, factor)
    )
    np.testing.assert_allclose(second.seconds(rows.columns), factor * first.seconds(rows.columns), rtol=1e-6)


def test_weights_count_rows_as_often() -> None:
    rows = rows_with("additive", ADDITIVE, rows=40)
    twice = np.repeat(np.arange(40), 1 + (np.arange(40) < 10))
    weighted = fit(FORMS["additive"], rows.columns, rows.time_s, 1.0 + (np.arange(40) < 10))
    repeated = fit(FORMS["additive"], {n: c[twice] for n, c in rows.columns.items()}, rows.time_s[twice])
    np.testing.assert_allclose(weighted.seconds(rows.columns), repeated.seconds(rows.columns), rtol=0.01)


def test_intervals_hold_the_truth_and_unseen_costs_are_not_identified() -> None:
    rows = rows_with("additive", {**ADDITIVE, "weights": 1e-15})
    found = parameters_of(rows, fit_form(FORMS["additive"])(rows))
    for name in ("macs", "elements"):
        low, high, truth = found[name].low, found[name].high, 1 / ADDITIVE[name]
        assert low is not None
        assert high is not None
        assert found[name].identified
        # A 90 % interval; the truth may lie a little outside.
        assert low * 0.97 < truth < high * 1.03
    assert not found["weights"].identified


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcdefghijkl"), min_size=2, max_size=60), st.integers(2, 12), st.integers(0, 99))
def test_folds_keep_families_apart(families: list[str], folds: int, seed: int) -> None:
    names = np.array(families)
    fold = grouped_folds(names, folds, seed)
    assert all(len(set(fold[names == name])) == 1 for name in set(families))
    assert len(set(fold)) == min(folds, len(set(families)))


def test_a_row_is_predicted_by_fits_that_did_not_see_its_family() -> None:
    """The fitter remembers what it was given."""
    rows = rows_with("additive", ADDITIVE, rows=60)
    seen: list[set[str]] = []

    def remember(part: Rows) -> Any:
        seen.append(set(part.groups.tolist()))
        return fit_form(FORMS["flops"])(part)

    held_out(rows, remember, folds=5)
    everything = set(rows.groups.tolist())
    assert set().union(*(everything - each for each in seen)) == everything
    assert sum(len(everything - each) for each in seen) == len(everything)


@pytest.mark.parametrize(
    ("form", "costs"),
    [
        ("affine_flops", {"overhead": 5e-3, "macs": 1e-12}),
        ("additive", ADDITIVE),
        ("launch_hidden", {**HIDDEN, "layers": 2e-3}),
    ],
)
def test_the_form_that_made_the_times_is_chosen(form: str, costs: dict[str, float]) -> None:
    assert choose_form(MODEL_FORMS, rows_with(form, costs)).name == form


def test_errors_by_hand() -> None:
    found = errors_of(np.array([1.1, 1.0, 3.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert (found.mape, found.median_ape, found.within_10) == (pytest.approx(0.4), pytest.approx(0.3), 0.25)
    assert found.spearman == pytest.approx(float(spearmanr([1.1, 1, 3, 8], [1, 2, 3, 4])[0]), abs=1e-4)


def test_a_layer_form_recovers_kinds_of_convolutions() -> None:
    rng = np.random.default_rng(0)
    inner, outer, size = (2 ** rng.integers(low, high, 400) for low, high in ((3, 9), (3, 9), (2, 7)))
    side, batch = rng.choice([1, 3, 5], 400), rng.choice([1.0, 8.0], 400)
    weights = side**2 * inner * outer
    layers = LayerWork(
        np.full(400, "conv"), *(np.asarray(a, float) for a in (
            weights * size**2, size**2 * inner, size**2 * outer, weights, inner, outer))
    )  # fmt: skip
    columns = layers.columns(batch)
    speed = {"layer_macs.pointwise": 1e-12, "layer_macs.3x3": 5e-13, "layer_macs.5x5": 2e-12}
    exact = combined({"overhead": 1e-5, "weights": 1e-11, "written.multiplying": 1e-11, **speed}, columns, 1.0)
    rows = Rows(columns, exact * np.exp(rng.normal(0, 0.03, 400)), np.arange(400).astype(str))
    fitted = fit_form(FORMS["layer"])(rows)
    for name, cost in speed.items():
        assert fitted.costs[name] == pytest.approx(cost, rel=0.15)
    assert errors_of(held_out(rows, fit_form(FORMS["layer"])), rows.time_s).mape < 0.04


def test_principal_components_predict_new_devices_with_gaps() -> None:
    rng = np.random.default_rng(3)
    loadings, profile = rng.normal(0, 0.4, (2, 12)), rng.normal(0, 1, 12)
    devices = rng.normal(0, 2, (80, 1)) + profile + rng.normal(0, 1, (80, 2)) @ loadings + rng.normal(0, 0.05, (80, 12))
    devices[rng.random(devices.shape) < 0.05] = np.nan
    found, learnt, noise = fit_prior(devices[:70], factors=2)
    assert noise == pytest.approx(0.05, rel=0.3)
    centred = loadings - loadings.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(
        (learnt - learnt.mean(axis=1, keepdims=True)).T @ (learnt - learnt.mean(axis=1, keepdims=True)),
        centred.T @ centred,
        atol=0.12,
    )
    assert np.abs(found - (profile - profile.mean())).max() < 0.25


def test_a_device_like_the_others_is_predicted_from_its_anchors(tmp_path: Path) -> None:
    """Times drawn from the shipped prior: the error is its own noise, and levels do not matter."""
    prior = load_card("ncnn_cpu", "prior")
    factors = np.random.default_rng(4).normal(0, 1, len(prior.loadings))
    file = ncnn_table(tmp_path, np.array(prior.profile) + factors @ np.array(prior.loadings))
    found = [
        predict_from_anchors(read_table(file, "ncnn", board, {"threads": "1"}), 8) for board in ("Board A", "Board B2")
    ]
    assert found[0].anchors == found[1].anchors
    assert found[0].error.mape == pytest.approx(found[1].error.mape, abs=0.002)
    assert found[0].error.mape < 0.08
    assert len(found[0].rest) == 16
    with pytest.raises(EdgeGymError, match="24 anchors of 24 models"):
        predict_from_anchors(read_table(file, "ncnn", "Board A", {"threads": "1"}), 24)


def test_a_profile_becomes_a_card_with_layers_power_and_memory(tmp_path: Path) -> None:
    table = read_table(profile(tmp_path), "edgegym", "any name")
    assert isinstance(table.work, Work)
    assert len(table) == 48
    assert table.work.class_macs is not None
    assert table.work.class_macs.sum(axis=1) == pytest.approx(table.work.macs)
    card = calibrate(table, "made", PROVENANCE).card
    assert card.held_out.mape < 0.08
    assert card.held_out_layer is not None
    assert card.held_out_layer.mape < 0.1
    assert card.held_out_batch is not None
    assert card.held_out_batch.mape < 0.08
    assert card.power is not None
    assert card.power.active_w == pytest.approx(12, rel=1e-3)
    assert card.memory is not None
    assert card.memory.bytes_per_param == pytest.approx(4, rel=0.05)
    assert card.memory.bytes_per_element == pytest.approx(4, rel=0.05)
    assert card.run_sigma == pytest.approx(np.log(1.1) / 1.2816, rel=0.01)
    layers = table.layers
    assert layers is not None
    assert isinstance(layers.work, LayerWork)
    predicted = card.layer_latency_s(layers.work, layers.batch)
    assert errors_of(predicted, layers.time_s).mape < 0.1


def test_too_few_rows_for_an_honest_error(tmp_path: Path) -> None:
    table = read_table(timm_table(tmp_path), "timm", "made")
    with pytest.raises(TableError, match=r"3 rows of 3 families; .*--anchors"):
        calibrate(table[np.arange(3)], "made", PROVENANCE)


@pytest.mark.parametrize(
    ("name", "new_family", "known_family"),
    [
        ("rtx_3090", 0.14, 0.10),
        ("rtx_4090", 0.14, 0.10),
        ("core_i7_12700h", 0.14, 0.10),
        ("core_i9_10940x", 0.18, 0.10),
    ],
)
def test_the_cards_reach_what_was_promised(name: str, new_family: float, known_family: float) -> None:
    """On the shipped cards, which refits of the measurements equal."""
    card = load_card(name, "device")
    assert card.held_out.median_ape <= new_family
    assert card.held_out.median_ape <= 0.5 * card.baselines["flops"].median_ape
    assert card.held_out.spearman is not None
    assert card.held_out.spearman >= 0.94
    assert card.held_out_known_family is not None
    assert card.held_out_known_family.median_ape <= known_family
