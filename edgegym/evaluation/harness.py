"""The one harness: any policy, any environment, the same episodes for all, in batches.

Episode i has workload seed ``seed + i``. Whatever a family offers for training only (a clairvoyant reward) is switched
off here, whoever asks for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import ActingPolicy, EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.registration import ENVIRONMENTS, EnvironmentEntry
from edgegym.decision.single import CandidateEnv
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, System, make_settings
from edgegym.errors import EdgeGymError, unknown
from edgegym.evaluation.timing import Timing
from edgegym.settings import merged

BATCH = 64
"""Episodes that run side by side."""

Progress = Callable[[float], None]
"""Called with the fraction done."""


@dataclass(frozen=True)
class Task:
    """An environment and the settings that every policy is judged with.

    Attributes:
        id: environment id.
        settings: its keyword arguments; ``preset`` included.
    """

    id: str
    settings: Mapping[str, Any]

    def system(self, rows: int = 1) -> System:
        """Build the system with the settings for evaluation.

        Raises:
            EdgeGymError: for an unknown id or bad settings.
        """
        system_class = environment_class(self.id).system_class
        values = {key: value for key, value in self.settings.items() if key not in SHELL_ARGUMENTS}
        preset = values.pop("preset", None)
        values = merged(values, system_class.training_only)
        return system_class(make_settings(system_class, preset, values), rows)  # type: ignore[call-arg]


SHELL_ARGUMENTS = ("observation", "render_mode", "autoreset_mode", "max_episode_steps")
"""Arguments of the shells: how an environment is shown, not what it is."""


def environment_entry(env_id: str) -> EnvironmentEntry:
    """Look an id up in the table of environments."""
    table = {entry.id: entry for entry in ENVIRONMENTS}
    if env_id not in table:
        raise unknown("environment", env_id, table)
    return table[env_id]


def environment_class(env_id: str) -> type[CandidateEnv]:
    """The single environment's class."""
    module, _, name = environment_entry(env_id).env.partition(":")
    result: type[CandidateEnv] = getattr(import_module(module), name)
    return result


def run_episodes(
    task: Task,
    policy: Policy,
    seeds: Sequence[int],
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> list[EpisodeResult]:
    """Play one episode per workload seed.

    Args:
        task: environment and settings.
        policy: who plays.
        seeds: workload seeds.
        options: the family's reset options, the same for every episode.
        progress: called with the fraction done.

    Returns:
        One result per seed, in order.
    """
    options, report = options or {}, progress or (lambda fraction: None)
    if isinstance(policy, PlayingPolicy):
        system, results = task.system(), []
        for done, seed in enumerate(seeds, 1):
            began = time.process_time()
            result = policy.play(system, int(seed), options)
            results.append(replace(result, cpu_s=time.process_time() - began))
            report(done / len(seeds))
        return results
    if not isinstance(policy, ActingPolicy):
        raise EdgeGymError(f"policy {policy.name!r}: neither acts on candidates nor plays episodes.")
    results = []
    for first in range(0, len(seeds), BATCH):
        batch = seeds[first : first + BATCH]
        before, share = first / len(seeds), len(batch) / len(seeds)
        results += _run_batch(task, policy, batch, options, lambda part, d=before, s=share: report(d + s * part))  # type: ignore[misc]
    return results


def _run_batch(
    task: Task, policy: ActingPolicy, seeds: Sequence[int], options: Mapping[str, Any], progress: Progress
) -> list[EpisodeResult]:
    """Step all episodes side by side until each has ended."""
    system = task.system(rows=len(seeds))
    began, acting_s, acted = time.process_time(), 0.0, 0
    for row, seed in enumerate(seeds):
        system.begin(row, int(seed), options)
    policy.begin(int(seeds[0]))
    decisions = Decisions.empty(system)
    system.observe(decisions)
    total = np.zeros(len(seeds))
    active = np.ones(len(seeds), np.bool_)
    step = 0
    while active.any():
        before = time.process_time()
        actions = _act(policy, system, decisions)
        acting_s += time.process_time() - before
        acted += int(active.sum())
        # The harness alone sees these arrays, so they are filled again instead of made anew.
        system.step(actions, active, decisions)
        total += decisions.reward
        active &= ~decisions.done
        step += 1
        if step % 512 == 0:
            progress(system.progress())
    progress(1.0)
    spent_s, decision_s = (time.process_time() - began) / len(seeds), acting_s / max(acted, 1)
    return [
        EpisodeResult(float(total[row]), system.episode_metrics(row), system.episode_series(row), spent_s, decision_s)
        for row in range(len(seeds))
    ]


def _act(policy: ActingPolicy, system: System, decisions: Decisions) -> NDArray[np.int64]:
    columns = Columns(decisions.candidates, decisions.context, system.candidate_features, system.context_features)
    return np.asarray(policy.act(columns, decisions.mask.astype(np.bool_)), np.int64)


def summary(policy: str, results: Sequence[EpisodeResult]) -> dict[str, Any]:
    """Results as ``edgegym evaluate --json`` prints them."""
    names = list(results[0].metrics)
    return {
        "policy": policy,
        "episodes": len(results),
        "return": _mean_and_all([result.total for result in results]),
        "metrics": {name: _mean_and_all([result.metrics[name] for result in results]) for name in names},
        "timing": asdict(Timing.of([results])),
    }


def _mean_and_all(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": float(np.mean(values)), "per_episode": [float(value) for value in values]}
