"""Network functions: speed, cost with the number of nodes, and what policies accept.

``OMP_NUM_THREADS=1 python benchmarks/network_functions.py [speed] [presets] [optimum] [annealing] [congestion]``; all
if none is named.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from itertools import product
from typing import Any

import gymnasium as gym
import numpy as np

import edgegym  # noqa: F401  # registers the environments
from edgegym.agents.heuristics.network_functions import SimulatedAnnealing
from edgegym.agents.policies import bounds, heuristics
from edgegym.decision.policy import EpisodeResult
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/NetworkFunctions-v0"
SEEDS = range(1_000_000, 1_000_010)
VALIDATION = range(500_000, 500_010)
SHOWN = ("acceptance_ratio", "revenue_to_cost", "revenue_rate", "flow_success", "delay_p95_s", "node_utilisation")
TASKS: dict[str, dict[str, Any]] = {
    "waxman100": {"preset": "waxman100"},
    "abilene": {"preset": "abilene"},
    "edge_tree": {"preset": "edge_tree"},
    "topologies, 100 unseen nodes": {
        "preset": "topologies",
        "substrate": {"nodes": 100, "seed": 1000},
        "workload": {"arrivals": {"kind": "poisson", "rate": 0.3}},
    },
}
TIGHT: dict[str, Any] = {
    "preset": "abilene",
    "substrate": {"cpu": (4, 8), "bandwidth": (6, 12)},
    "workload": {
        "requests": 14,
        "functions": (2, 3),
        "cpu": (1, 3),
        "bandwidth": (1, 3),
        "arrivals": {"kind": "poisson", "rate": 1.0},
        "delay_budget_s": (0.01, 0.04),
    },
}


def choose(observation: Any) -> Any:
    """Some feasible node on a short way, of a batch or one."""
    columns = observation["candidates"]
    return np.where(observation["mask"] > 0, columns[..., 0] - 0.5 * columns[..., 2], -1.0).argmax(axis=-1)


def single(steps: int = 10_000) -> float:
    """Placements per CPU second through ``step`` of one environment."""
    env = gym.make(ENV, disable_env_checker=True)
    seen, _ = env.reset(seed=0)
    spent = 0.0
    for _ in range(steps):
        action = choose(seen)
        began = time.process_time()
        seen, _, over, _, _ = env.step(action)
        spent += time.process_time() - began
        if over:
            seen, _ = env.reset()
    return steps / spent


def vector(rows: int = 32, steps: int = 600, **settings: Any) -> float:
    """Placements per CPU second of the native vector."""
    env = gym.make_vec(ENV, num_envs=rows, **settings)
    seen, _ = env.reset(seed=0)
    spent = 0.0
    for _ in range(steps):
        actions = choose(seen)
        began = time.process_time()
        seen, *_ = env.step(actions)
        spent += time.process_time() - began
    return rows * steps / spent


def speed() -> None:
    print(f"\n## Speed\n\n- single environment, 100 nodes: {single():,.0f} placements per CPU second")
    print("\n| nodes (Gabriel) | vector of 32, placements per CPU second | ns per placement and node |\n|---|---|---|")
    for name, settings in (("Waxman preset", {}), ("the same, completions shown", {"completion": True})):
        print(f"| 100 ({name}) | {(found := vector(**settings)):,.0f} | {1e9 / found / 100:.0f} |")
    for nodes in (50, 100, 200, 400, 800):
        workload = {"kind": "abstract", "arrivals": {"kind": "poisson", "rate": 0.003 * nodes}}
        substrate = {"builder": "gabriel", "nodes": nodes, "paths": 4}
        found = vector(substrate=substrate, workload=workload)
        print(f"| {nodes} | {found:,.0f} | {1e9 / found / nodes:.0f} |")


def presets() -> None:
    for name, settings in TASKS.items():
        task = Task(ENV, settings)
        print(f"\n## {name}, {len(SEEDS)} episodes\n\n| policy | {' | '.join(SHOWN)} | ms per request |")
        print("|" + "---|" * (len(SHOWN) + 2))
        for policy in [*heuristics(ENV), *bounds(ENV, task.system())]:
            began = time.process_time()
            # The coarse LP takes seconds an episode.
            results = run_episodes(task, policy, SEEDS[:3] if policy.kind == "bound" else SEEDS)
            spent = (time.process_time() - began) / len(results)
            means = [float(np.mean([result.metrics[metric] for result in results])) for metric in SHOWN]
            cells = " | ".join("" if np.isnan(mean) else f"{mean:.4g}" for mean in means)
            print(f"| {policy.name} | {cells} | {spent:.2f} |", flush=True)


def optimum() -> None:
    task, seeds = Task(ENV, TIGHT), range(6)
    print(
        "\n## Tight Abilene, 14 requests at a time: accepted over the offline optimum\n\n| policy | ratio |\n|---|---|"
    )
    accepted = {}
    for policy in [*bounds(ENV, task.system()), *heuristics(ENV)]:
        accepted[policy.name] = [result.metrics["acceptance_ratio"] for result in run_episodes(task, policy, seeds)]
        print(f"| {policy.name} | {sum(accepted[policy.name]) / sum(accepted['Offline optimum']):.3f} |", flush=True)


def annealing() -> None:
    print("\n## Simulated annealing, validation episodes\n")
    print("| moves | preset | accepted | CPU ms per request |\n|---|---|---|---|")
    for preset in ("waxman100", "abilene"):
        task = Task(ENV, {"preset": preset})
        run_episodes(task, SimulatedAnnealing(moves=10), VALIDATION[:1])
        for moves in (100, 300, 1_000, 3_000, 10_000):
            began = time.process_time()
            results = run_episodes(task, SimulatedAnnealing(moves), VALIDATION)
            spent = (time.process_time() - began) / len(results)
            print(f"| {moves} | {preset} | {mean_of(results, 'acceptance_ratio'):.3f} | {spent:.2f} |", flush=True)


def mean_of(results: Sequence[EpisodeResult], metric: str) -> float:
    return float(np.mean([result.metrics[metric] for result in results]))


def congestion() -> None:
    print("\n## Around congested links, validation episodes\n")
    print("| policy | preset | above | accepted | without | segments moved |\n|---|---|---|---|---|---|")
    for preset, above in product(("waxman100", "abilene"), (0.9, 0.7)):
        still = {"preset": preset, "completion": True}
        moving = {**still, "congestion": {"above": above, "until": above - 0.1}}
        for policy in heuristics(ENV, Task(ENV, still).system()):
            if policy.name in ("Cheapest completion", "Nearest", "Shortest path", "Marginal cost"):
                before, after = (run_episodes(Task(ENV, settings), policy, VALIDATION) for settings in (still, moving))
                accepted, without = (mean_of(results, "acceptance_ratio") for results in (after, before))
                moved = mean_of(after, "relieved_segments")
                print(
                    f"| {policy.name} | {preset} | {above} | {accepted:.3f} | {without:.3f} | {moved:.0f} |", flush=True
                )


def main() -> None:
    """Run the named parts."""
    parts = {"speed": speed, "presets": presets, "optimum": optimum, "annealing": annealing, "congestion": congestion}
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
