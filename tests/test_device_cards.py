"""Device cards: their arithmetic by hand, monotone predictions, the library, and what a wrong card says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.calibration.library import OWN_MEASUREMENTS
from edgegym.calibration.library_devices import DEVICES, PRIORS
from edgegym.cards import (
    DeviceCard,
    DevicePriorCard,
    KnownKinds,
    LatencyModel,
    LayerWork,
    Parameter,
    PredictionError,
    Provenance,
    Work,
    list_cards,
    load_card,
    save_card,
)
from edgegym.cards.architectures import family_of, kind_of, operator_mix, work_of
from edgegym.cards.work import ELEMENT_CLASSES, LAYER_CLASSES, MAC_CLASSES
from edgegym.errors import CardError, EdgeGymError

LIBRARY = list_cards("device")["device"]
ERROR = PredictionError(mape=0.1, median_ape=0.1, spearman=0.9, within_10=0.5)
PARAMETERS = {
    "layers": Parameter(value=1e-4),
    "macs": Parameter(value=1e10),
    "elements": Parameter(value=1e8),
    "weights": Parameter(value=1e9),
}


def made(**changes: Any) -> DeviceCard:
    """A card with round figures."""
    values: dict[str, Any] = {
        "name": "made",
        "provenance": Provenance(source="a test"),
        "device": "none",
        "runtime": "none",
        "dtype": "float32",
        "rows": 10,
        "families": 5,
        "latency": LatencyModel(form="launch_added", parameters=PARAMETERS),
        "held_out": ERROR,
        "sigma": 0.2,
        "power": {"idle_w": 2.0, "active_w": 5.0, "source": "a test"},
        "memory": {"base_bytes": 1e6, "bytes_per_param": 4, "bytes_per_element": 2},
    }
    return DeviceCard.parse({**values, **changes})


WORK = Work.of(macs=1e9, act_elements=5e6, params=2e6, layers=50)


def test_a_latency_by_hand() -> None:
    # 5 ms launching, 100 ms MACs, 50 ms activations, 2 ms weights; a batch leaves launching and weights alone.
    assert made().latency_s(WORK) == pytest.approx(0.157)
    assert made().latency_s(WORK, batch=4) == pytest.approx(0.005 + 0.002 + 4 * 0.150)


def test_launching_hides_behind_work() -> None:
    hidden = made(latency=LatencyModel(form="launch_hidden", hiding_power=4, parameters=PARAMETERS))
    assert hidden.latency_s(WORK) == pytest.approx((0.005**4 + 0.152**4) ** 0.25)
    # Far from the corner only the larger counts, also where the powers alone would overflow or vanish.
    tiny = Work.of(1.0, 1.0, 1.0, layers=1e80)
    assert hidden.latency_s(tiny) == pytest.approx(1e76)
    assert hidden.latency_s(Work.of(0.0, 0.0, 0.0)) == 0


def test_predictions_broadcast_over_work_batch_and_co_runners() -> None:
    work = Work.of(np.array([1e9, 2e9]), 5e6, 2e6, 50)
    batch, others = np.array([1, 2, 4])[:, None], np.array([0, 1])[:, None, None]
    found = made().latency_s(work, batch, others)
    assert found.shape == (2, 3, 2)
    for i, j, k in np.ndindex(found.shape):
        alone = made().latency_s(work[np.array([k])], int(batch[j, 0]), int(others[i, 0, 0]))
        assert found[i, j, k] == pytest.approx(alone[0], rel=1e-12)


def test_energy_and_memory_by_hand() -> None:
    card = made()
    assert card.energy_j(WORK) == pytest.approx(5 * 0.157)
    assert card.energy_j(WORK, above_idle=True) == pytest.approx(3 * 0.157)
    # Two sharers take twice as long, each with half of the power.
    assert card.energy_j(WORK, co_runners=1) == pytest.approx(card.energy_j(WORK))
    assert card.memory_bytes(WORK, batch=3) == pytest.approx(1e6 + 8e6 + 2 * 3 * 5e6)
    assert card.memory_bytes(WORK, live_elements=1e6) == pytest.approx(1e6 + 8e6 + 2e6)


def test_quantiles_are_those_of_the_lognormal() -> None:
    card = made(run_sigma=0.01)
    # The normal quantile at 0.9772499 is 2.
    assert card.latency_quantile_s(WORK, 0.9772498680518208) == pytest.approx(0.157 * np.exp(0.4))
    assert card.latency_quantile_s(WORK, 0.5) == pytest.approx(card.latency_s(WORK))
    assert card.latency_quantile_s(WORK, 0.9772498680518208, spread="run") == pytest.approx(0.157 * np.exp(0.02))


def test_what_is_not_known_is_refused_with_the_mend() -> None:
    card = made(power=None, memory=None)
    for call, message in (
        (lambda: card.energy_j(WORK), r"power\.active_w"),
        (lambda: card.memory_bytes(WORK), "set memory"),
        (lambda: card.latency_quantile_s(WORK, 0.9, spread="run"), "run_sigma"),
        (lambda: card.latency_quantile_s(WORK, 1.0), "between 0 and 1"),
        (lambda: card.layer_latency_s(_layer("conv", 1.0)), "layer rows"),
    ):
        with pytest.raises(CardError, match=message):
            call()
    with pytest.raises(EdgeGymError, match="not a term"):
        made(latency={"form": "x", "parameters": {"maccs": {"value": 1}}})
    by_operator = made(latency={"form": "by_operator", "parameters": {"macs.depthwise": {"value": 1e9}}})
    with pytest.raises(CardError, match=r"needs macs\.depthwise"):
        by_operator.latency_s(WORK)


def test_work_without_operators_takes_the_typical_mix() -> None:
    rates = {f"macs.{name}": Parameter(value=10.0**place) for place, name in enumerate(MAC_CLASSES)}
    shares = (0.5, 0.2, 0.1, 0.1, 0.1)
    card = made(latency=LatencyModel(form="by_operator", parameters=rates, typical_mac_shares=shares))
    split = Work.of(1e3, 1.0, 1.0, class_macs=1e3 * np.array(shares))
    assert card.latency_s(Work.of(1e3, 1.0, 1.0)) == pytest.approx(card.latency_s(split))
    assert card.latency_s(split) == pytest.approx(1e3 * sum(s / 10.0**i for i, s in enumerate(shares)))


def test_a_known_kind_before_its_family_before_nothing() -> None:
    known = KnownKinds(names=("vit", "vit_relpos"), factors=(2.0, 3.0), exponents=(0.0, 0.5))
    assert known.factor("vit_base_patch16_224", 7e9) == 2
    assert known.factor("vit_relpos_base_patch16_224", 4e9) == pytest.approx(6)
    assert known.factor("resnet50", 4e9) == 1
    assert made(known=known).latency_s(WORK, model="vit_tiny") == pytest.approx(2 * 0.157)


COUNTS = st.floats(1e3, 1e12)


@pytest.mark.parametrize("name", LIBRARY)
@settings(max_examples=15, deadline=None)
@given(macs=COUNTS, acts=COUNTS, params=COUNTS, layers=st.integers(1, 500), batch=st.integers(1, 512))
def test_more_work_never_takes_less_time(
    name: str, macs: float, acts: float, params: float, layers: int, batch: int
) -> None:
    card = load_card(name, "device")
    counts = np.array([macs, acts, params, float(layers)])
    base = card.latency_s(Work.of(*counts), batch)
    assert np.isfinite(base)
    assert base >= 0
    for place in range(4):
        more = counts.copy()
        more[place] *= 1.5
        assert card.latency_s(Work.of(*more), batch) >= base * (1 - 1e-12)
    assert card.latency_s(Work.of(*counts), batch + 1) >= base * (1 - 1e-12)
    assert card.latency_s(Work.of(*counts), batch, co_runners=1) == pytest.approx(2 * base)


@pytest.mark.parametrize("name", LIBRARY)
def test_every_device_card_states_its_error_source_and_what_it_assumes(name: str) -> None:
    card = load_card(name, "device")
    assert card.rows >= 4
    assert card.held_out.mape > 0
    assert {"flops", "affine_flops"} <= set(card.baselines)
    assert card.provenance.url or name in OWN_MEASUREMENTS
    assert card.provenance.licence
    assert card.provenance.date or "Submitted by users" in (card.provenance.notes or "")
    if card.memory is not None and name not in OWN_MEASUREMENTS:
        assert "memory" in card.provenance.assumed
    # A vanished cost is no parameter of the device, and is not called one.
    for parameter in card.latency.parameters.values():
        assert parameter.value is not None or not parameter.identified


def test_the_devices_that_a_library_of_the_edge_needs() -> None:
    needed = {"rtx_3090", "rtx_4090", "core_i9_10940x", "core_i7_12700h", "raspberry_pi_3", "raspberry_pi_4"}
    needed |= {"jetson_nano_gpu", "jetson_tx2_nx_gpu", "jetson_agx_xavier_gpu", "jetson_agx_orin_gpu", "mcu_cortex_m4"}
    assert needed <= set(LIBRARY)
    assert sum(name.startswith("snapdragon") for name in LIBRARY) >= 4
    assert set(LIBRARY) == {*DEVICES, *OWN_MEASUREMENTS}
    assert set(list_cards("prior")["prior"]) == set(PRIORS)


def test_faster_devices_are_faster() -> None:
    """ResNet-50 at batch 1 as counted for ncnn; published orders of magnitude, not fits."""
    resnet50 = Work.of(3.9e9, 1.06e7, 2.55e7, 89)
    names = ("mcu_cortex_m4", "mcu_cortex_m7", "raspberry_pi_3", "raspberry_pi_4", "jetson_agx_orin_cpu")
    times = [float(load_card(name, "device").latency_s(resnet50)) for name in names]
    assert times == sorted(times, reverse=True)
    assert 0.1 < times[3] < 1.5


def test_a_device_card_survives_writing_and_reading(tmp_path: Path) -> None:
    card = made(run_sigma=0.01, batches=(1, 64))
    save_card(card, tmp_path / "made.yaml")
    assert load_card(tmp_path / "made.yaml", "device") == card


@pytest.mark.parametrize(
    ("name", "family", "kind"),
    [
        ("tf_efficientnet_b0", "efficientnet", "efficientnet"),
        ("vit_relpos_base_patch16_224", "vit", "vit_relpos"),
        ("legacy_seresnet50", "seresnet", "seresnet"),
        ("mobilenetv4_conv_small", "mobilenetv", "mobilenetv_conv"),
        ("123", "123", "123"),
    ],
)
def test_families_and_kinds_from_names(name: str, family: str, kind: str) -> None:
    assert (family_of(name), kind_of(name)) == (family, kind)


def test_operator_mixes_are_those_of_the_architectures() -> None:
    """Checked against the layers of the papers, by hand."""
    mobilenet, vit, convnext = (operator_mix(n) for n in ("mobilenetv2_100", "vit_base_patch16_224", "convnext_tiny"))
    assert mobilenet is not None
    assert vit is not None
    assert convnext is not None
    for mix in (mobilenet, vit, convnext):
        assert mix.mac_shares.sum() == pytest.approx(1, abs=0.01)
    depthwise, attention = MAC_CLASSES.index("depthwise"), MAC_CLASSES.index("attention")
    layer_norm, batch_norm = ELEMENT_CLASSES.index("layer_norm"), ELEMENT_CLASSES.index("batch_norm")
    # ConvNeXt block of width c: 49 c depthwise and 8 c^2 pointwise MACs per position; widths 96 to 768.
    assert 0.01 < convnext.mac_shares[depthwise] < 0.06
    assert convnext.traffic[batch_norm] == 0
    assert vit.mac_shares[depthwise] == 0
    assert vit.mac_shares[attention] > 0.02
    assert vit.traffic[layer_norm] > 0
    assert mobilenet.mac_shares[depthwise] > 0.03
    assert operator_mix("nosuchnet") is None
    counted = work_of(np.array(["nosuchnet", "vit_small"]), *np.array([[2e9, 1e9], [3e6, 1e6], [1e6, 1e6]]))
    assert counted.class_macs is not None
    np.testing.assert_allclose(counted.class_macs.sum(axis=1), [2e9, 1e9], rtol=0.01)


def _layer(kind: str, side: float, inner: int = 64, outer: int = 128, stride: int = 1, size: int = 56) -> LayerWork:
    positions = (size // stride) ** 2
    weights = side**2 * inner * outer
    numbers = (weights * positions, size**2 * inner, positions * outer, weights, inner, outer)
    return LayerWork(np.array([kind]), *(np.array([float(number)]) for number in numbers))


@pytest.mark.parametrize(
    ("kind", "side", "stride", "expected"),
    [
        ("conv", 1, 1, "pointwise"),
        ("conv", 3, 1, "3x3"),
        ("conv", 5, 1, "5x5"),
        ("conv", 7, 2, "strided"),
        ("conv", 7, 1, "other"),
        ("dense", 1, 1, "dense"),
        ("norm", 1, 1, "norm"),
    ],
)
def test_classes_of_layers_follow_from_counts(kind: str, side: int, stride: int, expected: str) -> None:
    layer = _layer(kind, side, stride=stride)
    assert layer.layer_class.tolist() == [expected]
    if expected in LAYER_CLASSES:
        columns = layer.columns(batch=2)
        assert columns[f"layer_macs.{expected}"][0] == pytest.approx(2 * layer.macs[0])


def test_channels_are_worked_off_in_tiles() -> None:
    one, full = (_layer("conv", 3, outer=outer).columns() for outer in (1, 32))
    assert one["layer_macs.3x3"] == pytest.approx(full["layer_macs.3x3"])


PRIOR = DevicePriorCard(
    name="made",
    provenance=Provenance(source="a test"),
    devices=9,
    models=("a", "b", "c"),
    profile=(0.0, 1.0, 2.0),
    loadings=((0.0, 1.0, 1.0),),
    noise=0.1,
)


def test_a_prior_conditions_like_a_gaussian() -> None:
    # With a free level, a alone says nothing of the factor; b then tells it up to the noise.
    predicted, spread = PRIOR.predict({"a": 1.0}, ["b", "c"])
    np.testing.assert_allclose(predicted, np.exp([1.0, 2.0]), rtol=1e-3)
    assert spread[0] == pytest.approx(np.sqrt(1 + 2 * 0.01), rel=0.01)
    predicted, _ = PRIOR.predict({"a": 1.0, "b": np.exp(2.0)}, ["c"])
    # b exceeds its profile by 1 relative to a; the factor takes 1 / (1 + 0.01 + 0.01) of it.
    assert np.log(predicted[0]) == pytest.approx(2 + 1 / 1.02, abs=0.01)


def test_the_most_telling_models_leave_least_uncertainty() -> None:
    # a stands apart from the factor that b and c share.
    assert "a" in PRIOR.most_telling(["a", "b", "c"], 2)
    with pytest.raises(EdgeGymError, match="at most 2"):
        PRIOR.most_telling(["a", "b", "c"], 3)
    with pytest.raises(EdgeGymError, match="does not know 'd'"):
        PRIOR.predict({"a": 1.0}, ["d"])
