"""Checks that a network could serve each kind of request at all, before anybody wonders why all are rejected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.network_functions.functions import Costs
from edgegym.envs.network_functions.params import (
    AbstractRequestSettings,
    NetworkFunctionsParams,
    ServiceRequestSettings,
)
from edgegym.envs.network_functions.workload import traffic_shares
from edgegym.errors import SettingsError
from edgegym.network.substrates import Substrate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class EasiestRequest:
    """The least that a request of a kind can ask for: L functions.

    Attributes:
        name: of the kind, as errors call it.
        functions: (L,) int, index into the costs.
        demand: (L,) what each has to serve.
        most: (L,) likewise in the largest request, whose batches fill fastest.
        bandwidth: (L + 1,) between source, functions and destination.
    """

    name: str
    functions: NDArray[np.int64]
    demand: Array
    most: Array
    bandwidth: Array


def check_serviceable(params: NetworkFunctionsParams, substrates: Sequence[Substrate], costs: Costs) -> None:
    """Check every kind of request on every network.

    Raises:
        SettingsError: naming the tier without a device, or the chain, what it needs at least and what there is.
    """
    for number, substrate in enumerate(substrates):
        where = f"network {number}" if len(substrates) > 1 else "the network"
        _check_devices(params, substrate, costs, where)
        for request in _easiest_requests(params, costs):
            _check_request(params, substrate, costs, request, where)


def _check_devices(params: NetworkFunctionsParams, substrate: Substrate, costs: Costs, where: str) -> None:
    bare = sorted({tier for tier in substrate.tier if tier not in costs.of_tier and "" not in costs.of_tier})
    if bare:
        raise SettingsError(
            f"devices: no card for nodes of tier {bare[0]!r} of {where} (found {list(params.devices)}); "
            "name one, or one for all others as ''."
        )


def _easiest_requests(params: NetworkFunctionsParams, costs: Costs) -> Iterator[EasiestRequest]:
    workload = params.workload
    if isinstance(workload, AbstractRequestSettings):
        length = workload.functions[0]
        demand = np.full(length, workload.cpu[0], np.float64)
        bandwidth = np.full(length + 1, workload.bandwidth[0], np.float64)
        yield EasiestRequest(f"a chain of {length}", np.zeros(length, np.int64), demand, demand, bandwidth)
        return
    assert isinstance(workload, ServiceRequestSettings)
    for chain in workload.chains:
        shares = traffic_shares(workload, chain)
        rate, most = (np.asarray(limit * shares, np.float64) for limit in workload.rate)
        functions = np.array([costs.functions.index(name) for name in chain])
        yield EasiestRequest(f"chain {' - '.join(chain)}", functions, rate[:-1], most[:-1], rate)


def _check_request(
    params: NetworkFunctionsParams, substrate: Substrate, costs: Costs, request: EasiestRequest, where: str
) -> None:
    workload, device = params.workload, costs.device_of(substrate.tier)
    if params.distinct and len(request.functions) > len(substrate.nodes):
        raise SettingsError(
            f"workload: {request.name} has more functions than {where} has nodes ({len(substrate.nodes)}), and "
            "distinct bars two on a node; set distinct to False."
        )
    if request.bandwidth.min() > substrate.bandwidth.max():
        raise SettingsError(
            f"workload: {request.name} needs a bandwidth of {request.bandwidth.min():g} at least; the links of {where} "
            f"have {substrate.bandwidth.max():g} at most. Lower the demand or raise substrate.bandwidth."
        )
    least_s = 0.0
    for kind, demand, most in zip(request.functions, request.demand, request.most, strict=True):
        able = _able(params, substrate, costs, device, int(kind), float(demand), where)
        least_s += costs.call_s[kind, device[able]].min() + (costs.fill_s[kind] / most if most > 0.0 else 0.0)
    if workload.delay_budget_s is not None and least_s > workload.delay_budget_s[1]:
        raise SettingsError(
            f"workload.delay_budget_s: {request.name} takes {least_s:.3g} s at least in its functions alone; the "
            f"largest budget is {workload.delay_budget_s[1]:g} s. Raise it, or take faster devices or smaller batches."
        )


def _able(
    params: NetworkFunctionsParams,
    substrate: Substrate,
    costs: Costs,
    device: NDArray[np.int64],
    kind: int,
    demand: float,
    where: str,
) -> NDArray[np.bool_]:
    """(n,) which nodes can serve a function, paths and delays apart."""
    limit_s = params.workload.startup_budget_s
    name = repr(costs.functions[kind]) if isinstance(params.workload, ServiceRequestSettings) else "a function"
    if limit_s is not None and costs.startup_s[kind] > limit_s:
        raise SettingsError(
            f"workload.startup_budget_s: {name} starts in {costs.startup_s[kind]:g} s, longer than the {limit_s:g} s "
            "that flows wait. Raise the budget, or lower the function's startup_s."
        )
    room = substrate.memory >= costs.memory[kind]
    if not room.any():
        raise SettingsError(
            f"workload: no node of {where} can hold {name}: it takes {costs.memory[kind]:.4g} MB, nodes have "
            f"{substrate.memory.max():.4g} MB at most. Raise substrate.memory."
        )
    busy = demand * costs.busy[kind, device]
    able: NDArray[np.bool_] = room & ((busy <= substrate.cpu) | (params.overload == "break"))
    if not able.any():
        raise SettingsError(
            f"workload: no node of {where} can keep up with {name}: the least that it has to serve takes "
            f"{busy.min():.3g} of computing, nodes have {substrate.cpu.max():.3g} at most. Lower the demand, or raise "
            "substrate.cpu or take faster devices."
        )
    return able
