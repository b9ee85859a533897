"""Flows leave congested links, scalar code for one row: software-defined traffic engineering with hysteresis.

A link is congested from the moment at which less than its ``brim`` is free until its ``calm`` is free again. When a
link becomes so, each segment that crosses it is asked once, the oldest flow first, whether it moves to another path,
until the link is calm. A path counts only if none of its links is congested or would be, so moves never congest another
link and the asking ends. Two thresholds keep flows from being moved to and fro (hysteresis). The present path is
described like the others, so whoever chooses weighs staying against moving.
"""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.network_functions.resources import give_path, head_of, tail_of
from edgegym.envs.network_functions.state import ACTIVE, State


@inlined
def settle_congestion(state: State, row: int) -> None:
    """After bandwidth was taken or given back: tell which links are congested, and begin to ask if another one is."""
    r = state.rows[row]
    t = r.network
    for over in range(state.network[t].links):
        link = state.links[row, over]
        if link.congested and link.free >= state.limits[t, over].calm:
            link.congested, link.asking = False, False
            r.congested -= 1
        elif not link.congested and link.free < state.limits[t, over].brim:
            link.congested, link.asking = True, True
            r.congested += 1
            r.asked, r.asked_segment = 0, 0


@inlined
def next_crowded(state: State, row: int) -> bool:
    """Find the next segment that is to be asked, and take it off its path, which is kept in mind."""
    r = state.rows[row]
    while r.asked <= r.request:
        request = state.requests[row, r.asked]
        while request.status == ACTIVE and r.asked_segment <= request.length:
            s = r.asked_segment
            r.asked_segment += 1
            if _is_asked(state, row, r.asked, s):
                r.flow, r.position, r.here = r.asked, s, tail_of(state, row, r.asked, s)
                r.present = state.segments[row, r.asked, s].path
                give_path(state, row, r.asked, s)
                return True
        r.asked += 1
        r.asked_segment = 0
    for over in range(state.network[r.network].links):
        state.links[row, over].asking = False
    r.asked = r.requests
    return False


@inlined
def _is_asked(state: State, row: int, q: int, s: int) -> bool:
    """Whether a segment crosses a link that became congested just now."""
    t = state.rows[row].network
    a, b = tail_of(state, row, q, s), head_of(state, row, q, s)
    x = state.paths[t, a, b, state.segments[row, q, s].path].leaf
    while x > 0:
        if state.links[row, state.trees[t, a, x].over].asking:
            return True
        x = state.trees[t, a, x].parent
    return False
