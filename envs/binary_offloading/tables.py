"""How much to send per second at a given price of time: two tabulated functions that both problems rest on.

A device whose received signal-to-noise ratio is s sends u = ln(1 + s) nats per second and hertz. Which u is best
follows from the price of channel time, but only implicitly:

- Energy is shared out first and sent in the time that is bought (wireless power): u + exp(-u) - 1 = c, where c is the
  price of a second over the worth of the nats that it could carry. This is ln(1 + s) - s / (1 + s) = c.
- Energy is paid for as it is spent (queueing): (u - 1) exp(u) + 1 = q, where q is the price of a second times the
  signal-to-noise ratio per watt over the price of a joule. Its closed form needs Lambert's W function.

Both are smooth on a log-log scale, so that linear interpolation in a table is exact to about 1e-6; and since each price
is that of a maximum, what is lost by such an error is of second order.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit

POINTS = 8192
"""Entries of a table."""
LOG_FIRST, LOG_LAST = math.log(1e-14), math.log(1e14)
"""Range of ln c and ln q."""
STEP = (LOG_LAST - LOG_FIRST) / (POINTS - 1)
LEAST_NATS, MOST_NATS = 1e-8, 64.0
"""Range of u, wide enough for that of q; c stops at 63, where the table is level."""


def _inverse(of_nats: NDArray[np.float64], nats: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ln u on the even grid of the logarithm of an increasing function of u."""
    grid = np.linspace(LOG_FIRST, LOG_LAST, POINTS)
    table = np.interp(grid, np.log(of_nats), np.log(nats))
    table.setflags(write=False)
    return table


_NATS = np.geomspace(LEAST_NATS, MOST_NATS, 1 << 17)
# Differences of nearly equal numbers lose all digits at small u, where the series takes over.
_SMALL = _NATS < 1e-3
BY_SHARE = _inverse(
    np.where(_SMALL, _NATS**2 / 2 - _NATS**3 / 6 + _NATS**4 / 24, _NATS + np.expm1(-_NATS)),
    _NATS,
)
"""ln u over ln c."""
BY_JOULE = _inverse(
    np.where(_SMALL, _NATS**2 / 2 + _NATS**3 / 3 + _NATS**4 / 8, _NATS * np.exp(_NATS) - np.expm1(_NATS)),
    _NATS,
)
"""ln u over ln q."""


@inlined
def _look_up(table: np.ndarray, log_argument: float) -> float:
    """Exp of the interpolated table; at the ends its outermost value."""
    place = (min(max(log_argument, LOG_FIRST), LOG_LAST) - LOG_FIRST) * (1.0 / STEP)
    below = min(int(place), POINTS - 2)
    part = place - below
    return math.exp((1.0 - part) * table[below] + part * table[below + 1])


@inlined
def nats_by_share(log_c: float) -> float:
    """The u with u + exp(-u) - 1 = c."""
    return _look_up(BY_SHARE, log_c)


@inlined
def nats_by_joule(log_q: float) -> float:
    """The u with (u - 1) exp(u) + 1 = q."""
    return _look_up(BY_JOULE, log_q)


@njit(cache=True)
def nats_by_share_of(log_c: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`nats_by_share` of every element of a vector."""
    return np.array([nats_by_share(x) for x in log_c])


@njit(cache=True)
def nats_by_joule_of(log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """:func:`nats_by_joule` of every element of a vector."""
    return np.array([nats_by_joule(x) for x in log_q])
