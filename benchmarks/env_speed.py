"""Decisions per CPU second of the caching environment: the single shell and the native vector of 256 rows.

OMP_NUM_THREADS=1 python benchmarks/env_speed.py
"""

from __future__ import annotations

import time
from typing import Any

import gymnasium as gym
import numpy as np

import edgegym  # noqa: F401

ENV = "EdgeGym/ContentCaching-v0"
ROUNDS = 5


def single(steps: int = 40_000) -> float:
    """Steps per CPU second of one environment, best of some rounds."""
    env = gym.make(ENV, disable_env_checker=True)
    env.reset(seed=0)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for i in range(steps):
            if env.step(1 + i % 4)[2]:
                env.reset()
        best = max(best, steps / (time.process_time() - began))
    return best


def vector(rows: int = 256, steps: int = 300, **settings: Any) -> tuple[float, float]:
    """Decisions per CPU second of a native vector, best of some rounds, and bytes per row."""
    env = gym.make_vec(ENV, num_envs=rows, **settings)
    env.reset(seed=0)
    actions = np.arange(rows) % 4 + 1
    best = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(steps):
            env.step(actions)
        best = max(best, rows * steps / (time.process_time() - began))
    return best, env.unwrapped.system.memory_bytes() / rows  # type: ignore[attr-defined]


def main() -> None:
    """Print the table."""
    print("| what | decisions per CPU second | memory per row |")
    print("|---|---|---|")
    print(f"| single environment | {single():,.0f} | |")
    for name, settings in (
        ("native vector of 256, default workload", {}),
        ("native vector of 256, four cooperating nodes", {"preset": "edge_cluster"}),
        ("native vector of 256, Zipf, 100 of 10,000 objects", {"preset": "zipf_objects"}),
    ):
        speed, memory = vector(**settings)
        print(f"| {name} | {speed:,.0f} | {memory / 1e6:.2f} MB |")


if __name__ == "__main__":
    main()
