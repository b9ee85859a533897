"""Closed-form statistics of throughput that moves as a card's dynamics say.

The product of functions of two standard normal variables with correlation r has the mean ``sum_k a_k b_k r^k``, where
a and b are their coefficients over the normalised Hermite polynomials (Mehler's formula). Blockage makes that a mixture
over the states at both times.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from edgegym.calibration.throughput_statistics import log_rate
from edgegym.cards import LinkDynamics, QuantileTable
from edgegym.network.throughput import latent_share

Array = NDArray[np.float64]
TERMS = 48
GRID = np.linspace(-7.0, 7.0, 1401)
"""Where a normal variable is evaluated for integrals over it."""
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(24)


class DynamicsMoments:
    """Moments of the logarithm of the throughput, and of outages, under a law and dynamics.

    Args:
        table: law of the throughput, bit/s.
        dynamics: how it moves.
    """

    def __init__(self, table: QuantileTable, dynamics: LinkDynamics) -> None:
        self._dynamics = dynamics
        blockage = dynamics.blockage
        self._shifts = np.array([0.0] if blockage is None else [0.0, blockage.depth])
        self._shares = np.array([1.0] if blockage is None else [1.0 - blockage.share, blockage.share])
        latent = GRID - self._shifts[:, None]
        values = log_rate(table.quantile(np.clip(latent_share(latent, blockage), 0.0, 1.0)))
        density, basis = _hermite()
        self._coefficients = values @ (density * basis).T
        """(states, terms): of the logarithm of the throughput in each state."""
        self.mean = float(self._shares @ self._coefficients[:, 0])
        self.variance = float(self._shares @ (values**2 @ density)) - self.mean**2

    def latent_correlation(self, lag_s: ArrayLike) -> Array:
        """Correlation of the Gaussian part at a lag (seconds, any shape), blockage apart."""
        dynamics = self._dynamics
        lag = np.asarray(lag_s, np.float64)[..., None]
        weights = np.array(dynamics.weights)
        moving = np.exp(-lag / np.array(dynamics.time_scales_s)) @ weights
        return (moving + dynamics.level_weight) / (weights.sum() + dynamics.level_weight)

    def covariance(self, lag_s: ArrayLike) -> Array:
        """Autocovariance of the logarithm of the throughput at lags (seconds, (n,)), over all runs.

        Within ``sample_s`` the value holds, so between its multiples the covariance is linear.
        """
        sample_s = self._dynamics.sample_s
        place = np.asarray(lag_s, np.float64) / sample_s
        whole = np.arange(int(np.ceil(place.max())) + 1)
        at_samples = self._at_samples(whole * sample_s)
        at_samples[0] = self.variance
        return np.interp(place, whole, at_samples)

    def _at_samples(self, lag_s: ArrayLike) -> Array:
        lag_s = np.asarray(lag_s, np.float64)
        powers = self.latent_correlation(lag_s)[:, None] ** np.arange(TERMS)
        joint = self._joint(lag_s)
        product = np.einsum("ik,jk->ijk", self._coefficients, self._coefficients)
        return np.einsum("nk,ijk,nij->n", powers, product, joint, optimize=True) - self.mean**2

    def _joint(self, lag_s: Array) -> Array:
        """(lags, states, states): probability of the two states at both ends of a lag."""
        blockage = self._dynamics.blockage
        kept = np.zeros_like(lag_s) if blockage is None else np.exp(-lag_s / blockage.time_scale_s)
        same, anew = np.diag(self._shares), np.outer(self._shares, self._shares)
        return kept[:, None, None] * same + (1.0 - kept[:, None, None]) * anew

    def within_run(self, lengths: ArrayLike, counts: ArrayLike, lags: Sequence[int]) -> tuple[float, Array]:
        """Expected variance and autocorrelation of deviations from the run's mean, in steps of a second.

        Args:
            lengths: (lengths,) int, steps of a run.
            counts: (lengths,) how many runs have each length.
            lags: in steps.

        Returns:
            The variance and the (lags,) autocorrelations, as ratios of expectations.
        """
        longest = int(np.max(lengths))
        covariance = self.covariance(np.arange(longest))
        total, steps = np.zeros(len(lags) + 1), np.zeros(len(lags) + 1)
        for length, count in zip(np.asarray(lengths), np.asarray(counts), strict=True):
            sums = np.cumsum(covariance[:length])
            with_mean = (sums + sums[::-1] - covariance[0]) / length
            of_mean = with_mean.mean()
            for place, lag in enumerate((0, *lags)):
                if lag < length:
                    both = with_mean[: length - lag] + with_mean[lag:]
                    total[place] += count * ((length - lag) * (covariance[lag] + of_mean) - both.sum())
                    steps[place] += count * (length - lag)
        moments = total / np.maximum(steps, 1)
        return float(moments[0]), moments[1:] / moments[0]

    def outage_s(self, share: float) -> float:
        """Mean duration of an outage, seconds: the share of the time spent in outages over the rate at which they end.

        Args:
            share: of the time, in (0, 1); throughput is in an outage while it is below that quantile of its law.
        """
        dynamics = self._dynamics
        ends = np.interp(share, latent_share(GRID, dynamics.blockage), GRID) + self._shifts
        joint = self._joint(np.array([dynamics.sample_s]))[0]
        correlation = float(self.latent_correlation(dynamics.sample_s))
        stay = sum(
            joint[i, j] * bivariate_normal(ends[i], ends[j], correlation)
            for i in range(len(ends))
            for j in range(len(ends))
        )
        return float(dynamics.sample_s * share / (share - stay))


def share_below(table: QuantileTable, threshold_bps: float) -> float:
    """Share of the time that throughput is below a threshold, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if table.quantile(middle) < threshold_bps else (low, middle)
    return low


def bivariate_normal(h: float, k: float, correlation: float) -> float:
    """P(X < h, Y < k) of standard normal variables, an integral over their correlation (Drezner & Wesolowsky 1990)."""
    top = np.arcsin(correlation)
    angle = top / 2 * (NODES + 1)
    exponent = -(h * h + k * k - 2 * h * k * np.sin(angle)) / (2 * np.cos(angle) ** 2)
    return float(ndtr(h) * ndtr(k) + top / 2 * (NODE_WEIGHTS @ np.exp(exponent)) / (2 * np.pi))


@lru_cache(maxsize=1)
def _hermite() -> tuple[Array, Array]:
    """Probability at each grid point, (grid,), and the normalised Hermite polynomials there, (terms, grid)."""
    density = np.exp(-(GRID**2) / 2)
    density /= density.sum()
    basis = np.empty((TERMS, len(GRID)))
    basis[0], basis[1] = 1.0, GRID
    for k in range(1, TERMS - 1):
        basis[k + 1] = (GRID * basis[k] - np.sqrt(k) * basis[k - 1]) / np.sqrt(k + 1)
    return density, basis
