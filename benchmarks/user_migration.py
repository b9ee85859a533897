"""User migration: the exact hexagonal problem, speeds, and the clairvoyant plan at full size.

OMP_NUM_THREADS=1 python benchmarks/user_migration.py
"""

from __future__ import annotations

import time
from itertools import product

import gymnasium as gym
import numpy as np

import edgegym  # noqa: F401
from edgegym.envs.user_migration.viterbi import plan
from edgegym.mobility.hex_mdp import HexMdp
from edgegym.mobility.hop_costs import HopCosts
from edgegym.mobility.ring_mdp import RingMdp

ENV = "EdgeGym/UserMigration-v0"
RINGS, MOVE = 10, 1.0 / 12.0
ROUNDS = 3


def exact() -> None:
    """Value iteration, the candidates of the environment, and the one-dimensional approximation with its bound."""
    print("| R | discount | V(0) | candidates on paths - optimum | one-dimensional policy - optimum | its bound |")
    print("|---|---|---|---|---|---|")
    for ratio, discount in product((0.0, 1.0, 4.0, 10.0, 20.0), (0.5, 0.9, 0.99)):
        costs = HopCosts.of_ratio(ratio)
        mdp, ring = HexMdp(RINGS, MOVE, discount, costs), RingMdp(RINGS, MOVE, discount, costs)
        best = mdp.value_iteration()
        paths = np.abs(mdp.on_paths().value_iteration() - best).max()
        excess = (mdp.evaluate(mdp.from_rings(ring.policy_iteration())) - best).max()
        print(f"| {ratio:g} | {discount} | {best[0]:.5f} | {paths:.1e} | {excess:.1e} | {ring.bound:.3g} |")


def speed(preset: str, rows: int = 128) -> tuple[float, float]:
    """User-slots per CPU second, always staying: one environment, and a native vector."""
    single, vector = (
        gym.make(ENV, preset=preset, disable_env_checker=True),
        gym.make_vec(ENV, num_envs=rows, preset=preset),
    )
    single.reset(seed=0)
    vector.reset(seed=0)
    actions, best = np.zeros(rows, np.int64), [0.0, 0.0]
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(20_000):
            if single.step(0)[2]:
                single.reset()
        best[0] = max(best[0], 20_000 / (time.process_time() - began))
        began = time.process_time()
        for _ in range(400):
            vector.step(actions)
        best[1] = max(best[1], 400 * rows / (time.process_time() - began))
    return best[0], best[1]


def viterbi(users: int = 500, slots: int = 1440, sites: int = 200) -> float:
    """CPU seconds for the plans of all users, on walks over sites in a line with costs that grow with distance."""
    rng = np.random.default_rng(0)
    apart = np.abs(np.subtract.outer(np.arange(sites), np.arange(sites))).astype(np.float64)
    near, move = 1.0 - 0.8**apart, np.where(apart > 0, 2.0 - 0.8**apart, 0.0)
    walks = np.clip(np.cumsum(rng.integers(-1, 2, (slots, users)), axis=0) + sites // 2, 0, sites - 1).astype(np.int32)
    plan(walks[:10, 0].copy(), near, move, 0.0)
    began = time.process_time()
    for user in range(users):
        plan(np.ascontiguousarray(walks[:, user]), near, move, 0.0)
    return time.process_time() - began


def main() -> None:
    """Print all tables."""
    exact()
    print("\n| preset | single, user-slots per CPU second | native vector of 128 |\n|---|---|---|")
    for preset in ("city", "hex_mdp"):
        single, vector = speed(preset)
        print(f"| {preset} | {single:,.0f} | {vector:,.0f} |")
    print(f"\nViterbi, 500 users, 1,440 slots, 200 sites: {viterbi():.1f} s of CPU time")


if __name__ == "__main__":
    main()
