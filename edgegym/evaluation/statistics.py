"""Statistics of evaluation scores: interquartile means, bootstrap intervals, paired differences, improvement.

Every function takes scores as ``(runs, episodes)`` arrays: a run is one training seed (a deterministic policy has
one), an episode is one trace, the same for every policy. The quantities are those of Agarwal, Schwarzer, Castro,
Courville, Bellemare, "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021; the
bootstrap over runs and episodes at once is the pigeonhole bootstrap of Owen, Annals of Applied Statistics 1(2), 2007.
Intervals are 95 % percentile intervals; randomness comes from the generator that is passed, nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import trim_mean

Floats = NDArray[np.float64]
Resampled = Literal["runs", "episodes", "runs and episodes", "users", "nothing"]
Scheme = Literal["runs", "stratified"]

RESAMPLES = 2000
LEVEL = 0.95
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval.

    Attributes:
        value: the statistic of the scores as they are.
        low: lower end of the interval; NaN where none can be given.
        high: upper end of the interval; NaN where none can be given.
        resampled: what the interval varies. ``"nothing"``: one run of one episode says nothing about uncertainty,
            so there is no interval.
    """

    value: float
    low: float
    high: float
    resampled: Resampled

    @classmethod
    def point(cls, value: float) -> Self:
        """A number that has no interval."""
        return cls(value, math.nan, math.nan, "nothing")

    @property
    def informative(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    def excludes(self, number: float) -> bool:
        """Whether there is an interval and it leaves ``number`` out."""
        return self.informative and not self.low <= number <= self.high

    def texts(self, factor: float = 1.0, signed: bool = False, decimals: int | None = None) -> tuple[str, str]:
        """Return ``("0.512", "[0.508, 0.517]")``, by default rounded to two digits of the interval's width.

        Args:
            factor: multiplies the numbers, for example 1000 to show seconds as milliseconds.
            signed: whether to write the plus sign of a positive value.
            decimals: digits after the point; None: by the interval's width.

        Returns:
            The value and its interval, which is empty where there is none or it has no width.
        """
        value, low, high = (factor * number for number in (self.value, self.low, self.high))
        digits = _decimals(value, high - low) if decimals is None else decimals
        shown = [f"{number:,.{digits}f}".replace("-", "\N{MINUS SIGN}") for number in (value, low, high)]
        plus = "+" if signed and value > 0.0 else ""
        return plus + shown[0], f"[{shown[1]}, {shown[2]}]" if self.informative and low < high else ""

    def text(self, factor: float = 1.0, signed: bool = False, decimals: int | None = None) -> str:
        """Join :meth:`texts`: ``0.512 [0.508, 0.517]``."""
        return " ".join(filter(None, self.texts(factor, signed, decimals)))


def _decimals(value: float, width: float) -> int:
    """Decimals that show two digits of ``width``, or four digits of ``value`` where the width says nothing."""
    if width > 1e-9 * abs(value) and math.isfinite(width):
        return min(max(1 - math.floor(math.log10(width)), 0), 9)
    if value == 0.0 or not math.isfinite(value):
        return 0
    return min(max(3 - math.floor(math.log10(abs(value))), 0), 9)


def interquartile_mean(values: Floats, axis: int | None = None) -> Floats:
    """Mean of the middle half: a quarter of the values, rounded down, is dropped at each end.

    More robust than the mean, less wasteful than the median.

    Args:
        values: any shape, at least one value along ``axis``, no NaN.
        axis: the axis to reduce; None: all values together.
    """
    return np.asarray(trim_mean(values, 0.25, axis=axis))


def interquartile_estimate(
    values: Floats, rng: np.random.Generator, scheme: Scheme = "runs", resamples: int = RESAMPLES
) -> Estimate:
    """Interquartile mean over all runs and episodes, with its interval.

    Args:
        values: (runs, episodes), no NaN.
        rng: draws the resamples.
        scheme: what is drawn where there are several runs, the episodes staying as they are. ``"runs"``: whole
            runs, since one trained policy plays every episode and is good or bad in all of them. ``"stratified"``:
            runs anew in each episode, as Agarwal et al. do for tasks that were trained apart; it takes a run's
            episodes for independent and is far too narrow where they are not.
        resamples: number of bootstrap resamples.

    Returns:
        The estimate. With one run nothing is known of the spread over runs: the episodes are resampled instead
        (``resampled == "episodes"``), or nothing where there is one episode only.
    """
    values = _scores(values)
    drawn = [interquartile_mean(cells, axis=1) for cells in _resampled(values, rng, scheme, resamples)]
    by_shape: Resampled = "runs" if len(values) > 1 else _resampled_axes(values)
    return _estimate(float(interquartile_mean(values)), np.concatenate(drawn), by_shape)


def _resampled(values: Floats, rng: np.random.Generator, scheme: Scheme, resamples: int) -> Iterator[Floats]:
    """Yield resamples, (some, runs * episodes), a bounded number of cells at a time."""
    runs, episodes = values.shape
    at_once = max(1, _CELLS_AT_ONCE // values.size)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        if runs == 1:
            cells = values[0, rng.integers(episodes, size=(count, episodes))]
        elif scheme == "runs":
            cells = values[rng.integers(runs, size=(count, runs))]
        else:
            cells = np.take_along_axis(values[None], rng.integers(runs, size=(count, runs, episodes)), axis=1)
        yield cells.reshape(count, -1)


def optimality_gap(
    values: Floats, target: Floats, better: str, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Mean shortfall from a target; what exceeds the target does not make up for what misses it.

    The interval resamples runs and episodes, each where there are several.

    Args:
        values: (runs, episodes).
        target: what would be optimal, for example a bound per episode; broadcast to ``values``.
        better: ``"higher"`` or ``"lower"``.
        rng: draws the resamples.
        resamples: number of bootstrap resamples.

    Returns:
        The gap, >= 0, in the unit of the values.
    """
    shortfall = np.maximum(_sign(better) * (target - _scores(values)), 0.0)
    by_run, by_episode = (_weights(count, rng, resamples) for count in shortfall.shape)
    drawn = _weighted_means(shortfall, by_run, by_episode)
    return _estimate(float(shortfall.mean()), drawn, _resampled_axes(shortfall))


def probability_of_improvement(
    values: Floats, others: Floats, better: str, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Estimate:
    """Probability that a run of one policy beats a run of another on the same episode; a tie counts one half.

    The share of won pairs of runs (Mann and Whitney's U over its maximum) in each episode, averaged over episodes.
    The interval resamples runs of both and the episodes, each where there are several.

    Args:
        values: (runs, episodes) of the policy.
        others: (other runs, episodes) of its opponent, on the same episodes.
        better: ``"higher"`` or ``"lower"``.
        rng: draws the resamples.
        resamples: number of bootstrap resamples.
    """
    values, others = _scores(values), _scores(others)
    wins = 0.5 + 0.5 * np.sign(_sign(better) * (values[:, None, :] - others[None, :, :]))
    runs, other_runs, episodes = wins.shape
    by_run, by_other, by_episode = (_weights(count, rng, resamples) for count in wins.shape)
    shares = (by_episode @ wins.reshape(-1, episodes).T).reshape(resamples, runs, other_runs)
    drawn = np.einsum("bi,bj,bij->b", by_run, by_other, shares).clip(0.0, 1.0)
    return _estimate(float(wins.mean()), drawn, _resampled_axes(values, others))


def paired_difference(values: Floats, others: Floats, rng: np.random.Generator, resamples: int = RESAMPLES) -> Estimate:
    """Mean of ``values - others`` over runs and episodes, paired by episode.

    The interval resamples the runs of both policies and the episodes they share (each where there are several), so
    what makes an episode hard for both drops out.

    Args:
        values: (runs, episodes) of the policy.
        others: (other runs, episodes) of the policy it is compared with, on the same episodes.
        rng: draws the resamples.
        resamples: number of bootstrap resamples.
    """
    values, others = _scores(values), _scores(others)
    by_run, by_other, by_episode = (
        _weights(count, rng, resamples) for count in (len(values), len(others), values.shape[1])
    )
    drawn = _weighted_means(values, by_run, by_episode) - _weighted_means(others, by_other, by_episode)
    # Equal scores must give exactly 0: what rounding leaves would otherwise look like a sure difference.
    rounding = 1e-12 * max(float(np.abs(values).max()), float(np.abs(others).max()))
    value, drawn = values.mean() - others.mean(), np.where(np.abs(drawn) <= rounding, 0.0, drawn)
    return _estimate(0.0 if abs(value) <= rounding else float(value), drawn, _resampled_axes(values, others))


def gap_closed(
    values: Floats,
    others: Floats,
    bound: Floats,
    better: str,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Estimate | None:
    """Share of the way from another policy's mean to the bound's mean that a policy goes.

    0: as good as the other policy, 1: as good as the bound, negative: worse than the other policy. The interval
    resamples runs and the shared episodes; its ends are NaN where some resample leaves no gap to close.

    Args:
        values: (runs, episodes) of the policy.
        others: (other runs, episodes) of the policy it is compared with.
        bound: (bound runs, episodes) of the bound.
        better: ``"higher"`` or ``"lower"``.
        rng: draws the resamples.
        resamples: number of bootstrap resamples.

    Returns:
        The share, or None where the bound's mean is not better than the other policy's.
    """
    trio = [_sign(better) * _scores(scores) for scores in (values, others, bound)]
    own, other, best = (float(scores.mean()) for scores in trio)
    negligible = 1e-12 * max(abs(other), abs(best))
    if best - other <= negligible:
        return None
    by_episode = _weights(trio[0].shape[1], rng, resamples)
    means = [_weighted_means(scores, _weights(len(scores), rng, resamples), by_episode) for scores in trio]
    room = np.where(means[2] - means[1] > negligible, means[2] - means[1], np.nan)
    return _estimate((own - other) / (best - other), (means[0] - means[1]) / room, _resampled_axes(*trio))


def _weights(count: int, rng: np.random.Generator, resamples: int) -> Floats:
    """Shares with which ``count`` items are drawn in each resample, (resamples, count); rows sum to 1."""
    drawn = rng.integers(count, size=(resamples, count)) + count * np.arange(resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=resamples * count).reshape(resamples, count) / count


def _weighted_means(values: Floats, by_run: Floats, by_episode: Floats) -> Floats:
    """Means of the resamples, (resamples,), given the shares of runs and of episodes."""
    return np.asarray(((by_episode @ values.T) * by_run).sum(axis=1))


def _resampled_axes(*scores: Floats) -> Resampled:
    """What a bootstrap over every axis longer than one varies."""
    runs = any(len(values) > 1 for values in scores)
    episodes = scores[0].shape[1] > 1
    if runs and episodes:
        return "runs and episodes"
    return "runs" if runs else "episodes" if episodes else "nothing"


def _estimate(value: float, drawn: Floats, resampled: Resampled) -> Estimate:
    """Percentile interval around ``value``; none where nothing varies."""
    if resampled == "nothing":
        return Estimate.point(value)
    low, high = np.quantile(drawn, (0.5 - LEVEL / 2, 0.5 + LEVEL / 2))
    return Estimate(value, float(low), float(high), resampled)


def _scores(values: Floats) -> Floats:
    """Check that scores are (runs, episodes), without a gap."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.size == 0 or np.isnan(values).any():
        raise ValueError(f"scores must be (runs, episodes) without NaN, at least (1, 1); found {values.shape}")
    return values


def _sign(better: str) -> float:
    """+1 where higher is better, -1 where lower is."""
    if better not in ("higher", "lower"):
        raise ValueError(f"better must be 'higher' or 'lower', found {better!r}")
    return 1.0 if better == "higher" else -1.0
