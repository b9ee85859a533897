"""Any policy in any environment: what ``edgegym evaluate`` does, as functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgegym.agents.policies import policy_named
from edgegym.decision.policy import Policy
from edgegym.errors import EdgeGymError
from edgegym.evaluation.harness import Progress, Task, run_episodes, summary


def evaluate(
    env_id: str,
    policy: str,
    episodes: int = 10,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Run a policy for some episodes; episode i has workload seed ``seed + i``.

    Args:
        env_id: a registered environment.
        policy: name of a heuristic or bound, or the folder of a training run.
        episodes: how many, at least 1.
        seed: workload seed of the first.
        settings: of the environment, ``preset`` included.
        progress: called with the fraction done.

    Returns:
        ``policy``, ``episodes``, ``return`` and ``metrics``, the latter two with ``mean`` and ``per_episode``.

    Raises:
        EdgeGymError: for an unknown id, policy or setting.
    """
    if episodes < 1:
        raise EdgeGymError(f"episodes: at least 1 is needed (found {episodes}).")
    task = Task(env_id, settings or {})
    results = run_episodes(task, find_policy(task, policy), range(seed, seed + episodes), progress=progress)
    return summary(policy, results)


def find_policy(task: Task, policy: str) -> Policy:
    """A heuristic or bound by name, or the trained policy of a run's folder.

    Raises:
        EdgeGymError: naming the policies that exist, or what is wrong with the run.
    """
    folder = Path(policy)
    if folder.is_dir() or len(folder.parts) > 1:
        # Only trained policies need torch, which takes seconds to import.
        from edgegym.agents.learned import LearnedPolicy
        from edgegym.agents.store import load_policy

        return LearnedPolicy(load_policy(folder), policy)
    return policy_named(task.id, policy)
