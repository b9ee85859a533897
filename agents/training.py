"""Training: one run from its experiment to the stored best policy, going on where an earlier try stopped.

:func:`train_run` reads from top to bottom; :mod:`edgegym.agents.campaign` runs several seeds and shows their progress.
"""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import HParam, configure

from edgegym.agents.checkpoints import latest_checkpoint, load_checkpoint, save_checkpoint
from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.models import build_model, training_environment
from edgegym.agents.runs import FINISHED, Run
from edgegym.agents.store import PolicyMeta, StoredPolicy, save_policy
from edgegym.evaluation.harness import run_episodes
from edgegym.evaluation.scores import RETURN
from edgegym.files import write_json

Report = Callable[[int, str], None]
"""Called with the decisions trained so far and a line on how it goes."""
UNLOGGED = ("stdout", "log", "json", "csv")


def train_run(experiment: Experiment, seed: int, run: Run, report: Report) -> None:
    """Train one seed to its end; a run that was stopped goes on from its last checkpoint.

    On Ctrl-C a checkpoint is written before the interrupt goes on. One thread of torch is used: with networks this
    small more threads cost more than they give.

    Args:
        experiment: what to train.
        seed: of the networks, the exploration and the training workloads.
        run: where it is kept.
        report: shows progress.

    Raises:
        EdgeGymError: for bad settings, or a run that was started with others.
    """
    if run.finished and run.started:
        report(experiment.training.steps, "finished before")
        return
    torch.set_num_threads(1)
    run.start(experiment)
    env = training_environment(experiment, seed)
    try:
        model = build_model(experiment, seed, env)
        model.set_logger(configure(str(run.folder), ["tensorboard"]))
        done = load_checkpoint(run.checkpoints, model) if latest_checkpoint(run.checkpoints) else 0
        began = time.perf_counter()
        validation = Validation(experiment, seed, run, report)
        try:
            model.learn(
                experiment.training.steps - done,
                callback=[EpisodeMetrics(), validation],
                reset_num_timesteps=False,
            )
            validation.validate()
        except KeyboardInterrupt:
            save_checkpoint(run.checkpoints, model)
            raise
        _finish(run, validation, time.perf_counter() - began)
        model.logger.close()
    finally:
        env.close()


class EpisodeMetrics(BaseCallback):
    """Logs the family's metrics of the training episodes that ended since the last rollout, as ``train/<metric>``."""

    def __init__(self) -> None:
        super().__init__()
        self._ended: list[dict[str, float]] = []

    def _on_step(self) -> bool:
        if self.locals["dones"].any():
            self._ended += [info["edge_metrics"] for info in self.locals["infos"] if "edge_metrics" in info]
        return True

    def _on_rollout_end(self) -> None:
        for name in self._ended[0] if self._ended else ():
            values = [metrics[name] for metrics in self._ended if not math.isnan(metrics[name])]
            if values:
                self.logger.record(f"train/{name}", sum(values) / len(values))
        self._ended = []


class Validation(BaseCallback):
    """Every so often plays the validation episodes, keeps the best policy, and writes a checkpoint.

    Args:
        experiment: says how often, on which episodes and by which metric.
        seed: of the run.
        run: where to keep things.
        report: shows progress.
    """

    def __init__(self, experiment: Experiment, seed: int, run: Run, report: Report) -> None:
        super().__init__()
        self.experiment, self.seed, self.run, self.report = experiment, seed, run, report
        self.task = experiment.task(experiment.validation)
        self.system = self.task.system()
        better = {metric.name: metric.better for metric in self.system.metrics}.get(experiment.metric, "higher")
        self.sign = -1.0 if better == "lower" else 1.0
        self.rows: list[dict[str, float]] = []

    @property
    def best(self) -> dict[str, float]:
        """The validation with the best score, the earliest among equals."""
        return max(self.rows, key=lambda row: self.sign * row[self.experiment.metric])

    def _on_training_start(self) -> None:
        # What was validated after the checkpoint that training goes on from will be validated again.
        self.rows = [row for row in self.run.evaluation() if row["steps"] <= self.num_timesteps]
        flat = _flattened({"seed": self.seed, **as_mapping(self.experiment)})
        metrics: dict[str, float | int] = {f"validation/{self.experiment.metric}": 0.0}
        self.logger.record("hparams", HParam(flat, metrics), exclude=UNLOGGED)

    def _on_step(self) -> bool:
        every = self.experiment.training.validate_every
        if self.num_timesteps // every > self._last() // every:
            self.validate()
        elif self.n_calls % 64 == 0:
            self.report(self.num_timesteps, "")
        return True

    def _last(self) -> int:
        return int(self.rows[-1]["steps"]) if self.rows else 0

    def validate(self) -> None:
        """Play the validation episodes with the present policy, once for each number of steps."""
        if self.rows and self._last() == self.num_timesteps:
            return
        stored = StoredPolicy(self.model.policy, self.meta())
        policy = LearnedPolicy(stored, self.run.name)
        results = run_episodes(self.task, policy, self.experiment.validation.seeds)
        row = {"steps": float(self.num_timesteps)}
        row[RETURN.name] = sum(result.total for result in results) / len(results)
        for name in results[0].metrics:
            row[name] = sum(result.metrics[name] for result in results) / len(results)
        self.rows.append(row)
        self._keep(row)
        score = f"{self.experiment.metric} {row[self.experiment.metric]:.4g}"
        self.report(self.num_timesteps, f"{score}, best {self.best[self.experiment.metric]:.4g}")

    def _keep(self, row: dict[str, float]) -> None:
        for name, value in row.items():
            if name != "steps" and not math.isnan(value):
                self.logger.record(f"validation/{name}", value)
        self.logger.dump(self.num_timesteps)
        if self.best is row:
            save_policy(self.run.folder, self.model.policy, self.meta())
        self.run.write_evaluation(self.rows)
        save_checkpoint(self.run.checkpoints, self.model)

    def meta(self) -> PolicyMeta:
        """Where the present policy comes from."""
        return PolicyMeta(
            algorithm=self.experiment.training.algorithm,
            environment=self.experiment.environment,
            settings=self.experiment.training_settings(),
            candidate_features=self.system.candidate_features,
            context_features=self.system.context_features,
            notes={"seed": self.seed, "steps": self.num_timesteps, "experiment": self.experiment.name},
        )


def _finish(run: Run, validation: Validation, seconds: float) -> None:
    """Mark the run as done."""
    record = {
        "steps": int(validation.num_timesteps),
        "best_steps": int(validation.best["steps"]),
        "validation": validation.best,
        "seconds_of_last_start": round(seconds, 1),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("edgegym", "torch", "stable-baselines3", "gymnasium", "numpy")},
    }
    write_json(run.folder / FINISHED, record)


def _flattened(values: Any, path: str = "") -> dict[str, bool | str | float | int]:
    """Nested settings as dotted names and plain values, as TensorBoard's HParams wants them."""
    if isinstance(values, dict):
        return {k: v for key, value in values.items() for k, v in _flattened(value, f"{path}.{key}").items()}
    plain = values if isinstance(values, bool | str | float | int) else str(values)
    return {path.lstrip("."): plain}
