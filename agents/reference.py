"""Heuristics and bounds on the validation episodes: lines beside the learning curves in TensorBoard and the report."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.agents.policies import Progress, bounds, fitted_heuristics, heuristics
from edgegym.decision.policy import Policy
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.evaluation.scores import RETURN
from edgegym.files import write_json

SCORES = "scores.json"


def write_reference(
    experiment: Experiment, folder: Path, progress: Progress = lambda text, done: None
) -> dict[str, dict[str, float]]:
    """Play the validation episodes with every heuristic and bound, once per experiment.

    Heuristics with parameters are fitted on these episodes first; what was fitted is kept in ``folder``.

    Besides ``scores.json`` each policy gets TensorBoard events of its own, with the tags of the training runs
    (``validation/<metric>``) from the first step to the last: a level line on the same charts.

    Returns:
        Mean of each metric by policy.
    """
    key = {name: as_mapping(experiment)[name] for name in ("environment", "settings", "validation")}
    kept = _read(folder / SCORES)
    if kept.get("of") == key and kept.get("steps") == experiment.training.steps:
        return kept["scores"]
    task = experiment.task(experiment.validation)
    fitted = fitted_on_validation(experiment, folder, progress)
    scores = reference_scores(task, experiment.validation.seeds, fitted, progress)
    for policy, metrics in scores.items():
        _write_lines(folder / policy, metrics, experiment.training.steps)
    write_json(folder / SCORES, {"of": key, "steps": experiment.training.steps, "scores": scores})
    return scores


def fitted_on_validation(
    experiment: Experiment, folder: Path, progress: Progress = lambda text, done: None
) -> list[Policy]:
    """The heuristics with parameters, fitted on the validation episodes or as they were kept in ``folder``."""
    task, seeds = experiment.task(experiment.validation), experiment.validation.seeds
    return fitted_heuristics(task.id, task.system(), seeds, experiment.metric, folder, progress)


def reference_scores(
    task: Task, seeds: Sequence[int], fitted: Sequence[Policy] = (), progress: Progress = lambda text, done: None
) -> dict[str, dict[str, float]]:
    """Mean of the return and of each metric over the episodes, for every heuristic and bound."""
    found: dict[str, dict[str, float]] = {}
    system = task.system()
    policies = [*heuristics(task.id, system), *fitted, *bounds(task.id, system)]
    for done, policy in enumerate(policies):
        progress(policy.name, done / len(policies))
        results = run_episodes(task, policy, seeds)
        means = {RETURN.name: sum(result.total for result in results) / len(results)}
        for name in results[0].metrics:
            means[name] = sum(result.metrics[name] for result in results) / len(results)
        found[policy.name] = {name: value for name, value in means.items() if not math.isnan(value)}
    progress("", 1.0)
    return found


def _write_lines(folder: Path, metrics: Mapping[str, float], steps: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for old in folder.glob("events.out.tfevents.*"):
        old.unlink()
    with SummaryWriter(str(folder)) as writer:
        for name, value in metrics.items():
            for step in (0, steps):
                writer.add_scalar(f"validation/{name}", value, step, walltime=time.time())


def _read(path: Path) -> dict[str, Any]:
    """What was written before; nothing if it is missing or damaged, since it can be made again."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
