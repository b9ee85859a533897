"""Bounds for network functions: the offline optimum that knows all requests, its LP relaxation, and a coarser LP.

The program (binary a: accepted, y: function on node, x: segment on arc) lets flow run from a request's source through
its functions to its destination; at each arrival what is present must fit. Paths are free here, memory, instances,
start-up and queueing are left out, and functions may be placed with hindsight, so no policy accepts more.

The resource LP keeps only the network's totals: at each arrival, computing and bandwidth of what is present, every
request at its cheapest, must fit into the sum of all nodes and of all links.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from edgegym.decision.policy import EpisodeResult, PlayingPolicy, Policy
from edgegym.decision.system import System
from edgegym.envs.network_functions.functions import Costs
from edgegym.envs.network_functions.system import NetworkFunctionsSystem
from edgegym.envs.network_functions.workload import Episode
from edgegym.network.substrates import Substrate

Array = NDArray[np.float64]
MOST_BINARIES = 6_000
"""Largest program that is solved exactly."""
MOST_VARIABLES = 60_000
"""Largest whose relaxation is solved."""
TIME_LIMIT_S = 60.0
"""For a program; what the solver has proven by then counts."""


class Program:
    """Rows of a sparse linear program over variables that are numbered as they are added."""

    def __init__(self) -> None:
        self.size = 0
        self._entries: list[tuple[int, int, float]] = []
        self._low: list[float] = []
        self._high: list[float] = []

    def variables(self, *shape: int) -> NDArray[np.int64]:
        """Numbers of new variables in [0, 1]."""
        count = int(np.prod(shape))
        self.size += count
        return np.arange(self.size - count, self.size).reshape(shape)

    def row(self, terms: Mapping[int, float], low: float, high: float) -> None:
        """Add low <= sum of factor * variable <= high."""
        self._entries += [(len(self._low), variable, factor) for variable, factor in terms.items()]
        self._low.append(low)
        self._high.append(high)

    def most(self, gain: NDArray[np.int64], whole: bool) -> float:
        """Largest sum of the ``gain`` variables that the solver cannot rule out.

        Args:
            gain: their numbers.
            whole: all variables are 0 or 1.
        """
        rows, columns, factors = zip(*self._entries, strict=True)
        matrix = sparse.csr_matrix((factors, (rows, columns)), (len(self._low), self.size))
        cost = np.zeros(self.size)
        cost[gain] = -1.0
        result = milp(
            cost,
            integrality=np.full(self.size, int(whole)),
            bounds=Bounds(0.0, 1.0),
            constraints=LinearConstraint(matrix, self._low, self._high),
            options={"time_limit": TIME_LIMIT_S, "mip_rel_gap": 0.0},
        )
        # A linear programme that ran out of time has shown what can be reached, not what cannot.
        proven = result.mip_dual_bound if whole else (result.fun if result.status == 0 else None)
        if proven is None or not np.isfinite(proven):
            return float(len(gain))
        return min(float(np.floor(-proven + 1e-6)) if whole else -float(proven), float(len(gain)))


def offline_most_accepted(
    episode: Episode, substrate: Substrate, costs: Costs, distinct: bool, whole: bool = True
) -> float:
    """Most requests that anybody could accept; with ``whole`` exact up to what is left out (see the module)."""
    program, nodes, arcs = Program(), len(substrate.nodes), 2 * len(substrate.ends)
    device = costs.device_of(substrate.tier)
    tail, head = np.concatenate([substrate.ends, substrate.ends[:, ::-1]]).T
    count = len(episode.length)
    accept = program.variables(count)
    present = _present(episode)
    busy: list[list[dict[int, float]]] = [[{} for _ in range(nodes)] for _ in range(count)]
    used: list[list[dict[int, float]]] = [[{} for _ in range(arcs // 2)] for _ in range(count)]
    for r in range(count):
        length = int(episode.length[r])
        place, flow = program.variables(length, nodes), program.variables(length + 1, arcs)
        delay: dict[int, float] = {}
        for k in range(length):
            program.row({**dict.fromkeys(place[k].tolist(), 1.0), int(accept[r]): -1.0}, 0.0, 0.0)
            kind, demand = episode.function[r, k], episode.demand[r, k]
            fill_s = costs.fill_s[kind] / demand if demand > 0 else 0.0
            for v in range(nodes):
                busy[r][v][int(place[k, v])] = demand * costs.busy[kind, device[v]]
                delay[int(place[k, v])] = costs.call_s[kind, device[v]] + fill_s
        if distinct:
            for v in range(nodes):
                program.row(dict.fromkeys(place[:, v].tolist(), 1.0), 0.0, 1.0)
        for s in range(length + 1):
            for v in range(nodes):
                terms = {int(e): 1.0 for e in flow[s, tail == v]}
                for e in flow[s, head == v]:
                    terms[int(e)] = terms.get(int(e), 0.0) - 1.0
                _add(terms, place[s - 1, v] if s > 0 else accept[r], -1.0 if s > 0 or v == episode.source[r] else 0.0)
                ends_here = s < length or v == episode.destination[r]
                _add(terms, place[s, v] if s < length else accept[r], 1.0 if ends_here else 0.0)
                program.row(terms, 0.0, 0.0)
            for e in range(arcs):
                used[r][e % (arcs // 2)][int(flow[s, e])] = float(episode.bandwidth[r, s])
                delay[int(flow[s, e])] = float(substrate.delay_s[e % (arcs // 2)])
        if np.isfinite(episode.budget_s[r]):
            program.row(delay, 0.0, float(episode.budget_s[r]) * (1.0 + 1e-9))
    for here in present:
        for parts, capacity in ((busy, substrate.cpu), (used, substrate.bandwidth)):
            for place_of, limit in enumerate(capacity):
                terms = {key: value for r in here for key, value in parts[r][place_of].items() if value > 0}
                program.row(terms, 0.0, float(limit) + 1e-6)
    return program.most(accept, whole)


def most_accepted_by_totals(episode: Episode, substrate: Substrate, costs: Costs, distinct: bool) -> float:
    """Most requests whose cheapest needs fit into the network's totals, in fractions."""
    program, count = Program(), len(episode.length)
    accept = program.variables(count)
    cpu, bandwidth = np.zeros(count), np.zeros(count)
    for r in range(count):
        length = int(episode.length[r])
        least = costs.busy[episode.function[r, :length]].min(axis=1)
        cpu[r] = (episode.demand[r, :length] * least).sum()
        segments = episode.bandwidth[r, : length + 1]
        hops = substrate.paths.hops[episode.source[r], episode.destination[r], 0]
        # Functions that may not share a node are at least a hop apart; and somewhere every hop of the way is crossed.
        bandwidth[r] = max(segments[1:-1].sum() if distinct else 0.0, segments.min() * max(hops, 0))
    for here in _present(episode):
        for need, total in ((cpu, substrate.cpu.sum()), (bandwidth, substrate.bandwidth.sum())):
            program.row({int(accept[r]): float(need[r]) for r in here}, 0.0, float(total) + 1e-6)
    return program.most(accept, whole=False)


def _add(terms: dict[int, float], variable: Any, factor: float) -> None:
    if factor:
        terms[int(variable)] = terms.get(int(variable), 0.0) + factor


def _present(episode: Episode) -> list[NDArray[np.intp]]:
    """Requests that could be in the network at each arrival."""
    end_s = episode.time_s + episode.life_s
    return [np.flatnonzero((episode.time_s <= now) & (end_s > now)) for now in episode.time_s]


class OfflineBound(PlayingPolicy):
    """Bounds the acceptance ratio of an episode; all other metrics are NaN.

    Args:
        name: as users type it.
        program: ``"exact"``, ``"relaxed"`` or ``"totals"``.
        description: one line.
    """

    kind = "bound"

    def __init__(self, name: str, program: str, description: str) -> None:
        self.name, self.description, self._program = name, description, program

    def play(self, system: System, workload_seed: int, options: Mapping[str, Any]) -> EpisodeResult:
        """Solve the program of the episode."""
        assert isinstance(system, NetworkFunctionsSystem)
        episode = system.episode(workload_seed, options)
        substrate, distinct = system.substrates[episode.network], system.params.distinct
        if self._program == "totals":
            most = most_accepted_by_totals(episode, substrate, system.costs, distinct)
        else:
            most = offline_most_accepted(episode, substrate, system.costs, distinct, self._program == "exact")
        metrics = {metric.name: float("nan") for metric in system.metrics}
        return EpisodeResult(float("nan"), metrics | {"acceptance_ratio": most / len(episode.length)})


EXACT = OfflineBound("Offline optimum", "exact", "mixed-integer program over all requests at once")
RELAXED = OfflineBound("Offline LP", "relaxed", "the same with fractions of requests")
TOTALS = OfflineBound("Resource LP", "totals", "requests at their cheapest fit into the network's totals")


def bounds(system: System) -> list[Policy]:
    """Those that the size of the system allows.

    None where overload is taken or failures end flows early; only totals where flows may change their paths.
    """
    assert isinstance(system, NetworkFunctionsSystem)
    failures = system.params.failures
    if system.params.overload == "break" or failures.link_mtbf_s is not None or failures.node_mtbf_s is not None:
        return []
    longest, count = system.source.longest_chain, system.params.workload.requests
    nodes = max(len(each.nodes) for each in system.substrates)
    arcs = 2 * max(len(each.ends) for each in system.substrates)
    size = count * (1 + longest * nodes + (longest + 1) * arcs)
    found: list[Policy] = [TOTALS]
    if system.params.congestion.above is not None:
        return found
    if size <= MOST_BINARIES:
        return [EXACT, *found]
    return [RELAXED, *found] if size <= MOST_VARIABLES else found


def clairvoyant() -> list[Policy]:
    """Every policy of this module by name, whatever the size of the system at hand."""
    return [EXACT, RELAXED, TOTALS]
