"""The exact allocation for many frames at once, outside of any episode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.compiling import njit
from edgegym.envs.binary_offloading import state as arrays
from edgegym.envs.binary_offloading.params import BinaryOffloadingParams
from edgegym.envs.binary_offloading.rules import rules_of, weights_of
from edgegym.envs.binary_offloading.search import allocate, exhaustive, open_devices
from edgegym.envs.binary_offloading.state import State
from edgegym.errors import SettingsError


@dataclass(frozen=True)
class Allocations:
    """Best allocations of some frames.

    Attributes:
        value: (frames,) weighted sum rate in bit/s, or with queues the slot objective.
        time_price: (frames,) value of one more frame of channel time.
        power_time: (frames,) share of the frame for power transfer; 0 with queues.
        mode: (frames, devices) int8, 1 offloads.
        time: (frames, devices) upload times, shares of the frame.
        rate: (frames, devices) bit/s, or with queues Mbit per frame.
        energy: (frames, devices) J; 0 without queues, where all that is harvested is used.
    """

    value: NDArray[np.float64]
    time_price: NDArray[np.float64]
    power_time: NDArray[np.float64]
    mode: NDArray[np.int8]
    time: NDArray[np.float64]
    rate: NDArray[np.float64]
    energy: NDArray[np.float64]


def solve_allocations(
    params: BinaryOffloadingParams,
    gain: ArrayLike,
    mode: ArrayLike | None = None,
    queue_mbit: ArrayLike | None = None,
    energy_queue: ArrayLike | None = None,
) -> Allocations:
    """Share out time and energy in the best way, for given modes or for the best of all.

    Args:
        params: the problem, its constants and weights; the workload plays no part.
        gain: (frames, devices) linear channel gains from 0 on.
        mode: (frames, devices) of 0 (local) and 1 (offload); the best of all 2^devices modes if left out.
        queue_mbit: (frames, devices) data queues; 0 if left out.
        energy_queue: (frames, devices) virtual energy queues; 0 if left out.

    Raises:
        SettingsError: for arrays of different shapes, or numbers below 0 or not finite.
    """
    gains = np.atleast_2d(np.asarray(gain, np.float64))
    shape = gains.shape
    given = [_like(name, value, shape) for name, value in (("queue_mbit", queue_mbit), ("energy_queue", energy_queue))]
    _like("gain", gains, shape)
    modes = np.zeros(shape, np.int8) if mode is None else (_like("mode", mode, shape) > 0).astype(np.int8)
    state = arrays.allocate(1, shape[1], 1, queueing=False)._replace(rules=rules_of(params))
    state.devices["weight"] = weights_of(params, shape[1])
    frame, device = (np.empty((3, shape[0])), np.empty((3, *shape)))
    _solve(state, gains, *given, modes, mode is None, frame, device)
    return Allocations(frame[0], frame[1], frame[2], modes, device[0], device[1], device[2])


def _like(name: str, value: ArrayLike | None, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.zeros(shape) if value is None else np.atleast_2d(np.asarray(value, np.float64))
    if array.ndim != 2 or array.shape != shape or 0 in shape:
        raise SettingsError(f"{name}: shape {array.shape} found; (frames, devices), the same for all, is needed.")
    if not np.all(np.isfinite(array) & (array >= 0.0)):
        raise SettingsError(f"{name}: finite numbers from 0 on are needed.")
    return array


@njit(cache=True, _nrt=False)
def _solve(
    state: State,
    gain: np.ndarray,
    queue: np.ndarray,
    energy_queue: np.ndarray,
    modes: np.ndarray,
    search: bool,
    of_frame: np.ndarray,
    of_device: np.ndarray,
) -> None:
    """Fill what :class:`Allocations` holds; ``modes`` too where the best is searched."""
    row, devices = state.rows[0], state.devices[0]
    for frame in range(len(gain)):
        for i in range(len(devices)):
            devices[i].gain, devices[i].queue = gain[frame, i], queue[frame, i]
            devices[i].energy_queue = energy_queue[frame, i]
        open_devices(state, 0)
        if search:
            exhaustive(state, 0)
            for i in range(len(devices)):
                modes[frame, i] = state.best[0, i]
        of_frame[0, frame] = allocate(state, 0, modes[frame])
        of_frame[1, frame], of_frame[2, frame] = row.time_price, row.power_time
        for i in range(len(devices)):
            of_device[0, frame, i], of_device[1, frame, i] = devices[i].time, devices[i].rate
            of_device[2, frame, i] = devices[i].energy
