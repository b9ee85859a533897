"""The queueing problem of LyDROO, scalar code for the devices of one row.

Data arrive at random, wait in queues and are computed locally or uploaded. Drift-plus-penalty turns the long-run
problem (high weighted rate, stable queues, mean energy within a budget) into one problem per frame: maximise

    sum_i (Q_i + V w_i) r_i - c Y_i e_i,

where Q_i is the data queue and Y_i a virtual queue of the energy beyond the budget (S. Bi, L. Huang, H. Wang and
Y.-J. A. Zhang, IEEE TWC 20(11), 2021; the factor c = 10 is that of the authors' program). For a given mode

    local    r = f / phi,  e = k f^3,  f <= f_max,  r <= Q
    offload  r = (W tau / v_u) log2(1 + p h / N0),  e = p tau,  p <= P,  sum tau <= 1,  r <= Q.

Local devices are by themselves: f = min(sqrt(worth / (3 phi k joule)), phi Q, f_max) with worth = Q + V w and
joule = c Y. Those that offload buy channel time at a price m: the best u = ln(1 + p h / N0) solves
(u - 1) exp(u) + 1 = m snr / joule with snr = h / N0. A device sends all that it has while its profit is positive, and
gives the channel up at a price that has a closed form. The price at which the time just suffices is found by bisection;
the device that gives up there gets the time that is left, which makes the split exact.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.binary_offloading.state import Record
from edgegym.envs.binary_offloading.tables import nats_by_joule

BISECTIONS = 48
"""Halvings of the range of m: what the last one leaves open costs less than 1e-14 of the largest price."""


@inlined
def open_device(rules: Record, device: Record) -> None:
    """Set what a device's queues and gain imply for the frame, all in closed form."""
    device.worth = device.queue + rules.tradeoff * device.weight
    device.joule = rules.energy_weight * device.energy_queue
    device.snr = device.gain / rules.noise
    frequency = min(rules.peak_frequency, rules.cycles * device.queue)
    if device.joule > 0.0:
        frequency = min(frequency, math.sqrt(device.worth / (3.0 * rules.cycles * rules.capacitance * device.joule)))
    device.local_rate = frequency / rules.cycles
    device.local_energy = rules.capacitance * frequency**3
    device.local = device.worth * device.local_rate - device.joule * device.local_energy
    device.peak_nats = math.log1p(rules.peak_power * device.snr)
    device.quit_nats = device.peak_nats
    if device.joule > 0.0:
        best = math.log(max(device.worth * rules.nats * device.snr / device.joule, 1.0))
        device.quit_nats = min(best, device.peak_nats)
    device.quit_price = _profit(rules, device, device.quit_nats)
    device.alone = _profit(rules, device, min(device.quit_nats, device.queue / rules.nats))
    device.surplus = max(device.alone - device.local, 0.0)
    device.least_time = min(1.0, device.queue / max(rules.nats * device.quit_nats, 1e-12))
    device.density = 0.0
    if device.least_time > 0.0:
        device.density = max(device.quit_price - device.local / device.least_time, 0.0)
    device.priority = device.worth * device.peak_nats


@inlined
def _profit(rules: Record, device: Record, u: float) -> float:
    """Worth of what a device sends in a frame of ``u`` nats, less the energy that it pays for."""
    if u <= 0.0:
        return 0.0
    return device.worth * rules.nats * u - device.joule * math.expm1(u) / device.snr


@inlined
def _nats_at(device: Record, price: float) -> float:
    """Nats per second and hertz that are best at a price of time."""
    if device.joule <= 0.0:
        return device.peak_nats
    return min(device.quit_nats, nats_by_joule(math.log(max(price * device.snr / device.joule, 1e-300))))


@inlined
def _demand(rules: Record, devices: np.ndarray, mode: np.ndarray, price: float) -> float:
    """Channel time that is asked for at a price."""
    total = 0.0
    for i in range(len(devices)):
        device = devices[i]
        if mode[i] == 1 and device.quit_price > price and device.queue > 0.0:
            total += device.queue / (rules.nats * _nats_at(device, price))
    return total


@inlined
def allocate(rules: Record, row: Record, devices: np.ndarray, mode: np.ndarray) -> float:
    """Serve the frame in the best way for a mode; sets ``time``, ``rate`` and ``energy`` of the devices.

    Returns:
        The slot objective.
    """
    low, high = 0.0, 0.0
    for i in range(len(devices)):
        if mode[i] == 1:
            high = max(high, devices[i].quit_price)
    if _demand(rules, devices, mode, 0.0) <= 1.0:
        high = 0.0
    elif high > 0.0:
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            if _demand(rules, devices, mode, middle) > 1.0:
                low = middle
            else:
                high = middle
    value, left = 0.0, 1.0
    for i in range(len(devices)):
        device = devices[i]
        device.time, device.rate, device.energy = 0.0, 0.0, 0.0
        if mode[i] == 0:
            device.rate, device.energy = device.local_rate, device.local_energy
            value += device.local
        elif device.quit_price > high and device.queue > 0.0:
            u = _nats_at(device, high)
            value += _send(rules, device, u, device.queue / (rules.nats * u))
            left -= device.time
    for i in range(len(devices)):
        device = devices[i]
        if mode[i] == 1 and low < device.quit_price <= high and device.queue > 0.0 and left > 0.0:
            u = device.quit_nats
            value += _send(rules, device, u, min(left, device.queue / (rules.nats * u)))
            left -= device.time
    row.time_price = high
    return value


@inlined
def _send(rules: Record, device: Record, u: float, time: float) -> float:
    """Upload for some time with ``u`` nats per second and hertz; the value of that."""
    device.time = time
    device.rate = min(rules.nats * u * time, device.queue)
    device.energy = math.expm1(u) / device.snr * time
    return device.worth * device.rate - device.joule * device.energy


@inlined
def price_out(rules: Record, row: Record, devices: np.ndarray) -> None:
    """Set ``offloaded``: each device's profit from offloading at the last allocation's price of time."""
    price = row.time_price
    for i in range(len(devices)):
        device = devices[i]
        device.offloaded = 0.0
        if device.quit_price > price and device.queue > 0.0:
            u = max(_nats_at(device, price), 1e-12)
            device.offloaded = (_profit(rules, device, u) - price) * device.queue / (rules.nats * u)


@inlined
def ceiling(price: float, local: float, offloaded: float) -> float:
    """No allocation of a mode is worth more than this, whatever the price of time (weak duality)."""
    return local + offloaded + price


@inlined
def close_device(rules: Record, device: Record, arrival: float) -> None:
    """Move the queues on by what the frame served, used and brought."""
    device.queue = max(device.queue + arrival - device.rate, 0.0)
    spent = rules.energy_step * (device.energy - rules.budget)
    device.energy_queue = max(device.energy_queue + spent, 0.0)
