"""The wireless-powered problem of DROO, scalar code for the devices of one row.

A frame is split into a share ``a`` in which an access point sends power to all devices, and upload times ``tau_j`` of
those that offload. Local devices compute all along. For a given mode the weighted sum rate is concave in (a, tau), and
its exact maximum is a single root; see S. Bi and Y.-J. A. Zhang (IEEE TWC 17(6), 2018) for the problem and L. Huang,
S. Bi and Y.-J. A. Zhang (IEEE TMC 19(11), 2020) for its online form.

    local    r_i = eta1 (h_i / k)^(1/3) a^(1/3)
    offload  r_j = eps tau_j ln(1 + snr_j a / tau_j),   snr_j = eta2 h_j^2,   eps = B / (v_u ln 2)

With u_j = ln(1 + snr_j a / tau_j) optimality gives u_j + exp(-u_j) - 1 = v / (w_j eps) for the price ``v`` of time, so

    tau_j = a snr_j / (exp(u_j) - 1),   a = 1 / (1 + sum_j snr_j / (exp(u_j) - 1)),
    L a^(-2/3) / 3 + eps sum_j w_j snr_j exp(-u_j) = v,   L = sum of w_i r_i at a = 1 over the local devices.

The left side less the right falls in v, so v is found by bisection on its logarithm.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.binary_offloading.state import Record
from edgegym.envs.binary_offloading.tables import LOG_FIRST, nats_by_share

BISECTIONS = 44
"""Halvings of the range of ln v, 36 wide: v is then exact to 2e-12."""
LOG_LARGEST = math.log(60.0)
"""Largest ln c that the tables hold."""


@inlined
def open_device(rules: Record, device: Record) -> None:
    """Set what a device's present gain implies: worth, snr, the two values that cost no solution, and priority."""
    device.worth = device.weight
    device.snr = rules.snr * device.gain * device.gain
    device.local = device.weight * rules.local_rate * device.gain ** (1.0 / 3.0)
    # Half the frame for power and half for the upload: not the best split, but a closed form.
    device.alone = 0.5 * device.weight * rules.nats * math.log1p(device.snr)
    device.least_time = 0.5
    device.surplus = max(device.alone - device.local, 0.0)
    device.density = device.surplus / device.least_time
    device.priority = device.gain


@inlined
def allocate(rules: Record, row: Record, devices: np.ndarray, mode: np.ndarray) -> float:
    """Share the frame out in the best way for a mode; sets ``time`` and ``rate`` of the devices.

    Returns:
        The weighted sum rate in bit/s.
    """
    log_price = _log_price(rules, devices, mode)
    log_nats = math.log(rules.nats)
    a = 1.0 / (1.0 + _upload_time(devices, mode, log_price - log_nats))
    value = 0.0
    for i in range(len(devices)):
        device = devices[i]
        if mode[i] == 1 and device.snr > 0.0:
            u = nats_by_share(log_price - log_nats - math.log(device.worth))
            device.time = a * device.snr / math.expm1(u)
            device.rate = rules.nats * device.time * u
        else:
            device.time = 0.0
            device.rate = 0.0 if mode[i] == 1 else device.local / device.weight * a ** (1.0 / 3.0)
        value += device.weight * device.rate
    row.time_price, row.power_time = math.exp(log_price), a
    return value


@inlined
def _log_price(rules: Record, devices: np.ndarray, mode: np.ndarray) -> float:
    """The root ln v."""
    log_nats = math.log(rules.nats)
    local = 0.0
    for i in range(len(devices)):
        if mode[i] == 0:
            local += devices[i].local
    low, high = log_nats + LOG_FIRST, log_nats + LOG_LARGEST
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if _power_worth(rules, devices, mode, local, middle - log_nats) > math.exp(middle):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@inlined
def _power_worth(rules: Record, devices: np.ndarray, mode: np.ndarray, local: float, log_c: float) -> float:
    """Value of a little more power time when a weighted nat per unit of time costs exp(log_c)."""
    inverse_a, sent = 1.0, 0.0
    for i in range(len(devices)):
        device = devices[i]
        if mode[i] == 1 and device.snr > 0.0:
            u = nats_by_share(log_c - math.log(device.worth))
            s = math.expm1(u)
            inverse_a += device.snr / s
            sent += device.worth * device.snr / (1.0 + s)
    return local * inverse_a ** (2.0 / 3.0) / 3.0 + rules.nats * sent


@inlined
def _upload_time(devices: np.ndarray, mode: np.ndarray, log_c: float) -> float:
    """Upload time of all that offload, per power time."""
    total = 0.0
    for i in range(len(devices)):
        device = devices[i]
        if mode[i] == 1 and device.snr > 0.0:
            total += device.snr / math.expm1(nats_by_share(log_c - math.log(device.worth)))
    return total


@inlined
def price_out(rules: Record, row: Record, devices: np.ndarray) -> None:
    """Set ``offloaded``: each device's value per power time at the last allocation's price of time."""
    log_c = math.log(row.time_price) - math.log(rules.nats)
    for i in range(len(devices)):
        device = devices[i]
        device.offloaded = 0.0
        if device.snr > 0.0:
            u = nats_by_share(log_c - math.log(device.worth))
            # worth * eps * u less the price is worth * eps * (1 - exp(-u)) by the equation of u.
            device.offloaded = rules.nats * device.worth * device.snr * math.exp(-u)


@inlined
def ceiling(price: float, local: float, offloaded: float) -> float:
    """No allocation of a mode is worth more than this, whatever the price of time (weak duality).

    Args:
        price: any price of time.
        local: sum of ``local`` over the mode's local devices.
        offloaded: sum of ``offloaded`` at that price over the others.

    Returns:
        The maximum over a in [0, 1] of local a^(1/3) + offloaded a + (1 - a) price.
    """
    surplus = price - offloaded
    a = 1.0
    if surplus > 0.0:
        a = min(1.0, (local / (3.0 * surplus)) ** 1.5)
    return local * a ** (1.0 / 3.0) - surplus * a + price
