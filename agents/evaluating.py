"""Any policy in any environment: what ``edgegym evaluate`` does, as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgegym.agents.policies import policy_named
from edgegym.decision.policy import Policy
from edgegym.errors import EdgeGymError
from edgegym.evaluation.harness import Progress, Task, run_episodes, summary

Report = Callable[[str, float], None]


def evaluate(
    env_id: str,
    policy: str,
    episodes: int = 10,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    adapting: bool = False,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run a policy for some episodes; episode i has workload seed ``seed + i``.

    Args:
        env_id: a registered environment.
        policy: name of a heuristic or bound, or the folder of a training run.
        episodes: how many, at least 1.
        seed: workload seed of the first.
        settings: of the environment, ``preset`` included.
        progress: called with the fraction done.
        adapting: let the policy of a training run go on learning; see :func:`find_policy`.
        report: then called after each round with a line on it and the fraction of the episode that is served.

    Returns:
        ``policy``, ``episodes``, ``return`` and ``metrics``, the latter two with ``mean`` and ``per_episode``.

    Raises:
        EdgeGymError: for an unknown id, policy or setting.
    """
    if episodes < 1:
        raise EdgeGymError(f"episodes: at least 1 is needed (found {episodes}).")
    task = Task(env_id, settings or {})
    chosen = find_policy(task, policy, adapting, report)
    results = run_episodes(task, chosen, range(seed, seed + episodes), progress=progress)
    return summary(policy, results)


def find_policy(task: Task, policy: str, adapting: bool = False, report: Report | None = None) -> Policy:
    """A heuristic or bound by name, or the trained policy of a run's folder.

    Args:
        task: where it is to act.
        policy: the name or folder.
        adapting: let a trained policy adapt online, as the run's config says, or by the defaults if it says nothing.
        report: shows the rounds of adaptation.

    Raises:
        EdgeGymError: naming the policies that exist, or what is wrong with the run.
    """
    folder = Path(policy)
    if folder.is_dir() or len(folder.parts) > 1:
        # Only trained policies need torch, which takes seconds to import.
        from edgegym.agents.learned import LearnedPolicy
        from edgegym.agents.store import load_policy

        return _adapting(folder, report) if adapting else LearnedPolicy(load_policy(folder), policy)
    if adapting:
        raise EdgeGymError(f"policy {policy!r}: only a trained policy adapts. Give the folder of a training run.")
    return policy_named(task.id, policy, task.system())


def _adapting(folder: Path, report: Report | None) -> Policy:
    from edgegym.agents.adaptation_settings import AdaptationSettings
    from edgegym.agents.adapting import AdaptingPolicy
    from edgegym.agents.runs import Run
    from edgegym.agents.store import load_policy

    experiment = Run(folder).experiment()
    policy = AdaptingPolicy(load_policy(folder), experiment, experiment.adaptation or AdaptationSettings())
    policy.report = report or policy.report
    return policy
