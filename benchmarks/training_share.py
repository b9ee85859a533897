"""Which share of PPO's training time the environment takes.

OMP_NUM_THREADS=1 python benchmarks/training_share.py
"""

from __future__ import annotations

import time
from typing import Any

import torch
from stable_baselines3 import PPO

from edgegym.agents.candidate_policy import CandidatePolicy
from edgegym.agents.sb3_adapter import make_sb3_env

ENV = "EdgeGym/ContentCaching-v0"
STEPS = 60_000


def measure(rows: int, layers: tuple[int, ...], batch: int) -> tuple[float, float]:
    """Decisions per CPU second of a training, and the share of that time spent inside the native environment."""
    env = make_sb3_env(ENV, rows, seed=0)
    native: Any = env.env
    inside, step = 0.0, native.step

    def timed(actions: Any) -> Any:
        nonlocal inside
        began = time.process_time()
        result = step(actions)
        inside += time.process_time() - began
        return result

    model = PPO(
        CandidatePolicy,
        env,
        n_steps=256,
        batch_size=batch,
        n_epochs=4,
        device="cpu",
        policy_kwargs={"score_layers": layers, "activation": "tanh"},
    )
    # The first rollout compiles the kernels.
    model.learn(rows * 256)
    native.step = timed
    began = time.process_time()
    model.learn(STEPS)
    total = time.process_time() - began
    return model.num_timesteps / total, inside / total


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print(
        "| rows | score layers | batch | decisions per CPU second | share of the environment |\n|---|---|---|---|---|"
    )
    for rows, layers, batch in ((16, (8,), 512), (64, (32, 32), 1024)):
        speed, share = measure(rows, layers, batch)
        print(f"| {rows} | {list(layers)} | {batch} | {speed:,.0f} | {100 * share:.1f} % |")


if __name__ == "__main__":
    main()
