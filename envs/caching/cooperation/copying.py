"""Copy rules: which of the caches that a content passes on its way to the user keep a copy.

The caches on the way are numbered x = 1 .. c from the place that served to the user, so that cache c is the user's
local one. Sources are named in :data:`~edgegym.envs.caching.cooperation.strategies.STRATEGIES`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined
from edgegym.decision.draws import below, uniform
from edgegym.envs.caching.cooperation.stores import Stores, admit

NOWHERE, EVERYWHERE, LOCAL, LOCAL_FROM_ORIGIN, ONE_DOWN, ONE_AT_RANDOM, MOST_CENTRAL, BY_PATH_CAPACITY, HOME = range(9)
HOME_AND_LOCAL = 9

TARGET_TIME_WINDOW = 10.0
"""ProbCache's T_tw, as in the paper."""


@inlined
def leave_copies(
    rule: int,
    stores: Stores,
    x: int,
    passed: NDArray[np.int32],
    c: int,
    home: int,
    from_origin: bool,
    centrality: NDArray[np.float64],
    seed: int,
    draw: int,
) -> None:
    """Let the caches on the way admit content ``x`` as the rule says.

    Args:
        rule: one of this module's constants.
        stores: the caches.
        x: the content.
        passed: (>= c,) the caches on its way, from the place that served to the user.
        c: how many they are.
        home: the content's home cache.
        from_origin: whether the origin served.
        centrality: (caches,).
        seed: of the counter-based draws.
        draw: first counter; c + 1 of them may be used.
    """
    if c == 0 or rule == NOWHERE:
        return
    if rule == EVERYWHERE:
        for i in range(c):
            admit(stores, passed[i], x)
    elif rule == LOCAL or (rule == LOCAL_FROM_ORIGIN and from_origin):
        admit(stores, passed[c - 1], x)
    elif rule == ONE_DOWN:
        admit(stores, passed[0], x)
    elif rule == ONE_AT_RANDOM:
        admit(stores, passed[below(seed, draw, c)], x)
    elif rule == MOST_CENTRAL:
        admit(stores, _most_central(passed, c, centrality), x)
    elif rule == BY_PATH_CAPACITY:
        _prob_cache(stores, x, passed, c, seed, draw)
    elif rule in (HOME, HOME_AND_LOCAL):
        for i in range(c):
            if passed[i] == home or (rule == HOME_AND_LOCAL and i == c - 1):
                admit(stores, passed[i], x)


@inlined
def _most_central(passed: NDArray[np.int32], c: int, centrality: NDArray[np.float64]) -> int:
    """The cache with the highest betweenness, of several the one nearest to the user."""
    best = passed[c - 1]
    for i in range(c - 2, -1, -1):
        if centrality[passed[i]] > centrality[best]:
            best = passed[i]
    return best


@inlined
def _prob_cache(stores: Stores, content: int, passed: NDArray[np.int32], c: int, seed: int, draw: int) -> None:
    """Cache x copies with probability TimesIn * CacheWeight = (sum of N_i ahead) / (T_tw N_x) * x / c."""
    ahead = np.int64(0)
    for x in range(c, 0, -1):
        room = stores.capacity[passed[x - 1]]
        ahead += room
        if uniform(seed, draw + x) < ahead / (TARGET_TIME_WINDOW * room) * (x / c):
            admit(stores, passed[x - 1], content)
