"""A trained policy that goes on learning from what it has served, with itself as trained for a fallback.

Every so many requests a round trains a copy of the policy on the recent past, replays the latest part of that past,
which was kept from training, with the adapted and with the frozen policy in shadow systems that start as the live one
stood, and lets the better one act until the next round. The live system goes on undisturbed.

policy = AdaptingPolicy(load_policy("runs/phase_change/PPO_0"), experiment, AdaptationSettings())
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.logger import Logger

from edgegym.agents.adaptation_settings import AdaptationSettings
from edgegym.agents.experiment import Experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.models import build_model, training_environment
from edgegym.agents.past import Mark, Past, past_of
from edgegym.agents.store import StoredPolicy
from edgegym.decision.policy import ActingPolicy, EpisodeResult, PlayingPolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System
from edgegym.evaluation.harness import Task
from edgegym.evaluation.scores import RETURN
from edgegym.settings import merged

MARKS = 8
"""Marks in a window: training episodes start at one of them, judging at the last one before the holdout."""
Report = Callable[[str, float], None]
"""Called after each round with a line on it and the fraction of the episode that is served."""


@dataclass(frozen=True)
class Round:
    """What a round of adaptation came to.

    Attributes:
        seen: requests seen before it.
        frozen: score of the frozen policy on the held-out part, in the experiment's metric.
        adapted: score of the adapted policy there.
        adapted_acts: whether the adapted policy acts until the next round.
        cpu_s: CPU seconds of training and judging.
    """

    seen: int
    frozen: float
    adapted: float
    adapted_acts: bool
    cpu_s: float


class AdaptingPolicy(PlayingPolicy):
    """Plays an episode as an operator would run it: online adaptation with a frozen fallback.

    Each episode begins with the frozen policy and is a function of its workload seed. Training reseeds the global
    generators of torch and numpy, as Stable-Baselines3 does, and uses one thread of torch.

    Args:
        stored: the trained policy.
        experiment: says how to train it on (algorithm, hyperparameters, reward) and by which metric to judge.
        settings: when and how much.
        name: as results show it; the algorithm's with "adapting" if left out.
        report: shows progress.

    Attributes:
        rounds: of the latest episode.
    """

    kind = "learned"

    def __init__(
        self,
        stored: StoredPolicy,
        experiment: Experiment,
        settings: AdaptationSettings,
        name: str | None = None,
        report: Report = lambda text, done: None,
    ) -> None:
        self.stored, self.experiment, self.settings, self.report = stored, experiment, settings, report
        self.name = name or f"{stored.meta.algorithm} adapting"
        self.description = f"{stored.meta.algorithm}, trained in {stored.meta.environment}, goes on learning online."
        self.rounds: tuple[Round, ...] = ()

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Play the episode.

        Raises:
            EdgeGymError: for an environment whose past cannot be played again.
        """
        system.begin(0, workload_seed, options)
        past = past_of(self.experiment.environment, system)

        def report(done: Round) -> None:
            who = "adapted" if done.adapted_acts else "frozen"
            scores = f"adapted {done.adapted:.4g}, frozen {done.frozen:.4g}"
            self.report(f"request {done.seen:,}: {scores}, so {who} acts", system.progress())

        adaptation = _Adaptation(self.stored, self.experiment, self.settings, past, workload_seed, report)
        total = play_out(system, adaptation.due)
        self.rounds = tuple(adaptation.rounds)
        return EpisodeResult(total, system.episode_metrics(0), system.episode_series(0))


class _Adaptation:
    """The adaptation of one episode: its marks, how far the weights have come, and who acts."""

    def __init__(
        self,
        stored: StoredPolicy,
        experiment: Experiment,
        settings: AdaptationSettings,
        past: Past,
        seed: int,
        report: Callable[[Round], None],
    ) -> None:
        self.settings, self.past, self.seed, self.report = settings, past, seed, report
        # Training and judging happen in the live system's settings, whatever the experiment's own.
        self.experiment = _continual(experiment, merged(experiment.training_settings(), past.settings()))
        self.task = Task(experiment.environment, merged(experiment.settings, past.settings()))
        self.frozen = LearnedPolicy(stored)
        self.adapted = stored
        self.acting: ActingPolicy = self.frozen
        self.marks: list[Mark] = []
        self.rounds: list[Round] = []
        self.next_mark, self.next_round = 0, settings.every

    def due(self) -> ActingPolicy:
        """Who makes the pending decision; the mark and the round that are due come before it."""
        seen = self.past.seen
        if seen >= self.next_mark:
            self.marks = [mark for mark in self.marks if mark.seen >= seen - self.settings.window]
            self.marks.append(self.past.mark())
            self.next_mark = _next_multiple(self.settings.window // MARKS, seen)
        if seen >= self.next_round:
            self._round(seen)
            self.next_round = _next_multiple(self.settings.every, seen)
        return self.acting

    def _round(self, seen: int) -> None:
        """Adapt, judge, and choose who acts; a past too short to hold both parts leaves things as they are."""
        window, holdout = self.settings.window, self.settings.holdout
        before = [mark for mark in self.marks if seen - window <= mark.seen <= seen - holdout * window]
        if len(before) < 2:
            return
        *starts, judging = before
        began = time.process_time()
        seed = int(np.random.SeedSequence([self.seed, seen]).generate_state(1)[0]) >> 1
        self.adapted = train_on(
            self.adapted, self.experiment, self.past, starts, judging.seen, self.settings.steps, seed
        )
        adapted = LearnedPolicy(self.adapted)
        scores = [self._score(policy, judging, seen, seed) for policy in (self.frozen, adapted)]
        adapted_acts = self._is_better(scores[1], scores[0])
        self.acting = adapted if adapted_acts else self.frozen
        self.rounds.append(Round(seen, scores[0], scores[1], adapted_acts, time.process_time() - began))
        self.report(self.rounds[-1])

    def _score(self, policy: ActingPolicy, mark: Mark, stop: int, seed: int) -> float:
        """Metric of a policy in a shadow system, from the mark on."""
        shadow = self.task.system()
        self.past.resume(shadow, 0, mark, stop, seed)
        total = play_out(shadow, lambda: policy)
        name = self.experiment.metric
        return total if name == RETURN.name else shadow.episode_metrics(0)[name]

    def _is_better(self, adapted: float, frozen: float) -> bool:
        metrics = {RETURN.name: RETURN, **{metric.name: metric for metric in self.past.live.metrics}}
        gain = frozen - adapted if metrics[self.experiment.metric].better == "lower" else adapted - frozen
        return gain > self.settings.margin * abs(frozen)


def play_out(system: System, policy: Callable[[], ActingPolicy]) -> float:
    """Play row 0 of a system whose episode has begun to its end; returns the sum of rewards.

    Args:
        system: with one row.
        policy: says before each decision who makes it.
    """
    decisions, active = Decisions.empty(system), np.ones(1, np.bool_)
    features = system.candidate_features, system.context_features
    system.observe(decisions)
    total = 0.0
    while True:
        columns = Columns(decisions.candidates, decisions.context, *features)
        action = np.asarray(policy().act(columns, decisions.mask.astype(np.bool_)), np.int64)
        system.step(action, active, decisions)
        total += float(decisions.reward[0])
        if decisions.done[0]:
            return total


def train_on(
    stored: StoredPolicy, experiment: Experiment, past: Past, starts: Sequence[Mark], stop: int, steps: int, seed: int
) -> StoredPolicy:
    """Continue the training of a copy of a policy on a part of the past, with a fresh optimiser.

    Args:
        stored: the policy; it is left as it is.
        experiment: algorithm, hyperparameters and reward.
        past: what has been seen.
        starts: training episodes go on from one of these marks each.
        stop: first request that they do not reach.
        steps: decisions to train for.
        seed: of exploration and of the choice of marks.
    """
    torch.set_num_threads(1)
    env = training_environment(experiment, seed)
    try:
        vector: Any = env.env.unwrapped
        vector.system = _Resuming(vector.system, past, starts, stop)
        model = build_model(experiment, seed, env)
        # Stable-Baselines3 would make a folder for logs in the temporary folder, one a round.
        model.set_logger(Logger(None, []))
        model.policy.load_state_dict(stored.policy.state_dict())
        model.learn(steps)
    finally:
        env.close()
    model.policy.set_training_mode(False)
    return StoredPolicy(model.policy, stored.meta)


def _continual(experiment: Experiment, settings: Mapping[str, Any]) -> Experiment:
    """The experiment for a training without an end: other environment settings, and schedules that stand still.

    A value that would fall to 0 by the end of a round leaves its last rollout without effect; the mean is kept instead.
    """
    training = experiment.training
    standing = {key: _mean_of_schedule(value) for key, value in training.hyperparameters.items()}
    changed = training.model_copy(update={"settings": dict(settings), "hyperparameters": standing})
    return experiment.model_copy(update={"training": changed})


def _mean_of_schedule(value: Any) -> Any:
    falling = isinstance(value, str) and value.startswith("lin_")
    return float(value.removeprefix("lin_")) / 2.0 if falling else value


class _Resuming:
    """A system whose episodes go on from marks of the past; the workload seed chooses which."""

    def __init__(self, system: System, past: Past, starts: Sequence[Mark], stop: int) -> None:
        self._system, self._past, self._starts, self._stop = system, past, starts, stop

    def begin(self, row: int, workload_seed: int, options: Mapping[str, Any]) -> None:
        """Resume instead of beginning."""
        mark = self._starts[int(np.random.default_rng(workload_seed).integers(len(self._starts)))]
        self._past.resume(self._system, row, mark, self._stop, workload_seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name)


def _next_multiple(of: int, above: int) -> int:
    """The smallest multiple of ``of`` above a number."""
    return (above // of + 1) * of
