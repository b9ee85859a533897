"""From settings to the constants that the kernels read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.binary_offloading.params import BinaryOffloadingParams
from edgegym.envs.binary_offloading.state import MEGA, RULES


def rules_of(params: BinaryOffloadingParams) -> NDArray[Any]:
    """(1,) RULES of a system with these settings."""
    array = np.zeros(1, RULES)
    rules, reward = array[0], params.reward
    rules["queueing"] = params.problem == "queueing"
    rules["rate_reward"], rules["queue_reward"] = reward.rate, reward.queue
    rules["energy_reward"], rules["objective_reward"] = reward.energy, reward.objective
    rules["regret"] = reward.signal == "regret"
    (_set_queueing if rules["queueing"] else _set_wireless_power)(rules, params)
    return array


def weights_of(params: BinaryOffloadingParams, devices: int) -> NDArray[np.float64]:
    """(devices,) the weights, begun again where there are more devices."""
    return np.resize(np.asarray(params.weights, np.float64), devices)


def _set_wireless_power(rules: Any, params: BinaryOffloadingParams) -> None:
    """eta1 / k^(1/3), eta2 and eps of :mod:`~edgegym.envs.binary_offloading.wireless_power`."""
    constants = params.wireless_power
    power_w = constants.harvesting * constants.transmit_power_w
    rules["local_rate"] = (power_w / constants.capacitance) ** (1.0 / 3.0) / constants.cycles_per_bit
    rules["snr"] = power_w / constants.noise_w
    rules["nats"] = constants.bandwidth_hz / (constants.overhead * math.log(2.0))


def _set_queueing(rules: Any, params: BinaryOffloadingParams) -> None:
    """Constants of :mod:`~edgegym.envs.binary_offloading.queueing`; data are in Mbit."""
    constants = params.queueing
    rules["nats"] = constants.bandwidth_hz / (constants.overhead * math.log(2.0)) / MEGA
    rules["cycles"] = constants.cycles_per_bit * MEGA
    rules["noise"], rules["peak_power"] = constants.noise_w, constants.peak_power_w
    rules["capacitance"], rules["peak_frequency"] = constants.capacitance, constants.peak_frequency_hz
    rules["budget"], rules["energy_step"] = constants.budget_j, constants.energy_step
    rules["energy_weight"], rules["tradeoff"] = constants.energy_weight, constants.tradeoff
