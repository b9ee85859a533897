"""Headlines of parting a network: Neurosurgeon's cut, DADS, rows and tiles over peers, private inference.

OMP_NUM_THREADS=1 python benchmarks/partition.py

Parameters were fixed before the first run. Uplinks of 3G, LTE and WiFi are 1.1, 5.85 and 18.88 Mbit/s, radio powers
those of Huang et al. (MobiSys 2012); images are sent as 8-bit pixels, features in 32 bits, and no round trip is
charged. Peers share a channel of 62 Mbit/s (assumed: 802.11n of a Raspberry Pi 3), each message adds 1 ms (assumed).
"One core" is a quarter of the speed of the card's four threads (assumed).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.zoo import ModelGraph, graph_of
from edgegym.cards import DeviceCard, RadioPower, load_card
from edgegym.partition import (
    SECURE_INFERENCE,
    CutCosts,
    SplitDag,
    balanced_plan,
    best_cut,
    chain_of,
    fastest_plan,
    layer_times_s,
    run_tiles,
    shares_by_speed,
    spatial_chain,
    split_rows,
    split_tiles,
)
from edgegym.partition.costs import call_times_s, summed
from edgegym.partition.spatial import SpatialKind, SpatialLayer, slice_work

Array = NDArray[np.float64]
NETWORKS = (
    "alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v2", "squeezenet1_1", "efficientnet_b0", "yolov3_tiny",
    "ssd_mobilenet_v1", "ds_cnn", "lstm_kws", "bert_mini",
)  # fmt: skip
MOBILES, SERVERS = ("snapdragon_835", "jetson_nano_gpu"), ("rtx_3090", "jetson_agx_orin_gpu")
MOBILE_WITH_POWER = "jetson_nano_gpu"
RATES_BPS = {"3G": 1.1e6, "LTE": 5.85e6, "WiFi": 18.88e6}
MOBISYS = "Huang et al., MobiSys 2012 (unverified)"
RADIOS = {
    name: RadioPower(down_j_per_byte=0, down_base_w=base, up_j_per_byte=8e-9 * per_mbps, up_base_w=base, source=MOBISYS)
    for name, per_mbps, base in (("3G", 868.98, 0.81788), ("LTE", 438.39, 1.28804), ("WiFi", 283.17, 0.13286))
}
DADS_NETWORKS = ("resnet18", "squeezenet1_1", "efficientnet_b0", "yolov3_tiny")
WLAN_BPS, MESSAGE_S, PEERS, GRID = 62e6, 1e-3, range(1, 7), 5
PEER_SPEEDS = {
    "Raspberry Pi 4": ("raspberry_pi_4", 1.0),
    "Raspberry Pi 3": ("raspberry_pi_3", 1.0),
    "Raspberry Pi 3, one core": ("raspberry_pi_3", 0.25),
}
YOLO_V2_16: tuple[tuple[SpatialKind, int, int, int], ...] = (
    ("conv", 3, 1, 32), ("pool", 2, 2, 0), ("conv", 3, 1, 64), ("pool", 2, 2, 0), ("conv", 3, 1, 128),
    ("conv", 1, 1, 64), ("conv", 3, 1, 128), ("pool", 2, 2, 0), ("conv", 3, 1, 256), ("conv", 1, 1, 128),
    ("conv", 3, 1, 256), ("pool", 2, 2, 0), ("conv", 3, 1, 512), ("conv", 1, 1, 256), ("conv", 3, 1, 512),
    ("conv", 1, 1, 256),
)  # fmt: skip
"""First 16 layers of YOLOv2 (Redmon and Farhadi, CVPR 2017) on 608 x 608 pixels."""


def device(name: str) -> DeviceCard:
    card = load_card(name, "device")
    assert isinstance(card, DeviceCard)
    return card


def input_bytes(graph: ModelGraph) -> int:
    """Images in 8 bits, everything else as it is stored."""
    is_image = len(graph.input_shape) == 3 and graph.input_shape[0] == 3
    return int(np.prod(graph.input_shape)) if is_image else graph.input_bytes


def gains(cost: Array) -> Array:
    """Cost of server only, of device only, and of the better of both over that of the best cut, (3,)."""
    ends = np.array([cost[0], cost[-1], min(cost[0], cost[-1])])
    return np.asarray(ends / best_cut(cost)[1])


def neurosurgeon_gains(mobile: str, server: str, network: str) -> tuple[Array, Array]:
    """Gains of latency and of energy (NaN without a power), (links, 3) each."""
    graph, card = graph_of(network), device(mobile)
    costs = CutCosts.of(graph, card, device(server), input_bytes(graph))
    latency = [gains(costs.latency_s(rate)) for rate in RATES_BPS.values()]
    watts = card.power.active_w if card.power else np.nan
    energy = [gains(costs.energy_j(rate, watts, RADIOS[link])) for link, rate in RATES_BPS.items()]
    return np.array(latency), np.array(energy)


def print_neurosurgeon() -> None:
    print("\n## Neurosurgeon\n\nGain of the best cut over server only / device only / the better of both; latency.")
    everywhere: list[Array] = []
    for server in SERVERS:
        for mobile in MOBILES:
            print(f"\n{mobile}, server {server}\n\n| network | {' | '.join(RATES_BPS)} |\n|---|---|---|---|")
            found = {name: neurosurgeon_gains(mobile, server, name) for name in NETWORKS}
            for name, (latency, _) in found.items():
                print(f"| {name} |", " | ".join(" / ".join(f"{gain:.2f}" for gain in row) for row in latency), "|")
            latencies = np.array([latency for latency, _ in found.values()])
            everywhere.append(latencies)
            print_summary("latency", latencies)
            if mobile == MOBILE_WITH_POWER:
                energies = np.array([energy for _, energy in found.values()])
                print_summary("energy", energies)
                saved = 1 - 1 / energies[..., 0]
                print(f"Energy saved: {saved.mean():.1%} of server only in the mean, at most {saved.max():.1%}.")
    inner = np.array(everywhere)[..., 2] > 1.0 + 1e-9
    print(f"\nA cut inside the network is strictly best in {inner.mean():.1%} of all rows.")


def print_summary(what: str, found: Array) -> None:
    names = ("server only", "device only", "the better")
    parts = [
        f"{name} mean {found[..., k].mean():.2f}, geometric {np.exp(np.log(found[..., k]).mean()):.2f}, "
        f"most {found[..., k].max():.2f}"
        for k, name in enumerate(names)
    ]
    print(f"\nGain of {what}: {'; '.join(parts)}.")


def print_dads() -> None:
    print("\n## DADS\n\nraspberry_pi_4 and rtx_3090; gain over device only / server only.\n")
    print("| network | link | latency | throughput | throughput against its bound |\n|---|---|---|---|---|")
    for name in DADS_NETWORKS:
        graph = graph_of(name)
        dag = SplitDag.of(graph, device("raspberry_pi_4"), device("rtx_3090"), input_bytes(graph))
        for link, rate in RATES_BPS.items():
            stay = np.zeros(len(dag.device_s), bool)
            leave = np.arange(len(stay)) > 0
            ends = np.array([dag.times_s(plan, rate) for plan in (stay, leave)])
            fast, balanced = fastest_plan(dag, rate), balanced_plan(dag, rate)
            latency = " / ".join(f"{gain:.2f}" for gain in ends.sum(axis=1) / fast.latency_s)
            through = " / ".join(f"{gain:.2f}" for gain in ends.max(axis=1) / balanced.interval_s)
            print(f"| {name} | {link} | {latency} | {through} | {balanced.bound_s / balanced.interval_s:.3f} |")


def row_speedups(card: DeviceCard, speed: float) -> Array:
    """Speed-up of VGG-16 by sharing out rows of its convolutions; dense layers stay with the owner. (peers,)."""
    graph = graph_of("vgg16")
    chain = spatial_chain(graph)
    factor = float(card.known.factor(graph.name, graph.macs))
    whole_s = layer_times_s(graph, card).sum() / speed
    alone_s = split_rows(chain, [1.0]).latency_s(card, WLAN_BPS, MESSAGE_S, [speed])
    times = []
    for peers in PEERS:
        speeds = np.full(peers, speed / factor)
        split = split_rows(chain, shares_by_speed(speeds))
        times.append(split.latency_s(card, WLAN_BPS, MESSAGE_S, speeds, input_item_bytes=1))
    return np.asarray(whole_s / (whole_s - factor * alone_s + np.array(times)))


def tile_speedups(card: DeviceCard, speed: float) -> Array:
    """Speed-up of the first 16 layers of YOLOv2 by fused tiles, against the same device without tiles, (peers,)."""
    chain = yolo_chain()
    alone_s = call_times_s(summed(slice_work(chain, np.ones((len(chain), 1)))), card)[-1, 0] / speed
    split = split_tiles(chain, GRID)
    runs = [run_tiles(split, card, np.full(peers, speed), WLAN_BPS, MESSAGE_S, 1) for peers in PEERS]
    return np.array([alone_s / run.latency_s for run in runs])


def yolo_chain() -> tuple[SpatialLayer, ...]:
    return chain_of(608, 3, YOLO_V2_16)


def print_peers() -> None:
    for title, speedups in (("Rows of VGG-16", row_speedups), ("Fused tiles of YOLOv2, 16 layers", tile_speedups)):
        print(f"\n## {title}\n\n| device | {' | '.join(map(str, PEERS))} |\n|---|{'---|' * len(PEERS)}")
        for name, (card, speed) in PEER_SPEEDS.items():
            print(f"| {name} |", " | ".join(f"{gain:.2f}" for gain in speedups(device(card), speed)), "|")
    tiled, whole = split_tiles(yolo_chain(), GRID), split_tiles(yolo_chain(), 1)
    weights = 4.0 * sum(layer.params for layer in yolo_chain())
    saved = 1 - (tiled.peak_bytes + weights) / (whole.peak_bytes + weights)
    print(f"\nTiles repeat {tiled.redundancy - 1:.1%} of the multiply-accumulates;", end=" ")
    print(f"memory falls by {saved:.1%} ({1 - tiled.peak_bytes / whole.peak_bytes:.1%} without the weights).")


def print_secure() -> None:
    print("\n## Private inference\n\nLeast time (bytes and one round trip of 20 ms only), seconds.\n")
    rates = (10e6, 100e6, 1e9)
    print(f"| protocol | {' | '.join(f'{rate / 1e6:.0f} Mbit/s' for rate in rates)} |\n|---|---|---|---|")
    for entry in SECURE_INFERENCE:
        times = entry.least_s(rates, 0.02)
        print(f"| {entry.protocol}, {entry.network} |", " | ".join(f"{time:.1f}" for time in times), "|")


def main() -> None:
    """Print all tables."""
    print_neurosurgeon()
    print_dads()
    print_peers()
    print_secure()


if __name__ == "__main__":
    main()
