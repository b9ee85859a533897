"""What a study of predictors found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.agents.next_cell.judging import MEASURES, mean
from edgegym.agents.next_cell.study import NAMES, Judged
from edgegym.evaluation.statistics import Estimate, paired_difference

TITLES: Mapping[str, str] = {
    "log_loss": "log loss",
    "top_1": "top 1",
    "top_3": "top 3",
    "moved_top_1": "top 1, moves",
    "moved_top_3": "top 3, moves",
}
CAPTION = (
    "log loss: of the cell in the next slot, nats; top k: share of slots whose next cell is among the k likeliest; "
    "moves: the same for slots after which the cell changed, among the other cells; cost: per slot of the "
    "look-ahead that uses it. Intervals: 95 %, users resampled."
)


def costs(judged: Judged) -> NDArray[np.float64]:
    """(seeds, episodes) cost per slot of the look-ahead."""
    return np.array([[episode.metrics["cost_per_slot"] for episode in run] for run in judged.episodes])


def differences(found: Sequence[Judged]) -> dict[str, dict[str, Estimate]]:
    """Every learned predictor's measures minus the chain's."""
    chain, *learned = found
    return {
        one.name: {
            **{measure: mean(list(one.judgements), measure, chain.judgements[0]) for measure in MEASURES},
            "look_ahead": paired_difference(costs(one), costs(chain), np.random.default_rng(0)),
        }
        for one in learned
    }


def usage(places: Mapping[str, Sequence[Path]]) -> str:
    """How the predictor that knows most is used."""
    return f"settings.predictor={[*places.values()][-1][0]}"


def table(experiment: Experiment, found: Sequence[Judged]) -> Table:
    """Errors of all predictors, and what the look-ahead costs with each."""
    title = f"{experiment.name}: cell in the next slot; {len(experiment.next_cell.seeds)} seeds"
    shown = Table(title=title, title_justify="left", caption=CAPTION, caption_justify="left")
    shown.add_column("predictor", min_width=9)
    for words in (*TITLES.values(), "cost"):
        shown.add_column(words, justify="right")
    for one in found:
        cells = ["\n".join(mean(list(one.judgements), measure).texts(decimals=4)) for measure in MEASURES]
        shown.add_row(NAMES[one.name], *cells, f"{costs(one).mean():.4f}")
    return shown


def verdicts(found: Sequence[Judged]) -> list[str]:
    """One line for each learned predictor: is it better than the chain?"""
    lines = []
    for name, of in differences(found).items():
        loss, cost = of["log_loss"], of["look_ahead"]
        lines.append(
            f"{NAMES[name]} minus Markov chain: log loss {loss.text(signed=True, decimals=4)}, "
            f"look-ahead {cost.text(signed=True, decimals=4)}"
        )
    return lines


def as_json(experiment: Experiment, found: Sequence[Judged], places: Mapping[str, Sequence[Path]]) -> dict[str, Any]:
    """Everything, as ``results.json`` holds it."""
    predictors = [
        {
            "name": one.name,
            "folders": [str(place) for place in places.get(one.name, ())],
            **{measure: asdict(mean(list(one.judgements), measure)) for measure in MEASURES},
            "look_ahead": costs(one).tolist(),
        }
        for one in found
    ]
    against = {
        name: {measure: asdict(estimate) for measure, estimate in of.items()} for name, of in differences(found).items()
    }
    return {"experiment": as_mapping(experiment), "predictors": predictors, "minus_markov": against}
