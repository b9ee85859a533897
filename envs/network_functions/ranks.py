"""Node ranks of the literature on virtual network embedding, scalar code for one row.

H(v) is a node's free computing capacity times the free bandwidth of its links.

- NRM: H itself (P. Zhang, H. Yao and Y. Liu, "Virtual network embedding based on computing, network, and storage
  resource constraints", IEEE Internet of Things Journal 5(5), 2018, without storage).
- RW: a random walk that jumps to a node in proportion to H, or moves to a neighbour in proportion to its H (X. Cheng et
  al., "Virtual network embedding through topology-aware node ranking", ACM CCR 41(2), 2011).
- GRC: x = (1 - d) c + d M x with c the shares of free computing capacity and M the shares of free bandwidth of links at
  a node (L. Gong et al., "Toward profit-seeking virtual network embedding", IEEE INFOCOM 2014).
- PL: H over path length, 1 + the hops from the previous function + those to the destination. Rules of that name in the
  literature differ in detail; this one is its own.

The first three are computed when a request arrives, as in the papers, PL before each function.
"""

from __future__ import annotations

from edgegym.compiling import inlined, njit
from edgegym.envs.network_functions.kernel import apply, run
from edgegym.envs.network_functions.state import PLACE, RELIEVE, UNIT, State

NRM, RANDOM_WALK, GRC, PATH_LENGTH = 0, 1, 2, 3
JUMP = 0.15
DAMPING = 0.85
ITERATIONS = 30
"""0.85**30 is below one percent, and ranks only order nodes."""


@inlined
def resources_of(state: State, row: int, v: int) -> float:
    """H of a node, in squared units."""
    node = state.nodes[row, v]
    return max(node.cpu, 0) / UNIT * (node.around / UNIT)


@inlined
def rank(state: State, row: int, rule: int) -> None:
    """Write the ``score`` of all nodes by a rule."""
    r = state.rows[row]
    t, nodes = r.network, state.network[r.network].nodes
    for v in range(nodes):
        state.score[row, v] = resources_of(state, row, v)
        if rule == PATH_LENGTH:
            onward = state.hops[t, v, state.requests[row, r.request].destination, 0]
            state.score[row, v] /= 1.0 + state.hops[t, r.here, v, 0] + onward
    if rule == RANDOM_WALK:
        _random_walk(state, row)
    elif rule == GRC:
        _global_capacity(state, row)


@inlined
def _random_walk(state: State, row: int) -> None:
    t = state.rows[row].network
    nodes, x, following = state.network[t].nodes, state.score[row], state.scratch[row]
    total = 1e-12
    for v in range(nodes):
        total += x[v]
    for v in range(nodes):
        x[v] /= total
    for _ in range(ITERATIONS):
        for v in range(nodes):
            following[v] = JUMP * resources_of(state, row, v) / total
        for u in range(nodes):
            near = 1e-12
            for i in range(state.near_start[t, u], state.near_start[t, u + 1]):
                near += resources_of(state, row, state.near[t, i].node)
            for i in range(state.near_start[t, u], state.near_start[t, u + 1]):
                v = state.near[t, i].node
                following[v] += DAMPING * x[u] * resources_of(state, row, v) / near
        for v in range(nodes):
            x[v] = following[v]


@inlined
def _global_capacity(state: State, row: int) -> None:
    t = state.rows[row].network
    nodes, x, following = state.network[t].nodes, state.score[row], state.scratch[row]
    total = 1e-12
    for v in range(nodes):
        total += max(state.nodes[row, v].cpu, 0)
    for v in range(nodes):
        x[v] = max(state.nodes[row, v].cpu, 0) / total
    for _ in range(ITERATIONS):
        for v in range(nodes):
            following[v] = (1.0 - DAMPING) * max(state.nodes[row, v].cpu, 0) / total
        for u in range(nodes):
            around = max(state.nodes[row, u].around, 1)
            for i in range(state.near_start[t, u], state.near_start[t, u + 1]):
                free = state.links[row, state.near[t, i].link].free
                following[state.near[t, i].node] += DAMPING * free / around * x[u]
        for v in range(nodes):
            x[v] = following[v]


@inlined
def _action_of(state: State, row: int, place: int) -> int:
    """Candidate whose place among the choices this is."""
    for candidate in range(state.slot.shape[1]):
        if state.slot[row, candidate] == place:
            return candidate + 1
    return 0


@njit(cache=True, _nrt=False)
def play(state: State, row: int, rule: int) -> float:
    """Play the rest of an episode by a rank: the feasible node that ranks highest, the first path for a broken segment.

    Segments stay on congested links, since ranks are of nodes.

    Returns:
        The return.
    """
    r = state.rows[row]
    while r.pending:
        best = 0 if r.choices > 0 and r.decision != RELIEVE else -1
        if r.decision == PLACE and r.choices > 0:
            if r.position == 0 or rule == PATH_LENGTH:
                rank(state, row, rule)
            for place in range(1, r.choices):
                if state.score[row, state.choices[row, place].node] > state.score[row, state.choices[row, best].node]:
                    best = place
        apply(state, row, _action_of(state, row, best) if best >= 0 else 0)
        run(state, row)
    return r.reward
