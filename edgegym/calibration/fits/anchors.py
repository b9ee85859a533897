"""Predict a device from a few measurements on it, with other devices as prior.

Where the models are those of a prior card (:class:`~edgegym.cards.prior.DevicePriorCard`), anchors are chosen and
conditioned on by that card. For other models the prior is the library's devices: each predicts the profile over models
up to a level of its own, and the new device is taken as a mixture of those whose profile fits the anchors best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgegym.cards.device import DeviceCard
from edgegym.cards.work import Work
from edgegym.errors import EdgeGymError

Array = NDArray[np.float64]
FACTORS = 5
"""Ways in which devices differ that a prior keeps; 3 to 8 predict equally well."""
ROUNDS = 30
LEAST_MODELS = 16
"""Models that a setting must have to take part in a prior."""
WIDTH = 0.15
"""Log residual at the anchors at which a device loses weight as one that resembles the new one."""


def fit_prior(log_times: Array, factors: int = FACTORS) -> tuple[Array, Array, float]:
    """Probabilistic principal components of log times with a free level per device, by expectation maximisation.

    Args:
        log_times: (devices, models), NaN where not measured.
        factors: how many to keep.

    Returns:
        Mean profile (models,), loadings (factors, models) and the standard deviation of the noise.
    """
    told = ~np.isnan(log_times)
    models = log_times.shape[1]
    profile, covariance = _first_guess(log_times, told)
    loadings, noise = np.zeros((factors, models)), 1.0
    centre = np.eye(models) - 1.0 / models
    for _ in range(ROUNDS):
        filled, uncertainty = _filled(log_times, told, profile, covariance)
        relative = centre @ (filled - profile).T
        profile = profile + relative.mean(axis=1)
        spread = relative - relative.mean(axis=1, keepdims=True)
        scatter = (spread @ spread.T + centre @ uncertainty @ centre) / len(log_times)
        values, vectors = np.linalg.eigh(scatter)
        values, vectors = values[::-1], vectors[:, ::-1]
        # The level took one direction away, so the last value is zero and no noise.
        variance = float(values[factors:-1].mean())
        loadings = (vectors[:, :factors] * np.sqrt(np.maximum(values[:factors] - variance, 0.0))).T
        noise = float(np.sqrt(variance))
        covariance = loadings.T @ loadings + variance * np.eye(models)
    return profile - profile.mean(), loadings, noise


def _first_guess(log_times: Array, told: NDArray[np.bool_]) -> tuple[Array, Array]:
    filled, profile = np.where(told, log_times, 0.0), np.zeros(log_times.shape[1])
    level = np.zeros(len(log_times))
    for _ in range(20):
        level = ((filled - profile) * told).sum(axis=1) / told.sum(axis=1)
        profile = ((filled - level[:, None]) * told).sum(axis=0) / told.sum(axis=0)
    relative = np.where(told, log_times - level[:, None], profile)
    return profile, np.cov(relative.T) + 0.01 * np.eye(len(profile))


def _filled(log_times: Array, told: NDArray[np.bool_], profile: Array, covariance: Array) -> tuple[Array, Array]:
    """Conditional means of what is missing, and the sum of their covariances."""
    free = covariance + 100.0
    filled, uncertainty = log_times.copy(), np.zeros_like(covariance)
    for row in np.flatnonzero(~told.all(axis=1)):
        seen = told[row]
        gain = np.linalg.solve(free[np.ix_(seen, seen)], free[seen]).T
        expected = profile + gain @ (log_times[row, seen] - profile[seen])
        filled[row, ~seen] = expected[~seen]
        uncertainty += free - gain @ free[seen]
    return filled, uncertainty


def spread_out(work: Work, batch: Array, anchors: int) -> NDArray[np.intp]:
    """Rows that differ most in work: greedy farthest points in the logs of MACs, activations, weights and batch.

    Args:
        work: counts of the rows.
        batch: (n,) samples in a call.
        anchors: how many rows.

    Raises:
        EdgeGymError: unless there are more rows than anchors, and at least one anchor.
    """
    if not 1 <= anchors < len(batch):
        raise EdgeGymError(f"{anchors} anchors of {len(batch)} rows; at least 1 and fewer than rows are needed.")
    place = np.log(np.column_stack([batch * work.macs, batch * work.act_elements, work.params]))
    place = (place - place.mean(axis=0)) / np.maximum(place.std(axis=0), 1e-9)
    chosen = [int(np.argmin(np.square(place).sum(axis=1)))]
    while len(chosen) < anchors:
        distance = np.min([np.square(place - place[each]).sum(axis=1) for each in chosen], axis=0)
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen, np.intp)


def predict_like_others(
    work: Work, batch: Array, seen: NDArray[np.intp], seen_s: Array, others: Sequence[DeviceCard]
) -> Array:
    """Times of all rows on a device that resembles others up to its level.

    Args:
        work: counts of all rows.
        batch: (n,) samples in a call.
        seen: indices of the anchors.
        seen_s: their seconds.
        others: cards of other devices.

    Returns:
        (n,) seconds.

    Raises:
        EdgeGymError: without other devices.
    """
    if not others:
        raise EdgeGymError("no other device to predict from; give the library's cards or fit the table itself.")
    profiles = np.log([card.latency_s(work, batch) for card in others])
    level = np.mean(np.log(seen_s) - profiles[:, seen], axis=1, keepdims=True)
    misfit = np.square(np.log(seen_s) - profiles[:, seen] - level).mean(axis=1)
    weight = np.exp(-0.5 * len(seen) * (misfit - misfit.min()) / WIDTH**2)
    return np.exp((weight / weight.sum()) @ (profiles + level))


def level_only(macs: Mapping[str, float], anchors: Mapping[str, float], models: Sequence[str]) -> Array:
    """The baseline: times in proportion to MACs, with the mean log speed of the anchors."""
    speed = np.mean([np.log(seconds / macs[model]) for model, seconds in anchors.items()])
    return np.exp(speed) * np.array([macs[model] for model in models])
