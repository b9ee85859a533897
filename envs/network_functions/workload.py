"""Episodes of requests and failures, drawn from the workload seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.network_functions.functions import Costs
from edgegym.envs.network_functions.params import (
    AbstractRequestSettings,
    FailureSettings,
    NetworkFunctionsParams,
    ServiceRequestSettings,
)
from edgegym.errors import SettingsError
from edgegym.network.substrates import Substrate
from edgegym.workload.arrivals import ArrivalSettings, ArrivalTraceSettings, draw_count
from edgegym.workload.arrivals.statistics import mean_rate
from edgegym.workload.arrivals.traces import trace_part

Array = NDArray[np.float64]
Chains = tuple[NDArray[np.int64], NDArray[np.int64], Array, Array]
"""``length``, ``function``, ``demand`` and ``bandwidth`` of an episode."""
SEED_MASK = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Episode:
    """What is asked for and what fails, whatever is decided: R requests of at most L functions.

    Attributes:
        network: which of the substrates.
        time_s: (R,) arrivals, non-decreasing.
        life_s: (R,) how long a request stays if it is accepted.
        source: (R,) int, node where its flow enters.
        destination: (R,) int, node where it leaves.
        length: (R,) int, number of its functions.
        function: (R, L) int, which; an index into the costs.
        demand: (R, L) what a function has to serve: computing units, or with services the flow's rate in Mbit/s.
        bandwidth: (R, L + 1) between source, functions and destination.
        budget_s: (R,) end-to-end delay budgets, inf without.
        failure_s: (E,) times at which something fails or is repaired, rising.
        element: (E,) int, which: links first, then nodes behind the last link.
    """

    network: int
    time_s: Array
    life_s: Array
    source: NDArray[np.int64]
    destination: NDArray[np.int64]
    length: NDArray[np.int64]
    function: NDArray[np.int64]
    demand: Array
    bandwidth: Array
    budget_s: Array
    failure_s: Array
    element: NDArray[np.int64]


class Source:
    """Turns workload seeds into episodes.

    Args:
        params: the settings.
        substrates: the networks.
        costs: of the functions.
    """

    def __init__(self, params: NetworkFunctionsParams, substrates: tuple[Substrate, ...], costs: Costs) -> None:
        self.params, self.substrates, self.costs = params, substrates, costs
        self.ends = [_endpoints(params, substrate) for substrate in substrates]

    @property
    def longest_chain(self) -> int:
        """L."""
        workload = self.params.workload
        if isinstance(workload, AbstractRequestSettings):
            return workload.functions[1]
        return max(len(chain) for chain in workload.chains)

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed; successive seeds take the networks in turn."""
        rng = np.random.default_rng(workload_seed & SEED_MASK)
        when, what, who, breaks = rng.spawn(4)
        workload, count = self.params.workload, self.params.workload.requests
        network = (workload_seed & SEED_MASK) % len(self.substrates)
        time_s = draw_count(workload.arrivals, count, when).time_s
        ends = self.ends[network]
        source = who.integers(len(ends), size=count)
        other = (source + 1 + who.integers(len(ends) - 1, size=count)) % len(ends)
        limits = workload.delay_budget_s
        budget_s = np.full(count, np.inf) if limits is None else who.uniform(*limits, size=count)
        draw = self._abstract if isinstance(workload, AbstractRequestSettings) else self._services
        failure_s, element = draw_failures(self.params.failures, self.substrates[network], float(time_s[-1]), breaks)
        length, function, demand, bandwidth = draw(count, what)
        return Episode(
            network=network,
            time_s=time_s,
            life_s=who.exponential(workload.life_s, count),
            source=ends[source],
            destination=ends[other],
            length=length,
            function=function,
            demand=demand,
            bandwidth=bandwidth,
            budget_s=budget_s,
            failure_s=failure_s,
            element=element,
        )

    def provenance(self) -> str:
        """The workload in a line."""
        return f"drawn: {self.params.workload.model_dump(exclude_defaults=True) or 'defaults'}"

    def _abstract(self, count: int, rng: np.random.Generator) -> Chains:
        workload, longest = self.params.workload, self.longest_chain
        assert isinstance(workload, AbstractRequestSettings)
        length = rng.integers(workload.functions[0], longest, endpoint=True, size=count)
        demand = _integers(workload.cpu, (count, longest), rng)
        bandwidth = _integers(workload.bandwidth, (count, longest + 1), rng)
        return length, np.zeros((count, longest), np.int64), demand, bandwidth

    def _services(self, count: int, rng: np.random.Generator) -> Chains:
        workload, longest, names = self.params.workload, self.longest_chain, self.costs.functions
        assert isinstance(workload, ServiceRequestSettings)
        chain = rng.integers(len(workload.chains), size=count)
        lengths = np.array([len(each) for each in workload.chains])
        table = np.zeros((len(lengths), longest), np.int64)
        share = np.ones((len(lengths), longest + 1))
        for i, each in enumerate(workload.chains):
            table[i, : len(each)] = [names.index(name) for name in each]
            shares = traffic_shares(workload, each)
            share[i, : len(shares)], share[i, len(shares) :] = shares, shares[-1]
        bandwidth = rng.uniform(*workload.rate, size=count)[:, None] * share[chain]
        return lengths[chain], table[chain], bandwidth[:, :-1], bandwidth


def traffic_shares(workload: ServiceRequestSettings, chain: Sequence[str]) -> Array:
    """(L + 1,) rate between source, functions and destination of a chain, over the rate of its flow."""
    return np.asarray(np.cumprod([1.0, *(workload.catalogue[name].traffic for name in chain)]), np.float64)


def mean_gap_s(arrivals: ArrivalSettings) -> float:
    """Mean time between arrivals; for a trace that of its whole part, so it is the same in every episode."""
    if isinstance(arrivals, ArrivalTraceSettings):
        return 1.0 / mean_rate(trace_part(arrivals).time_s)
    return 1.0 / arrivals.rate


def mean_revenue(workload: AbstractRequestSettings | ServiceRequestSettings) -> float:
    """Expected revenue of a request: demands of its functions and bandwidths of its segments."""
    if isinstance(workload, AbstractRequestSettings):
        length, cpu, bandwidth = np.mean([workload.functions, workload.cpu, workload.bandwidth], axis=1)
        return float(length * cpu + (length + 1.0) * bandwidth)
    shares = [traffic_shares(workload, chain) for chain in workload.chains]
    return float(np.mean(workload.rate) * np.mean([each[:-1].sum() + each.sum() for each in shares]))


def draw_failures(
    settings: FailureSettings, substrate: Substrate, until_s: float, rng: np.random.Generator
) -> tuple[Array, NDArray[np.int64]]:
    """Times at which links and nodes fail and are repaired, in turn, and which: ``failure_s`` and ``element``."""
    times, elements = [np.zeros(0)], [np.zeros(0, np.int64)]
    links = len(substrate.ends)
    for first, count, mtbf_s in (
        (0, links, settings.link_mtbf_s),
        (links, len(substrate.nodes), settings.node_mtbf_s),
    ):
        for element in range(first, first + count if mtbf_s is not None else first):
            assert mtbf_s is not None
            at = 0.0
            found: list[float] = []
            while at < until_s:
                at += rng.exponential(settings.repair_s if len(found) % 2 else mtbf_s)
                found.append(at)
            times.append(np.array(found[:-1]))
            elements.append(np.full(len(found) - 1, element))
    order = np.argsort(np.concatenate(times), kind="stable")
    return np.concatenate(times)[order], np.concatenate(elements)[order]


def _integers(limits: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator) -> Array:
    return rng.integers(int(limits[0]), int(limits[1]), endpoint=True, size=shape).astype(np.float64)


def _endpoints(params: NetworkFunctionsParams, substrate: Substrate) -> NDArray[np.int64]:
    edge = params.workload.endpoints == "edge"
    found = [i for i, tier in enumerate(substrate.tier) if tier == "edge" or not edge]
    if len(found) < 2:
        raise SettingsError(
            "workload.endpoints: 'edge' needs a substrate with two nodes of tier 'edge' (builder 'hierarchical', or "
            f"'tier' in a file); found {len(found)}. Use 'any'."
        )
    return np.array(found)


def check_episode(episode: object, substrates: tuple[Substrate, ...], functions: int) -> Episode:
    """Check an episode that a user made.

    Args:
        episode: what was given.
        substrates: the networks.
        functions: how many are known.

    Raises:
        SettingsError: naming the field that does not fit.
    """
    if not isinstance(episode, Episode):
        raise SettingsError(f"reset option 'episode': an Episode is needed (found {type(episode).__name__}).")
    if not 0 <= episode.network < len(substrates):
        raise SettingsError(f"episode.network: found {episode.network}; 0 to {len(substrates) - 1} are known.")
    substrate = substrates[episode.network]
    shape, nodes = episode.demand.shape, len(substrate.nodes)
    if len(shape) != 2 or 0 in shape:
        raise SettingsError(f"episode.demand: shape {shape} found; (requests, functions) with at least one is needed.")
    elements = len(substrate.ends) + nodes - 1
    for name, wanted, low, high in (
        ("time_s", shape[:1], 0.0, 1e15),
        ("life_s", shape[:1], 0.0, 1e15),
        ("source", shape[:1], 0, nodes - 1),
        ("destination", shape[:1], 0, nodes - 1),
        ("length", shape[:1], 1, shape[1]),
        ("function", shape, 0, functions - 1),
        ("demand", shape, 0.0, 2.0**31),
        ("bandwidth", (shape[0], shape[1] + 1), 0.0, 2.0**31),
        ("budget_s", shape[:1], 0.0, np.inf),
        ("failure_s", episode.element.shape, 0.0, 1e15),
        ("element", episode.failure_s.shape, 0, elements),
    ):
        values = getattr(episode, name)
        if values.shape != wanted:
            raise SettingsError(f"episode.{name}: shape {values.shape} found; {wanted} is needed.")
        if not np.all((values >= low) & (values <= high)):
            raise SettingsError(f"episode.{name}: all values must lie between {low:g} and {high:g}.")
    for name in ("time_s", "failure_s"):
        if np.any(np.diff(getattr(episode, name)) < 0):
            raise SettingsError(f"episode.{name}: must not fall; sort it.")
    return episode
