"""Recipes of the device cards and device priors that ship with EdgeGym."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edgegym.calibration.device_fit import calibrate
from edgegym.calibration.fits.anchors import LEAST_MODELS, fit_prior
from edgegym.calibration.fits.intervals import significant
from edgegym.calibration.tables import read_table
from edgegym.calibration.tables.ncnn import read_log_times
from edgegym.cards import DeviceCard, DevicePriorCard, PowerModel, Provenance

Recipe = Callable[[Path, str], DeviceCard]
TIMM = Provenance(
    source="pytorch-image-models (timm), Ross Wightman and contributors: benchmark tables of inference",
    url="github.com/huggingface/pytorch-image-models @ aa4b585 (results)",
    licence="Apache-2.0",
    rule="Form by held-out error over folds of families, costs by a robust fit of log times; operators from the names "
    "of models (edgegym.cards.architectures).",
    date="2024 (PyTorch 2.4)",
)
NCNN = Provenance(
    source="ncnn, Tencent and contributors: benchmark page, least of its loops",
    url="github.com/Tencent/ncnn @ a4d2ea1 (benchmark/README.md and models)",
    licence="BSD-3-Clause",
    rule="Form by held-out error over folds of families, costs by a robust fit of log times; 24 floating-point models.",
    notes="Submitted by users: versions and cooling differ between devices. Batch 1.",
)
TINY = Provenance(
    source="MLCommons, MLPerf Tiny v1.1, closed division, STMicroelectronics; an unofficial extract of its results",
    url="github.com/mlcommons/tiny_results_v1.1 @ c32ef94",
    licence="Apache-2.0",
    rule="Speed by a robust fit of the log times of the four tasks, each held out once; power: energy over time.",
    date="2023",
    notes="Stands for its class of microcontroller with an optimised int8 runtime. Four rows tell the order of "
    "magnitude: dense layers are slower than convolutions.",
)
KIB, GIB = 1024.0, 1024.0**3
BIG_BATCH = "Measured at the largest batch that fits: says nothing of the latency at batch 1."
UPPER_BOUND = "an upper bound"
BOARD = f"graphics card power in NVIDIA's specifications of the GeForce {{name}}: {UPPER_BOUND}"
MODULE = f"module power budget in NVIDIA's specifications of the {{name}}: {UPPER_BOUND}"
TDP = f"base power of the package in Intel's specifications of the {{name}}, taken as {UPPER_BOUND}"


AT_LIMIT = "Power: taken at its limit while inference runs; not measured with these times."


def timm(file: str, device: str, power: PowerModel, notes: str = "", memory_bytes: float | None = None) -> Recipe:
    """Recipe of a device with a benchmark table of its own."""

    def recipe(data: Path, name: str) -> DeviceCard:
        path = data / "profiles" / "timm" / f"benchmark-infer-{file}.csv.gz"
        provenance = TIMM.model_copy(update={"notes": notes or None})
        card = calibrate(read_table(path, "timm", device), name, provenance).card
        return _completed(card, power, memory_bytes)

    return recipe


def ncnn(device: str, filters: Mapping[str, str], power: PowerModel | None = None) -> Recipe:
    """Recipe of one setting of the ncnn benchmark page.

    Args:
        device: a unique part of its name on the page.
        filters: threads, powersave and GPU where the page has several.
        power: power of the board, where known.
    """

    def recipe(data: Path, name: str) -> DeviceCard:
        table = read_table(data / "profiles" / "ncnn" / "ncnn_bench.csv.gz", "ncnn", device, filters)
        return _completed(calibrate(table, name, NCNN).card, power)

    return recipe


def tiny(system: str, device: str, memory_bytes: float) -> Recipe:
    """Recipe of a microcontroller."""

    def recipe(data: Path, name: str) -> DeviceCard:
        path = data / "profiles" / "mlperf_tiny" / "tiny_v1.1_extracted.csv"
        table = read_table(path, "mlperf_tiny", system, {"submitter": "STMicroelectronics", "system": system})
        card = calibrate(table, name, TINY).card
        return _completed(card, card.power, memory_bytes).model_copy(update={"device": device})

    return recipe


def _completed(card: DeviceCard, power: PowerModel | None, memory_bytes: float | None = None) -> DeviceCard:
    """The card with what its table does not tell; limits in place of measurements are marked as assumed."""
    assumed = dict(card.provenance.assumed)
    if power is not None and power.source.endswith(UPPER_BOUND):
        assumed["power"] = AT_LIMIT
    memory = card.memory and card.memory.model_copy(update={"capacity_bytes": memory_bytes})
    provenance = card.provenance.model_copy(update={"assumed": assumed})
    return card.model_copy(update={"power": power, "memory": memory, "provenance": provenance})


def prior(gpu: bool) -> Callable[[Path, str], DevicePriorCard]:
    """Recipe of what the CPUs or the GPUs of the ncnn page have in common."""

    def recipe(data: Path, name: str) -> DevicePriorCard:
        models, log_times = read_log_times(data / "profiles" / "ncnn" / "ncnn_bench.csv.gz", gpu, LEAST_MODELS)
        profile, loadings, noise = fit_prior(log_times)
        return DevicePriorCard(
            name=name,
            provenance=NCNN.model_copy(
                update={
                    "rule": "Probabilistic principal components of the log times of all settings with at least "
                    f"{LEAST_MODELS} models, a level of its own for each setting.",
                    "notes": f"{NCNN.notes} Settings of one device are not independent.",
                }
            ),
            devices=len(log_times),
            models=tuple(models),
            profile=tuple(significant(value) for value in profile.tolist()),
            loadings=tuple(tuple(np.round(row, 4).tolist()) for row in _signed(loadings)),
            noise=significant(noise),
        )

    return recipe


def _signed(loadings: np.ndarray) -> np.ndarray:
    """The sign of a factor means nothing: make its largest loading positive, so that refits agree."""
    largest = loadings[np.arange(len(loadings)), np.abs(loadings).argmax(axis=1)]
    return loadings * np.sign(largest)[:, None]


def _power(active_w: float, source: str, idle_w: float | None = None) -> PowerModel:
    return PowerModel(active_w=active_w, idle_w=idle_w, source=source)


NANO = _power(10.0, MODULE.format(name="Jetson Nano (5 and 10 W modes)"))
TX2 = _power(15.0, MODULE.format(name="Jetson TX2 NX (7.5 and 15 W modes)"))
XAVIER = _power(30.0, MODULE.format(name="Jetson AGX Xavier (10, 15 and 30 W modes)"))
ORIN = _power(
    13.5,
    "wall mean of the whole run, ResNet-50 SingleStream, and least wall power as idle, of MLPerf Inference v3.1 edge "
    "(NVIDIA, Orin MaxQ): approximate, not an official MLPerf figure, and of TensorRT in a saving mode",
    5.66,
)
PI_4 = _power(6.4, "whole board idle and at full load of four cores, blog measurement (unverified)", 2.7)
BIG = {"threads": "4", "powersave": "2", "gpu_device": "-1"}

DEVICES: dict[str, Recipe] = {
    "rtx_3090": timm(
        "amp-nhwc-pt240-cu124-rtx3090",
        "NVIDIA GeForce RTX 3090",
        _power(350.0, BOARD.format(name="RTX 3090")),
        f"Channels last. {BIG_BATCH}",
        24 * GIB,
    ),
    "rtx_4090": timm(
        "amp-nchw-pt240-cu124-rtx4090",
        "NVIDIA GeForce RTX 4090",
        _power(450.0, BOARD.format(name="RTX 4090")),
        BIG_BATCH,
        24 * GIB,
    ),
    "core_i9_10940x": timm(
        "fp32-nchw-pt240-cpu-i9_10940x-dynamo", "Intel Core i9-10940X", _power(165.0, TDP.format(name="i9-10940X"))
    ),
    "core_i7_12700h": timm(
        "fp32-nchw-pt240-cpu-i7_12700h-dynamo", "Intel Core i7-12700H", _power(45.0, TDP.format(name="i7-12700H"))
    ),
    "raspberry_pi_3": ncnn("Raspberry Pi 3", {"threads": "4"}),
    "raspberry_pi_4": ncnn("Raspberry Pi 4", {"threads": "4"}, PI_4),
    "raspberry_pi_zero_2": ncnn("Raspberry Pi Zero 2", {"threads": "4"}),
    "jetson_nano_cpu": ncnn("Jetson Nano", {"threads": "4", "gpu_device": "-1"}, NANO),
    "jetson_nano_gpu": ncnn("Jetson Nano", {"threads": "4", "gpu_device": "0"}, NANO),
    "jetson_tx2_nx_cpu": ncnn("TX2 NX", {"threads": "6", "gpu_device": "-1"}, TX2),
    "jetson_tx2_nx_gpu": ncnn("TX2 NX", {"threads": "1", "gpu_device": "0"}, TX2),
    "jetson_agx_xavier_cpu": ncnn("AGX Xavier", {"threads": "8"}, XAVIER),
    "jetson_agx_xavier_gpu": ncnn("AGX Xavier", {"gpu_device": "0"}, XAVIER),
    "jetson_agx_orin_cpu": ncnn("AGX Orin", {"threads": "12"}, ORIN),
    "jetson_agx_orin_gpu": ncnn("AGX Orin", {"gpu_device": "0"}, ORIN),
    "snapdragon_8_gen_2": ncnn("Snapdragon 8 Gen 2", BIG),
    "snapdragon_888": ncnn("Snapdragon 888", {"gpu_device": "-1"}),
    "snapdragon_855": ncnn("Snapdragon 855+", BIG),
    "snapdragon_765g": ncnn("Snapdragon 765G", {"gpu_device": "-1"}),
    "snapdragon_835": ncnn("Snapdragon 835", BIG),
    "mcu_cortex_m4": tiny("NUCLEO_L4R5ZI", "STM32L4R5 (Arm Cortex-M4, 120 MHz)", 640 * KIB),
    "mcu_cortex_m7": tiny("NUCLEO_H7A3ZI_Q", "STM32H7A3 (Arm Cortex-M7, 280 MHz)", 1408 * KIB),
    "mcu_cortex_m33": tiny("NUCLEO_U575ZI_Q", "STM32U575 (Arm Cortex-M33, 160 MHz)", 786 * KIB),
}
"""Recipe of each device card: data folder and name in, card out."""
PRIORS: dict[str, Callable[[Path, str], DevicePriorCard]] = {"ncnn_cpu": prior(False), "ncnn_vulkan": prior(True)}
"""Recipe of each prior over devices."""
