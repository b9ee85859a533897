"""Cuts of chains, exits and bits: against sums written out and against trying everything."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.calibration.zoo import graph_of
from edgegym.cards import RadioPower, Work, load_card
from edgegym.errors import EdgeGymError
from edgegym.partition import (
    CutCosts,
    best_bits,
    best_cut,
    best_exit,
    best_tiers,
    exit_graph,
    layer_times_s,
    prefix_times_s,
    suffix_times_s,
)

RATES_BPS = np.array([1.1e6, 5.85e6, 18.88e6, 1e9])
RADIO = RadioPower(down_j_per_byte=0, down_base_w=1, up_j_per_byte=1e-6, up_base_w=2, source="made up")
SMALL = CutCosts(np.array([0.0, 1.0, 3.0]), np.array([0.3, 0.2, 0.0]), np.array([1e6, 1e5, 0.0]))


def random_costs(rng: np.random.Generator, cuts: int) -> CutCosts:
    prefix = np.append(0.0, np.cumsum(rng.exponential(size=cuts - 1)))
    suffix = np.append(np.cumsum(rng.exponential(size=cuts - 1))[::-1], 0.0)
    return CutCosts(prefix, suffix, np.append(rng.exponential(1e6, cuts - 1), 0.0))


def test_latency_and_energy_are_the_published_sums() -> None:
    latency, energy = SMALL.latency_s(RATES_BPS, rtt_s=0.05), SMALL.energy_j(RATES_BPS, 4.0, RADIO)
    assert latency.shape == energy.shape == (4, 3)
    for row, rate in enumerate(RATES_BPS):
        for cut in range(3):
            sent = SMALL.sent_bytes[cut]
            sending = 8 * sent / rate
            expected = SMALL.prefix_s[cut] + sending + 0.05 * (sent > 0) + SMALL.suffix_s[cut]
            assert latency[row, cut] == pytest.approx(expected)
            assert energy[row, cut] == pytest.approx(4 * SMALL.prefix_s[cut] + 2 * sending + 1e-6 * sent)


def test_best_cut_moves_towards_the_server_with_the_rate() -> None:
    cut, latency = best_cut(SMALL.latency_s([1e3, 5e5, 1e9]))
    assert cut.tolist() == [2, 1, 0]
    assert latency == pytest.approx([3.0, 2.8, 0.308])


@pytest.mark.parametrize("name", ["alexnet", "mobilenet_v2", "yolov3_tiny", "bert_mini"])
@pytest.mark.parametrize("card", ["raspberry_pi_3", "jetson_nano_gpu", "snapdragon_835", "rtx_3090"])
def test_parts_of_a_network_take_what_the_card_says(name: str, card: str) -> None:
    graph, device = graph_of(name), load_card(card, "device")
    prefix, suffix, layers = (of(graph, device) for of in (prefix_times_s, suffix_times_s, layer_times_s))
    assert prefix[0] == suffix[-1] == 0
    assert prefix[-1] == pytest.approx(suffix[0])
    assert layers.sum() == pytest.approx(prefix[-1])
    assert layers.min() >= 0
    assert np.all(np.diff(suffix) <= 1e-15)


def test_time_of_a_whole_network_is_the_cards() -> None:
    """VGG-16: 13 convolutions, 5 poolings and 3 dense layers are launched; activation functions are not."""
    graph, pi = graph_of("vgg16"), load_card("raspberry_pi_4", "device")
    folded = Work.of(graph.macs, graph.mac_act_elements, graph.params, layers=21)
    expected = float(pi.latency_s(folded)) * float(pi.known.factor("vgg16", graph.macs))
    assert prefix_times_s(graph, pi)[-1] == pytest.approx(expected)


def test_costs_of_a_network_have_the_cuts_of_its_graph() -> None:
    graph = graph_of("alexnet")
    costs = CutCosts.of(
        graph, load_card("raspberry_pi_4", "device"), load_card("rtx_3090", "device"), input_bytes=150_528
    )
    assert costs.sent_bytes[0] == 150_528
    assert costs.sent_bytes[1:].tolist() == [cut.bytes for cut in graph.cuts[1:]]


@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.integers(2, 4))
@settings(max_examples=60, deadline=None)
def test_tiers_equal_trying_all_cuts(seed: int, cuts: int, tiers: int) -> None:
    rng = np.random.default_rng(seed)
    prefix = np.array([random_costs(rng, cuts).prefix_s for _ in range(tiers)])
    sent = random_costs(rng, cuts).sent_bytes
    rate, rtt = rng.uniform(1e5, 1e8, (3, tiers - 1)), rng.uniform(0, 1, tiers - 1)
    found, latency = best_tiers(prefix, sent, rate, rtt)

    def cost(row: int, places: tuple[int, ...]) -> float:
        ends = [0, *places, cuts - 1]
        total = sum(prefix[tier][ends[tier + 1]] - prefix[tier][ends[tier]] for tier in range(tiers))
        return float(total + sum((8 * sent[p] / rate[row, k] + rtt[k]) * (sent[p] > 0) for k, p in enumerate(places)))

    for row in range(3):
        every = combinations_with_replacement(range(cuts), tiers - 1)
        assert latency[row] == pytest.approx(min(cost(row, places) for places in every))
        assert cost(row, tuple(found[row])) == pytest.approx(latency[row])


def test_two_tiers_are_neurosurgeons_cut() -> None:
    costs = random_costs(np.random.default_rng(0), 30)
    server = costs.suffix_s[0] - costs.suffix_s
    cuts, latency = best_tiers([costs.prefix_s, server], costs.sent_bytes, RATES_BPS[:, None], 0.02)
    expected_cut, expected = best_cut(costs.latency_s(RATES_BPS, 0.02))
    assert cuts[:, 0].tolist() == expected_cut.tolist()
    assert latency == pytest.approx(expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_exit_is_the_most_accurate_in_time(seed: int) -> None:
    rng = np.random.default_rng(seed)
    exits = [random_costs(rng, int(rng.integers(2, 6))) for _ in range(3)]
    accuracy, deadline = rng.permutation([0.6, 0.7, 0.8]), float(rng.uniform(0.5, 4))
    latency = [costs.latency_s(RATES_BPS) for costs in exits]
    chosen = best_exit(latency, accuracy, deadline)
    for row in range(len(RATES_BPS)):
        fastest = [of_exit[row].min() for of_exit in latency]
        in_time = [place for place in range(3) if fastest[place] <= deadline]
        expected = max(in_time, key=lambda place: accuracy[place]) if in_time else int(np.argmin(fastest))
        assert chosen.exit[row] == expected
        assert chosen.in_time[row] == bool(in_time)
        assert latency[expected][row, chosen.cut[row]] == chosen.latency_s[row] == fastest[expected]


def test_exit_graph_keeps_what_the_exit_needs() -> None:
    graph = graph_of("branchy_alexnet")
    first, last = (exit_graph(graph, output) for output in (graph.outputs[0], graph.outputs[-1]))
    assert first.macs < last.macs < graph.macs
    assert first.outputs == (graph.outputs[0],)
    assert len(first) == len(graph.needed_for((graph.outputs[0],)))


def test_bits_equal_trying_all_pairs() -> None:
    rng = np.random.default_rng(1)
    widths = [2, 4, 8, 32]
    for _ in range(50):
        costs = random_costs(rng, 6)
        loss = np.sort(rng.uniform(0, 0.1, (6, 4)))[:, ::-1] * [1, 1, 1, 0]
        chosen = best_bits(costs, widths, loss, 0.02, RATES_BPS, 0.01)
        for row, rate in enumerate(RATES_BPS):
            times = {}
            for cut in range(6):
                for place, width in enumerate(widths):
                    inner = 0 < cut < 5
                    if inner and loss[cut, place] > 0.02:
                        continue
                    sent = np.ceil(costs.sent_bytes[cut] * width / 32) if inner else costs.sent_bytes[cut]
                    total = costs.prefix_s[cut] + costs.suffix_s[cut] + 8 * sent / rate + 0.01 * (sent > 0)
                    times[cut, width] = total
            assert chosen.latency_s[row] == pytest.approx(min(times.values()))
            assert times[int(chosen.cut[row]), int(chosen.bits[row])] == pytest.approx(chosen.latency_s[row])


def test_losses_need_a_row_for_each_cut() -> None:
    with pytest.raises(EdgeGymError, match=r"one row a cut .* \(3, 2\)"):
        best_bits(SMALL, [8, 32], np.zeros((2, 2)), 0.1, 1e6)
