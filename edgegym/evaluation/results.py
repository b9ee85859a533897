"""A comparison as files that programs read: ``results.json`` and ``results.csv``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgegym.evaluation import statistics
from edgegym.evaluation.comparison import Comparison
from edgegym.evaluation.pictures import Picture
from edgegym.evaluation.scores import scores_to_csv
from edgegym.evaluation.standings import Standing
from edgegym.evaluation.timing import Timing
from edgegym.evaluation.verdicts import intervals, losses, sentence
from edgegym.files import write_json, write_text


def write_results(
    folder: str | os.PathLike[str],
    comparison: Comparison,
    provenance: Mapping[str, Any] | None = None,
    pictures: Sequence[Picture] = (),
    timings: Mapping[str, Timing] | None = None,
) -> Path:
    """Write ``results.json`` (:func:`comparison_to_json` and all else that is given) and ``results.csv`` (all scores).

    Each file is written whole or not at all.

    Args:
        folder: made where it does not exist.
        comparison: what was found.
        provenance: whatever is needed to repeat the numbers: command, config, seeds, versions, date; JSON-like.
        pictures: the family's own pictures, whose numbers are kept.
        timings: CPU time of each policy; the only numbers of ``results.json`` that differ when all is repeated.

    Returns:
        The path of ``results.json``.
    """
    target = Path(folder) / "results.json"
    write_text(target.with_suffix(".csv"), scores_to_csv(comparison.scores))
    also: dict[str, Any] = {"pictures": [one.to_json() for one in pictures], "provenance": dict(provenance or {})}
    also["timings"] = {name: asdict(timing) for name, timing in (timings or {}).items()}
    write_json(target, comparison_to_json(comparison) | _without_nan(also))
    return target


def comparison_to_json(comparison: Comparison) -> dict[str, Any]:
    """Return plain dicts and lists with stable keys; what is missing is None, since JSON has no NaN.

    Top level: ``primary``, ``episodes``, ``best_heuristic``, ``bound``, ``bootstrap`` (``seed``, ``resamples``,
    ``level``, ``scheme``, ``intervals``), ``metrics`` (``name``, ``unit``, ``better``, ``description``), ``policies``,
    ``losses``, ``notes`` and ``scores`` (per policy, numbers as [run][episode]). A policy has the keys of
    :class:`~edgegym.evaluation.standings.Standing`, ``lowest_probability``, ``outcome`` and ``verdict``. An estimate
    has ``value``, ``low``, ``high`` (None without an interval) and ``resampled``, what the interval is over.
    """
    found = {
        "primary": comparison.primary.name,
        "episodes": comparison.episodes,
        "best_heuristic": comparison.best_heuristic,
        "bound": comparison.bound,
        "bootstrap": {
            "seed": comparison.seed,
            "resamples": statistics.RESAMPLES,
            "level": statistics.LEVEL,
            "scheme": comparison.scheme,
            "intervals": intervals(comparison),
        },
        "metrics": [asdict(metric) for metric in comparison.metrics],
        "policies": [_policy(standing, comparison) for standing in comparison.standings],
        "losses": losses(comparison),
        "notes": list(comparison.notes),
        "scores": [one.to_json() for one in comparison.scores],
    }
    plain: dict[str, Any] = _without_nan(found)
    return plain


def _policy(standing: Standing, comparison: Comparison) -> dict[str, Any]:
    lowest = standing.lowest_probability
    return asdict(standing) | {
        "lowest_probability": asdict(lowest) if lowest else None,
        "outcome": standing.outcome,
        "verdict": sentence(standing, comparison) if standing.outcome else None,
    }


def _without_nan(value: Any) -> Any:
    """Replace NaN by None, at any depth."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
