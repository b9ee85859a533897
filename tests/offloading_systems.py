"""Systems that the tests of inference offloading play."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem

RICH: dict[str, Any] = {
    "seconds": 6.0,
    "users": [
        {
            "count": 2,
            "device": "raspberry_pi_4",
            "application": {
                "models": ["resnet18", "mobilenet_v2"],
                "arrivals": {"kind": "poisson", "rate": 4.0},
                "deadline_s": 0.4,
                "private_share": 0.3,
            },
        },
        {
            "count": 2,
            "device": "jetson_nano_gpu",
            "application": {"models": ["branchy_alexnet"], "arrivals": {"kind": "periodic", "rate": 3.0}},
        },
    ],
    "access": {"kind": "card", "card": "5g_driving"},
    "servers": [
        {"card": "jetson_tx2_nx_gpu", "largest_batch": 3},
        {"card": "raspberry_pi_4", "link": "metro_fibre_50km"},
    ],
    "plans": {"formats": ["float32", "int8"], "tiers": True, "exits": True, "reuse": {"scenes": 2}, "noise": True},
    "candidates": 48,
    "timeout_s": 3.0,
    "reward": {"latency": 1.0, "miss": 0.5, "energy": 0.1, "accuracy": 2.0, "megabyte": 0.3, "server": 0.7},
}


def system_of(
    values: dict[str, Any] | None = None, preset: str | None = None, rows: int = 1
) -> InferenceOffloadingSystem:
    parameters = make_settings(InferenceOffloadingSystem, preset, values or {})
    return InferenceOffloadingSystem(parameters, rows)  # type: ignore[arg-type]


def played(system: InferenceOffloadingSystem, seed: int, rng: np.random.Generator) -> tuple[list[int], float]:
    """Play an episode at random; the plans that ran and the return."""
    system.begin(0, seed, {})
    decisions, active, total = Decisions.empty(system), np.ones(1, np.bool_), 0.0
    system.observe(decisions)
    while not decisions.done[0]:
        action = int(rng.choice(np.flatnonzero(decisions.mask[0])))
        system.step(np.array([action]), active, decisions)
        total += float(decisions.reward[0])
    return system.log(0)[1]["plan"].tolist(), total
