"""Findings as files and pictures: ``results.json``, ``results.csv`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgegym.agents.comparing import FOLDER, Findings, provenance, reference_folder, steps_and_values
from edgegym.agents.reference import write_reference
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.harness import environment_class
from edgegym.evaluation.pictures import LearningCurves, Line, Picture
from edgegym.evaluation.report import write_report
from edgegym.evaluation.results import write_results
from edgegym.evaluation.scores import RETURN

SHOWN_HEURISTICS = 5
"""More lines than that in one panel cannot be told apart."""


def comparison_of(findings: Findings) -> Comparison:
    """Judge the findings by the experiment's metric."""
    experiment = findings.experiment
    metrics = [*environment_class(experiment.environment).system_class.metrics, RETURN]
    return Comparison.of(findings.scores, metrics, experiment.metric)


def write_findings(findings: Findings, comparison: Comparison, root: Path) -> Path:
    """Write all files of a comparison.

    Args:
        findings: what was played.
        comparison: what was judged.
        root: folder of all experiments.

    Returns:
        The folder, ``runs/<experiment>/comparison``.
    """
    experiment = findings.experiment
    folder = root / experiment.name / FOLDER
    facts = provenance(findings)
    pictures = [*_over_time(findings, comparison), *_over_setting(findings, comparison)]
    write_results(folder, comparison, facts, pictures, findings.timings)
    title = f"{experiment.name}: {experiment.description or experiment.environment}"
    # Borrowed policies were validated on the episodes of another experiment: no curve of theirs belongs here.
    learning = [_learning(findings, comparison, root)] if experiment.policies_of is None else []
    write_report(folder, comparison, title, learning, pictures, facts, findings.timings)
    return folder


def _learning(findings: Findings, comparison: Comparison, root: Path) -> LearningCurves:
    experiment, metric = findings.experiment, comparison.primary
    steps, values = steps_and_values(findings.runs, metric.name)
    scores = write_reference(experiment, reference_folder(experiment, root))
    levels = {name: metrics[metric.name] for name, metrics in scores.items() if metric.name in metrics}
    bounds = {one.policy for one in findings.scores if one.kind == "bound"}
    bound = comparison.bound if comparison.bound in levels else None
    return LearningCurves(
        metric,
        [Line(experiment.training.algorithm, "learned", steps, values)],
        {name: level for name, level in levels.items() if name not in bounds},
        (bound, levels[bound]) if bound else None,
    )


def _over_time(findings: Findings, comparison: Comparison) -> Iterator[Picture]:
    """The family's own curves over the episode: one picture for each name."""
    names = dict.fromkeys(name for curves in findings.series.values() for name in curves)
    for name in names:
        found = [(row, kind, findings.series[row].get(name)) for row, kind in _shown(findings, comparison)]
        lines = [
            Line(row, kind, (np.arange(len(curve)) + 0.5) / len(curve), curve)
            for row, kind, curve in found
            if curve is not None
        ]
        words = name.replace("_", " ")
        yield Picture(
            f"{words.capitalize()} over time",
            f"The {words} in slices of the counted part of the episode, mean over training seeds and episodes.",
            lines,
            "share of the counted part of the episode",
            words,
        )


def _over_setting(findings: Findings, comparison: Comparison) -> Iterator[Picture]:
    """The primary metric over the setting that the experiment varies."""
    sweep, metric = findings.sweep, comparison.primary
    if sweep is None:
        return
    places = [_number(value) for value in sweep.values]
    shares = all(isinstance(value, str) and value.strip().endswith("%") for value in sweep.values)
    words, setting = metric.name.replace("_", " "), sweep.setting.replace("_", " ")
    lines = [Line(row, kind, places, sweep.means[row]) for row, kind in _shown(findings, comparison)]
    yield Picture(
        f"{words.capitalize()} against {setting}",
        f"The same episodes with another {setting}. All policies are the same at all of them, trained ones too.",
        lines,
        f"{setting} [% of the footprint]" if shares else setting,
        words,
        "log" if min(places) > 0 else "linear",
        better=metric.better,
    )


def _shown(findings: Findings, comparison: Comparison) -> list[tuple[str, Any]]:
    """The best heuristics, the learned policies and the bound."""
    heuristics = [one for one in comparison.standings if one.kind == "heuristic"][:SHOWN_HEURISTICS]
    others = [one for one in comparison.standings if one.kind == "learned" or one.policy == comparison.bound]
    return [(one.policy, one.kind) for one in [*heuristics, *others]]


def _number(value: Any) -> float:
    """A value of a sweep as a place on the axis; ``"2%"`` is 2."""
    return float(value.strip().removesuffix("%")) if isinstance(value, str) else float(value)
