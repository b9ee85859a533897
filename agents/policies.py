"""Which heuristics and bounds each environment has, and policies by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

from edgegym.decision.policy import Policy, UniformPolicy
from edgegym.decision.system import System
from edgegym.errors import find_name, unknown

Progress = Callable[[str, float], None]
"""Called with what is going on and the fraction done."""
FAMILIES = {
    "EdgeGym/ContentCaching-v0": "caching",
    "EdgeGym/InferenceOffloading-v0": "inference_offloading",
    "EdgeGym/BinaryOffloading-v0": "binary_offloading",
    "EdgeGym/RequestScheduling-v0": "request_scheduling",
    "EdgeGym/InferenceBatching-v0": "inference_batching",
    "EdgeGym/NetworkFunctions-v0": "network_functions",
    "EdgeGym/UserMigration-v0": "user_migration",
}
"""Environment id to the module name in ``heuristics/`` and ``bounds/``."""


def heuristics(env_id: str, system: System | None = None) -> list[Policy]:
    """The heuristics of an environment, and the uniform policy that every environment has.

    With a ``system`` also those that its settings make possible, for example by adding a column.
    """
    found: list[Policy] = list(_module("heuristics", env_id).heuristics(system))
    return [*found, UniformPolicy()]


def fitted_heuristics(
    env_id: str, system: System, seeds: Sequence[int], metric: str, folder: Path, progress: Progress
) -> list[Policy]:
    """Heuristics whose parameters are fitted on some episodes, none of which they are to be judged on.

    Args:
        env_id: a registered environment.
        system: where they are to act.
        seeds: workload seeds of the episodes.
        metric: what they are to be good at.
        folder: where fitted parameters are kept; what was fitted to the same episodes before is read from there.
        progress: called with a line on what is being fitted and the fraction done.
    """
    fit = getattr(_module("heuristics", env_id), "fitted_heuristics", None)
    return list(fit(system, seeds, metric, folder, progress)) if fit else []


def bounds(env_id: str, system: System) -> list[Policy]:
    """What no policy can beat in this system."""
    return list(_module("bounds", env_id).bounds(system))


def clairvoyant(env_id: str) -> list[Policy]:
    """Every policy of the environment that knows the future."""
    return list(_module("bounds", env_id).clairvoyant())


def policy_named(env_id: str, name: str, system: System | None = None) -> Policy:
    """A heuristic or clairvoyant policy by name; upper and lower case, hyphens and underscores do not matter.

    Raises:
        EdgeGymError: naming the policies that exist.
    """
    known = {policy.name: policy for policy in [*heuristics(env_id, system), *clairvoyant(env_id)]}
    return known[find_name("policy", name, known)]


def _module(room: str, env_id: str) -> ModuleType:
    if env_id not in FAMILIES:
        raise unknown("environment", env_id, FAMILIES)
    return import_module(f"edgegym.agents.{room}.{FAMILIES[env_id]}")
