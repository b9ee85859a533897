"""Mean sojourn times of queues with Poisson arrivals, as textbooks have them.

Sources: L. Kleinrock, "Queueing Systems", volume 1, 1975, for M/M/1, M/M/c and the formula of Pollaczek and Khinchin;
A. Cobham, "Priority assignment in waiting line problems", Operations Research 2(1), 1954, for priorities.

All functions take rates per second and times in seconds and raise :class:`~edgegym.errors.EdgeGymError` where the
queue has no steady state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from edgegym.errors import EdgeGymError


def mm1_sojourn(arrival_rate: float, service_rate: float) -> float:
    """Mean sojourn time of M/M/1, also of processor sharing with any law of service: 1 / (mu - lambda)."""
    _check_load(arrival_rate / service_rate)
    return 1.0 / (service_rate - arrival_rate)


def mg1_sojourn(arrival_rate: float, mean_s: float, second_moment_s2: float) -> float:
    """Mean sojourn time of M/G/1, first come, first served (Pollaczek and Khinchin).

    Args:
        arrival_rate: per second.
        mean_s: mean service time.
        second_moment_s2: mean of the squared service time; infinite for heavy tails, and so is the result.
    """
    load = _check_load(arrival_rate * mean_s)
    return mean_s + arrival_rate * second_moment_s2 / (2.0 * (1.0 - load))


def md1_sojourn(arrival_rate: float, service_s: float) -> float:
    """Mean sojourn time of M/D/1: all requests take ``service_s``."""
    return mg1_sojourn(arrival_rate, service_s, service_s**2)


def erlang_b(offered_load: float, servers: int) -> float:
    """Probability that all of ``servers`` are busy where nobody waits (M/G/c/c); any load is stable.

    Args:
        offered_load: arrival rate times mean service time, in erlang.
        servers: how many, from 0 on.
    """
    if offered_load < 0.0 or servers < 0:
        raise EdgeGymError(f"offered_load {offered_load}, servers {servers}: numbers from 0 on are needed.")
    blocked = 1.0
    for busy in range(1, servers + 1):
        blocked = offered_load * blocked / (busy + offered_load * blocked)
    return blocked


def erlang_c(offered_load: float, servers: int) -> float:
    """Probability that a request waits in M/M/c."""
    load = _check_load(offered_load / servers)
    blocked = erlang_b(offered_load, servers)
    return blocked / (1.0 - load * (1.0 - blocked))


def mmc_sojourn(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Mean sojourn time of M/M/c with ``service_rate`` at each server."""
    waits = erlang_c(arrival_rate / service_rate, servers)
    return waits / (servers * service_rate - arrival_rate) + 1.0 / service_rate


def priority_waits(
    arrival_rates: Sequence[float], means_s: Sequence[float], moments_s2: Sequence[float]
) -> list[float]:
    """Mean waiting times in M/G/1 with priorities that do not interrupt a service (Cobham).

    Args:
        arrival_rates: of each class, the most urgent first, per second.
        means_s: mean service times.
        moments_s2: means of the squared service times.
    """
    loads = [rate * mean for rate, mean in zip(arrival_rates, means_s, strict=True)]
    _check_load(sum(loads))
    residual = 0.5 * sum(rate * moment for rate, moment in zip(arrival_rates, moments_s2, strict=True))
    ahead = [sum(loads[:i]) for i in range(len(loads) + 1)]
    return [residual / ((1.0 - before) * (1.0 - after)) for before, after in pairwise(ahead)]


def _check_load(load: float) -> float:
    if not (0.0 <= load < 1.0 and math.isfinite(load)):
        raise EdgeGymError(f"load {load:.4g}: a steady state needs a load from 0 to below 1; lower the arrival rate.")
    return load
