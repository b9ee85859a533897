"""The comparison of an experiment: heuristics, bounds and trained seeds on the same held-out episodes."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.adapting import AdaptingPolicy
from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import bounds, heuristics
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.runs import REFERENCE, RUNS, Run
from edgegym.agents.store import load_policy
from edgegym.decision.policy import EpisodeResult, Policy
from edgegym.errors import RunError
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.evaluation.scores import PolicyScores
from edgegym.evaluation.timing import Timing
from edgegym.settings import merged, parse_overrides

FOLDER = "comparison"
Results = list[list[EpisodeResult]]
"""[run][episode]"""


@dataclass(frozen=True)
class Contender:
    """One row of the comparison: a policy, or the trained seeds of one algorithm.

    Attributes:
        name: as tables show it.
        kind: heuristic, bound or learned.
        policies: one per run.
        run_names: their names.
    """

    name: str
    kind: Any
    policies: tuple[Policy, ...]
    run_names: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """A metric of every contender over the values of one setting.

    Attributes:
        setting: its name.
        values: the values.
        means: contender to (runs, values) means over the episodes.
    """

    setting: str
    values: tuple[Any, ...]
    means: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Findings:
    """Everything that the tables and pictures of a comparison are made from.

    Attributes:
        experiment: what was compared.
        contenders: who.
        scores: of each contender, in the same order.
        series: contender to curve name to (points,), the mean over runs and episodes.
        sweep: the varied setting, if the experiment names one.
        runs: the training runs that took part.
        timings: CPU time of each contender.
    """

    experiment: Experiment
    contenders: tuple[Contender, ...]
    scores: tuple[PolicyScores, ...]
    series: Mapping[str, Mapping[str, NDArray[np.float64]]]
    sweep: Sweep | None
    runs: tuple[Run, ...]
    timings: Mapping[str, Timing]


Progress = Callable[[str, float], None]
"""Called with what is being played and the fraction done of the whole."""


def judge(experiment: Experiment, root: Path = RUNS, progress: Progress = lambda text, done: None) -> Findings:
    """Play the evaluation episodes with everyone.

    Args:
        experiment: what to compare; every seed with a stored policy takes part.
        root: folder of all experiments.
        progress: called as it goes.

    Raises:
        EdgeGymError: if no policy was trained yet, or one does not fit the environment.
    """
    runs = trained_runs(experiment, root)
    task = experiment.task(experiment.evaluation)
    fitted = fitted_on_validation(experiment, reference_folder(experiment, root), lambda text, _: progress(text, 0.0))
    rows = contenders(experiment, task, runs, fitted)
    sweep = experiment.sweep
    rounds = 1 + (len(sweep.values) if sweep else 0)
    played = _play_all(task, rows, experiment, lambda text, done: progress(text, done / rounds))
    means = []
    for index, value in enumerate(sweep.values if sweep else (), 1):
        varied = Task(task.id, merged(task.settings, parse_overrides([f"{sweep.setting}={value}"])))  # type: ignore[union-attr]
        results = _play_all(
            varied,
            rows,
            experiment,
            lambda text, done, i=index, v=value: progress(f"{text} at {v}", (i + done) / rounds),  # type: ignore[misc]
        )
        means.append([_means(of_one, experiment.metric) for of_one in results])
    return Findings(
        experiment,
        rows,
        tuple(
            PolicyScores.of(row.name, row.kind, results, row.run_names)
            for row, results in zip(rows, played, strict=True)
        ),
        {row.name: _series(results) for row, results in zip(rows, played, strict=True)},
        Sweep(
            sweep.setting,
            sweep.values,
            {row.name: np.stack([of_value[i] for of_value in means], axis=1) for i, row in enumerate(rows)},
        )
        if sweep
        else None,
        tuple(runs),
        {row.name: Timing.of(results) for row, results in zip(rows, played, strict=True)},
    )


def trained_runs(experiment: Experiment, root: Path = RUNS) -> list[Run]:
    """Runs of the experiment's seeds that have stored a policy, or of those that it borrows policies from.

    Raises:
        RunError: if there is none, or one was trained with other settings.
    """
    algorithm, trainer = experiment.training.algorithm, experiment.policies_of or experiment.name
    runs = [Run(root / trainer / f"{algorithm}_{seed}") for seed in experiment.training.seeds]
    found = [run for run in runs if (run.folder / "policy.json").is_file()]
    if not found:
        with_what = "the same config" if experiment.policies_of is None else f"the config of {trainer}"
        raise RunError(
            f"{root / trainer}: holds no trained policy of {algorithm}. Train first: edgegym train with {with_what}."
        )
    for run in found if experiment.policies_of is None else ():
        run.start(experiment)
    return found


def contenders(
    experiment: Experiment, task: Task, runs: Sequence[Run], fitted: Sequence[Policy]
) -> tuple[Contender, ...]:
    """Every heuristic (``fitted`` are those with parameters), every bound of the task, and the trained seeds as one."""
    system = task.system()
    online = [*heuristics(task.id, system), *fitted]
    rows = [Contender(one.name, "heuristic", (one,), (one.name,)) for one in online]
    rows += _trained(experiment, runs)
    rows += [Contender(one.name, "bound", (one,), (one.name,)) for one in bounds(task.id, system)]
    return tuple(rows)


def _trained(experiment: Experiment, runs: Sequence[Run]) -> Iterator[Contender]:
    """The trained seeds as one: as they were stored, and adapting online if the experiment says so."""
    algorithm, adaptation = experiment.training.algorithm, experiment.adaptation
    names = tuple(run.name for run in runs)
    stored = {run.name: load_policy(run.folder) for run in runs}
    yield Contender(algorithm, "learned", tuple(LearnedPolicy(one, name) for name, one in stored.items()), names)
    if adaptation is not None:
        adapting = (AdaptingPolicy(one, experiment, adaptation, name) for name, one in stored.items())
        yield Contender(f"{algorithm} adapting", "learned", tuple(adapting), names)


def _play_all(task: Task, rows: Sequence[Contender], experiment: Experiment, progress: Progress) -> list[Results]:
    total = sum(len(row.policies) for row in rows)
    seeds, done, found = experiment.evaluation.seeds, 0, []
    for row in rows:
        results = []
        for policy in row.policies:
            progress(row.name, done / total)
            if isinstance(policy, AdaptingPolicy):
                policy.report = lambda text, _, row=row, done=done: progress(f"{row.name}, {text}", done / total)  # type: ignore[misc]
            results.append(run_episodes(task, policy, seeds))
            done += 1
        found.append(results)
    progress("", 1.0)
    return found


def _means(results: Results, metric: str) -> NDArray[np.float64]:
    """(runs,) mean of a metric over the episodes."""
    return np.array([np.mean([_value(episode, metric) for episode in run]) for run in results])


def _value(result: EpisodeResult, metric: str) -> float:
    return result.total if metric == "return" else result.metrics[metric]


def _series(results: Results) -> dict[str, NDArray[np.float64]]:
    """Curves over the episode, the mean of runs and episodes; of equal lengths only."""
    found = {}
    for name in results[0][0].series:
        curves = [episode.series[name] for run in results for episode in run]
        if len({len(curve) for curve in curves}) == 1:
            found[name] = np.mean(curves, axis=0)
    return found


def provenance(findings: Findings) -> dict[str, str]:
    """What a reader needs to repeat the numbers."""
    experiment = findings.experiment
    evaluation = experiment.evaluation
    system = experiment.task(evaluation).system()
    packages = ("edgegym", "stable-baselines3", "sb3-contrib", "torch", "gymnasium", "numpy", "numba")
    return {
        "command": " ".join(["edgegym", *map(os.path.basename, sys.argv[1:2]), *sys.argv[2:]]),
        "environment": experiment.environment,
        "episodes": f"{evaluation.episodes}, workload seeds {evaluation.seed} to {evaluation.seeds[-1]}",
        "training seeds": ", ".join(run.name for run in findings.runs)
        + ("" if all(run.finished for run in findings.runs) else " (not all of them finished)"),
        **system.provenance(),
        "machine": f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
        "date": date.today().isoformat(),
        "config": str(as_mapping(experiment)),
    }


def reference_folder(experiment: Experiment, root: Path) -> Path:
    """Where the heuristics' validation scores lie."""
    return root / experiment.name / REFERENCE


def steps_and_values(runs: Iterable[Run], metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Validation scores of all runs on one axis of steps.

    Returns:
        (points,) steps and (runs, points) scores, NaN where a run has none.
    """
    tables = [{row["steps"]: row[metric] for row in run.evaluation()} for run in runs]
    steps = sorted({step for table in tables for step in table})
    return np.array(steps), np.array([[table.get(step, np.nan) for step in steps] for table in tables])
