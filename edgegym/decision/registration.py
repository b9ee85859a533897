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
        "EdgeGym/InferenceOffloading-v0",
        "edgegym.envs.inference_offloading.env:InferenceOffloadingEnv",
        "edgegym.envs.inference_offloading.env:InferenceOffloadingVectorEnv",
        "answer an inference task on the device, at the edge, in the cloud, or by a network that is cut between them",
    ),
    EnvironmentEntry(
        "EdgeGym/BinaryOffloading-v0",
        "edgegym.envs.binary_offloading.env:BinaryOffloadingEnv",
        "edgegym.envs.binary_offloading.env:BinaryOffloadingVectorEnv",
        "let a device compute locally or offload, one after another; then time and energy are shared out exactly",
    ),
    EnvironmentEntry(
        "EdgeGym/RequestScheduling-v0",
        "edgegym.envs.request_scheduling.env:RequestSchedulingEnv",
        "edgegym.envs.request_scheduling.env:RequestSchedulingVectorEnv",
        "send a request to a server and one of its model variants, hold it back, or reject it",
    ),
    EnvironmentEntry(
        "EdgeGym/InferenceBatching-v0",
        "edgegym.envs.inference_batching.env:InferenceBatchingEnv",
        "edgegym.envs.inference_batching.env:InferenceBatchingVectorEnv",
        "which queue a free accelerator serves, in how large a batch and by which variant, or whether to wait",
    ),
    EnvironmentEntry(
        "EdgeGym/NetworkFunctions-v0",
        "edgegym.envs.network_functions.env:NetworkFunctionsEnv",
        "edgegym.envs.network_functions.env:NetworkFunctionsVectorEnv",
        "place the functions of an arriving flow one after another, each on a node with a path to it, or reject",
    ),
    EnvironmentEntry(
        "EdgeGym/UserMigration-v0",
        "edgegym.envs.user_migration.env:UserMigrationEnv",
        "edgegym.envs.user_migration.env:UserMigrationVectorEnv",
        "let a moving user's service stay where it is, or migrate it to one of some candidate sites",
    ),
)


def register_environments() -> None:
    """Register every environment with Gymnasium; those that are registered already are left alone."""
    import gymnasium

    for entry in ENVIRONMENTS:
        if entry.id not in gymnasium.registry:
            gymnasium.register(entry.id, entry_point=entry.env, vector_entry_point=entry.vector_env)
