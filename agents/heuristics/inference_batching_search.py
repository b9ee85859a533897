"""The best point of a grid: tried whole where it is small, else by coordinate ascent."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

LARGEST_GRID = 64
"""Points of the largest grid that is tried whole."""

Axes = Sequence[Sequence[Any]]


def best_on_grid(score: Callable[..., float], axes: Axes) -> tuple[Any, ...]:
    """The point with the highest score, the first among equals.

    Above :data:`LARGEST_GRID` points it is the end of a coordinate ascent: from the first value on every axis, one axis
    at a time is set to its best value, until no axis gains. That asks for as many scores a round as the axes have
    values, and may end in a local optimum.

    Args:
        score: of a point, called with one value of each axis, and at most once for each point.
        axes: the values on each, at least one.
    """
    scored = cache(score)
    if math.prod(map(len, axes)) <= LARGEST_GRID:
        return max(itertools.product(*axes), key=lambda point: scored(*point))
    best, before = tuple(values[0] for values in axes), -math.inf
    while scored(*best) > before:
        before = scored(*best)
        for i, values in enumerate(axes):
            # The present value first, so that equals do not move the point.
            tried = [best, *((*best[:i], value, *best[i + 1 :]) for value in values)]
            best = max(tried, key=lambda point: scored(*point))
    return best
