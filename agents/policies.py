"""Which heuristics and bounds each environment has, and policies by name."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from edgegym.decision.policy import Policy, UniformPolicy
from edgegym.decision.system import System
from edgegym.errors import find_name, unknown

FAMILIES = {"EdgeGym/ContentCaching-v0": "caching"}
"""Environment id to the module name in ``heuristics/`` and ``bounds/``."""


def heuristics(env_id: str) -> list[Policy]:
    """The heuristics of an environment, and the uniform policy that every environment has."""
    found: list[Policy] = list(_module("heuristics", env_id).heuristics())
    return [*found, UniformPolicy()]


def bounds(env_id: str, system: System) -> list[Policy]:
    """What no policy can beat in this system."""
    return list(_module("bounds", env_id).bounds(system))


def clairvoyant(env_id: str) -> list[Policy]:
    """Every policy of the environment that knows the future."""
    return list(_module("bounds", env_id).clairvoyant())


def policy_named(env_id: str, name: str) -> Policy:
    """A heuristic or clairvoyant policy by name; upper and lower case, hyphens and underscores do not matter.

    Raises:
        EdgeGymError: naming the policies that exist.
    """
    known = {policy.name: policy for policy in [*heuristics(env_id), *clairvoyant(env_id)]}
    return known[find_name("policy", name, known)]


def _module(room: str, env_id: str) -> ModuleType:
    if env_id not in FAMILIES:
        raise unknown("environment", env_id, FAMILIES)
    return import_module(f"edgegym.agents.{room}.{FAMILIES[env_id]}")
