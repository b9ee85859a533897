"""The transitions of binary offloading, scalar code for one row.

A frame opens with new gains; its devices are asked one after another, in falling order of gain (with queues, of the
Lyapunov index (Q + V w) log2(1 + P h / N0)). After the last answer the exact allocation closes the frame: it pays the
reward, and with queues moves them on.
"""

from __future__ import annotations

from edgegym.compiling import inlined, njit
from edgegym.envs.binary_offloading import queueing
from edgegym.envs.binary_offloading.search import (
    allocate,
    coordinate_descent,
    copy_mode,
    exhaustive,
    first,
    open_devices,
    sweep,
)
from edgegym.envs.binary_offloading.state import MEGA, State

FIRST, SWEEP, COORDINATE_DESCENT, EXHAUSTIVE = 0, 1, 2, 3
"""Searches that :func:`play` knows."""
PERCENT = 100.0


@njit(cache=True, _nrt=False)
def begin(state: State, row: int, frames: int) -> None:
    """Empty the queues of a row whose gains and arrivals are loaded and open its first frame."""
    r = state.rows[row]
    r.frame, r.frames, r.position, r.pending = 0, frames, 0, True
    r.invalid, r.critic_calls, r.reward = 0, 0, 0.0
    for i in range(state.devices.shape[1]):
        state.devices[row, i].queue = 0.0
        state.devices[row, i].energy_queue = 0.0
    _open_frame(state, row)


@inlined
def _open_frame(state: State, row: int) -> None:
    """Show the devices their new gains and put them in order."""
    r, rules, devices = state.rows[row], state.rules[0], state.devices[row]
    for i in range(len(devices)):
        devices[i].gain = state.gain[row, r.frame, i]
    open_devices(state, row)
    state.mode[row] = 0
    _sort(state, row)
    if rules.regret:
        r.reference = coordinate_descent(state, row)


@inlined
def _sort(state: State, row: int) -> None:
    """Insertion sort of the devices by falling priority; equals keep their order."""
    order, devices = state.order[row], state.devices[row]
    for i in range(len(devices)):
        place = i
        while place > 0 and devices[order[place - 1]].priority < devices[i].priority:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i


@inlined
def can_offload(state: State, row: int, i: int) -> bool:
    """Whether a device has a channel and, with queues, anything to send."""
    device = state.devices[row, i]
    return device.gain > 0.0 and (not state.rules[0].queueing or device.queue > 0.0)


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Let the asked device compute locally (0) or offload (1) and ask the next one."""
    r = state.rows[row]
    if not r.pending:
        return
    i = state.order[row, r.position]
    if action < 0 or action > 1 or (action == 1 and not can_offload(state, row, i)):
        r.invalid += 1
        action = 0
    if state.rules[0].regret:
        r.reward -= _regret(state, row, i, action)
    state.mode[row, i] = action
    r.position += 1
    if r.position == len(state.order[row]):
        _close_frame(state, row)


@inlined
def _close_frame(state: State, row: int) -> None:
    """Allocate time and energy exactly, log and pay the frame, and open the next one if there is one."""
    r, rules, devices = state.rows[row], state.rules[0], state.devices[row]
    count = len(devices)
    entry = state.log[row, r.frame]
    entry.value = allocate(state, row, state.mode[row])
    copy_mode(state.mode[row], state.modes[row, r.frame])
    entry.rate, entry.queue, entry.energy, entry.offloading, after = 0.0, 0.0, 0.0, 0, 0.0
    for i in range(count):
        device = devices[i]
        entry.rate += device.weight * device.rate * (MEGA if rules.queueing else 1.0)
        entry.offloading += state.mode[row, i]
        if rules.queueing:
            entry.queue += device.queue / count
            entry.energy += device.energy / count
            queueing.close_device(rules, device, state.arrival[row, r.frame, i])
            after += device.queue / count
    if not rules.regret:
        r.reward += rules.rate_reward * entry.rate / MEGA + rules.objective_reward * entry.value
        r.reward -= rules.queue_reward * after + rules.energy_reward * entry.energy
    r.frame += 1
    r.position = 0
    if r.frame < r.frames:
        _open_frame(state, row)
    else:
        r.pending = False


@inlined
def _regret(state: State, row: int, i: int, action: int) -> float:
    """What an answer costs against the other one if the devices still to be asked followed the reference mode.

    In percent of the reference mode's value; 0 for the better answer.
    """
    r, trial = state.rows[row], state.trial[row]
    if not can_offload(state, row, i):
        return 0.0
    copy_mode(state.mode[row], trial)
    for position in range(r.position + 1, len(trial)):
        device = state.order[row, position]
        trial[device] = state.best[row, device]
    trial[i] = action
    taken = allocate(state, row, trial)
    trial[i] = 1 - action
    other = allocate(state, row, trial)
    return PERCENT * max(other - taken, 0.0) / max(abs(r.reference), 1e-9)


@njit(cache=True, _nrt=False)
def play(state: State, row: int, search: int, most: int) -> None:
    """Play the rest of an episode by a search for each frame's mode.

    Args:
        state: the arrays of all rows.
        row: which one; its frame is open and no device of it has answered.
        search: :data:`FIRST`, :data:`SWEEP`, :data:`COORDINATE_DESCENT` or :data:`EXHAUSTIVE`.
        most: of the first two, how many devices offload, or at most do.
    """
    r = state.rows[row]
    while r.pending:
        if search == FIRST:
            first(state, row, most)
        elif search == SWEEP:
            sweep(state, row, most)
        elif search == COORDINATE_DESCENT:
            coordinate_descent(state, row)
        else:
            exhaustive(state, row)
        copy_mode(state.best[row], state.mode[row])
        _close_frame(state, row)
