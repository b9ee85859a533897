"""What paths offer, scalar code for one row.

Paths from a node form a tree (see :class:`~edgegym.network.substrates.paths.PathTable`), and what a decision asks about
them is looked up vertex by vertex and kept for the paths that go on from there. So a decision about all nodes looks at
each vertex once: it costs in proportion to the number of nodes, whatever the length of the paths.
"""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.network_functions.state import Record, State

INTO, ONWARD = 0, 1
"""Trees that a decision looks at: of the node that the traffic has reached, and of the destination."""
BOUNDLESS = 2**62


@inlined
def forget(state: State) -> None:
    """Begin a decision: nothing is known of any path but that all bandwidth is free at the roots."""
    now = state.reach[INTO, 0].tick + 1
    for tree in (INTO, ONWARD):
        root = state.reach[tree, 0]
        root.tick, root.free, root.bottleneck, root.congestion = now, BOUNDLESS, 1.0, 0.0


@inlined
def reach(state: State, row: int, tree: int, a: int, x: int, bandwidth: int) -> int:
    """Least bandwidth free on the links from ``a`` to vertex ``x`` of its tree; -1 where it is less than needed.

    Args:
        state: the arrays of all rows.
        row: which one.
        tree: ``INTO`` or ``ONWARD``; within a decision always with the same ``a`` and ``bandwidth``.
        a: root of the tree.
        x: vertex.
        bandwidth: needed.
    """
    t, now, depth, y, is_open = state.rows[row].network, state.reach[INTO, 0].tick, 0, x, True
    while is_open and state.reach[tree, y].tick != now:
        state.reach[tree, depth].way = y
        depth += 1
        link = state.links[row, state.trees[t, a, y].over]
        is_open = link.free >= bandwidth and link.faults == 0
        y = state.trees[t, a, y].parent
    is_open = is_open and state.reach[tree, y].free >= bandwidth
    while depth > 0:
        depth -= 1
        before, y = state.reach[tree, y], state.reach[tree, depth].way
        state.reach[tree, y].tick, state.reach[tree, y].free = now, -1
        if is_open:
            _extend(state, row, tree, before, state.reach[tree, y], state.trees[t, a, y].over, bandwidth)
    return state.reach[tree, x].free


@inlined
def _extend(state: State, row: int, tree: int, before: Record, after: Record, over: int, bandwidth: int) -> None:
    """Write what holds of an open path that goes on over a link."""
    free = state.links[row, over].free
    after.free = min(before.free, free)
    if tree == INTO:
        capacity = state.bandwidth[state.rows[row].network, over]
        after.bottleneck = min(before.bottleneck, (free - bandwidth) / max(capacity, 1))
        after.congestion = before.congestion + bandwidth / max(free, 1)


@inlined
def fits_after(state: State, row: int, a: int, b: int, c: int, j: int, i: int, into: int, out: int) -> bool:
    """Whether path ``i`` from ``b`` to ``c`` has ``out`` free when path ``j`` from ``a`` to ``b`` takes ``into``.

    Both must have been looked up: path ``j`` in tree ``INTO`` of ``a``, with at least ``into`` free, and path ``i``,
    the other way round, in tree ``ONWARD`` of ``c``.
    """
    t = state.rows[row].network
    x = state.paths[t, c, b, i].leaf
    inward, onward = state.reach[INTO, state.paths[t, a, b, j].leaf].free, state.reach[ONWARD, x].free
    if onward < out:
        return False
    both = into + out
    # Only a link of both paths can be short of bandwidth now.
    if inward < both and onward < both:
        while x > 0:
            over = state.trees[t, c, x].over
            if state.links[row, over].free < both and crosses(state, row, a, b, j, over):
                return False
            x = state.trees[t, c, x].parent
    return True


@inlined
def crosses(state: State, row: int, a: int, b: int, j: int, over: int) -> bool:
    """Whether a path uses a link."""
    t = state.rows[row].network
    x = state.paths[t, a, b, j].leaf
    while x > 0:
        if state.trees[t, a, x].over == over:
            return True
        x = state.trees[t, a, x].parent
    return False


@inlined
def fits(state: State, row: int, a: int, b: int, j: int, bandwidth: int) -> bool:
    """Whether all links of path ``j`` from ``a`` to ``b`` work and have the bandwidth free."""
    t = state.rows[row].network
    x = state.paths[t, a, b, j].leaf
    while x > 0:
        link = state.links[row, state.trees[t, a, x].over]
        if link.free < bandwidth or link.faults > 0:
            return False
        x = state.trees[t, a, x].parent
    return True


@inlined
def calm_with(state: State, row: int, a: int, b: int, j: int, bandwidth: int) -> bool:
    """Whether no link of a path is congested, nor would be with this bandwidth on top."""
    t = state.rows[row].network
    x = state.paths[t, a, b, j].leaf
    while x > 0:
        over = state.trees[t, a, x].over
        link = state.links[row, over]
        if link.congested or link.free - bandwidth < state.limits[t, over].brim:
            return False
        x = state.trees[t, a, x].parent
    return True


@inlined
def works(state: State, row: int, a: int, b: int, j: int) -> bool:
    """Whether all links of a path work."""
    return fits(state, row, a, b, j, 0)
