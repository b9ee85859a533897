"""Findings as files and pictures: ``results.json``, ``results.csv`` and ``report.html``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgegym.agents.comparing import FOLDER, Findings, provenance, reference_folder, steps_and_values
from edgegym.agents.experiment import as_mapping
from edgegym.agents.reference import write_reference
from edgegym.decision.metrics import Metric
from edgegym.evaluation.comparison import Comparison, compare
from edgegym.evaluation.figures import (
    LearningCurve,
    Series,
    learning_curves,
    lines,
    metric_intervals,
    paired_differences,
)
from edgegym.evaluation.harness import environment_class
from edgegym.evaluation.report import FigureEntry, write_report
from edgegym.evaluation.scores import RETURN, scores_to_csv, scores_to_json
from edgegym.files import write_json, write_text


def comparison_of(findings: Findings) -> Comparison:
    """Judge the findings by the experiment's metric."""
    return compare(findings.scores, metrics_of(findings), findings.experiment.metric)


def metrics_of(findings: Findings) -> list[Metric]:
    """The family's metrics and the return."""
    return [*environment_class(findings.experiment.environment).system_class.metrics, RETURN]


def write_findings(findings: Findings, comparison: Comparison, root: Path) -> Path:
    """Write all files of a comparison.

    Args:
        findings: what was played.
        comparison: what was judged.
        root: folder of all experiments.

    Returns:
        The folder, ``runs/<experiment>/comparison``.
    """
    folder = root / findings.experiment.name / FOLDER
    facts = provenance(findings)
    result: dict[str, Any] = {
        "experiment": as_mapping(findings.experiment),
        "provenance": facts,
        **comparison.to_json(),
        "scores": scores_to_json(findings.scores),
        "sweep": _sweep_json(findings),
    }
    write_json(folder / "results.json", result)
    write_text(folder / "results.csv", scores_to_csv(findings.scores))
    title = f"{findings.experiment.name}: {findings.experiment.description or findings.experiment.environment}"
    write_report(folder / "report.html", title, comparison, figures(findings, comparison, root), facts)
    return folder


def figures(findings: Findings, comparison: Comparison, root: Path) -> list[FigureEntry]:
    """The pictures of the report, in reading order."""
    reference = next(one for one in findings.scores if one.policy == comparison.best_heuristic)
    learned = [one for one in findings.scores if one.kind == "learned"]
    return [
        FigureEntry(
            "Metrics",
            "Interquartile mean of every metric, with the 95 % interval over training seeds and episodes.",
            metric_intervals(comparison),
        ),
        FigureEntry(
            "Paired differences",
            "Each dot is one training seed on one episode, against the best heuristic on the same episode.",
            paired_differences(learned, reference, comparison.primary),
        ),
        _learning_curve(findings, comparison, root),
        *_curves_over_episode(findings, comparison),
        *_sweep_picture(findings, comparison),
    ]


def _learning_curve(findings: Findings, comparison: Comparison, root: Path) -> FigureEntry:
    experiment, metric = findings.experiment, comparison.primary
    steps, values = steps_and_values(findings.runs, metric.name)
    scores = write_reference(experiment, reference_folder(experiment, root))
    levels = {name: metrics[metric.name] for name, metrics in scores.items() if metric.name in metrics}
    of_bounds = {one.policy for one in findings.scores if one.kind == "bound"}
    bound = [(name, level) for name, level in levels.items() if name == comparison.bound]
    return FigureEntry(
        "Learning curve",
        "Validation during training, a thin line a seed; heuristics and bound on the same validation episodes. The "
        "policy with the best validation is the one compared above.",
        learning_curves(
            [LearningCurve(experiment.training.algorithm, steps, values)],
            metric,
            {name: level for name, level in levels.items() if name not in of_bounds},
            bound[0] if bound else None,
        ),
    )


def _curves_over_episode(findings: Findings, comparison: Comparison) -> list[FigureEntry]:
    """The family's own curves: one picture for each name."""
    names = dict.fromkeys(name for curves in findings.series.values() for name in curves)
    order = _display_order(findings, comparison)
    entries = []
    for name in names:
        shown = [
            Series(row, np.linspace(0, 1, len(findings.series[row][name])), findings.series[row][name], kind)
            for row, kind in order
            if name in findings.series[row]
        ]
        title = name.replace("_", " ")
        entries.append(
            FigureEntry(
                f"{title.capitalize()} over time",
                f"The {title} in slices of the counted part of the episode, mean over seeds and episodes.",
                lines(shown, "share of the episode", title),
            )
        )
    return entries


def _sweep_picture(findings: Findings, comparison: Comparison) -> list[FigureEntry]:
    sweep = findings.sweep
    if sweep is None:
        return []
    numbers = [_number(value) for value in sweep.values]
    metric, name = comparison.primary, sweep.setting.replace("_", " ")
    shown = []
    for row, kind in _display_order(findings, comparison):
        means = sweep.means[row]
        spread = {"low": means.min(axis=0), "high": means.max(axis=0)} if len(means) > 1 else {}
        shown.append(Series(row, numbers, means.mean(axis=0), kind, **spread))
    positive = all(number > 0 for number in numbers)
    unit = " [%]" if all(str(value).strip().endswith("%") for value in sweep.values) else ""
    title = metric.name.replace("_", " ")
    entry = FigureEntry(
        f"{title.capitalize()} against {name}",
        f"The same episodes with another {name}; the learned policies were trained at one value and are used at all. "
        "The band spans the training seeds.",
        lines(shown, f"{name}{unit}", title, "log" if positive else "linear"),
    )
    return [entry]


def _display_order(findings: Findings, comparison: Comparison) -> list[tuple[str, Any]]:
    """The best five heuristics, the learned policies and the bound: more lines than that cannot be told apart."""
    heuristics = [one for one in comparison.standings if one.kind == "heuristic"][:5]
    others = [one for one in comparison.standings if one.kind == "learned" or one.policy == comparison.bound]
    return [(one.policy, one.kind) for one in [*heuristics, *others]]


def _number(value: Any) -> float:
    """A value of a sweep as a place on the axis; ``"2%"`` is 2."""
    return float(value.strip().removesuffix("%")) if isinstance(value, str) else float(value)


def _sweep_json(findings: Findings) -> dict[str, Any] | None:
    sweep = findings.sweep
    if sweep is None:
        return None
    means = {
        row: [[None if np.isnan(cell) else cell for cell in run] for run in table.tolist()]
        for row, table in sweep.means.items()
    }
    return {"setting": sweep.setting, "values": list(sweep.values), "means": means}
