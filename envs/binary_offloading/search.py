"""Searches for a frame's mode with the exact allocation as critic, scalar code for one row.

Each leaves its mode in ``state.best`` and returns its value; ``critic_calls`` of the row counts the allocations that
were solved. They compare:

- :func:`first`: a fixed number of devices in the frame's order;
- :func:`sweep`: the best k first devices of the frame's order (top k by gain; with queues, Lyapunov index);
- :func:`coordinate_descent`: from all local, the best single change again and again;
- :func:`exhaustive`: the best of all modes. Weak duality settles most of them without a solution: at any price of time
  the dual value of a mode is a sum over its devices, and no allocation of the mode is worth more.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.binary_offloading import queueing, wireless_power
from edgegym.envs.binary_offloading.state import State

SLACK = 1e-12
"""A mode whose ceiling lies within this share of the best value is not worth a solution."""


@inlined
def open_devices(state: State, row: int) -> None:
    """Set what the devices' present gains and queues imply for the frame."""
    rules, devices = state.rules[0], state.devices[row]
    for i in range(len(devices)):
        if rules.queueing:
            queueing.open_device(rules, devices[i])
        else:
            wireless_power.open_device(rules, devices[i])


@inlined
def allocate(state: State, row: int, mode: np.ndarray) -> float:
    """Value of a mode under its best allocation; the devices keep that allocation."""
    rules, r, devices = state.rules[0], state.rows[row], state.devices[row]
    if rules.queueing:
        return queueing.allocate(rules, r, devices, mode)
    return wireless_power.allocate(rules, r, devices, mode)


@inlined
def copy_mode(mode: np.ndarray, into: np.ndarray) -> None:
    """Copy element by element: assigning an array would allocate a temporary one."""
    for i in range(len(mode)):
        into[i] = mode[i]


@inlined
def critic(state: State, row: int) -> float:
    """Value of the trial mode, counted."""
    state.rows[row].critic_calls += 1
    return allocate(state, row, state.trial[row])


@inlined
def first(state: State, row: int, count: int) -> None:
    """Offload the first ``count`` devices of the order, without a solution."""
    state.best[row] = 0
    for k in range(min(count, len(state.order[row]))):
        state.best[row, state.order[row, k]] = 1


@inlined
def sweep(state: State, row: int, most: int) -> float:
    """Try to offload the first k devices of the order, k = 0 .. most."""
    trial = state.trial[row]
    trial[:] = 0
    best = critic(state, row)
    copy_mode(trial, state.best[row])
    for k in range(min(most, len(trial))):
        trial[state.order[row, k]] = 1
        value = critic(state, row)
        if value > best:
            best = value
            copy_mode(trial, state.best[row])
    return best


@inlined
def coordinate_descent(state: State, row: int) -> float:
    """Change the device whose change gains most, from all local, until no change gains."""
    trial = state.trial[row]
    trial[:] = 0
    best = critic(state, row)
    while True:
        chosen = -1
        for i in range(len(trial)):
            trial[i] = 1 - trial[i]
            value = critic(state, row)
            if value > best:
                best, chosen = value, i
            trial[i] = 1 - trial[i]
        if chosen < 0:
            copy_mode(trial, state.best[row])
            return best
        trial[chosen] = 1 - trial[chosen]


@inlined
def exhaustive(state: State, row: int) -> float:
    """The best of all 2^N modes, N below 31."""
    trial, devices = state.trial[row], state.devices[row]
    best = coordinate_descent(state, row)
    price = _price_out(state, row)
    for code in range(1 << len(trial)):
        local, offloaded = 0.0, 0.0
        for i in range(len(trial)):
            if code >> i & 1:
                offloaded += devices[i].offloaded
            else:
                local += devices[i].local
        if _ceiling(state, price, local, offloaded) <= best + SLACK * abs(best):
            continue
        for i in range(len(trial)):
            trial[i] = code >> i & 1
        value = critic(state, row)
        if value > best:
            best = value
            copy_mode(trial, state.best[row])
            price = _price_out(state, row)
    return best


@inlined
def _price_out(state: State, row: int) -> float:
    """Price the devices at the price of time of the best mode, and return that price."""
    rules, r, devices = state.rules[0], state.rows[row], state.devices[row]
    r.critic_calls += 1
    allocate(state, row, state.best[row])
    if rules.queueing:
        queueing.price_out(rules, r, devices)
    else:
        wireless_power.price_out(rules, r, devices)
    return r.time_price


@inlined
def _ceiling(state: State, price: float, local: float, offloaded: float) -> float:
    if state.rules[0].queueing:
        return queueing.ceiling(price, local, offloaded)
    return wireless_power.ceiling(price, local, offloaded)
