"""From settings and cards to the constants that the kernels read."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.cards.device import DeviceCard
from edgegym.envs.inference_batching.params import AffineVariant, InferenceBatchingParams
from edgegym.envs.inference_batching.state import CANDIDATE, RULES, SERVICE, VARIANT, Tables
from edgegym.errors import SettingsError

NO_DEADLINE_SCALE_S = 1.0


@dataclass(frozen=True)
class _Variant:
    """A variant on the device: its accuracy, bytes, and (B + 1,) seconds and joules of batches 0 .. B."""

    accuracy: float
    bytes: float
    seconds: NDArray[np.float64]
    joules: NDArray[np.float64]


def tables_of(params: InferenceBatchingParams) -> Tables:
    """The constants of a system with these settings.

    Raises:
        EdgeGymError: for a missing card, a variant that does not fit into the memory, or a reference rule that cannot
            serve some queue.
    """
    device = _device(params)
    batch = np.arange(params.batches[-1] + 1)
    referred = _referred(params)
    named = [(q, each) for q, queue in enumerate(params.queues) for each in queue.variants]
    found = [(q, _variant(each, device, batch)) for q, each in named]
    memory = _memory(params, device)
    variants = np.zeros(len(found), VARIANT)
    for v, (q, each) in enumerate(found):
        if each.bytes > memory:
            name = named[v][1] if isinstance(named[v][1], str) else "one"
            raise SettingsError(
                f"queues.{q}.variants: {name} needs {each.bytes:.4g} bytes, the memory has {memory:.4g}; leave it "
                "out or raise memory_bytes."
            )
        item = float((each.seconds[1:] / batch[1:]).min())
        variants[v] = q, each.accuracy, each.bytes, each.bytes / params.load_bytes_per_s, item, referred[v]
    latency = np.stack([each.seconds for _, each in found])
    joules = np.stack([each.joules for _, each in found])
    return Tables(
        _rules(params, memory),
        _services(params, variants, latency),
        variants,
        _choices(params, variants),
        latency,
        joules,
    )


def cards_of(params: InferenceBatchingParams) -> dict[str, str]:
    """Name of each card that a system with these settings uses, and its source."""
    names = [each for queue in params.queues for each in queue.variants if isinstance(each, str)]
    if not names:
        return {}
    device = load_card(params.device, "device")
    models = {f"model {name}": load_card(name, "model").provenance.source for name in names}
    return {f"device {device.name}": device.provenance.source, **models}


def _referred(params: InferenceBatchingParams) -> NDArray[np.bool_]:
    """(variants,) whether the reference rule may use a variant."""
    queue_of = np.repeat(np.arange(len(params.queues)), [len(queue.variants) for queue in params.queues])
    chosen = params.reward.reference
    if chosen is None:
        return np.ones(len(queue_of), np.bool_)
    referred = np.isin(np.arange(len(queue_of)), chosen)
    if len(set(chosen)) != referred.sum() or len(set(queue_of[referred])) != len(params.queues):
        raise SettingsError(
            f"reward.reference: found {list(chosen)}; at least one variant of each queue is needed, counted over all "
            f"queues from 0 to {len(queue_of) - 1}."
        )
    return referred


def _device(params: InferenceBatchingParams) -> DeviceCard | None:
    """The device card, where a variant needs one."""
    from_card = any(isinstance(each, str) for queue in params.queues for each in queue.variants)
    return load_card(params.device, "device") if from_card else None


def _memory(params: InferenceBatchingParams, device: DeviceCard | None) -> float:
    if params.memory_bytes is not None:
        return params.memory_bytes
    capacity = device.memory.capacity_bytes if device is not None and device.memory is not None else None
    return math.inf if capacity is None else capacity


def _variant(each: str | AffineVariant, device: DeviceCard | None, batch: NDArray[np.int64]) -> _Variant:
    if isinstance(each, AffineVariant):
        seconds = (each.setup_s + each.per_item_s * batch).astype(np.float64)
        return _Variant(each.accuracy, each.bytes, seconds, each.active_w * seconds)
    assert device is not None
    card = load_card(each, "model")
    seconds = device.latency_s(card.work(), batch, model=card.model)
    joules = seconds * (device.power.active_w if device.power is not None else 0.0)
    return _Variant(card.accuracy_of(), float(card.param_bytes()), seconds, joules)


def _services(
    params: InferenceBatchingParams, variants: NDArray[np.void], latency: NDArray[np.float64]
) -> NDArray[np.void]:
    services = np.zeros(len(params.queues), SERVICE)
    per_item = (latency[:, 1:] / np.arange(1, latency.shape[1])).min(axis=1)
    for q, queue in enumerate(params.queues):
        mine = variants["queue"] == q
        slo = math.inf if queue.slo_s is None else queue.slo_s
        scale = NO_DEADLINE_SCALE_S if queue.slo_s is None else queue.slo_s
        services[q] = slo, scale, queue.weight, variants["accuracy"][mine].max(), per_item[mine].min()
    return services


def _choices(params: InferenceBatchingParams, variants: NDArray[np.void]) -> NDArray[np.void]:
    below = (0, *params.batches[:-1])
    rows = [(v, size, less) for v in range(len(variants)) for size, less in zip(params.batches, below, strict=True)]
    return np.array([(0, 0, 0), *rows], CANDIDATE)


def _rules(params: InferenceBatchingParams, memory: float) -> NDArray[np.void]:
    rules, reward = np.zeros(1, RULES), params.reward
    rules["drop_expired"], rules["drop_late"] = params.drop == "expired", params.drop == "late"
    rules["wait"] = math.inf if params.wait_s is None else params.wait_s
    rules["memory"] = memory
    rules["goodput_reward"], rules["shortfall_reward"] = reward.goodput, reward.shortfall
    rules["latency_reward"] = reward.latency
    rules["energy_reward"], rules["drop_reward"] = reward.energy, reward.drop
    rules["advantage"], rules["horizon"] = reward.signal == "advantage", reward.horizon_s
    return rules
