"""Policies on disk: safetensors for the weights, JSON for the settings, and never a pickle.

Loading builds the policy's class anew from a fixed table and fills in the weights, so that a stranger's file runs no
code. :func:`save_sb3_zip` writes Stable-Baselines3's own format for other tools; EdgeGym never reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from gymnasium import spaces
from pydantic import Field, JsonValue
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy, MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.dqn.policies import MultiInputPolicy as MultiInputDQNPolicy
from torch import nn

from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy
from edgegym.agents.networks import NetworkSettings, Width
from edgegym.agents.tensor_files import Record, read_pair, sweep, write_pair
from edgegym.errors import RunError, SettingsError, unknown
from edgegym.files import replaced
from edgegym.settings import Settings

CANDIDATE_POLICIES: dict[str, type[Any]] = {
    "CandidatePolicy": CandidatePolicy,
    "MaskableCandidatePolicy": MaskableCandidatePolicy,
    "CandidateQPolicy": CandidateQPolicy,
}
PLAIN_POLICIES: dict[str, type[Any]] = {
    "ActorCriticPolicy": ActorCriticPolicy,
    "MultiInputActorCriticPolicy": MultiInputActorCriticPolicy,
    "MaskableActorCriticPolicy": MaskableActorCriticPolicy,
    "MaskableMultiInputActorCriticPolicy": MaskableMultiInputActorCriticPolicy,
    "DQNPolicy": DQNPolicy,
    "MultiInputDQNPolicy": MultiInputDQNPolicy,
}
POLICIES = CANDIDATE_POLICIES | PLAIN_POLICIES
PLAIN_ACTIVATIONS: dict[str, type[nn.Module]] = {each.__name__: each for each in (nn.Tanh, nn.ReLU, nn.SiLU, nn.ELU)}
NAME = "policy"

Shape = tuple[Annotated[int, Field(ge=0)], ...]


class PlainNetwork(Settings):
    """Shape of the networks of a Stable-Baselines3 policy."""

    net_arch: list[Width] | dict[Literal["pi", "vf"], list[Width]]
    """As in ``policy_kwargs``."""
    activation_fn: Literal["Tanh", "ReLU", "SiLU", "ELU"]
    """Name of the ``torch.nn`` class."""


class PolicyMeta(Settings):
    """Where a policy comes from."""

    algorithm: str
    """Learning algorithm, for example ``"PPO"``."""
    environment: str
    """Environment id."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """The environment's settings."""
    candidate_features: tuple[str, ...]
    """Names of the candidate columns, in order."""
    context_features: tuple[str, ...]
    """Names of the context columns, in order."""
    notes: dict[str, JsonValue] = Field(default_factory=dict)
    """Anything else worth keeping: seed, steps, date."""


class PolicyRecord(Record):
    """Content of ``policy.json``."""

    format: Literal["edgegym-policy-1"]
    policy: str
    network: dict[str, JsonValue]
    observation: dict[Literal["candidates", "context", "mask", "flat"], Shape]
    actions: Annotated[int, Field(ge=1)]
    meta: PolicyMeta


@dataclass(frozen=True)
class StoredPolicy:
    """What :func:`load_policy` found.

    Attributes:
        policy: the torch policy, for Stable-Baselines3 (``predict``, or its weights to train on from).
        meta: where it comes from.
    """

    policy: BasePolicy
    meta: PolicyMeta


def save_policy(folder: str | Path, policy: BasePolicy, meta: PolicyMeta | Mapping[str, Any]) -> None:
    """Write ``policy.json`` and its weights into ``folder``; an earlier policy there is replaced whole.

    Raises:
        RunError: if the policy is of a class that cannot be stored, its columns are not those of ``meta``, or the
            disk refuses.
        SettingsError: if ``meta`` is a mapping that lacks a field.
    """
    folder = Path(folder)
    meta = meta if isinstance(meta, PolicyMeta) else PolicyMeta.parse(meta, "meta")
    space = policy.observation_space
    shapes = _shapes(space.spaces if isinstance(space, spaces.Dict) else {"flat": space})
    actions = int(policy.action_space.n)  # type: ignore[attr-defined]
    _check_shapes(shapes, actions, meta, "meta")
    record = {
        "format": "edgegym-policy-1",
        "policy": _class_name(policy),
        "network": _network(policy),
        "observation": shapes,
        "actions": actions,
        "meta": meta.model_dump(mode="json"),
    }
    write_pair(folder, NAME, policy.state_dict(), record)
    sweep(folder, NAME)


def load_policy(folder: str | Path, environment: Any = None) -> StoredPolicy:
    """Read a policy that :func:`save_policy` wrote; no code from the files is run.

    Args:
        folder: the folder with ``policy.json``.
        environment: if given (an ``Env``, ``VectorEnv`` or SB3 ``VecEnv``), its column names must be those that the
            policy was trained with, and a candidate policy is built for its number of candidates.

    Raises:
        RunError: naming the file that is missing, damaged or does not fit, and the mend.
    """
    record, tensors = read_pair(Path(folder), NAME, PolicyRecord)
    source = f"{Path(folder) / NAME}.json"
    if record.policy not in POLICIES:
        raise unknown(f"policy class in {source}", record.policy, POLICIES, RunError)
    _check_shapes(record.observation, record.actions, record.meta, source)
    shapes: Mapping[Any, Shape] = record.observation
    if environment is not None:
        _check_columns(record.meta, environment, source)
        if record.policy in CANDIDATE_POLICIES:
            shapes = _shapes(_attribute(environment, "single_observation_space").spaces)
    actions = shapes["mask"][0] if "mask" in shapes else record.actions
    try:
        arguments = _arguments(record)
        policy = POLICIES[record.policy](_space(shapes), spaces.Discrete(actions), lambda _: 0.0, **arguments)
        policy.load_state_dict(tensors)
    except (AssertionError, LookupError, RuntimeError, SettingsError, TypeError) as error:
        raise RunError(f"{source}: does not fit its weights: {error}. Store the policy again.") from None
    policy.set_training_mode(False)
    return StoredPolicy(policy, record.meta)


def save_sb3_zip(path: str | Path, model: BaseAlgorithm) -> None:
    """Write the model in Stable-Baselines3's own format, for ``PPO.load(path)`` and the like.

    Such files hold pickles: load only those that you trust. EdgeGym itself reads none.
    """
    with replaced(path) as aside:
        model.save(aside)


def is_candidate_policy(policy: BasePolicy) -> bool:
    """Whether the policy scores candidates with shared weights, and so serves any number of them."""
    return type(policy) in CANDIDATE_POLICIES.values()


def _class_name(policy: BasePolicy) -> str:
    for name, each in POLICIES.items():
        if type(policy) is each:
            return name
    raise unknown("policy class", type(policy).__name__, POLICIES, RunError)


def _network(policy: Any) -> dict[str, Any]:
    """The JSON-able settings that rebuild a policy's networks."""
    if is_candidate_policy(policy):
        settings: NetworkSettings = policy.settings
        return settings.model_dump(mode="json")
    activation, extractor = policy.activation_fn, policy.features_extractor_class
    if activation not in PLAIN_ACTIVATIONS.values() or extractor not in (FlattenExtractor, CombinedExtractor):
        raise RunError(
            f"policy: activation {activation.__name__} with {extractor.__name__} cannot be stored. Allowed: "
            f"{', '.join(PLAIN_ACTIVATIONS)} with the default features extractor; else use save_sb3_zip."
        )
    return {"net_arch": policy.net_arch, "activation_fn": activation.__name__}


def _arguments(record: PolicyRecord) -> dict[str, Any]:
    if record.policy in CANDIDATE_POLICIES:
        return NetworkSettings.parse(record.network, "network").model_dump()
    network = PlainNetwork.parse(record.network, "network")
    return {"net_arch": network.net_arch, "activation_fn": PLAIN_ACTIVATIONS[network.activation_fn]}


def _shapes(parts: Mapping[str, spaces.Space[Any]]) -> dict[str, Shape]:
    return {key: part.shape or () for key, part in parts.items()}


def _space(shapes: Mapping[Any, Shape]) -> spaces.Space[Any]:
    if "flat" in shapes:
        return spaces.Box(0.0, 1.0, shapes["flat"], np.float32)
    boxes = {key: spaces.Box(0.0, 1.0, shape, np.float32) for key, shape in shapes.items() if key != "mask"}
    return spaces.Dict({**boxes, "mask": spaces.MultiBinary(shapes["mask"][0])})


def _check_shapes(shapes: Mapping[Any, Shape], actions: int, meta: PolicyMeta, source: str) -> None:
    """Refuse observations that do not consist of the named columns."""
    features, context = len(meta.candidate_features), len(meta.context_features)
    wanted = {
        "dict": {"candidates": (actions, features), "context": (context,), "mask": (actions,)},
        "flat": {"flat": (actions * features + context + actions,)},
    }
    if dict(shapes) not in wanted.values():
        raise RunError(
            f"{source}: names {features} candidate and {context} context columns for {actions} actions, which does not "
            f"make observations of {dict(shapes)}. Give candidate_features and context_features of the environment "
            "that the policy was trained in."
        )


def _check_columns(meta: PolicyMeta, environment: Any, source: str) -> None:
    for field in ("candidate_features", "context_features"):
        trained, found = getattr(meta, field), tuple(_attribute(environment, field))
        if trained != found:
            raise RunError(
                f"{source}: was trained with {field} {list(trained)}, but the environment has {list(found)}. "
                f"Use {meta.environment} with the stored settings, or train a policy for this environment."
            )


def _attribute(environment: Any, name: str) -> Any:
    """An environment's attribute through any wrappers; a single environment's space counts as the single one."""
    if isinstance(environment, VecEnv):
        name = name.removeprefix("single_") if not environment.has_attr(name) else name
        return environment.get_attr(name, 0)[0]
    base = getattr(environment, "unwrapped", environment)
    return getattr(base, name if hasattr(base, name) else name.removeprefix("single_"))
