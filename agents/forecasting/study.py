"""All forecasters of an experiment: fitted to its training part, written, and judged on its evaluation episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.experiment import Experiment
from edgegym.agents.forecasting.errors import poisson_deviance
from edgegym.agents.forecasting.fitting import fit_linear, fit_neural, linear_output
from edgegym.agents.forecasting.parts import training_part, unequipped
from edgegym.agents.forecasting.samples import Samples, collect
from edgegym.agents.forecasting.scoring import ForecastScore, score
from edgegym.agents.heuristics.caching_forecast import NAME
from edgegym.agents.policies import policy_named
from edgegym.decision.policy import EpisodeResult
from edgegym.envs.caching import columns
from edgegym.envs.caching.forecaster import RATE, Forecaster, ForecasterRecord, Layer, decayed_count, save_forecaster
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.settings import merged

FOLDER, RESULTS = "forecasters", "results.json"
"""Below ``runs/<experiment>/``, and the file in it."""
INPUTS = ("age", "gap", "gap_age", "mean_gap", "count", "size", "rate_short", "rate_long")
"""Columns of a content that no cache's decisions touch: forecasts mean the same whoever evicts."""
EWMA, EWMA_HITS, LINEAR, NEURAL = "ewma", "ewma_hits", "linear", "neural"
NAMES: Mapping[str, str] = {
    NEURAL: "neural",
    LINEAR: "linear",
    EWMA: "EWMA",
    EWMA_HITS: "EWMA for hits",
}
"""Folder names of the forecasters to what tables call them. The two EWMAs have the half-life with the least deviance
and the one with the most hits, on the end of the training part."""
UNPENALISED = 1e-9

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction done of the whole."""


@dataclass(frozen=True)
class Judged:
    """What a forecaster reached on the evaluation episodes; one entry for each seed that it was fitted with.

    Attributes:
        name: a key of :data:`NAMES`.
        scores: forecast errors.
        episodes: results of the policy that evicts by the forecasts, [seed][episode].
    """

    name: str
    scores: Sequence[ForecastScore]
    episodes: Sequence[Sequence[EpisodeResult]]

    def metric(self, name: str) -> NDArray[np.float64]:
        """(seeds, episodes) a metric of the evicting policy."""
        return np.array([[episode.metrics[name] for episode in run] for run in self.episodes])


def fit_all(experiment: Experiment, report: Progress) -> dict[str, list[Forecaster]]:
    """Fit every forecaster to the training part; the neural one once per seed.

    Raises:
        EdgeGymError: if the training part gives nothing to fit to.
    """
    settings = experiment.forecast
    probes = probe_half_lives(experiment, lambda done: report("half-lives", 0.8 * done))
    by_hits = max(probes, key=lambda half_life: probes[half_life][1])
    by_deviance = min(probes, key=lambda half_life: held_out(probes[half_life][0], (columns.FORECAST,), experiment))
    found: dict[str, list[Forecaster]] = {}
    for name, half_life in ((EWMA, by_deviance), (EWMA_HITS, by_hits)):
        samples = probes[half_life][0]
        layers = fit_linear(samples.inputs([columns.FORECAST]), samples.requests, UNPENALISED)
        found[name] = [_forecaster(experiment, name, (RATE,), layers, half_life=half_life)]
    samples = probes[by_deviance][0]
    inputs = samples.inputs(INPUTS)
    ridge = min(settings.ridges, key=lambda penalty: held_out(samples, INPUTS, experiment, penalty))
    layers = fit_linear(inputs, samples.requests, ridge)
    found[LINEAR] = [_forecaster(experiment, LINEAR, INPUTS, layers, ridge=ridge)]
    found[NEURAL] = []
    for number, seed in enumerate(settings.seeds):
        report(f"neural, seed {seed}", 0.8 + 0.2 * number / len(settings.seeds))
        layers = fit_neural(inputs, samples.requests, settings, seed)
        found[NEURAL].append(_forecaster(experiment, NEURAL, INPUTS, layers, settings.hidden, seed=seed))
    return found


def probe_half_lives(experiment: Experiment, progress: Callable[[float], None]) -> dict[float, tuple[Samples, float]]:
    """Samples of the training part with the decayed count of each half-life as the column ``forecast``.

    Returns:
        By half-life the samples, and the hit ratio on the held-out end when the smallest count is evicted.
    """
    task, seeds = training_part(experiment)
    settings, found = experiment.forecast, {}
    with TemporaryDirectory() as folder:
        for number, half_life in enumerate(settings.half_lives):
            progress(number / len(settings.half_lives))
            save_forecaster(folder, decayed_count(half_life, settings.window))
            probe = Task(task.id, merged(task.settings, {"forecaster": folder}))
            samples = collect(probe, seeds, settings.window, settings.samples)
            late = Task(task.id, merged(probe.settings, {"warmup": 1.0 - settings.holdout}))
            played = play(late, seeds)
            found[half_life] = samples, float(np.mean([episode.metrics["hit_ratio"] for episode in played]))
    return found


def held_out(samples: Samples, inputs: Sequence[str], experiment: Experiment, ridge: float = UNPENALISED) -> float:
    """Deviance of a linear fit on the end of the training part that it did not see."""
    before, after = samples.split(1.0 - experiment.forecast.holdout)
    layers = fit_linear(before.inputs(inputs), before.requests, ridge)
    return poisson_deviance(after.requests, linear_output(layers, after.inputs(inputs)))


def play(
    task: Task, seeds: Sequence[int], progress: Callable[[float], None] = lambda done: None
) -> list[EpisodeResult]:
    """Evict by the forecasts of a task's forecaster."""
    return run_episodes(task, policy_named(task.id, NAME, task.system()), seeds, progress=progress)


def write_all(forecasters: Mapping[str, Sequence[Forecaster]], folder: Path) -> dict[str, list[Path]]:
    """Write ``<name>/`` for each forecaster, and ``<name>_<i>/`` for its i-th further seed; return the folders."""
    places = {}
    for name, fitted in forecasters.items():
        places[name] = [folder / (f"{name}_{i}" if i else name) for i in range(len(fitted))]
        for place, forecaster in zip(places[name], fitted, strict=True):
            save_forecaster(place, forecaster)
    return places


def judge(experiment: Experiment, places: Mapping[str, Sequence[Path]], report: Progress) -> list[Judged]:
    """Judge written forecasters on the evaluation episodes: errors, and the policy that evicts by them."""
    total, done, found = sum(map(len, places.values())), 0, []
    for name in NAMES:
        reached = []
        for place in places[name]:
            reached.append(judge_one(experiment, place, _share(report, f"judging {NAMES[name]}", done, total)))
            done += 1
        found.append(Judged(name, *zip(*reached, strict=True)))
    return found


def judge_one(
    experiment: Experiment, place: Path, progress: Callable[[float], None]
) -> tuple[ForecastScore, list[EpisodeResult]]:
    """Errors of one written forecaster, and the episodes of the policy that evicts by it."""
    task, seeds, settings = experiment.task(experiment.evaluation), experiment.evaluation.seeds, experiment.forecast
    own = Task(task.id, merged(task.settings, {"forecaster": str(place)}))
    errors = score(own, seeds, settings.window, settings.samples, progress=lambda part: progress(part / 2))
    return errors, play(own, seeds, lambda part: progress(0.5 + part / 2))


def _share(report: Progress, text: str, done: int, total: int) -> Callable[[float], None]:
    """Progress of one part among equal ones as progress of the whole."""
    return lambda part: report(text, (done + part) / total)


def study(experiment: Experiment, root: Path, report: Progress) -> tuple[list[Judged], dict[str, list[Path]]]:
    """Fit, write below ``root/<experiment>/forecasters/`` and judge; return what was reached and the folders.

    Raises:
        EdgeGymError: for another environment than content caching, bad settings or a training part that is too short.
    """
    experiment = unequipped(experiment)
    experiment.check()
    forecasters = fit_all(experiment, lambda text, done: report(text, done / 2))
    places = write_all(forecasters, root / experiment.name / FOLDER)
    return judge(experiment, places, lambda text, done: report(text, 0.5 + done / 2)), places


def _forecaster(
    experiment: Experiment,
    method: str,
    inputs: tuple[str, ...],
    layers: Sequence[Layer],
    hidden: tuple[int, ...] = (),
    half_life: float | None = None,
    **notes: Any,
) -> Forecaster:
    facts = {"experiment": experiment.name, "method": method, **notes}
    record = ForecasterRecord(
        inputs=inputs, hidden=hidden, window=experiment.forecast.window, half_life=half_life, notes=facts
    )
    return Forecaster(record, layers)
