"""Private inference: published figures over other links."""

from __future__ import annotations

import pytest

from edgegym.partition import NOISE, SECURE_INFERENCE, laplace_scale

DEADLINE_S = 1.0
BYTES = {"Cheetah": 2.3e9, "SecONNds": 440_401_920, "Flash": 7e7}


@pytest.mark.parametrize("entry", SECURE_INFERENCE, ids=lambda entry: entry.protocol)
def test_no_deadline_is_met_below_100_mbps(entry) -> None:
    assert entry.sent_bytes == BYTES[entry.protocol]
    assert entry.least_s(100e6) == pytest.approx(BYTES[entry.protocol] * 8 / 1e8)
    assert entry.least_s([100e6, 10e6], 0.02).min() > 5 * DEADLINE_S
    assert entry.most_s(100e6, 0.02, rounds=10) == pytest.approx(entry.seconds + entry.least_s(100e6) + 0.2)


def test_credible_privacy_leaves_no_accuracy() -> None:
    assert not any(row.is_useful for row in NOISE if row.epsilon[1] <= 10)
    assert any(row.is_useful for row in NOISE if row.epsilon[0] >= 100)


def test_noise_drowns_features_at_any_credible_epsilon() -> None:
    """AlexNet's smallest feature map has 4096 numbers: at epsilon 10 the noise is 800 times their bound."""
    assert laplace_scale(1.0, 4096, 10.0) == pytest.approx(819.2)
