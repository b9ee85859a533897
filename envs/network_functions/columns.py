"""What an agent sees of a decision: the named columns, computed for one row.

"Squashed" means x / (1 + x), which keeps any amount within [0, 1].
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import unit
from edgegym.decision.stepping import stepper
from edgegym.envs.network_functions.choosing import delay_in
from edgegym.envs.network_functions.completion import link_time, node_time
from edgegym.envs.network_functions.kernel import advance
from edgegym.envs.network_functions.resources import busy_of, startup_wait_s
from edgegym.envs.network_functions.state import PLACE, RELIEVE, UNIT, Record, State

CANDIDATE_FEATURES = (
    "place",
    "hops",
    "detour",
    "destination_hops",
    "stay",
    "path_delay",
    "bottleneck",
    "congestion",
    "cpu_left",
    "cpu_most",
    "cpu_taken",
    "bandwidth_left",
    "bandwidth_around",
    "degree",
    "next_fit",
    "onward",
    "processing",
    "running",
    "instance_load",
    "startup",
    "memory_left",
    "power",
)
COMPLETION_FEATURES = ("excess", "link_time", "node_time")
"""Further columns with ``completion``."""
CONTEXT_FEATURES = (
    "reroute",
    "progress",
    "functions_to_come",
    "cpu_demand",
    "bandwidth_demand",
    "bandwidth_next",
    "cpu_to_come",
    "bandwidth_to_come",
    "lifetime",
    "spent",
    "value",
    "direct_hops",
    "cpu_free",
    "bandwidth_free",
    "feasible",
    "budget_left",
)
PLAIN = len(CANDIDATE_FEATURES)
MANY_HOPS = 8.0
MANY_FUNCTIONS = 10.0
WATTS = 10.0


@inlined
def squash(x: float) -> np.float32:
    """X / (1 + x) for x from 0 on, and 1 for inf."""
    return np.float32(x / (1.0 + x)) if x < 1e30 else np.float32(1.0)


@inlined
def observe(state: State, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed.

    Args:
        state: the arrays of all rows.
        row: which one.
        candidates: (rows, K + 1, candidate features) float32; this row is written.
        context: (rows, context features) float32; likewise.
        mask: (rows, K + 1) int8; likewise.
    """
    r = state.rows[row]
    candidates[row], context[row], mask[row] = 0.0, 0.0, 0
    mask[row, 0] = 1
    if not r.pending:
        return
    _observe_context(state, row, r.flow, context[row])
    if r.decision == RELIEVE:
        _observe_candidate(state, row, r.flow, r.choices, candidates[row, 0])
        candidates[row, 0, 4] = 1.0
    for candidate in range(state.slot.shape[1]):
        place = state.slot[row, candidate]
        if place >= 0:
            mask[row, candidate + 1] = 1
            _observe_candidate(state, row, r.flow, place, candidates[row, candidate + 1])


@inlined
def _observe_candidate(state: State, row: int, q: int, place: int, out: np.ndarray) -> None:
    r, choice, request = state.rows[row], state.choices[row, place], state.requests[row, q]
    v, s = choice.node, r.position
    out[0] = 1.0
    if r.decision == PLACE:
        _observe_path(state, row, q, choice, request.destination, out)
        _observe_node(state, row, q, s, v, out)
    else:
        _observe_path(state, row, q, choice, v, out)
    if len(out) > PLAIN:
        _observe_completion(state, row, q, place, out)


@inlined
def _observe_completion(state: State, row: int, q: int, place: int, out: np.ndarray) -> None:
    r, choice = state.rows[row], state.choices[row, place]
    network = state.network[r.network]
    excess = choice.way - r.least_way if r.least_way < np.inf else 0.0
    out[PLAIN] = squash(excess * network.links / max(network.bandwidth, 1e-9))
    out[PLAIN + 1] = squash(link_time(state, row, q, place))
    out[PLAIN + 2] = squash(node_time(state, row, q, place))


@inlined
def _budget_left_s(state: State, row: int, q: int) -> float:
    """Of the delay budget, or a second where there is none; never 0, so that it may divide."""
    budget_s = state.requests[row, q].budget_s
    return max(budget_s - state.rows[row].spent_s, 1e-9) if budget_s < np.inf else 1.0


@inlined
def _observe_path(state: State, row: int, q: int, choice: Record, goal: int, out: np.ndarray) -> None:
    t, a, b = state.rows[row].network, state.rows[row].here, choice.node
    hops, onward = state.hops[t, a, b, choice.path], state.hops[t, goal, b, 0]
    out[1] = unit(hops / MANY_HOPS)
    out[2] = unit((hops + onward - state.hops[t, goal, a, 0]) / MANY_HOPS)
    out[3] = unit(onward / MANY_HOPS)
    out[4] = a == b
    out[5] = unit(state.paths[t, a, b, choice.path].delay_s / _budget_left_s(state, row, q))
    out[6] = unit(choice.bottleneck)
    out[7] = squash(choice.congestion)


@inlined
def _observe_node(state: State, row: int, q: int, k: int, v: int, out: np.ndarray) -> None:
    r, rules, node, request = state.rows[row], state.rules[0], state.nodes[row, v], state.requests[row, q]
    t, kind = r.network, state.functions[row, q, k].kind
    busy, network = busy_of(state, row, q, k, v), state.network[t]
    instance = state.instances[row, v, kind]
    capacity = max(state.cpu[t, v], 1)
    after = node.cpu - busy
    out[8] = unit(after / capacity)
    out[9] = unit(after / max(network.most_cpu * UNIT, 1.0))
    out[10] = unit(busy / node.cpu) if node.cpu > 0 else np.float32(1.0)
    _observe_surroundings(state, row, q, k, v, out)
    out[16] = unit(delay_in(state, row, q, k, v) / _budget_left_s(state, row, q))
    out[17] = instance.running
    if instance.running:
        out[18] = unit(instance.cpu / capacity)
    startup_s = startup_wait_s(state, row, kind, v)
    out[19] = squash(startup_s / rules.startup_budget_s) if rules.startup_budget_s < np.inf else squash(startup_s)
    memory = node.memory - (0 if instance.running else state.kinds[kind].memory)
    out[20] = unit(memory / max(state.node_memory[t, v], 1))
    out[21] = squash(state.watts[state.device[t, v]] * busy / UNIT / WATTS)
    if request.length == k + 1:
        out[14], out[15] = 1.0, 1.0


@inlined
def _observe_surroundings(state: State, row: int, q: int, k: int, v: int, out: np.ndarray) -> None:
    """Bandwidth of a node's links, and how many neighbours could take the next function."""
    r, node, network = state.rows[row], state.nodes[row, v], state.network[state.rows[row].network]
    t, fit = r.network, 0
    last = k + 1 >= state.requests[row, q].length
    out_of = state.segments[row, q, k + 1].bandwidth
    begin, end = state.near_start[t, v], state.near_start[t, v + 1]
    for i in range(begin, end):
        over, w = state.near[t, i].link, state.near[t, i].node
        if not last and state.links[row, over].free >= out_of and state.links[row, over].faults == 0:
            fit += state.nodes[row, w].cpu >= busy_of(state, row, q, k + 1, w)
    out[11] = unit(node.around / max(state.around[t, v], 1))
    out[12] = unit(node.around / max(network.most_around * UNIT, 1.0))
    out[13] = unit((end - begin) / max(network.most_near, 1.0))
    out[14] = squash(fit / 4.0)
    out[15] = unit(fit / max(end - begin, 1))


@inlined
def _observe_context(state: State, row: int, q: int, out: np.ndarray) -> None:
    r, request, network = state.rows[row], state.requests[row, q], state.network[state.rows[row].network]
    node_cpu = max(network.cpu / network.nodes, 1e-9) * UNIT
    link_bandwidth = max(network.bandwidth / network.links, 1e-9) * UNIT
    cpu, bandwidth, s = 0.0, 0.0, r.position
    out[0] = 0.0 if r.decision == PLACE else 0.5 if r.decision == RELIEVE else 1.0
    if r.decision == PLACE:
        for k in range(s, request.length):
            cpu += busy_of(state, row, q, k, r.here)
            bandwidth += state.segments[row, q, k + 1].bandwidth
        out[2] = unit((request.length - s) / MANY_FUNCTIONS)
        out[3] = squash(busy_of(state, row, q, s, r.here) / node_cpu)
        out[5] = squash(state.segments[row, q, s + 1].bandwidth / link_bandwidth)
    out[1] = unit(s / (request.length + 1))
    out[4] = squash(state.segments[row, q, s].bandwidth / link_bandwidth)
    out[6] = squash(cpu / node_cpu)
    out[7] = squash((bandwidth + state.segments[row, q, s].bandwidth) / link_bandwidth / 3.0)
    out[8] = squash(request.life_s / state.rules[0].mean_life_s)
    out[9] = squash(request.cost / max(request.revenue, 1e-9))
    out[10] = squash(request.revenue / max(state.rules[0].mean_revenue, 1e-9))
    out[11] = unit(state.hops[r.network, r.here, request.destination, 0] / MANY_HOPS)
    out[12] = unit(1.0 - r.cpu_used / max(network.cpu * UNIT, 1.0))
    out[13] = unit(1.0 - r.bandwidth_used / max(network.bandwidth * UNIT, 1.0))
    out[14] = unit(r.feasible / network.nodes)
    out[15] = unit(1.0 - r.spent_s / request.budget_s) if request.budget_s < np.inf else np.float32(1.0)


step_rows = stepper(advance, observe)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
