"""Published headlines that the models reach and one they do not, with the parameters of benchmarks/partition.py."""

from __future__ import annotations

import numpy as np
import pytest

from edgegym.calibration.zoo import graph_of
from edgegym.cards import load_card
from edgegym.partition import CutCosts, best_cut, chain_of, run_tiles, spatial_chain, split_rows, split_tiles

UPLINKS_BPS = [1.1e6, 5.85e6, 18.88e6]
WLAN_BPS, MESSAGE_S, ONE_CORE = 62e6, 1e-3, 0.25
CONV, POOL = "conv", ("pool", 2, 2, 0)
YOLO_V2_16 = [
    (CONV, 3, 1, 32), POOL, (CONV, 3, 1, 64), POOL, (CONV, 3, 1, 128), (CONV, 1, 1, 64), (CONV, 3, 1, 128), POOL,
    (CONV, 3, 1, 256), (CONV, 1, 1, 128), (CONV, 3, 1, 256), POOL, (CONV, 3, 1, 512), (CONV, 1, 1, 256),
    (CONV, 3, 1, 512), (CONV, 1, 1, 256),
]  # fmt: skip


def test_neurosurgeon_gains_over_server_only() -> None:
    """At least the published mean of 3.1 and most of 40.7; AlexNet over WiFi is parted inside."""
    gains = []
    for name in ("alexnet", "vgg16", "resnet18", "mobilenet_v2", "squeezenet1_1"):
        cards = load_card("jetson_nano_gpu", "device"), load_card("rtx_3090", "device")
        costs = CutCosts.of(graph_of(name), *cards, input_bytes=150_528)
        latency = costs.latency_s(UPLINKS_BPS)
        cut, best = best_cut(latency)
        gains.append(latency[:, 0] / best)
        if name == "alexnet":
            assert 0 < cut[2] < len(graph_of(name))
            assert best[2] < 0.9 * min(latency[2, 0], latency[2, -1])
    assert np.min(gains) >= 1
    assert np.mean(gains) > 3.1
    assert np.max(gains) > 40.7


def test_rows_pay_on_slow_devices_only() -> None:
    """MoDNN published 2.17 to 4.28 with two to four workers: reached from below on slow devices, not on fast ones."""
    chain = spatial_chain(graph_of("vgg16"))

    def speedups(card: str, speed: float) -> np.ndarray:
        times = [
            split_rows(chain, np.ones(n)).latency_s(
                load_card(card, "device"), WLAN_BPS, MESSAGE_S, np.full(n, speed), input_item_bytes=1
            )
            for n in (1, 2, 3, 4, 6)
        ]
        return times[0] / np.array(times)

    slow, fast = speedups("raspberry_pi_3", ONE_CORE), speedups("raspberry_pi_4", 1.0)
    assert np.all(np.diff(slow[:4]) > 0)
    assert slow[2] > 2.17
    assert 2.5 < slow[3] < 4
    assert fast.max() < 1.7
    assert fast[4] < 1


def test_fused_tiles_save_the_published_memory() -> None:
    """DeepThings: memory falls by 68 %; 1.7 to 3.5 times as fast as one device with tiles, on two to six."""
    chain = chain_of(608, 3, YOLO_V2_16)
    tiled, whole = split_tiles(chain, 5), split_tiles(chain, 1)
    weights = 4 * sum(layer.params for layer in chain)
    assert 1 - (tiled.peak_bytes + weights) / (whole.peak_bytes + weights) == pytest.approx(0.68, abs=0.02)
    card = load_card("raspberry_pi_3", "device")
    one, two, six = (run_tiles(tiled, card, np.full(n, ONE_CORE), WLAN_BPS, MESSAGE_S, 1).latency_s for n in (1, 2, 6))
    assert one / two > 1.7
    assert one / six > 3.5
