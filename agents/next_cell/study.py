"""All predictors of an experiment: fitted to its training users, written, and judged on its evaluation episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.experiment import Experiment
from edgegym.agents.next_cell.fitting import fit_predictor
from edgegym.agents.next_cell.judging import Judgement, joined, judge
from edgegym.agents.policies import policy_named
from edgegym.decision.policy import EpisodeResult
from edgegym.envs.user_migration.prediction import MARKOV
from edgegym.envs.user_migration.system import UserMigrationSystem
from edgegym.envs.user_migration.workload import Episode
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task, environment_class, run_episodes
from edgegym.mobility.recurrent import INPUTS, CellPredictor, PredictorRecord, chain_forecast, save_predictor
from edgegym.settings import merged

FOLDER = "predictors"
"""Below ``runs/<experiment>/``."""
RESULTS = "results.json"
"""In that folder, what ``edgegym forecast`` found."""
NAMES: Mapping[str, str] = {
    MARKOV: "Markov chain",
    "cells": "recurrent, cells",
    "motion": "recurrent, position and speed",
}
"""Predictors to what tables call them."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction done of the whole."""


@dataclass(frozen=True)
class Judged:
    """What a predictor reached on the evaluation episodes; one entry for each seed that it was fitted with.

    Attributes:
        name: a key of :data:`NAMES`.
        judgements: of its predictions, of the same users in the same order.
        episodes: results of the look-ahead that uses it, [seed][episode].
    """

    name: str
    judgements: Sequence[Judgement]
    episodes: Sequence[Sequence[EpisodeResult]]


def study(experiment: Experiment, root: Path, report: Progress) -> tuple[list[Judged], dict[str, list[Path]]]:
    """Fit, write below ``root/<experiment>/predictors/`` and judge; return what was reached and the folders.

    Nothing is written before all are fitted, and then earlier results go first: they would be of other predictors.

    Raises:
        EdgeGymError: for another environment than user migration, the hexagonal plane, bad settings, or training users
            that are also judged.
    """
    places = fit_all(experiment, root / experiment.name / FOLDER, lambda text, done: report(text, 0.8 * done))
    found = []
    all_folders: dict[str, Sequence[Path | None]] = {MARKOV: [None], **places}
    for number, (name, folders) in enumerate(all_folders.items()):
        report(f"judging {NAMES[name]}", 0.8 + 0.2 * number / (1 + len(places)))
        results = [judge_one(experiment, folder) for folder in folders]
        found.append(Judged(name, [one for one, _ in results], [played for _, played in results]))
    return found, places


def fit_all(experiment: Experiment, folder: Path, report: Progress) -> dict[str, list[Path]]:
    """Fit one predictor for each seed and each kind of inputs that the workload has; give their folders by inputs."""
    system = system_of(experiment.environment, merged(experiment.training_settings(), {"predictor": MARKOV}))
    _check_apart(experiment, system)
    settings, xy = experiment.next_cell, system.source.xy
    walks = system.source.fitting_walks(settings.episodes)
    kinds = [name for name in INPUTS if name == "cells" or walks.position is not None]
    fitted: dict[str, list[CellPredictor]] = {name: [] for name in kinds}
    jobs = [(name, seed) for name in kinds for seed in settings.seeds]
    for number, (name, seed) in enumerate(jobs):
        record = PredictorRecord.of_map(
            xy,
            system.slot_s,
            inputs=name,
            hidden=settings.hidden,
            embedding=settings.embedding,
            horizon=settings.horizon,
            notes={"experiment": experiment.name, "seed": seed},
        )
        progress = _share(report, f"{NAMES[name]}, seed {seed}", number, len(jobs))
        fitted[name].append(fit_predictor(walks, xy, record, settings, seed, progress))
    (folder / RESULTS).unlink(missing_ok=True)
    places = {name: [folder / (f"{name}_{n}" if n else name) for n in range(len(fitted[name]))] for name in kinds}
    for name in kinds:
        for place, predictor in zip(places[name], fitted[name], strict=True):
            save_predictor(place, predictor)
    return places


def judge_one(experiment: Experiment, folder: Path | None) -> tuple[Judgement, list[EpisodeResult]]:
    """Judge a written predictor, or the chain: its predictions, and the look-ahead that uses it."""
    predictor = MARKOV if folder is None else str(folder)
    task = experiment.task(experiment.evaluation)
    task = Task(task.id, merged(task.settings, {"predictor": predictor}))
    system = task.system()
    assert isinstance(system, UserMigrationSystem)
    episodes = [system.episode(seed, {}) for seed in experiment.evaluation.seeds]
    judgement = joined([judge(_next_cell(system, episode), episode.place) for episode in episodes])
    policy = policy_named(task.id, "Markov look-ahead" if folder is None else "Recurrent look-ahead", system)
    return judgement, run_episodes(task, policy, experiment.evaluation.seeds)


def _next_cell(system: UserMigrationSystem, episode: Episode) -> NDArray[np.float32]:
    """(slots, users, cells) probability of each cell in the next slot, by the predictor that the system has."""
    learned = system.prediction.learned
    if learned is None:
        return chain_forecast(system.chain, episode.place).next_cell(episode.place)
    return learned.forecast(episode.walks, system.source.xy, system.chain).next_cell(episode.place)


def system_of(environment: str, settings: Mapping[str, object]) -> UserMigrationSystem:
    """The system of an experiment, which must be one of cells on a map.

    Raises:
        EdgeGymError: if it is not.
    """
    if not issubclass(environment_class(environment).system_class, UserMigrationSystem):
        raise EdgeGymError(f"environment {environment}: next cells are predicted for user migration.")
    system = Task(environment, settings).system()
    assert isinstance(system, UserMigrationSystem)
    if system.plane:
        raise EdgeGymError("workload.kind: hex_walk is a random walk; nothing about its next cell can be learned.")
    return system


def _share(report: Progress, text: str, done: int, total: int) -> Callable[[float], None]:
    """Progress of one part among equal ones as progress of the whole."""
    return lambda part: report(text, (done + part) / total)


def _check_apart(experiment: Experiment, training: UserMigrationSystem) -> None:
    """Make sure that no training user of a trace is judged."""
    settings = experiment.task(experiment.evaluation).settings
    judged = system_of(experiment.environment, merged(settings, {"predictor": MARKOV}))
    fitted_on = getattr(training.params.workload, "fitted_on", None)
    part = getattr(judged.params.workload, "part", None)
    if fitted_on and part and fitted_on[0] < part[1] and part[0] < fitted_on[1]:
        raise SettingsError(
            f"evaluation.settings.workload.part: {list(part)} overlaps workload.fitted_on, {list(fitted_on)}; "
            "predictors are judged on users that they were not fitted to."
        )
