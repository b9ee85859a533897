"""What an agent sees of a decision: the named columns, computed for one row.

Ratios and levels that span orders of magnitude are in octaves around 1: .5 + log2(x) / 40. No column solves an
allocation: all are closed forms of the frame's gains and queues and of the answers so far.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import fast_log2, unit
from edgegym.decision.stepping import stepper
from edgegym.envs.binary_offloading.kernel import advance, can_offload
from edgegym.envs.binary_offloading.state import State

CANDIDATE_FEATURES = (
    "offload",
    "weight",
    "snr",
    "queue",
    "energy_queue",
    "value",
    "advantage",
    "time",
    "surplus",
    "density",
    "most_surplus",
    "most_density",
)
CONTEXT_FEATURES = (
    "position",
    "offloading",
    "local_so_far",
    "local_to_come",
    "local_level",
    "offloading_snr",
    "offloading_time",
    "offloading_surplus",
    "offloading_density",
    "ahead_1",
    "ahead_2",
    "ahead_3",
)
AHEAD = 3
"""Devices asked next that the context shows."""


@inlined
def observe(state: State, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed.

    Args:
        state: the arrays of all rows.
        row: which one.
        candidates: (rows, 2, candidate features) float32; this row is written.
        context: (rows, context features) float32; likewise.
        mask: (rows, 2) int8; likewise.
    """
    r = state.rows[row]
    candidates[row], context[row], mask[row] = 0.0, 0.0, 0
    mask[row, 0] = 1
    if not r.pending:
        return
    i = state.order[row, r.position]
    mask[row, 1] = can_offload(state, row, i)
    total = _sum_local(state, row)
    _observe_context(state, row, i, total, context[row])
    mean = total / len(state.devices[row])
    _write_candidate(state, row, i, candidates[row, 0], state.devices[row, i].local / mean)
    if mask[row, 1]:
        _write_candidate(state, row, i, candidates[row, 1], state.devices[row, i].alone / mean)
        candidates[row, 1, 0] = 1.0


@inlined
def _write_candidate(state: State, row: int, i: int, out: np.ndarray, value: float) -> None:
    rules, devices, order = state.rules[0], state.devices[row], state.order[row]
    device = devices[i]
    largest_weight, surplus, density = 0.0, 0.0, 0.0
    for other in range(len(devices)):
        largest_weight = max(largest_weight, devices[other].weight)
    for position in range(state.rows[row].position + 1, len(order)):
        surplus = max(surplus, devices[order[position]].surplus)
        density = max(density, devices[order[position]].density)
    out[1] = unit(device.weight / largest_weight)
    out[2] = octaves(device.snr * rules.peak_power if rules.queueing else device.snr)
    out[3] = unit(fast_log2(1.0 + device.queue) / np.float32(16.0))
    out[4] = unit(fast_log2(1.0 + device.energy_queue) / np.float32(16.0))
    out[5] = octaves(value)
    out[6] = octaves(device.alone / device.local) if device.local > 0.0 else np.float32(0.0)
    out[7] = unit(device.least_time)
    out[8] = _share(device.surplus, surplus)
    out[9] = _share(device.density, density)
    out[10] = device.surplus > surplus
    out[11] = device.density > density


@inlined
def _observe_context(state: State, row: int, i: int, total: float, out: np.ndarray) -> None:
    r, rules, devices, order = state.rows[row], state.rules[0], state.devices[row], state.order[row]
    asked, count = devices[i], len(devices)
    offloading, local, to_come, snr, time, surplus, density = 0, 0.0, 0.0, 0.0, 0.0, 0.0, np.inf
    for position in range(count):
        device = devices[order[position]]
        if position > r.position:
            to_come += device.local
        elif position < r.position and state.mode[row, order[position]] == 1:
            offloading += 1
            snr += device.worth * device.snr
            time += device.least_time
            surplus += device.surplus
            density = min(density, device.density)
        elif position < r.position:
            local += device.local
    out[0] = unit(r.position / count)
    out[1] = unit(offloading / count)
    out[2] = unit(local / total)
    out[3] = unit(to_come / total)
    out[4] = octaves(total / rules.nats)
    out[5] = octaves(snr)
    out[6] = unit(time / count)
    out[7] = _share(surplus, asked.surplus)
    out[8] = _share(density, asked.density) if offloading > 0 else np.float32(0.0)
    for ahead in range(min(AHEAD, count - 1 - r.position)):
        out[9 + ahead] = _share(devices[order[r.position + 1 + ahead]].surplus, asked.surplus)


@inlined
def _sum_local(state: State, row: int) -> float:
    """Value of the mode in which all compute locally; never 0, so that it may divide."""
    total = 1e-12
    for i in range(state.devices.shape[1]):
        total += state.devices[row, i].local
    return total


@inlined
def _share(x: float, other: float) -> np.float32:
    """X as a share of x + other: finer than octaves where two numbers are close; 0 if both are 0."""
    return unit(x / (x + other)) if x > 0.0 else np.float32(0.0)


@inlined
def octaves(x: float) -> np.float32:
    """A positive number on a logarithmic scale: 1 gives .5, each octave 1/40; 0 gives 0."""
    return unit(fast_log2(max(x, 1e-30)) * np.float32(0.025) + np.float32(0.5))


step_rows = stepper(advance, observe)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
