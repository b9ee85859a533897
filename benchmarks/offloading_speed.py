"""Decisions per CPU second of inference offloading with 32 candidate plans: the single shell and the native vector.

OMP_NUM_THREADS=1 python benchmarks/offloading_speed.py
"""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np

import edgegym  # noqa: F401

ENV = "EdgeGym/InferenceOffloading-v0"
MODELS = ["resnet18", "resnet50", "vgg16", "alexnet", "squeezenet1_1", "mobilenet_v2", "efficientnet_b0"]
SETTINGS: dict[str, Any] = {
    "users": [{"count": 4, "application": {"models": MODELS, "arrivals": {"kind": "poisson", "rate": 3.0}}}],
    "servers": [{"card": "jetson_agx_orin_gpu", "largest_batch": 4}, {"card": "jetson_tx2_nx_gpu"}],
    "plans": {"formats": ["float32", "int8"], "feature_bits": [32, 8, 4], "tiers": True, "reuse": {}, "spare": True},
    "reward": {"latency": 1.0, "miss": 0.5, "energy": 0.1, "accuracy": 2.0, "megabyte": 0.5, "server": 0.5},
}
ROUNDS = 5


def single(steps: int = 20_000) -> float:
    """Steps per CPU second of one environment, best of some rounds."""
    env = gym.make(ENV, disable_env_checker=True, **SETTINGS)
    env.reset(seed=0)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(steps):
            if env.step(0)[2]:
                env.reset()
        best = max(best, steps / (time.process_time() - began))
    return best


def vector(rows: int = 256, steps: int = 200) -> tuple[float, int, float]:
    """Decisions per CPU second of a native vector, best of some rounds; candidates; bytes per row."""
    env = gym.make_vec(ENV, num_envs=rows, **SETTINGS)
    env.reset(seed=0)
    actions = np.arange(rows) % 4
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(steps):
            env.step(actions)
        best = max(best, rows * steps / (time.process_time() - began))
    system = env.unwrapped.system  # type: ignore[attr-defined]
    return best, system.num_candidates, system.memory_bytes() / rows


def main() -> None:
    """Print the table."""
    speed, candidates, memory = vector()
    print("| what | decisions per CPU second | memory per row |")
    print("|---|---|---|")
    print(f"| single environment, {candidates} candidates | {single():,.0f} | |")
    print(f"| native vector of 256 | {speed:,.0f} | {memory / 1e6:.2f} MB |")


if __name__ == "__main__":
    main()
