"""Binary offloading against its published data: the allocation, the policies, the load that queues bear, and speed.

export OMP_NUM_THREADS=1 EDGEGYM_DATA=...
edgegym train droo; edgegym train lydroo
python benchmarks/binary_offloading.py --runs runs > benchmarks/results/binary_offloading.md
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from page import machine, table

import edgegym  # noqa: F401
from edgegym.agents.experiment import load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import bounds, heuristics
from edgegym.agents.store import load_policy
from edgegym.decision.policy import Policy
from edgegym.envs.binary_offloading.allocation import solve_allocations
from edgegym.envs.binary_offloading.params import BinaryOffloadingParams
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/BinaryOffloading-v0"
LOADS_MBIT = (2.8, 3.0, 3.2, 3.22, 3.23, 3.24, 3.26)
LOAD_FRAMES, LOAD_SEEDS = 10_000, range(16)
LOAD_POLICIES = ("Index sweep", "Coordinate descent", "PPO")
RATIOS = ("optimum_ratio", "optimum_ratio_p1", "optimum_ratio_min", "optimal_share", "critic_calls")
QUEUES = ("mean_queue_mbit", "late_queue_mbit", "energy_j", "rate_bps", "critic_calls")


def learned(runs: Path, name: str) -> list[LearnedPolicy]:
    """The trained policies of an experiment."""
    folders = sorted(path.parent for path in (runs / name).glob("*/policy.json"))
    return [LearnedPolicy(load_policy(folder), f"PPO, seed {folder.name.rpartition('_')[2]}") for folder in folders]


def allocation() -> None:
    """Every stored row against the allocation for its mode, and against the best of all modes."""
    path = Path(os.environ["EDGEGYM_DATA"]) / "wireless_power" / "droo" / "droo_n10_rows0-23999.npz"
    with np.load(path) as file:
        gain, objective = file["h"], file["obj"]
        mode = np.unpackbits(file["mode"], axis=1)[:, :10]
    params = BinaryOffloadingParams()
    solve_allocations(params, gain[:2], mode[:2])
    began = time.process_time()
    value = solve_allocations(params, gain, mode).value
    each = (time.process_time() - began) / len(gain)
    began = time.process_time()
    best = solve_allocations(params, gain)
    search = (time.process_time() - began) / len(gain)
    better = best.value > objective * (1 + 1e-5)
    print("## The allocation, on all 24,000 stored rows of DROO\n")
    print(f"- Largest relative difference from the stored optimum, for the stored mode: {rel(value, objective):.1e}.")
    print(f"- {1e6 * each:.1f} us per allocation, {1e6 * search:.0f} us for the best of 1,024 modes.")
    print(f"- Rows in which the best mode is below the stored one by more than 1e-5: {below(best.value, objective)}.")
    gains = best.value[better] / objective[better] - 1
    print(
        f"- Rows in which another mode is better than the stored one: {better.sum()}, by at most {gains.max():.1e}.\n"
    )


def rel(value: Any, stored: Any) -> float:
    """Largest relative difference."""
    return float(np.abs(value / stored - 1).max())


def below(value: Any, stored: Any) -> int:
    """How many are below the stored by more than 1e-5."""
    return int((value < stored * (1 - 1e-5)).sum())


def judge(name: str, runs: Path, metrics: Sequence[str]) -> None:
    """All policies on the evaluation episode of an experiment."""
    experiment = load_experiment(name)
    task = experiment.task(experiment.evaluation)
    system = task.system()
    policies: list[Policy] = [*heuristics(ENV, system), *bounds(ENV, system), *learned(runs, name)]
    rows = []
    for policy in policies:
        found = run_episodes(task, policy, experiment.evaluation.seeds)[0].metrics
        rows.append((policy.name, *(f"{found[metric]:.5g}" for metric in metrics)))
    print(f"## `{name}`: {system.provenance()['workload']}\n")
    table(("policy", *metrics), rows)


def loads(runs: Path) -> None:
    """Mean queue and its growth over the second half of long episodes, by load."""
    print(f"## Load: {LOAD_FRAMES:,} drawn frames, {len(LOAD_SEEDS)} episodes\n")
    print("Mean queue in Mbit / growth over the second half in Mbit per 1,000 frames (stable where that is near 0).\n")
    rows = []
    for load in LOADS_MBIT:
        task = Task(ENV, {"preset": "lydroo", "workload": {"arrival_mbit": load, "frames": LOAD_FRAMES}})
        policies = [*heuristics(ENV, task.system()), *learned(runs, "lydroo")[:1]]
        cells = []
        for name in LOAD_POLICIES:
            chosen = next((policy for policy in policies if policy.name.startswith(name)), None)
            cells.append("" if chosen is None else growth(task, chosen))
        rows.append((load, *cells))
    table(("arrivals, Mbit per frame", *LOAD_POLICIES), rows)
    print("Drift-plus-penalty with the exact slot optimum is stable wherever any rule is that keeps the energy budget")
    print("(M. Neely, Stochastic Network Optimization, 2010): no policy over modes can move the edge beyond its.\n")


def growth(task: Task, policy: Policy) -> str:
    """Mean queue / slope of the queue over the second half, of all episodes."""
    results = run_episodes(task, policy, LOAD_SEEDS)
    curve = np.mean([result.series["queue_mbit"] for result in results], axis=0)
    half = curve[len(curve) // 2 :]
    slope = np.polyfit(np.arange(len(half)) * LOAD_FRAMES / len(curve), half, 1)[0]
    return f"{curve.mean():.1f} / {1000 * slope:+.2f}"


def speed() -> None:
    """Decisions per CPU second under alternating actions."""
    rows = []
    for preset in ("droo", "lydroo"):
        env = gym.make(ENV, preset=preset, optimum=False, disable_env_checker=True)
        env.reset(seed=0)
        began, steps = time.process_time(), 40_000
        for i in range(steps):
            if env.step(i % 2)[2]:
                env.reset()
        alone = steps / (time.process_time() - began)
        vector = gym.make_vec(ENV, num_envs=256, preset=preset, optimum=False)
        vector.reset(seed=0)
        actions, steps = np.arange(256) % 2, 1000
        began = time.process_time()
        for _ in range(steps):
            vector.step(actions)
        many = 256 * steps / (time.process_time() - began)
        rows.append((f"`{preset}`", f"{alone:,.0f}", f"{many:,.0f}"))
    print("## Speed, decisions per CPU second\n")
    table(("preset", "single environment", "native vector of 256"), rows)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trained policies")
    runs = parser.parse_args().runs
    print("# Binary offloading\n\n`OMP_NUM_THREADS=1 python benchmarks/binary_offloading.py`; ", end="")
    print(f"{machine()}\n")
    allocation()
    judge("droo", runs, RATIOS)
    judge("lydroo", runs, QUEUES)
    loads(runs)
    speed()


if __name__ == "__main__":
    main()
