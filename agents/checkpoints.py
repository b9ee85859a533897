"""Training state on disk, to go on after a stop: weights, optimiser, counters and random generators, without pickle."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from edgegym.agents.tensor_files import Record, read_pair, sweep, write_pair
from edgegym.errors import RunError

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
BUFFER_ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class CheckpointRecord(Record):
    """Content of ``checkpoint_STEPS.json``."""

    format: Literal["edgegym-checkpoint-2"]
    algorithm: str
    policy: str
    counters: dict[str, float | int]
    optimizer: dict[str, dict[str, float | int]]
    learning_rates: list[float]
    generators: dict[str, JsonValue]
    replay_position: int | None
    """Where the replay buffer writes next; None if it is not stored."""


def save_checkpoint(folder: str | Path, model: BaseAlgorithm, replay_buffer: bool = False) -> None:
    """Write the training state of PPO, A2C, MaskablePPO or DQN as ``checkpoint_STEPS``; the last two are kept.

    Stored are all weights (DQN's target network too), the optimiser's state, the counters, and the random generators
    of torch (CPU) and numpy that Stable-Baselines3 draws from. Checkpoints of more steps, left by an earlier training
    in this folder, are removed.

    Args:
        folder: made if it does not exist.
        model: between two calls of ``learn`` or in a callback.
        replay_buffer: store DQN's buffer too, as large as it is in memory. Without it a resumed training first fills
            its buffer anew.

    Raises:
        RunError: if the disk refuses; earlier checkpoints are then still whole.
    """
    folder = Path(folder)
    moments, scalars = _optimizer_state(model)
    generators, states = _generators(model)
    weights = {f"policy.{key}": value for key, value in model.policy.state_dict().items()}
    buffer: Any = getattr(model, "replay_buffer", None) if replay_buffer else None
    replay = {f"replay.{key}": torch.as_tensor(value) for key, value in _replay_arrays(buffer)}
    record = {
        "format": "edgegym-checkpoint-2",
        "algorithm": type(model).__name__,
        "policy": type(model.policy).__name__,
        "counters": {name: getattr(model, name) for name in COUNTERS if hasattr(model, name)},
        "optimizer": scalars,
        "learning_rates": [float(group["lr"]) for group in model.policy.optimizer.param_groups],
        "generators": generators,
        "replay_position": None if buffer is None else buffer.pos,
    }
    name = f"{PREFIX}{model.num_timesteps:012d}"
    write_pair(folder, name, {**weights, **moments, **states, **replay}, record)
    records = _records(folder)
    newest = records.index(folder / f"{name}.json")
    for superseded in [*records[newest + 1 :], *records[: max(newest + 1 - KEPT, 0)]]:
        superseded.unlink()
    sweep(folder, PREFIX)


def latest_checkpoint(folder: str | Path) -> Path | None:
    """The newest whole checkpoint's JSON file, or None where there is none; warns of damaged ones passed over."""
    found = _newest_whole(Path(folder))
    return found[0] if found else None


def load_checkpoint(folder: str | Path, model: BaseAlgorithm) -> int:
    """Bring ``model`` to the state of the newest whole checkpoint; a damaged one is passed over with a warning.

    Go on with ``model.learn(total - steps, reset_num_timesteps=False)``, so that schedules run as without the stop.
    ``model`` must be built as the stored one was. Its environments start new episodes; with a model seed they are
    seeded by seed and steps together, so that the workload does not begin again from its start. Without a stored
    replay buffer DQN makes another warm-up of ``learning_starts`` steps before its next update.

    Returns:
        The steps trained so far.

    Raises:
        RunError: if there is no whole checkpoint, or it is of another algorithm, policy or network shape.
    """
    found = _newest_whole(Path(folder))
    if found is None:
        raise RunError(f"{folder}: holds no readable {PREFIX}*.json. Start the training anew.")
    source, record, tensors = found
    _check_fit(record, tensors, model, source)
    try:
        model.policy.load_state_dict(_part(tensors, "policy."))
        _restore_optimizer(model, record, _part(tensors, "optimizer."))
        for name in COUNTERS:
            if name in record.counters:
                setattr(model, name, record.counters[name])
        _restore_generators(model, record.generators, _part(tensors, "generator."))
        _restore_replay(model, record.replay_position, _part(tensors, "replay."))
    except (LookupError, RuntimeError, TypeError, ValueError) as error:
        raise RunError(f"{source}: does not fit the model ({error}). Delete it to use the one before it.") from error
    model._last_obs = None
    if model.env is not None and model.seed is not None:
        fresh = np.random.SeedSequence([model.seed, model.num_timesteps]).generate_state(1)[0]
        model.env.seed(int(fresh >> 1))
    return model.num_timesteps


def _records(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{PREFIX}*.json"))


def _newest_whole(folder: Path) -> tuple[Path, CheckpointRecord, dict[str, Tensor]] | None:
    for source in reversed(_records(folder)):
        try:
            return source, *read_pair(folder, source.stem, CheckpointRecord)
        except RunError as error:
            warnings.warn(f"{error} The checkpoint before it is used, if there is one.", stacklevel=3)
    return None


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
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
    described = {
        "numpy": [int(position), int(has_gauss), float(gauss)],
        "action_space": model.action_space.np_random.bit_generator.state,
    }
    if hasattr(model, "explorer"):
        described["explorer"] = model.explorer.bit_generator.state
    states = {
        "generator.torch": torch.get_rng_state(),
        "generator.numpy": torch.as_tensor(np.asarray(keys).astype(np.int64)),
    }
    return described, states


def _restore_generators(model: BaseAlgorithm, described: dict[str, Any], states: dict[str, Tensor]) -> None:
    position, has_gauss, gauss = described["numpy"]
    keys = states["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    model.action_space.np_random.bit_generator.state = described["action_space"]
    if hasattr(model, "explorer"):
        model.explorer.bit_generator.state = described["explorer"]


def _replay_arrays(buffer: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """The filled part of a replay buffer's arrays by name, as views; nothing for no buffer."""
    if buffer is None:
        return
    filled = buffer.size()
    for name in BUFFER_ARRAYS:
        array = getattr(buffer, name, None)
        if array is None:
            # With optimize_memory_usage the next observations lie among the observations.
            continue
        parts = {f"{name}/{key}": part for key, part in array.items()} if isinstance(array, dict) else {name: array}
        for key, part in parts.items():
            yield key, part[:filled]


def _restore_replay(model: Any, position: int | None, tensors: dict[str, Tensor]) -> None:
    """Fill the replay buffer; where none is stored, put the first update off until it has filled again."""
    if not hasattr(model, "replay_buffer"):
        return
    if position is None:
        model.learning_starts += model.num_timesteps
        return
    filled = len(tensors["rewards"])
    buffer = model.replay_buffer
    buffer.pos, buffer.full = position, filled == buffer.buffer_size
    if buffer.size() != filled:
        raise ValueError(f"its replay buffer holds {filled} steps, full, and the model's has room for more")
    for name, part in _replay_arrays(buffer):
        part[:] = tensors[name].numpy()
