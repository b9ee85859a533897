"""LIRS: keep the objects with the shortest gap between their last two requests, and a few recent ones beside them.

S. Jiang and X. Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to improve buffer cache
performance", ACM SIGMETRICS 2002 (whose names are kept: the stack S, the queue Q, LIR and HIR objects).

The HIR objects have 1 % of the capacity, as in the paper. What it leaves open is settled by the simulator libCacheSim:

* at most a capacity's worth of evicted HIR objects stays in S, the first evicted is forgotten first;
* with sizes, an object larger than the share of the HIR objects is refused, and one that fits into free room of the LIR
  objects becomes LIR at once, not only while the cache fills.

Such a cache of a few objects holds one or two more than fit in that simulator (four objects in a cache of three after
the requests 0 1 2 3 2 3 1 0). From a capacity of 3 on, miss ratios agree within .004 all the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import inlined, njit
from edgegym.envs.caching.replay.lists import ABSENT, MARK, NEXT, PLACE, PREV, new_lists, push, unlink
from edgegym.envs.caching.replay.outcomes import ADMITTED, HIT, REFUSED, note
from edgegym.envs.caching.replay.segments import drop_oldest, enter, leave, refresh

HIR_SHARE = 100
"""The HIR objects get the capacity divided by this."""
Q, GHOSTS, LIR = 0, 1, 2
"""Resident HIR objects; evicted ones that S remembers; LIR objects, marked in S and in no list of their own."""
IN_S = 0


@inlined
def _to_top(stack: NDArray[np.int32], x: int) -> None:
    """Put ``x`` on top of S, from wherever it is."""
    sentinel = len(stack) - 1
    if stack[sentinel, NEXT] == x:
        return
    if stack[x, PLACE] == IN_S:
        unlink(stack, x)
    push(stack, sentinel, x)
    stack[x, PLACE] = IN_S


@inlined
def _out_of_stack(stack: NDArray[np.int32], x: int) -> None:
    """Take ``x`` out of S."""
    unlink(stack, x)
    stack[x, PLACE] = ABSENT


@inlined
def _prune(stack: NDArray[np.int32], rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64]) -> None:
    """Take HIR objects from the bottom of S until a LIR object lies there; evicted ones are forgotten."""
    bottom = stack[len(size), PREV]
    while bottom != len(size) and stack[bottom, MARK] != LIR:
        _out_of_stack(stack, bottom)
        if rows[bottom, PLACE] == GHOSTS:
            leave(rows, size, used, bottom)
        bottom = stack[len(size), PREV]


@inlined
def _become_lir(
    stack: NDArray[np.int32],
    rows: NDArray[np.int32],
    size: NDArray[np.int64],
    used: NDArray[np.int64],
    limit: int,
    x: int,
) -> None:
    """Make ``x``, which is in no list but perhaps S, a LIR object; the lowest ones become HIR to stay in ``limit``."""
    _to_top(stack, x)
    stack[x, MARK] = LIR
    used[LIR] += size[x]
    while used[LIR] > limit:
        lowest = stack[len(size), PREV]
        _out_of_stack(stack, lowest)
        stack[lowest, MARK] = 0
        used[LIR] -= size[lowest]
        enter(rows, size, used, Q, lowest)
        _prune(stack, rows, size, used)


@inlined
def _evict(
    stack: NDArray[np.int32], rows: NDArray[np.int32], size: NDArray[np.int64], used: NDArray[np.int64], capacity: int
) -> int:
    """Evict the oldest of Q and return it; S still remembers it if it is there."""
    x = drop_oldest(rows, size, used, Q)
    if stack[x, PLACE] == IN_S:
        while used[GHOSTS] + size[x] > capacity:
            _out_of_stack(stack, drop_oldest(rows, size, used, GHOSTS))
        enter(rows, size, used, GHOSTS, x)
    return x


@njit(cache=True)
def lirs(
    content: NDArray[np.int32],
    size: NDArray[np.int64],
    capacity: int,
    seed: int,
    next_use: NDArray[np.int32],
    outcome: NDArray[np.uint8],
    evicted: NDArray[np.int32],
    evicted_at: NDArray[np.int32],
) -> int:
    """Replay LIRS; see :data:`~edgegym.envs.caching.replay.REPLAY_POLICIES` for the arguments."""
    stack = new_lists(len(size), 1)
    rows = new_lists(len(size), 2)
    used = np.zeros(3, np.int64)
    hir_share = max(capacity // HIR_SHARE, 1)
    limit = capacity - hir_share
    evictions = 0
    for t in range(len(content)):
        x = content[t]
        if stack[x, MARK] == LIR:
            outcome[t] = HIT
            was_lowest = stack[len(size), PREV] == x
            _to_top(stack, x)
            if was_lowest:
                _prune(stack, rows, size, used)
        elif rows[x, PLACE] == Q:
            outcome[t] = HIT
            if stack[x, PLACE] == IN_S and size[x] <= limit:
                leave(rows, size, used, x)
                _become_lir(stack, rows, size, used, limit, x)
            else:
                _to_top(stack, x)
                refresh(rows, size, x)
        elif size[x] > hir_share:
            outcome[t] = REFUSED
        else:
            outcome[t] = ADMITTED
            returning = rows[x, PLACE] == GHOSTS
            if returning:
                leave(rows, size, used, x)
            while used[LIR] + used[Q] + size[x] > capacity:
                evictions = note(evicted, evicted_at, evictions, _evict(stack, rows, size, used, capacity), t)
            if size[x] <= limit and (returning or used[LIR] + size[x] <= limit):
                _become_lir(stack, rows, size, used, limit, x)
            else:
                _to_top(stack, x)
                enter(rows, size, used, Q, x)
    return evictions
