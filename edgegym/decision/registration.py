"""The table of environments and its registration with Gymnasium: names and strings only, nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EnvironmentEntry:
    """One registered environment.

    Attributes:
        id: Gymnasium id.
        env: ``module:class`` of the single environment, whose docstring is the documentation page.
        vector_env: ``module:class`` of the native vector environment.
        decision: the choice it poses, in one line, for ``edgegym list``.
    """

    id: str
    env: str
    vector_env: str
    decision: str


ENVIRONMENTS: tuple[EnvironmentEntry, ...] = (
    EnvironmentEntry(
        "EdgeGym/ContentCaching-v0",
        "edgegym.envs.caching.env:ContentCachingEnv",
        "edgegym.envs.caching.env:ContentCachingVectorEnv",
        "evict one of the nominated residents for a missing content, or admit nothing",
    ),
    EnvironmentEntry(
        "EdgeGym/BinaryOffloading-v0",
        "edgegym.envs.binary_offloading.env:BinaryOffloadingEnv",
        "edgegym.envs.binary_offloading.env:BinaryOffloadingVectorEnv",
        "let a device compute locally or offload, one after another; then time and energy are shared out exactly",
    ),
)


def register_environments() -> None:
    """Register every environment with Gymnasium; those that are registered already are left alone."""
    import gymnasium

    for entry in ENVIRONMENTS:
        if entry.id not in gymnasium.registry:
            gymnasium.register(entry.id, entry_point=entry.env, vector_entry_point=entry.vector_env)
