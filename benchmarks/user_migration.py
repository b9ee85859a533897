"""User migration: the exact hexagonal problem, speeds, the clairvoyant plan at full size, traces, and Melbourne.

OMP_NUM_THREADS=1 python benchmarks/user_migration.py
"""

from __future__ import annotations

import tempfile
import time
from itertools import product
from pathlib import Path

import gymnasium as gym
import numpy as np

import edgegym  # noqa: F401
from edgegym.agents.policies import bounds, heuristics
from edgegym.envs.user_migration.viterbi import plan
from edgegym.evaluation.harness import Task, run_episodes
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


def viterbi(pruned: bool, users: int = 500, slots: int = 1440, sites: int = 200) -> float:
    """CPU seconds for the plans of all users.

    Args:
        pruned: walks over sites in a line with costs that grow with distance; else users jump anywhere in every slot
            and costs are random, those of a slot small against those of a migration: no site can be passed over.
        users: how many.
        slots: of each.
        sites: where services may run.
    """
    rng = np.random.default_rng(0)
    apart = np.abs(np.subtract.outer(np.arange(sites), np.arange(sites))).astype(np.float64)
    near, move, handover = 1.0 - 0.8**apart, np.where(apart > 0, 2.0 - 0.8**apart, 0.0), 0.0
    walks = np.clip(np.cumsum(rng.integers(-1, 2, (slots, users)), axis=0) + sites // 2, 0, sites - 1).astype(np.int32)
    if not pruned:
        near, move, handover = 0.01 * rng.random((sites, sites)), 1.0 + rng.random((sites, sites)), 0.05
        move = np.where(apart > 0, move + move.T, 0.0)
        walks = rng.integers(0, sites, (slots, users)).astype(np.int32)
    plan(walks[:10, 0].copy(), near, move, handover)
    began = time.process_time()
    for user in range(users):
        plan(np.ascontiguousarray(walks[:, user]), near, move, handover)
    return time.process_time() - began


def reading(users: int = 700, slots: int = 1440) -> tuple[int, float]:
    """Rows of a position trace, and CPU seconds from the file to an environment that does not predict."""
    rng = np.random.default_rng(0)
    at = np.abs(np.cumsum(rng.normal(0, 40, (slots, users, 2)), axis=0) + rng.uniform(0, 6000, (users, 2))) % 8000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.csv"
        with path.open("w", encoding="utf-8") as file:
            file.write("user,time,x_m,y_m\n")
            for t, u in product(range(slots), range(users)):
                file.write(f"u{u},{60 * t},{at[t, u, 0]:.1f},{at[t, u, 1]:.1f}\n")
        workload = {"kind": "trace", "path": str(path), "users": 10}
        began = time.process_time()
        Task(ENV, {"workload": workload, "cost": {"kind": "exponential"}, "observe": "motion"}).system()
        return users * slots, time.process_time() - began


def melbourne(backhaul: str, episodes: int = 8) -> None:
    """Heuristics and the bound between the sites of the EUA data set; needs EDGEGYM_DATA and minutes."""
    starts = "$EDGEGYM_DATA/mobility/eua/users-melbcbd-generated.csv"
    task = Task(ENV, {"preset": "melbourne", "backhaul": {"kind": backhaul}, "workload": {"starts": starts}})
    names = ("cost_per_slot", "latency_mean_s", "latency_p95_s", "motion_to_photon_misses", "migrations_per_hour")
    print(f"\n| melbourne, backhaul {backhaul} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    system = task.system()
    for policy in (*heuristics(ENV, system), *bounds(ENV, system)):
        results = run_episodes(task, policy, range(episodes))
        means = [float(np.mean([result.metrics[name] for result in results])) for name in names]
        print(f"| {policy.name} | {' | '.join(f'{mean:.4g}' for mean in means)} |", flush=True)


def main() -> None:
    """Print all tables."""
    exact()
    print("\n| preset | single, user-slots per CPU second | native vector of 128 |\n|---|---|---|")
    for preset in ("city", "hex_mdp"):
        single, vector = speed(preset)
        print(f"| {preset} | {single:,.0f} | {vector:,.0f} |")
    print("\n| Viterbi, 500 users, 1,440 slots, 200 sites | CPU seconds |\n|---|---|")
    print(f"| walks over sites in a line | {viterbi(pruned=True):.1f} |")
    print(f"| worst case: nothing is pruned | {viterbi(pruned=False):.1f} |")
    rows, seconds = reading()
    print(f"\nA position trace of {rows:,} rows is read in {seconds:.1f} s of CPU time")
    for backhaul in ("distance", "graph"):
        melbourne(backhaul)


if __name__ == "__main__":
    main()
