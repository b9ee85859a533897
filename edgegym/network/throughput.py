"""Throughput over time, drawn from a link card with dynamics.

A latent process of mean 0 and variance 1 is the sum of independent Ornstein-Uhlenbeck processes and of a level that a
run keeps; blockage shifts it down by its depth. The share of the law of the latent process below its value is the share
at which the card's ``rate_table`` is read, so that the throughput has the law of the card at any time
(:mod:`edgegym.cards.link` names the sources). Real traces in place of drawn ones: :mod:`edgegym.network.measured`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.cards import Blockage, LinkCard, LinkDynamics
from edgegym.errors import CardError, EdgeGymError

Array = NDArray[np.float64]
ROUNDING_S = 1e-9
"""A step that begins so little before a sample belongs to it: multiples of a step are not exact."""


def throughput_trace(card: LinkCard, seconds: float, seed: int, step_s: float = 1.0) -> Array:
    """Draw one run of throughput; every seed is another run, and a longer one begins like a shorter one.

    Args:
        card: a link card with dynamics.
        seconds: length of the run, at least one step.
        seed: not negative; equal seeds give equal runs.
        step_s: length of a step, seconds. A value holds for the card's ``sample_s``; a step has the value that holds at
            its beginning.

    Returns:
        (steps,) float64, bit/s, with ``floor(seconds / step_s)`` steps.

    Raises:
        CardError: for a card without dynamics.
        EdgeGymError: for a length, step or seed that is out of range.
    """
    if card.dynamics is None or card.rate_table is None:
        raise CardError(
            f"link card {card.name}: it has no dynamics, only a rate of {card.rate_bps:g} bit/s; give the card a "
            "'dynamics' field and a 'rate_table', or use the constant rate."
        )
    for name, value in (("seconds", seconds), ("step_s", step_s)):
        if not 0 < value < np.inf:
            raise EdgeGymError(f"{name} is {value}; a positive, finite number is needed.")
    if seconds + ROUNDING_S < step_s:
        raise EdgeGymError(f"seconds is {seconds}, less than one step of {step_s} s; give a longer run.")
    if seed < 0:
        raise EdgeGymError(f"seed is {seed}; it must not be negative.")
    steps = int((seconds + ROUNDING_S) / step_s)
    sample = ((np.arange(steps) * step_s + ROUNDING_S) / card.dynamics.sample_s).astype(np.int64)
    latent = latent_run(card.dynamics, int(sample[-1]) + 1, np.random.default_rng(seed))
    return card.rate_table.quantile(latent_share(latent, card.dynamics.blockage))[sample]


def latent_run(dynamics: LinkDynamics, samples: int, rng: np.random.Generator) -> Array:
    """Draw the latent process, one value for each ``sample_s``.

    Returns:
        (samples,) float64.
    """
    from scipy.signal import lfilter

    # A generator of its own for each part, so that a longer run only appends to a shorter one.
    level, blocked, *parts = rng.spawn(2 + len(dynamics.weights))
    weights = np.array([dynamics.level_weight, *dynamics.weights])
    scale = np.sqrt(weights / weights.sum())
    latent = np.full(samples, scale[0] * level.standard_normal())
    for part, deviation, time_scale_s in zip(parts, scale[1:], dynamics.time_scales_s, strict=True):
        stay = np.exp(-dynamics.sample_s / time_scale_s)
        noise = part.standard_normal(samples)
        noise[1:] *= np.sqrt(1.0 - stay**2)
        latent += deviation * lfilter([1.0], [1.0, -stay], noise)
    if dynamics.blockage is not None:
        latent -= dynamics.blockage.depth * blocked_run(dynamics.blockage, samples, dynamics.sample_s, blocked)
    return latent


def blocked_run(blockage: Blockage, samples: int, sample_s: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw the state of blockage, (samples,) bool, in equilibrium from the first sample on."""
    redraw, state = rng.random((samples, 2)).T
    redrawn = redraw >= np.exp(-sample_s / blockage.time_scale_s)
    redrawn[0] = True
    latest = np.maximum.accumulate(np.where(redrawn, np.arange(samples), 0))
    return state[latest] < blockage.share


def latent_share(latent: ArrayLike, blockage: Blockage | None) -> Array:
    """The share of the time that the latent process is below a value: the law of one or two normal variables."""
    from scipy.special import ndtr

    value = np.asarray(latent, np.float64)
    if blockage is None:
        return ndtr(value)
    return (1.0 - blockage.share) * ndtr(value) + blockage.share * ndtr(value + blockage.depth)
