"""Hit ratios of caches in closed form, to check generators and kernels against.

The characteristic-time approximation: an object leaves an LRU cache if it is not requested for a time T that is the
same for every object and follows from the capacity. H. Che, Y. Tung and Z. Wang, "Hierarchical web caching systems:
modeling, design and experimental results", IEEE JSAC 20(7), 2002 (LRU); V. Martina, M. Garetto and E. Leonardi, "A
unified approach to the performance analysis of caching systems", INFOCOM 2014 (FIFO, q-LRU); S. Traverso et al.,
"Temporal locality in today's content caching: why it matters and how to model it", ACM CCR 43(5), 2013 (shot noise).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from edgegym.errors import SettingsError

Occupancy = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class HitRatio(NamedTuple):
    """What a formula says about one cache.

    Attributes:
        hit_ratio: hits per request, in [0, 1].
        characteristic_time: T, in the unit of 1 / popularity (requests, if that sums to 1) or in seconds; inf if the
            cache holds everything.
    """

    hit_ratio: float
    characteristic_time: float


def lru(popularity: ArrayLike, capacity: float) -> HitRatio:
    """LRU under independent requests (Che).

    Args:
        popularity: (contents,) request rates or probabilities.
        capacity: objects of unit size.

    Raises:
        SettingsError: for rates or a capacity out of range.
    """
    return _independent(popularity, capacity, lambda load: -np.expm1(-load))


def fifo(popularity: ArrayLike, capacity: float) -> HitRatio:
    """FIFO, and random eviction, under independent requests; arguments and errors as of :func:`lru`."""
    return _independent(popularity, capacity, lambda load: load / (1.0 + load))


def q_lru(popularity: ArrayLike, capacity: float, q: float) -> HitRatio:
    """LRU that admits a missed object with probability ``q`` in (0, 1], under independent requests.

    Arguments and errors otherwise as of :func:`lru`, which it equals at q = 1; towards q = 0 it keeps the most popular.
    """
    if not 0.0 < q <= 1.0:
        raise SettingsError(f"q: found {q}; an admission probability lies above 0 and at most at 1.")

    def occupancy(load: NDArray[np.float64]) -> NDArray[np.float64]:
        kept = -q * np.expm1(-load)
        return kept / (np.exp(-load) + kept)

    return _independent(popularity, capacity, occupancy)


def shot_noise_lru(
    birth_rate: float, volumes: ArrayLike, probabilities: ArrayLike, lifetime: ArrayLike, capacity: float
) -> HitRatio:
    """LRU when contents are born, requested for a lifetime and forgotten.

    Args:
        birth_rate: births per second, Poisson.
        volumes: (classes,) mean requests that a content of the class gets in its life, Poisson.
        probabilities: (classes,) share of the births.
        lifetime: seconds over which the requests spread evenly; one for all or (classes,).
        capacity: objects of unit size.

    Returns:
        Hit ratio, and the characteristic time in seconds.

    Raises:
        SettingsError: for values out of range.
    """
    volume, share, life = np.broadcast_arrays(
        np.asarray(volumes, np.float64), np.asarray(probabilities, np.float64), np.asarray(lifetime, np.float64)
    )
    if birth_rate <= 0 or np.any(volume <= 0) or np.any(life <= 0) or np.any(share < 0) or share.sum() <= 0:
        raise SettingsError("birth_rate, volumes and lifetime must be above 0, probabilities not negative.")
    share = share / share.sum()
    rate = volume / life

    def occupied(time: float) -> float:
        within = np.minimum(time, life)
        # Time in the cache while the content ages from 0 to ``within`` or, dying, from the last request on ...
        edge = within + np.expm1(-rate * within) / rate
        # ... and in between, where a request in the last T seconds keeps it.
        middle = np.abs(life - time) * -np.expm1(-rate * within)
        return birth_rate * float(share @ (2.0 * edge + middle))

    time = _characteristic_time(occupied, capacity)
    within = np.minimum(time, life)
    missed = -np.expm1(-rate * within) + rate * (life - within) * np.exp(-rate * within)
    return HitRatio(1.0 - float(share @ missed) / float(share @ volume), time)


def _independent(popularity: ArrayLike, capacity: float, occupancy: Occupancy) -> HitRatio:
    """Solve sum of occupancies = capacity for T; by PASTA an object's occupancy is its hit ratio."""
    rate = np.asarray(popularity, np.float64)
    if rate.ndim != 1 or not np.all(np.isfinite(rate)) or np.any(rate < 0) or not np.any(rate > 0):
        raise SettingsError("popularity: needs one finite rate, not below 0, for each content, and one above 0.")
    rate = rate[rate > 0]
    if capacity >= len(rate):
        return HitRatio(1.0, float("inf"))
    time = _characteristic_time(lambda t: float(occupancy(rate * t).sum()), capacity)
    return HitRatio(float(rate @ occupancy(rate * time) / rate.sum()), time)


def _characteristic_time(occupied: Callable[[float], float], capacity: float) -> float:
    """The time at which the expected occupancy reaches the capacity."""
    if not 0 < capacity < float("inf"):
        raise SettingsError(f"capacity: found {capacity}; a cache needs room for a positive number of objects.")
    longest = 1.0
    while occupied(longest) < capacity:
        longest *= 2.0
    return float(brentq(lambda t: occupied(t) - capacity, 0.0, longest, xtol=1e-12 * longest, rtol=1e-12))
