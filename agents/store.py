"""Policies and training checkpoints on disk: safetensors for numbers, JSON for the rest, and never a pickle.

Whatever is stored is a pair: ``NAME-DIGEST.safetensors`` and ``NAME.json``, which names the first and its SHA-256.
The JSON file is renamed into place last, so a kill at any instant leaves the previous pair valid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import safetensors
import safetensors.torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field, JsonValue
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.dqn.policies import MultiInputPolicy as MultiInputDQNPolicy
from torch import Tensor, nn

from edgegym.agents.candidate_policy import CandidatePolicy, MaskableCandidatePolicy
from edgegym.agents.candidate_q import CandidateQPolicy
from edgegym.agents.networks import NetworkSettings, observation_sizes
from edgegym.errors import RunError, SettingsError, unknown
from edgegym.files import replaced, write_json
from edgegym.settings import Settings

CANDIDATE_POLICIES: dict[str, type[Any]] = {
    "CandidatePolicy": CandidatePolicy,
    "MaskableCandidatePolicy": MaskableCandidatePolicy,
    "CandidateQPolicy": CandidateQPolicy,
}
PLAIN_POLICIES: dict[str, type[Any]] = {
    "ActorCriticPolicy": ActorCriticPolicy,
    "MultiInputActorCriticPolicy": MultiInputActorCriticPolicy,
    "DQNPolicy": DQNPolicy,
    "MultiInputDQNPolicy": MultiInputDQNPolicy,
}
POLICIES = CANDIDATE_POLICIES | PLAIN_POLICIES
PLAIN_ACTIVATIONS: dict[str, type[nn.Module]] = {each.__name__: each for each in (nn.Tanh, nn.ReLU, nn.SiLU, nn.ELU)}


class TensorFile(Settings):
    """Which file holds a record's tensors."""

    file: Annotated[str, Field(pattern=r"^[\w-]+\.safetensors$")]
    """Its name, in the folder of the record."""
    sha256: str
    """Digest of its content."""


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


class PolicyRecord(Settings):
    """Content of ``policy.json``."""

    format: Literal["edgegym-policy-1"]
    policy: str
    network: dict[str, JsonValue]
    observation: dict[str, tuple[int, ...]]
    actions: Annotated[int, Field(ge=1)]
    meta: PolicyMeta
    tensors: TensorFile


class LoadedPolicy:
    """A stored policy, ready to act.

    Attributes:
        policy: the torch policy, for Stable-Baselines3.
        meta: where it comes from.
    """

    def __init__(self, policy: Any, meta: PolicyMeta) -> None:
        self.policy: BasePolicy = policy
        self.meta = meta
        self._scorer = policy.numpy_scorer() if type(policy) in CANDIDATE_POLICIES.values() else None

    def act(self, observation: Any) -> NDArray[np.int64]:
        """Greedy actions.

        Args:
            observation: single or batched; for a candidate policy with any number of candidates.

        Returns:
            Actions, 0-dimensional for a single observation, else (B,).
        """
        if self._scorer is not None:
            return self._scorer.act(observation)
        return np.asarray(self.policy.predict(observation, deterministic=True)[0])


def save_policy(folder: str | Path, policy: BasePolicy, meta: PolicyMeta | Mapping[str, Any]) -> None:
    """Write ``policy.json`` and its weights into ``folder``; an earlier policy there is replaced whole.

    Raises:
        RunError: if the policy is of a class that cannot be stored, or the column names do not fit it.
        SettingsError: if ``meta`` lacks a field.
    """
    meta = meta if isinstance(meta, PolicyMeta) else PolicyMeta.parse(meta, "meta")
    space = policy.observation_space
    parts = space.spaces if isinstance(space, spaces.Dict) else {"flat": space}
    record = {
        "format": "edgegym-policy-1",
        "policy": _class_name(policy),
        "network": _network(policy),
        "observation": {key: part.shape for key, part in parts.items()},
        "actions": int(policy.action_space.n),  # type: ignore[attr-defined]
        "meta": meta.model_dump(mode="json"),
    }
    if "candidates" in parts:
        sizes = observation_sizes(space)
        if (sizes.features, sizes.context) != (len(meta.candidate_features), len(meta.context_features)):
            raise RunError(
                f"meta: names {len(meta.candidate_features)} candidate and {len(meta.context_features)} context "
                f"columns, but the policy sees {sizes.features} and {sizes.context}. Give the environment's own names."
            )
    write_pair(Path(folder), "policy", policy.state_dict(), record)
    sweep(Path(folder), "policy")


def load_policy(folder: str | Path, environment: Any = None) -> LoadedPolicy:
    """Read a policy that :func:`save_policy` wrote; no code from the files is run.

    Args:
        folder: the folder with ``policy.json``.
        environment: if given (an ``Env``, ``VectorEnv`` or SB3 ``VecEnv``), its column names must be those that the
            policy was trained with, and the policy is built for its number of candidates.

    Raises:
        RunError: naming the file that is missing, damaged or does not fit, and the mend.
    """
    record, tensors = read_pair(Path(folder), "policy", PolicyRecord)
    source = Path(folder) / "policy.json"
    if record.policy not in POLICIES:
        raise unknown(f"policy class in {source}", record.policy, POLICIES, RunError)
    shapes = dict(record.observation)
    if environment is not None:
        _check_columns(record.meta, environment, source)
        if record.policy in CANDIDATE_POLICIES:
            shapes = {key: part.shape for key, part in _attribute(environment, "single_observation_space").items()}
    actions = shapes["mask"][0] if record.policy in CANDIDATE_POLICIES else record.actions
    try:
        policy = POLICIES[record.policy](
            _observation_space(shapes), spaces.Discrete(actions), lambda _: 0.0, **_arguments(record)
        )
        policy.load_state_dict(tensors)
    except (RuntimeError, SettingsError, KeyError, TypeError) as error:
        raise RunError(f"{source}: does not fit its weights: {error}. Store the policy again.") from None
    policy.set_training_mode(False)
    return LoadedPolicy(policy, record.meta)


def write_pair(folder: Path, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors, then the JSON record that names them: the rename of the record is the moment of truth."""
    data = safetensors.torch.save({key: each.detach().cpu().clone().contiguous() for key, each in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    file = f"{name}-{digest[:12]}.safetensors"
    with replaced(folder / file) as aside:
        aside.write_bytes(data)
    write_json(folder / f"{name}.json", {**record, "tensors": {"file": file, "sha256": digest}})


R = TypeVar("R", PolicyRecord, Any)


def read_pair(folder: Path, name: str, model: type[R]) -> tuple[R, dict[str, Tensor]]:
    """Read what :func:`write_pair` wrote, checking the record's fields and the tensors' digest.

    Raises:
        RunError: naming the file that is missing or damaged.
    """
    source = folder / f"{name}.json"
    try:
        values = json.loads(source.read_text(encoding="utf-8"))
        record = model.parse(values if isinstance(values, dict) else {}, str(source))
    except FileNotFoundError:
        raise RunError(f"{source}: not found. Give a folder that training has written.") from None
    except SettingsError as error:
        raise RunError(f"{error} The file is damaged or of another version: restore it or train again.") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{source}: cannot be read ({error}). Restore the file or train again.") from None
    return record, _read_tensors(folder / record.tensors.file, record.tensors.sha256)


def sweep(folder: Path, prefix: str) -> None:
    """Remove tensors that no record ``PREFIX*.json`` names, and what a killed writer left aside."""
    named = {_tensor_file(record) for record in folder.glob(f"{prefix}*.json")}
    for file in [*folder.glob(f"{prefix}*.safetensors"), *folder.glob(f".{prefix}*.part")]:
        if file.name not in named:
            file.unlink(missing_ok=True)


def _tensor_file(record: Path) -> str | None:
    try:
        return json.loads(record.read_text(encoding="utf-8"))["tensors"]["file"]
    except (OSError, ValueError, LookupError, TypeError):
        # Saving must not fail because an older record beside it is damaged.
        return None


def _read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise RunError(f"{path}: damaged or truncated (its SHA-256 is not the recorded one). Restore the file.")
        return safetensors.torch.load(data)
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{path}: cannot be read ({error}). Restore the file or train again.") from None


def _class_name(policy: BasePolicy) -> str:
    for name, each in POLICIES.items():
        if type(policy) is each:
            return name
    raise unknown("policy class", type(policy).__name__, POLICIES, RunError)


def _network(policy: Any) -> dict[str, Any]:
    """The JSON-able settings that rebuild a policy's networks."""
    if type(policy) in CANDIDATE_POLICIES.values():
        return policy.settings.model_dump(mode="json")
    activation, extractor = policy.activation_fn, policy.features_extractor_class
    if activation not in PLAIN_ACTIVATIONS.values() or extractor not in (FlattenExtractor, CombinedExtractor):
        raise RunError(
            f"policy: activation {activation.__name__} with {extractor.__name__} cannot be stored. Allowed: "
            f"{', '.join(PLAIN_ACTIVATIONS)} with the default features extractor; else use model.save()."
        )
    return {"net_arch": policy.net_arch, "activation_fn": activation.__name__}


def _arguments(record: PolicyRecord) -> dict[str, Any]:
    if record.policy in CANDIDATE_POLICIES:
        return NetworkSettings.parse(record.network, "network").model_dump()
    activation = PLAIN_ACTIVATIONS[str(record.network["activation_fn"])]
    return {"net_arch": record.network["net_arch"], "activation_fn": activation}


def _observation_space(shapes: Mapping[str, tuple[int, ...]]) -> spaces.Space[Any]:
    if "flat" in shapes:
        return spaces.Box(0.0, 1.0, shapes["flat"], np.float32)
    boxes = {key: spaces.Box(0.0, 1.0, shape, np.float32) for key, shape in shapes.items() if key != "mask"}
    return spaces.Dict({**boxes, "mask": spaces.MultiBinary(shapes["mask"][0])})


def _check_columns(meta: PolicyMeta, environment: Any, source: Path) -> None:
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
