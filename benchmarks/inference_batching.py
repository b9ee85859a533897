"""Inference batching: the exact process, the policies on the Azure traces at several rates, and speed.

export OMP_NUM_THREADS=1 EDGEGYM_DATA=...
edgegym train batching_azure
python benchmarks/inference_batching.py --runs runs > benchmarks/results/inference_batching.md
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from page import machine, table

import edgegym  # noqa: F401
from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.heuristics.inference_batching import greedy as greedy_score
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import bounds, heuristics
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.store import load_policy
from edgegym.decision.policy import EpisodeResult, Policy, ScorePolicy
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.queueing.batching_smdp import BatchingQueue, greedy, latency_bound_s, minimum_batch, solve

ENV = "EdgeGym/InferenceBatching-v0"
EXPERIMENTS = ("batching_azure", "batching_azure_conv")
LOADS = (0.2, 0.5, 0.8)
RATES_PER_S = (1000.0, 2000.0, 3000.0)
SAME = 1e-9
"""Goodputs this close are equal."""
METRICS = ("goodput_accuracy", "slo_attainment", "accuracy", "p99_latency_s", "energy_j", "mean_batch", "loads")


def exact() -> None:
    """Relative value iteration against simulation of the preset."""
    rows = []
    for load in LOADS:
        queue = BatchingQueue.of_load(load)
        best, of_greedy = solve(queue), solve(queue, greedy(queue))
        workload = {"arrivals": {"kind": "poisson", "rate": queue.rate_per_s}, "requests": 200_000}
        task = Task(ENV, {"preset": "smdp", "workload": workload})
        found = run_episodes(task, ScorePolicy("greedy", greedy_score), range(32))
        simulated = [result.metrics["mean_latency_s"] for result in found]
        rows.append(
            (
                load,
                f"{1e3 * best.latency_s:.4f}",
                f"{of_greedy.gain / best.gain - 1:.1e}",
                f"{solve(queue, minimum_batch(queue, 8)).gain / best.gain:.3f}",
                f"{np.mean(simulated) / of_greedy.latency_s - 1:+.1e}",
                f"{np.std(simulated, ddof=1) / np.sqrt(len(simulated)) / of_greedy.latency_s:.1e}",
                f"{latency_bound_s(queue) / best.latency_s:.3f}",
            )
        )
    print("## The exact process (t0 = 3 ms, a = 1 ms, B = 16)\n")
    heads = (
        "load",
        "optimum, ms",
        "greedy - 1",
        "wait for 8",
        "simulated greedy - 1",
        "its standard error",
        "Inoue's bound",
    )
    table(heads, rows)
    print("Simulated: 32 episodes of 200,000 requests of the preset `smdp`, over the exact latency of greedy.\n")


def at_rate(name: str, rate_per_s: float) -> Experiment:
    """An experiment whose validation and evaluation have one rate."""
    rate = [f"settings.workload.arrivals.rate={rate_per_s}", "validation.settings.workload.speed=1.0"]
    return load_experiment(name, rate)


def contenders(experiment: Experiment, folder: Path, runs: Path) -> list[tuple[str, list[Policy]]]:
    """Heuristics, those with parameters fitted to this rate, bounds and trained policies; these are one contender."""
    system = experiment.task(experiment.evaluation).system()
    fitted = fitted_on_validation(experiment, folder)
    folders = sorted(path.parent for path in (runs / EXPERIMENTS[0]).glob("PPO_*/policy.json"))
    learned: list[Policy] = [LearnedPolicy(load_policy(folder), folder.name) for folder in folders]
    others = [*heuristics(ENV, system), *fitted, *bounds(ENV, system)]
    return [("PPO", learned), *((policy.name, [policy]) for policy in others)]


def values(results: Sequence[EpisodeResult], metric: str) -> Any:
    """(episodes,) of a metric."""
    return np.array([result.metrics[metric] for result in results])


def judge(name: str, rate_per_s: float, runs: Path) -> None:
    """All policies on the held-out end of a trace."""
    experiment = at_rate(name, rate_per_s)
    task, seeds = experiment.task(experiment.evaluation), experiment.evaluation.seeds
    played = {
        label: [run_episodes(task, policy, seeds) for policy in policies]
        for label, policies in contenders(experiment, runs / name / f"reference_{rate_per_s:g}", runs)
    }
    ours = np.stack([values(run, METRICS[0]) for run in played["PPO"]])
    rows = []
    for label, found in played.items():
        cells = [f"{np.mean([values(run, metric) for run in found]):.4g}" for metric in METRICS]
        is_bound = np.isnan(found[0][0].total)
        against = ("bound", "") if is_bound else _against(ours, np.stack([values(run, METRICS[0]) for run in found]))
        rows.append((label, *cells, *(("", "") if label == "PPO" else against)))
    rows.sort(key=lambda row: -float(row[1]))
    print(f"## `{name}` at {rate_per_s:g} requests a second\n")
    table(("policy", *METRICS, "PPO less it", "P(PPO better)"), rows)
    each = ", ".join(f"{mean:.4f}" for mean in ours.mean(axis=1))
    print(f"PPO by training seed: {each}.\n")


def _against(ours: Any, theirs: Any) -> tuple[str, str]:
    """Mean gain of (seeds, episodes) goodputs over others', and the share of pairs that gain; equal is half a gain."""
    gap = np.where(np.abs(ours - theirs) < SAME, 0.0, ours - theirs)
    return f"{gap.mean():+.4f}", f"{np.mean(0.5 + 0.5 * np.sign(gap)):.2f}"


def speed() -> None:
    """Requests per CPU second under a fixed rule: the first allowed candidate from the end."""
    env = gym.make(ENV, disable_env_checker=True)
    requests, decisions, began = 0, 0, time.process_time()
    for seed in range(20):
        _, info = env.reset(seed=seed)
        over = False
        while not over:
            _, _, over, _, info = env.step(int(np.flatnonzero(info["action_mask"])[-1]))
            decisions += 1
        requests += 2000
    alone = time.process_time() - began
    vector: Any = gym.make_vec(ENV, num_envs=256)
    vector.reset(seed=0)
    system, steps = vector.unwrapped.system, 200
    rng, ended, spent = np.random.default_rng(0), 0, 0.0
    for _ in range(steps):
        mask = vector.unwrapped.action_masks()
        actions = (rng.random(mask.shape) * mask).argmax(axis=1)
        began = time.process_time()
        _, _, terminated, _, _ = vector.step(actions)
        spent += time.process_time() - began
        ended += int(terminated.sum())
    handled = 2000 * ended + int((system.state.queues["head"] - system.state.queues["begin"])[:256].sum())
    print("## Speed, per CPU second\n")
    rows = [
        ("single environment, largest batches", f"{decisions / alone:,.0f}", f"{requests / alone:,.0f}"),
        ("native vector of 256, uniform actions", f"{256 * steps / spent:,.0f}", f"{handled / spent:,.0f}"),
    ]
    table(("what", "decisions", "requests"), rows)


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trained policies")
    runs = parser.parse_args().runs
    print("# Inference batching\n\n`OMP_NUM_THREADS=1 python benchmarks/inference_batching.py`; ", end="")
    print(f"{machine()}\n")
    exact()
    for name, rate_per_s in itertools.product(EXPERIMENTS, RATES_PER_S):
        judge(name, rate_per_s, runs)
    speed()


if __name__ == "__main__":
    main()
