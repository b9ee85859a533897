"""What paths offer, scalar code for one row.

Paths from a node form a tree (see :class:`~edgegym.network.substrates.paths.PathTable`), and what a decision asks about
them is looked up vertex by vertex and kept for the paths that go on from there. So a decision about all nodes looks at
each vertex once: it costs in proportion to the number of nodes, whatever the length of the paths.
"""

from __future__ import annotations

from edgegym.decision.inlining import inlined
from edgegym.envs.network_functions.state import State

INTO, ONWARD = 0, 1
"""Trees that a decision looks at: of the node that the traffic has reached, and of the destination."""
BOUNDLESS = 2**62


@inlined
def forget(state: State) -> None:
    """Begin a decision: nothing is known of any path, and whole capacities stand at the roots."""
    state.tick[0] += 1
    for tree in (INTO, ONWARD):
        root = state.reach[tree, 0]
        root.tick, root.free, root.bottleneck, root.congestion = state.tick[0], BOUNDLESS, 1.0, 0.0


@inlined
def reach(state: State, row: int, tree: int, a: int, x: int, bandwidth: int) -> int:
    """Least bandwidth free on the links from ``a`` to vertex ``x`` of its tree; -1 where one does not work.

    Args:
        state: the arrays of all rows.
        row: which one.
        tree: ``INTO`` or ``ONWARD``; within a decision always with the same ``a`` and ``bandwidth``.
        a: root of the tree.
        x: vertex.
        bandwidth: that would be taken.
    """
    t, now, depth, y = state.rows[row].network, state.tick[0], 0, x
    while state.reach[tree, y].tick != now:
        state.way[depth] = y
        depth += 1
        y = state.parent[t, a, y]
    while depth > 0:
        depth -= 1
        before, y = state.reach[tree, y], state.way[depth]
        over = state.over[t, a, y]
        link, here = state.links[row, over], state.reach[tree, y]
        here.tick = now
        here.free = min(before.free, link.free if link.faults == 0 else -1)
        here.bottleneck = min(before.bottleneck, (link.free - bandwidth) / max(state.bandwidth[t, over], 1))
        here.congestion = before.congestion + bandwidth / max(link.free, 1)
    return state.reach[tree, x].free


@inlined
def fits_after(state: State, row: int, a: int, b: int, c: int, j: int, i: int, into: int, out: int) -> bool:
    """Whether path ``i`` from ``b`` to ``c`` has ``out`` free when path ``j`` from ``a`` to ``b`` takes ``into``.

    Both must have been looked up: path ``j`` in tree ``INTO`` of ``a``, with at least ``into`` free, and path ``i``,
    the other way round, in tree ``ONWARD`` of ``c``.
    """
    t = state.rows[row].network
    x = state.leaf[t, c, b, i]
    inward, onward = state.reach[INTO, state.leaf[t, a, b, j]].free, state.reach[ONWARD, x].free
    if onward < out:
        return False
    both = into + out
    # Only a link of both paths can be short of bandwidth now.
    if inward < both and onward < both:
        while x > 0:
            over = state.over[t, c, x]
            if state.links[row, over].free < both and crosses(state, row, a, b, j, over):
                return False
            x = state.parent[t, c, x]
    return True


@inlined
def crosses(state: State, row: int, a: int, b: int, j: int, over: int) -> bool:
    """Whether a path uses a link."""
    t = state.rows[row].network
    x = state.leaf[t, a, b, j]
    while x > 0:
        if state.over[t, a, x] == over:
            return True
        x = state.parent[t, a, x]
    return False


@inlined
def fits(state: State, row: int, a: int, b: int, j: int, bandwidth: int) -> bool:
    """Whether all links of path ``j`` from ``a`` to ``b`` work and have the bandwidth free."""
    t = state.rows[row].network
    x = state.leaf[t, a, b, j]
    while x > 0:
        link = state.links[row, state.over[t, a, x]]
        if link.free < bandwidth or link.faults > 0:
            return False
        x = state.parent[t, a, x]
    return True


@inlined
def calm_with(state: State, row: int, a: int, b: int, j: int, bandwidth: int) -> bool:
    """Whether no link of a path is congested, nor would be with this bandwidth on top."""
    t = state.rows[row].network
    x = state.leaf[t, a, b, j]
    while x > 0:
        over = state.over[t, a, x]
        link = state.links[row, over]
        if link.congested or link.free - bandwidth < state.brim[t, over]:
            return False
        x = state.parent[t, a, x]
    return True


@inlined
def works(state: State, row: int, a: int, b: int, j: int) -> bool:
    """Whether all links of a path work."""
    return fits(state, row, a, b, j, 0)
