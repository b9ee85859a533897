"""What functions cost on devices: from model and device cards to the numbers that the kernel reads.

A function gathers ``batch`` items for a call of S seconds. At x items a second it makes x / batch calls and keeps the
device busy for a share x S / batch of the time; an item waits (batch - 1) / (2 x) for its batch on average.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.cards.model import ModelCard
from edgegym.envs.network_functions.params import FunctionSettings, NetworkFunctionsParams, ServiceRequestSettings
from edgegym.errors import CardError, SettingsError

Array = NDArray[np.float64]
MEGA = 1e6


@dataclass(frozen=True)
class Costs:
    """Costs of F functions on D kinds of devices. In abstract requests there is one of each, and it costs its demand.

    Attributes:
        functions: (F,) names.
        devices: (D,) card names; empty for abstract requests.
        of_tier: the kind of device of each tier; ``""`` is that of all others.
        busy: (F, D) share of the node's capacity per unit of demand.
        call_s: (F, D) seconds of a call.
        calls: (F,) calls per second and unit of demand.
        fill_s: (F,) seconds that an item waits for its batch, times the demand.
        memory: (F,) MB of an instance.
        startup_s: (F,) seconds.
        watts: (D,) that a busy device takes above an idle one; 0 where the card does not know.
    """

    functions: tuple[str, ...]
    devices: tuple[str, ...]
    of_tier: Mapping[str, int]
    busy: Array
    call_s: Array
    calls: Array
    fill_s: Array
    memory: Array
    startup_s: Array
    watts: Array

    def device_of(self, tiers: Iterable[str]) -> NDArray[np.int64]:
        """(n,) kind of device of nodes of these tiers.

        Raises:
            KeyError: for a tier without a device where none is named for all others.
        """
        return np.array([self.of_tier[tier if tier in self.of_tier else ""] for tier in tiers], np.int64)


def costs_of(params: NetworkFunctionsParams) -> Costs:
    """Costs of the functions that the workload can ask for.

    Raises:
        SettingsError: for a card that cannot be loaded, naming the setting.
    """
    workload = params.workload
    if not isinstance(workload, ServiceRequestSettings):
        one, none = np.ones((1, 1)), np.zeros(1)
        return Costs(("abstract",), (), {"": 0}, one, 0.0 * one, none, none, none, none, none)
    names = tuple(dict.fromkeys(name for chain in workload.chains for name in chain))
    functions = [workload.catalogue[name] for name in names]
    devices = tuple(dict.fromkeys(params.devices.values()))
    call_s = np.array([[_call_s(function, device) for device in devices] for function in functions])
    items = np.array([function.items for function in functions])
    batch = np.array([float(function.batch) for function in functions])
    return Costs(
        functions=names,
        devices=devices,
        of_tier={tier: devices.index(card) for tier, card in params.devices.items()},
        busy=(items / batch)[:, None] * call_s,
        call_s=call_s,
        calls=items / batch,
        fill_s=(batch - 1.0) / (2.0 * items),
        memory=np.array([function.memory + _parameters_mb(function) for function in functions]),
        startup_s=np.array([function.startup_s for function in functions]),
        watts=np.array([_watts(device) for device in devices]),
    )


def _call_s(function: FunctionSettings, device: str) -> float:
    try:
        card = load_card(device, "device")
    except CardError as error:
        raise SettingsError(f"devices: {error}") from None
    if function.model is None:
        return function.item_s * function.batch
    return float(card.latency_s(_model(function.model).work(), function.batch))


def _parameters_mb(function: FunctionSettings) -> float:
    return 0.0 if function.model is None else float(_model(function.model).param_bytes()) / MEGA


def _model(name: str) -> ModelCard:
    try:
        return load_card(name, "model")
    except CardError as error:
        raise SettingsError(f"workload.functions: model: {error}") from None


def _watts(device: str) -> float:
    power = load_card(device, "device").power
    return 0.0 if power is None else power.active_w - (power.idle_w or 0.0)
