"""Counter-based random numbers: a draw is a pure function of (seed, counter), so no generator state is kept.

A row of a vector environment, a single environment and a replay that ask for draw ``counter`` of the same seed get the
same number, whatever else was drawn before. The mixer is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import njit


@njit(cache=True)
def bits(seed: int, counter: int) -> np.uint64:
    """64 random bits: output number ``counter`` of the SplitMix64 stream that starts at ``seed``."""
    z = np.uint64(seed) + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(counter) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def below(seed: int, counter: int, n: int) -> int:
    """A uniform integer in 0 .. n - 1 for n < 2**31 (multiply-shift; bias below n / 2**32)."""
    return int(((bits(seed, counter) >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


@njit(cache=True)
def uniform(seed: int, counter: int) -> float:
    """A uniform float in [0, 1) with 53 random bits."""
    return np.float64(bits(seed, counter) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


def episode_seed(base: int, episode: int) -> int:
    """Workload seed of a row's ``episode``-th episode since it was seeded with ``base``: the base itself first.

    So episode 0 of ``reset(seed=s)`` has workload seed s, and later episodes follow without touching any state.
    """
    return base if episode == 0 else int(bits(base & 0x7FFFFFFFFFFFFFFF, episode) >> np.uint64(2))
