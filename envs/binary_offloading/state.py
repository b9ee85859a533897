"""The arrays of the binary offloading system: what a row remembers. All but the rules have the row as leading axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MEGA = 1e6
"""Bits in a megabit."""

Record = Any
"""An element of a structured array, for annotations."""

# One device. The fields from ``worth`` on hold for the present frame; what each means is said by the problem's module.
DEVICE = np.dtype(
    [
        ("weight", np.float64),
        ("queue", np.float64),  # Mbit waiting at the frame's start (queueing only)
        ("energy_queue", np.float64),  # virtual queue of the energy beyond the budget (queueing only)
        ("gain", np.float64),  # channel gain, linear
        ("worth", np.float64),  # of a unit of rate: the weight, or queue + tradeoff * weight
        ("joule", np.float64),  # price of a joule (queueing only)
        ("snr", np.float64),  # signal-to-noise ratio at the server: of all power, or per watt
        ("local", np.float64),  # value of computing locally; with wireless power, with the whole frame for power
        ("local_rate", np.float64),  # Mbit of that (queueing only)
        ("local_energy", np.float64),  # J of that (queueing only)
        ("alone", np.float64),  # value of offloading with the channel to itself
        ("peak_nats", np.float64),  # most nats per second and hertz (queueing only)
        ("quit_nats", np.float64),  # nats per second and hertz at which it gives the channel up (queueing only)
        ("quit_price", np.float64),  # price of a second at which it gives the channel up (queueing only)
        ("least_time", np.float64),  # channel time that it is sure to want if it offloads, share of the frame
        ("surplus", np.float64),  # what offloading alone adds to computing locally; 0 where it adds nothing
        ("density", np.float64),  # what the least time adds, per unit of that time; 0 likewise
        ("priority", np.float64),  # devices are asked in falling order of it
        ("offloaded", np.float64),  # value of offloading at the time price of the last allocation (bounds only)
        ("time", np.float64),  # channel time of the last allocation, share of the frame
        ("rate", np.float64),  # rate of the last allocation: bit/s, or Mbit per frame
        ("energy", np.float64),  # J of the last allocation (queueing only)
    ]
)

ROW = np.dtype(
    [
        ("frame", np.int64),  # present frame
        ("frames", np.int64),  # length of the episode
        ("position", np.int64),  # place in the frame's order of the device that is asked
        ("pending", np.bool_),  # a decision is pending
        ("invalid", np.int64),
        ("critic_calls", np.int64),  # allocations solved to find modes, not those that close a frame
        ("reward", np.float64),  # earned since the last action
        ("time_price", np.float64),  # of the last allocation: value of one more frame of channel time
        ("power_time", np.float64),  # of the last allocation: share of the frame for power transfer
        ("reference", np.float64),  # value of the reference mode (regret signal only)
    ]
)

RULES = np.dtype(
    [
        ("queueing", np.bool_),  # which problem
        ("local_rate", np.float64),  # wireless power: local bit/s per cube root of the gain, all time for power
        ("snr", np.float64),  # wireless power: signal-to-noise ratio per squared gain and power time / upload time
        ("nats", np.float64),  # rate per nat: bit/s, or Mbit/s with queues
        ("noise", np.float64),  # queueing: W
        ("peak_power", np.float64),  # queueing: W
        ("cycles", np.float64),  # queueing: per Mbit
        ("capacitance", np.float64),  # queueing: J per cycle and squared Hz
        ("peak_frequency", np.float64),  # queueing: Hz
        ("budget", np.float64),  # queueing: J per frame
        ("energy_step", np.float64),  # queueing: virtual queue per J beyond the budget
        ("energy_weight", np.float64),  # queueing: of the virtual queue in the objective
        ("tradeoff", np.float64),  # queueing: V
        ("rate_reward", np.float64),
        ("queue_reward", np.float64),
        ("energy_reward", np.float64),
        ("objective_reward", np.float64),
        ("regret", np.bool_),  # pay the regret signal instead of the terms
    ]
)

LOG = np.dtype(
    [
        ("value", np.float64),  # weighted sum rate in bit/s, or slot objective
        ("rate", np.float64),  # weighted sum rate in bit/s
        ("queue", np.float64),  # mean Mbit per device at the frame's start
        ("energy", np.float64),  # mean J per device
        ("offloading", np.int64),  # devices that offload
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes.

    Attributes:
        rules: (1,) RULES.
        rows: (rows,) ROW.
        devices: (rows, devices) DEVICE.
        gain: (rows, frames, devices) float64, the episode's channel gains.
        arrival: (rows, frames, devices) float64, Mbit that arrive during each frame; (rows, 0, devices) without queues.
        modes: (rows, frames, devices) int8, the log of modes: 1 offloads.
        log: (rows, frames) LOG.
        order: (rows, devices) int32, devices in the order in which they are asked.
        mode: (rows, devices) int8, the present frame's modes; those not yet asked compute locally.
        trial: (rows, devices) int8, the mode under trial in a search.
        best: (rows, devices) int8, what a search found; the reference mode of the regret signal.
    """

    rules: NDArray[Any]
    rows: NDArray[Any]
    devices: NDArray[Any]
    gain: NDArray[np.float64]
    arrival: NDArray[np.float64]
    modes: NDArray[np.int8]
    log: NDArray[Any]
    order: NDArray[np.int32]
    mode: NDArray[np.int8]
    trial: NDArray[np.int8]
    best: NDArray[np.int8]


def allocate(rows: int, devices: int, frames: int, queueing: bool) -> State:
    """Allocate the arrays of ``rows`` rows; rules, weights and episodes are left for the caller to fill.

    Args:
        rows: number of rows.
        devices: how many decide in a frame.
        frames: longest episode.
        queueing: whether there are arrivals.
    """
    return State(
        rules=np.zeros(1, RULES),
        rows=np.zeros(rows, ROW),
        devices=np.zeros((rows, devices), DEVICE),
        gain=np.zeros((rows, frames, devices)),
        arrival=np.zeros((rows, frames if queueing else 0, devices)),
        modes=np.zeros((rows, frames, devices), np.int8),
        log=np.zeros((rows, frames), LOG),
        order=np.zeros((rows, devices), np.int32),
        mode=np.zeros((rows, devices), np.int8),
        trial=np.zeros((rows, devices), np.int8),
        best=np.zeros((rows, devices), np.int8),
    )
