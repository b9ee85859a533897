"""Request scheduling: orders of service, batches and holding back, each with its heuristics; and training with them.

export OMP_NUM_THREADS=1 EDGEGYM_DATA=...
edgegym train edge_code name=edge_code_hold training.seeds=[0] training.steps=300000 settings.hold.step_s=0.01
edgegym train edge_code name=edge_code_batch training.seeds=[0] training.steps=300000 settings.discipline.max_batch=8
python benchmarks/scheduling_disciplines.py --runs runs > benchmarks/results/scheduling_disciplines.md
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from page import machine, table

from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import heuristics, policy_named
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.runs import REFERENCE
from edgegym.agents.store import load_policy
from edgegym.decision.policy import Policy
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/RequestScheduling-v0"
SYSTEMS: Mapping[str, Mapping[str, Any]] = {
    "first come, first served": {},
    "earliest deadline first": {"discipline": {"order": "edf"}},
    "strict priority": {"discipline": {"order": "strict_priority"}},
    "weighted priority": {"discipline": {"order": "weighted_priority"}},
    "late ones dropped": {"discipline": {"drop_late": True}},
    "batches of up to 8": {"discipline": {"max_batch": 8}},
    "batches of up to 8, window of 5 ms": {"discipline": {"max_batch": 8, "window_s": 0.005}},
    "holding back possible": {"hold": {"step_s": 0.01}},
}
POLICIES = ("SED", "Earliest feasible", "Most accurate feasible")
"""SED in front of servers that serve the earliest deadline first is the policy EDF."""
TRAINED: Mapping[str, tuple[str, ...]] = {
    "edge_code_hold": ("settings.hold.step_s=0.01",),
    "edge_code_batch": ("settings.discipline.max_batch=8",),
}
COLUMNS = ("accurate_goodput", "slo_attainment", "accuracy", "p99_sojourn_high", "p99_sojourn_normal",
           "p99_sojourn_low", "energy_j", "held")  # fmt: skip
SEEDS = range(10)


def row_of(name: str, task: Task, policy: Policy, seeds: Sequence[int]) -> tuple[str, ...]:
    """A policy's means."""
    results = run_episodes(task, policy, seeds)
    return (name, *(f"{np.nanmean([result.metrics[column] for result in results]):.4f}" for column in COLUMNS))


def systems() -> None:
    """Heuristics in the preset ``edge_site`` under every order of service."""
    for title, settings in SYSTEMS.items():
        print(f"### {title[0].upper()}{title[1:]}\n")
        task = Task(ENV, {"preset": "edge_site", **settings})
        table(("policy", *COLUMNS), [row_of(name, task, policy_named(ENV, name), SEEDS) for name in POLICIES])


def experiment_of(name: str) -> Experiment:
    """An experiment of :data:`TRAINED`, as the commands above train it."""
    short = (f"name={name}", "training.seeds=[0]", "training.steps=300000")
    return load_experiment("edge_code", (*short, *TRAINED[name]))


def trained(name: str, runs: Path) -> None:
    """One trained seed and all heuristics on the evaluation episodes."""
    experiment = experiment_of(name)
    print(f"### `edge_code` with {' '.join(TRAINED[name])}\n")
    task, seeds = experiment.task(experiment.evaluation), experiment.evaluation.seeds
    fitted = fitted_on_validation(experiment, runs / name / REFERENCE)
    learned = LearnedPolicy(load_policy(runs / name / "PPO_0"), "PPO, seed 0")
    policies = [*heuristics(ENV, task.system()), *fitted, learned]
    rows = [row_of(policy.name, task, policy, seeds) for policy in policies]
    table(("policy", *COLUMNS), sorted(rows, key=lambda row: -float(row[1]))[:6])


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trained policies")
    runs = parser.parse_args().runs
    print("# Orders of service, batches and holding back\n\n`python benchmarks/scheduling_disciplines.py`; ", end="")
    print(f"{machine()}\n")
    print(f"## Heuristics: the preset `edge_site`, {len(SEEDS)} episodes\n")
    systems()
    print("## One trained seed each: the six best policies on the evaluation episodes\n")
    for name in TRAINED:
        trained(name, runs)


if __name__ == "__main__":
    main()
