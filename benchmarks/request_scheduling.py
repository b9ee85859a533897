"""Request scheduling: Park's load balancing and the edge site, trained policies against everyone, and speed.

export OMP_NUM_THREADS=1 EDGEGYM_DATA=...
for name in park_load_balance edge_code edge_conv; do edgegym train $name; done
python benchmarks/request_scheduling.py --runs runs > benchmarks/results/request_scheduling.md
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from page import machine, table

import edgegym  # noqa: F401
from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import bounds, heuristics
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.runs import REFERENCE
from edgegym.agents.store import load_policy
from edgegym.decision.policy import Policy
from edgegym.envs.request_scheduling.accounting import METRICS
from edgegym.evaluation.harness import run_episodes
from edgegym.evaluation.statistics import paired_difference, probability_of_improvement
from edgegym.settings import merged

ENV = "EdgeGym/RequestScheduling-v0"
PARK = "park_load_balance"
SITES = ("edge_code", "edge_conv")
SPEEDS = (0.7, 0.85, 1.0, 1.15)
JUDGED = (
    "accurate_goodput",
    "p99_sojourn",
    "p99_sojourn_high",
    "p99_sojourn_normal",
    "p99_sojourn_low",
    "mean_sojourn",
)
COLUMNS = ("accurate_goodput", "slo_attainment", "accuracy", "p99_sojourn", "rejected", "energy_j", "fairness")
RESAMPLES = 2000
Found = dict[str, NDArray[np.float64]]
"""Metric to (episodes,) values."""


def everyone(experiment: Experiment, runs: Path) -> tuple[list[Policy], list[LearnedPolicy]]:
    """Heuristics, fitted ones, bounds; and the trained policies."""
    system = experiment.task(experiment.evaluation).system()
    fitted = fitted_on_validation(experiment, runs / experiment.name / REFERENCE, lambda text, done: None)
    folders = sorted(path.parent for path in (runs / experiment.name).glob("*/policy.json"))
    learned = [LearnedPolicy(load_policy(f), f"PPO, seed {f.name.rpartition('_')[2]}") for f in folders]
    return [*heuristics(ENV, system), *fitted, *bounds(ENV, system)], learned


def play(experiment: Experiment, policy: Policy) -> Found:
    """The metrics of the evaluation episodes."""
    results = run_episodes(experiment.task(experiment.evaluation), policy, experiment.evaluation.seeds)
    return {name: np.array([result.metrics[name] for result in results]) for name in results[0].metrics}


def interval(values: NDArray[np.float64]) -> str:
    """95 % bootstrap interval of the mean over the episodes."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (RESAMPLES, len(values))).mean(axis=1)
    return "{:.3f} .. {:.3f}".format(*np.quantile(means, [0.025, 0.975]))


def seconds(runs: Path, name: str) -> str:
    """Wall seconds of each training."""
    files = sorted((runs / name).glob("PPO_*/finished.json"))
    return ", ".join(f"{json.loads(file.read_text())['seconds_of_last_start']:.0f}" for file in files)


def park(runs: Path) -> None:
    """Ratios to SED, paired by seed."""
    experiment = load_experiment(PARK)
    others, learned = everyone(experiment, runs)
    found = {policy.name: play(experiment, policy)["mean_sojourn"] for policy in [*others, *learned]}
    sed = found["SED"]
    print(f"## `{PARK}`: {experiment.evaluation.episodes} unseen seeds\n")
    print("Ratio of the mean response to that of SED, paired by seed; means are dominated by few seeds (heavy tail).\n")
    table(
        ("policy", "mean ratio", "95 %", "median ratio", "wins", "mean response"),
        (
            (name, f"{(x / sed).mean():.3f}", interval(x / sed), f"{np.median(x / sed):.3f}", f"{(x < sed).mean():.3f}",
             f"{x.mean():.0f}")
            for name, x in found.items()
        ),
    )  # fmt: skip
    print(f"Training: {experiment.training.steps:,} decisions a seed in {seconds(runs, PARK)} s.\n")


def site(name: str, runs: Path) -> None:
    """All policies by accurate goodput, and the trained ones against the best heuristic."""
    experiment = load_experiment(name)
    others, learned = everyone(experiment, runs)
    found = {policy.name: play(experiment, policy) for policy in [*others, *learned]}
    print(f"## `{name}`: {experiment.evaluation.episodes} episodes\n")
    rows = sorted(found.items(), key=lambda entry: -entry[1]["accurate_goodput"].mean())
    table(("policy", *COLUMNS), ((key, *(f"{np.nanmean(x[c]):.4f}" for c in COLUMNS)) for key, x in rows))
    if not learned:
        return
    best = max((policy.name for policy in others), key=lambda key: float(found[key]["accurate_goodput"].mean()))
    trained = {metric: np.stack([found[policy.name][metric] for policy in learned]) for metric in found[best]}
    print(f"The trained seeds against {best}, the best heuristic; intervals resample seeds and episodes (95 %).\n")
    table(("metric", "difference", "P of improvement", "by seed"), (against(trained, found[best], m) for m in JUDGED))
    losses(trained["accurate_goodput"] - found[best]["accurate_goodput"], found[best]["slo_attainment"])
    at_speeds(experiment, learned, next(policy for policy in others if policy.name == best))
    print(f"Training: {experiment.training.steps:,} decisions a seed in {seconds(runs, name)} s.\n")


def against(trained: Found, best: Found, metric: str) -> tuple[str, str, str, str]:
    """One row: how the trained seeds do against a heuristic by one metric, paired by episode."""
    better = {each.name: each.better for each in METRICS}[metric]
    there = np.isfinite(best[metric]) & np.isfinite(trained[metric]).all(axis=0)  # some episodes lack a class
    mine, other = trained[metric][:, there], best[metric][None, there]
    sign = 1.0 if better == "higher" else -1.0
    gain = paired_difference(mine, other, np.random.default_rng(0))
    surely = probability_of_improvement(mine, other, better, np.random.default_rng(0))
    seeds = ", ".join(f"{value:.3f}" for value in (sign * (mine - other) > 0.0).mean(axis=1))
    return (
        metric,
        f"{gain.value:+.4f} ({gain.low:+.4f} .. {gain.high:+.4f})",
        f"{surely.value:.3f} ({surely.low:.3f} .. {surely.high:.3f})",
        seeds,
    )


def losses(gain: NDArray[np.float64], attainment: NDArray[np.float64]) -> None:
    """Where pairs are lost: among calm or among crowded episodes, as the heuristic's SLO attainment tells them."""
    thirds = np.array_split(np.argsort(-attainment), 3)
    rows = []
    for name, third in zip(("calm third", "middle third", "crowded third"), thirds, strict=True):
        own = gain[:, third]
        rows.append((name, f"{attainment[third].mean():.3f}", f"{own.mean():+.4f}", f"{(own > 0).mean():.3f}",
                     f"{own.min():+.4f}"))  # fmt: skip
    table(("episodes", "SLO attainment of the heuristic", "mean gain", "pairs won", "worst pair"), rows)


def at_speeds(experiment: Experiment, learned: Sequence[LearnedPolicy], best: Policy) -> None:
    """The same policies, untouched, where all requests come slower or faster."""
    rows = []
    for speed in SPEEDS:
        settings = merged(experiment.evaluation.settings, {"workload": {"speed": speed}})
        varied = experiment.model_copy(
            update={"evaluation": experiment.evaluation.model_copy(update={"settings": settings})}
        )
        other = play(varied, best)
        each = [play(varied, policy) for policy in learned]
        trained = {metric: np.stack([one[metric] for one in each]) for metric in other}
        gain, tail = against(trained, other, "accurate_goodput"), against(trained, other, "p99_sojourn")
        rows.append((speed, f"{other['accurate_goodput'].mean():.4f}", gain[1], gain[2], tail[1]))
    table(("speed", best.name, "difference", "P of improvement", "difference of p99, s"), rows)


def speed() -> None:
    """Decisions per CPU second under alternating actions."""
    rows = []
    for preset in (PARK, "edge_site"):
        env = gym.make(ENV, preset=preset, disable_env_checker=True)
        env.reset(seed=0)
        began, steps = time.process_time(), 40_000
        for i in range(steps):
            if env.step(i % 8)[2]:
                env.reset()
        alone = steps / (time.process_time() - began)
        vector = gym.make_vec(ENV, num_envs=256, preset=preset)
        vector.reset(seed=0)
        actions, steps = np.arange(256) % 8, 1000
        began = time.process_time()
        for _ in range(steps):
            vector.step(actions)
        memory = vector.unwrapped.system.memory_bytes() / 256  # type: ignore[attr-defined]
        many = 256 * steps / (time.process_time() - began)
        rows.append((f"`{preset}`", f"{alone:,.0f}", f"{many:,.0f}", f"{memory / 1e6:.2f} MB"))
    print("## Speed, decisions per CPU second\n")
    table(("preset", "single environment", "native vector of 256", "memory per row"), rows)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trained policies")
    runs = parser.parse_args().runs
    print("# Request scheduling\n\n`OMP_NUM_THREADS=1 python benchmarks/request_scheduling.py`; ", end="")
    print(f"{machine()}\n")
    park(runs)
    for name in SITES:
        site(name, runs)
    speed()


if __name__ == "__main__":
    main()
