"""Object against byte misses of learned policies, from one reward weight to the other, beside all heuristics.

OMP_NUM_THREADS=1 EDGEGYM_DATA=... python benchmarks/frontier.py [FIGURE]

The adaptsize trace, a cache of 10 % of its bytes, first half for training, second half with a warm cache for judging.
A policy is trained for each weight of a byte hit beside that of an object hit; the rest is the config ``trace``, with
fewer steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

from matplotlib.figure import Figure

from edgegym.agents.campaign import train
from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import bounds, heuristics
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.store import load_policy
from edgegym.decision.policy import Policy
from edgegym.evaluation.harness import run_episodes

TRACE = "$EDGEGYM_DATA/requests/caffeine/adapt_size_request.trace.xz"
BYTE_WEIGHTS = (0.0, 20.0, 60.0, 200.0, 1000.0)
"""Reward per megabyte hit, beside 1 per object hit; a mean object has .0076 MB."""
GOAL = (0.635, 0.675)
RUNS = Path("runs")


def experiment(weight: float) -> Experiment:
    overrides = [
        f"name=frontier_{weight:g}",
        f"settings.workload.path={TRACE}",
        "settings.workload.format=adaptsize",
        "settings.capacity=10%",
        f"training.settings.reward.byte_hit={weight}",
        'training.settings.capacity=["1%","2%","5%","10%"]',
        "training.seeds=[0,1,2]",
        "training.steps=400000",
        "training.validate_every=100000",
        "sweep=null",
    ]
    return load_experiment("trace", overrides)


def misses(one: Experiment, policy: Policy) -> tuple[float, float]:
    """Object and byte miss ratio on the second half."""
    (result,) = run_episodes(one.task(one.evaluation), policy, one.evaluation.seeds)
    return 1.0 - result.metrics["hit_ratio"], 1.0 - result.metrics["byte_hit_ratio"]


def main() -> None:
    """Print the table and draw the figure if a path is given."""
    points: list[tuple[str, float, float]] = []
    for weight in BYTE_WEIGHTS:
        one = experiment(weight)
        for run in train(one, RUNS):
            found = misses(one, LearnedPolicy(load_policy(run.folder)))
            points.append((f"PPO, {weight:g} a MB, {run.name}", *found))
    one = experiment(0.0)
    system = one.task(one.evaluation).system()
    by_objects = fitted_on_validation(one, RUNS / one.name / "reference")
    by_bytes = fitted_on_validation(one.model_copy(update={"metric": "byte_hit_ratio"}), RUNS / one.name / "bytes")
    for policy in [*heuristics(one.environment, system), *bounds(one.environment, system)]:
        points.append((policy.name, *misses(one, policy)))
    points += [("Linear rule, objects", *misses(one, by_objects[0])), ("Linear rule, bytes", *misses(one, by_bytes[0]))]
    print("| policy | object miss ratio | byte miss ratio |\n|---|---|---|")
    for name, objects, bytes_ in points:
        print(f"| {name} | {objects:.4f} | {bytes_:.4f} |", flush=True)
    if len(sys.argv) > 1:
        draw(points, sys.argv[1])


def draw(points: list[tuple[str, float, float]], path: str) -> None:
    """Heuristics as grey squares, named where there is room; learned policies by weight; the goal as a corner."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    named: list[tuple[float, float]] = []
    for name, objects, bytes_ in points:
        if name.startswith("PPO"):
            continue
        axes.plot(objects, bytes_, "s", color="C7", markersize=5)
        if all(abs(objects - x) > 0.02 or abs(bytes_ - y) > 0.004 for x, y in named):
            axes.annotate(name, (objects, bytes_), fontsize=7, xytext=(4, 2), textcoords="offset points")
            named.append((objects, bytes_))
    for number, weight in enumerate(BYTE_WEIGHTS):
        found = [(x, y) for name, x, y in points if name.startswith(f"PPO, {weight:g} a MB")]
        axes.plot(*zip(*found, strict=True), "o", color=f"C{number}", label=f"PPO, {weight:g} per MB hit")
    axes.axvline(GOAL[0], color="k", linewidth=0.8, linestyle=":")
    axes.axhline(GOAL[1], color="k", linewidth=0.8, linestyle=":", label=f"{GOAL[0]} and {GOAL[1]}")
    axes.set(xlabel="object miss ratio", ylabel="byte miss ratio", xlim=(0.595, 0.735), ylim=(0.645, 0.72))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
