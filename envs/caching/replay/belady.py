"""Belady's MIN: evict the object whose next request is the farthest away; it needs to know the future.

L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5(2), 1966.

On unit sizes MIN has the most hits of all policies that admit every object, and MIN with bypass of all policies. With
variable sizes neither is optimal: use :func:`~edgegym.envs.caching.replay.pfoo.pfoo_l` for a bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.envs.caching.replay.bitsets import add, contains, greatest, greatest_below, new_set, remove
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note


@njit(cache=True)
def _worth_room(
    ahead: NDArray[np.uint64],
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    missing: int,
    again: int,
) -> bool:
    """Whether objects requested later than ``again`` hold the ``missing`` room between them."""
    far = greatest(ahead)
    while missing > 0 and far > again:
        missing -= size[content[far]]
        far = greatest_below(ahead, far)
    return missing <= 0


@njit(cache=True)
def _min(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
    bypass: bool,
) -> int:
    """Keep the set of the next requests that will hit; objects that are never asked for again wait in ``dead``.

    The object requested at t is cached if and only if t is in that set, and its greatest member names the victim.
    """
    requests = len(content)
    ahead = new_set(requests)
    dead = np.empty(len(size), np.int32)
    gone = 0
    dying = 0
    dead_size = np.int64(0)
    used = np.int64(0)
    evictions = 0
    for t in range(requests):
        x = content[t]
        need = size[x]
        again = next_use[t]
        if contains(ahead, t):
            remove(ahead, t)
            outcome[t] = HIT
        else:
            missing = used + need - capacity
            refused = need > capacity
            if bypass and missing > 0 and not refused:
                refused = again >= requests or not _worth_room(ahead, content, size, missing - dead_size, again)
            if refused:
                outcome[t] = REFUSED
                continue
            while used + need > capacity:
                if gone < dying:
                    victim = dead[gone]
                    gone += 1
                    dead_size -= size[victim]
                else:
                    far = greatest(ahead)
                    remove(ahead, far)
                    victim = content[far]
                used -= size[victim]
                evictions = note(evicted, evicted_at, evictions, victim, t)
            used += need
            outcome[t] = ADMITTED
        if again < requests:
            add(ahead, again)
        else:
            dead[dying] = x
            dying += 1
            dead_size += need
    return evictions


@njit(cache=True)
def belady(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay MIN; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    return _min(content, size, capacity, next_use, outcome, evicted, evicted_at, False)


@njit(cache=True)
def belady_bypass(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay MIN with bypass; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments.

    An object is admitted only into room that is free or held by objects requested later than itself; otherwise nothing
    is evicted.
    """
    return _min(content, size, capacity, next_use, outcome, evicted, evicted_at, True)
