"""What a study found, for people and for programs: means over seeds, and the neural forecaster against the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy import stats

from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.agents.forecasting.study import NAMES, NEURAL, Judged
from edgegym.evaluation.statistics import LEVEL, Estimate, paired_difference

MEASURES: Mapping[str, str] = {
    "deviance": "deviance",
    "log_error": "log error",
    "recall": "recall@C",
    "miss_ratio": "miss ratio",
    "byte_miss_ratio": "byte miss",
}
"""Measures of a forecaster to what tables call them; recall is better when higher, all others when lower."""
CAPTION = (
    "deviance: Poisson, mean; log error: mean |difference| of log2(1 + requests); recall@C: requests for the C "
    "contents with the highest forecasts over those for the C most requested; misses: of evicting the lowest forecast. "
    "EWMA: half-life of the least deviance; EWMA for hits: of the most hits, on the end of the training part."
)


def values(judged: Judged, measure: str) -> NDArray[np.float64]:
    """(seeds, episodes) of a measure; errors are of all episodes together: (seeds, 1)."""
    if measure.endswith("miss_ratio"):
        return 1.0 - judged.metric(measure.replace("miss", "hit"))
    return np.array([[getattr(score, measure)] for score in judged.scores])


def mean(judged: Judged, measure: str) -> Estimate:
    """Mean of a measure, with Student's 95 % interval over seeds; without one for a single fit."""
    runs = values(judged, measure).mean(axis=1)
    if len(runs) == 1:
        return Estimate.point(float(runs[0]))
    centre, half = float(runs.mean()), stats.t.ppf(0.5 + LEVEL / 2, len(runs) - 1) * stats.sem(runs)
    return Estimate(centre, centre - float(half), centre + float(half), "runs")


def differences(found: Sequence[Judged], measure: str = "miss_ratio") -> dict[str, Estimate]:
    """The neural forecaster's measure minus every other's, with a 95 % interval over its seeds and the episodes."""
    neural = next(one for one in found if one.name == NEURAL)
    return {
        one.name: paired_difference(values(neural, measure), values(one, measure), np.random.default_rng(0))
        for one in found
        if one is not neural
    }


def verdicts(found: Sequence[Judged]) -> list[str]:
    """One line for each other forecaster: does the neural one miss less?"""
    lines = []
    for name, difference in differences(found).items():
        if not difference.informative or not difference.excludes(0.0):
            word = "no different from"
        else:
            word = "better than" if difference.value < 0 else "worse than"
        lines.append(f"neural {word} {NAMES[name]}: miss ratio {difference.text(signed=True, decimals=4)}")
    return lines


def usage(places: Mapping[str, Sequence[Path]]) -> str:
    """How the best known forecaster is used."""
    return f"settings.forecaster={places[NEURAL][0]}"


def table(experiment: Experiment, found: Sequence[Judged]) -> Table:
    """Errors and miss ratios of all forecasters."""
    window = f"requests in the next {experiment.forecast.window:g} cache capacities"
    title = f"{experiment.name}: {window}; {len(experiment.forecast.seeds)} neural seeds"
    shown = Table(title=title, title_justify="left", caption=CAPTION, caption_justify="left")
    shown.add_column("forecaster")
    for words in MEASURES.values():
        shown.add_column(words, justify="right")
    for one in found:
        shown.add_row(NAMES[one.name], *("\n".join(mean(one, measure).texts(decimals=4)) for measure in MEASURES))
    return shown


def as_json(experiment: Experiment, found: Sequence[Judged], places: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """Everything, as ``results.json`` holds it; values are [seed][episode]."""
    forecasters = []
    for one in found:
        entry: dict[str, Any] = {"name": one.name, "folders": [str(place) for place in places[one.name]]}
        for measure in MEASURES:
            entry[measure] = {**asdict(mean(one, measure)), "values": values(one, measure).tolist()}
        forecasters.append(entry)
    against = {name: asdict(difference) for name, difference in differences(found).items()}
    return {"experiment": as_mapping(experiment), "forecasters": forecasters, "neural_minus": against}
