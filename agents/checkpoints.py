"""Training state on disk, to go on after a stop: weights, optimiser, counters and random generators, without pickle."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import JsonValue
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from edgegym.agents.store import TensorFile, read_pair, sweep, write_pair
from edgegym.errors import RunError
from edgegym.settings import Settings

KEPT = 2
PREFIX = "checkpoint_"
COUNTERS = (
    "num_timesteps",
    "_n_updates",
    "_episode_num",
    "_n_calls",
    "exploration_rate",
    "_current_progress_remaining",
)


class CheckpointRecord(Settings):
    """Content of ``checkpoint_STEPS.json``."""

    format: Literal["edgegym-checkpoint-1"]
    algorithm: str
    policy: str
    counters: dict[str, float | int]
    optimizer: dict[str, dict[str, float | int]]
    learning_rates: list[float]
    generators: dict[str, JsonValue]
    tensors: TensorFile


def save_checkpoint(folder: str | Path, model: BaseAlgorithm) -> None:
    """Write the training state of PPO, A2C, MaskablePPO or DQN as ``checkpoint_STEPS``; the last two are kept.

    Stored are all weights (DQN's target network too), the optimiser's state, the counters, and the random
    generators of torch, numpy and Python that Stable-Baselines3 draws from. Not stored: the environments' state, a
    replay buffer, a CUDA generator.
    """
    folder = Path(folder)
    moments, scalars = _optimizer_state(model)
    generators, states = _generators(model)
    weights = {f"policy.{key}": value for key, value in model.policy.state_dict().items()}
    record = {
        "format": "edgegym-checkpoint-1",
        "algorithm": type(model).__name__,
        "policy": type(model.policy).__name__,
        "counters": {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)},
        "optimizer": scalars,
        "learning_rates": [float(group["lr"]) for group in model.policy.optimizer.param_groups],
        "generators": generators,
    }
    write_pair(folder, f"{PREFIX}{model.num_timesteps:012d}", {**weights, **moments, **states}, record)
    for old in _records(folder)[:-KEPT]:
        old.unlink()
    sweep(folder, PREFIX)


def latest_checkpoint(folder: str | Path) -> Path | None:
    """The newest checkpoint's JSON file, or None where there is none."""
    records = _records(Path(folder))
    return records[-1] if records else None


def load_checkpoint(folder: str | Path, model: BaseAlgorithm) -> int:
    """Bring ``model`` to the newest checkpoint's state; go on with ``learn(..., reset_num_timesteps=False)``.

    ``model`` must be built as the stored one was. Its environments start new episodes; with a model seed they are
    seeded by seed and steps together, so that the workload does not begin again from its start. DQN's replay
    buffer is empty: another warm-up of ``learning_starts`` steps fills it before the next update.

    Returns:
        The steps trained so far.

    Raises:
        RunError: if there is no checkpoint, it is damaged, or it is of another algorithm, policy or network shape.
    """
    source = latest_checkpoint(folder)
    if source is None:
        raise RunError(f"{folder}: holds no {PREFIX}*.json. Start the training anew.")
    try:
        record, tensors = read_pair(source.parent, source.stem, CheckpointRecord)
    except RunError as error:
        raise RunError(f"{error} Or delete {source}: the checkpoint before it is then used.") from None
    _check_fit(record, tensors, model, source)
    model.policy.load_state_dict(_part(tensors, "policy."))
    _restore_optimizer(model, record, _part(tensors, "optimizer."))
    for name, value in record.counters.items():
        setattr(model, name, value)
    if hasattr(model, "learning_starts"):
        model.learning_starts += model.num_timesteps
    _restore_generators(model, record.generators, _part(tensors, "generator."))
    model._last_obs = None
    if model.env is not None and model.seed is not None:
        fresh = np.random.SeedSequence([model.seed, model.num_timesteps]).generate_state(1)[0]
        model.env.seed(int(fresh >> 1))
    return model.num_timesteps


def _records(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*.json"))


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _check_fit(record: CheckpointRecord, tensors: dict[str, Tensor], model: BaseAlgorithm, source: Path) -> None:
    stored, built = (record.algorithm, record.policy), (type(model).__name__, type(model.policy).__name__)
    if stored != built:
        raise RunError(f"{source}: is of {' with '.join(stored)}, the model of {' with '.join(built)}. Use its config.")
    shapes = {key: tuple(value.shape) for key, value in _part(tensors, "policy.").items()}
    wanted = {key: tuple(value.shape) for key, value in model.policy.state_dict().items()}
    if shapes != wanted:
        changed = sorted(key for key in shapes.keys() | wanted.keys() if shapes.get(key) != wanted.get(key))
        raise RunError(f"{source}: other network shapes in {', '.join(changed)}. Build the model with its own config.")


def _parameters(model: BaseAlgorithm) -> list[tuple[str, Tensor]]:
    """The optimiser's parameters with their names in the policy, in the optimiser's order."""
    names = {id(each): name for name, each in model.policy.named_parameters()}
    return [(names[id(each)], each) for group in model.policy.optimizer.param_groups for each in group["params"]]


def _optimizer_state(model: BaseAlgorithm) -> tuple[dict[str, Tensor], dict[str, dict[str, float | int]]]:
    """The optimiser's per-parameter state by name: tensors, and plain numbers."""
    tensors, scalars = {}, {}
    for name, parameter in _parameters(model):
        state = model.policy.optimizer.state.get(parameter, {})
        tensors.update({f"optimizer.{name}/{key}": value for key, value in state.items() if torch.is_tensor(value)})
        scalars[name] = {key: value for key, value in state.items() if isinstance(value, int | float)}
    return tensors, scalars


def _restore_optimizer(model: BaseAlgorithm, record: CheckpointRecord, tensors: dict[str, Tensor]) -> None:
    optimizer = model.policy.optimizer
    state: dict[int, dict[str, Any]] = {}
    for index, (name, _) in enumerate(_parameters(model)):
        entry = {**_part(tensors, f"{name}/"), **record.optimizer.get(name, {})}
        if entry:
            state[index] = entry
    groups = optimizer.state_dict()["param_groups"]
    for group, rate in zip(groups, record.learning_rates, strict=True):
        group["lr"] = rate
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _generators(model: BaseAlgorithm) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """State of the generators Stable-Baselines3 draws from, global ones among them."""
    _, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, words, python_gauss = random.getstate()
    described = {
        "numpy": [int(position), int(has_gauss), float(gauss)],
        "python": [version, python_gauss],
        "action_space": model.action_space.np_random.bit_generator.state,
    }
    if hasattr(model, "explorer"):
        described["explorer"] = model.explorer.bit_generator.state
    states = {
        "generator.torch": torch.get_rng_state(),
        "generator.numpy": torch.as_tensor(np.asarray(keys).astype(np.int64)),
        "generator.python": torch.tensor(words, dtype=torch.int64),
    }
    return described, states


def _restore_generators(model: BaseAlgorithm, described: dict[str, Any], states: dict[str, Tensor]) -> None:
    position, has_gauss, gauss = described["numpy"]
    keys = states["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, position, has_gauss, gauss))  # noqa: NPY002
    version, python_gauss = described["python"]
    random.setstate((version, tuple(states["python"].tolist()), python_gauss))
    torch.set_rng_state(states["torch"])
    model.action_space.np_random.bit_generator.state = described["action_space"]
    if hasattr(model, "explorer"):
        model.explorer.bit_generator.state = described["explorer"]
