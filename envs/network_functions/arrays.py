"""From substrates, costs and settings to the arrays that the kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.network_functions.functions import Costs
from edgegym.envs.network_functions.params import NetworkFunctionsParams
from edgegym.envs.network_functions.state import (
    CHOICE,
    FUNCTION,
    INSTANCE,
    KIND,
    LIMIT,
    LINK,
    NEAR,
    NETWORK,
    NODE,
    PATH,
    REACH,
    REQUEST,
    ROW,
    RULES,
    SEGMENT,
    TREE,
    UNIT,
    State,
)
from edgegym.envs.network_functions.workload import mean_gap_s, mean_revenue
from edgegym.network.substrates import Substrate


def rules_of(params: NetworkFunctionsParams) -> NDArray[Any]:
    """(1,) RULES of a system with these settings."""
    array = np.zeros(1, RULES)
    rules, reward, budget_s = array[0], params.reward, params.workload.startup_budget_s
    rules["distinct"], rules["breaks"] = params.distinct, params.overload == "break"
    rules["reroute"], rules["idle_s"] = params.failures.reroute, params.idle_s
    rules["relieves"], rules["update_s"] = params.congestion.above is not None, params.update_s
    rules["regrets"] = reward.signal == "regret"
    rules["completes"] = params.completion or rules["regrets"]
    rules["startup_budget_s"] = np.inf if budget_s is None else budget_s
    rules["mean_life_s"], rules["mean_gap_s"] = params.workload.life_s, mean_gap_s(params.workload.arrivals)
    rules["mean_revenue"] = mean_revenue(params.workload)
    for name in ("accepted", "rejected", "placed", "revenue", "failed", "rerouted"):
        rules[f"{name}_reward"] = getattr(reward, name)
    rules["link_price"], rules["node_price"] = reward.link_price, reward.node_price
    return array


def micro(values: Any) -> NDArray[np.int64]:
    """Whole micro-units."""
    return np.round(np.asarray(values, np.float64) * UNIT).astype(np.int64)


def allocate(
    params: NetworkFunctionsParams,
    substrates: Sequence[Substrate],
    costs: Costs,
    rows: int,
    candidates: int,
    sizes: tuple[int, int, int],
) -> State:
    """Allocate the arrays of ``rows`` rows; episodes are left for the caller to fill.

    Args:
        params: the settings.
        substrates: the networks.
        costs: of the functions.
        rows: number of rows.
        candidates: K, without the fallback.
        sizes: longest episode in requests, longest chain, most failures and repairs.
    """
    requests, longest, failures = sizes
    nodes = max(len(each.nodes) for each in substrates)
    links = max(len(each.ends) for each in substrates)
    kinds = len(costs.functions)
    paths = [each.paths for each in substrates]
    return State(
        rules=rules_of(params),
        busy=costs.busy * UNIT,
        call_s=costs.call_s,
        kinds=_records(
            KIND, calls=costs.calls, fill_s=costs.fill_s, memory=micro(costs.memory), startup_s=costs.startup_s
        ),
        watts=costs.watts,
        network=np.concatenate([_network(each) for each in substrates]),
        cpu=_padded([micro(each.cpu) for each in substrates]),
        node_memory=_padded([micro(each.memory) for each in substrates]),
        device=_padded([costs.device_of(each.tier) for each in substrates]),
        bandwidth=_padded([micro(each.bandwidth) for each in substrates]),
        around=_padded([_around(each) for each in substrates]),
        limits=_padded([_limits(params, each) for each in substrates]),
        ends=_padded([each.ends for each in substrates]),
        near_start=_padded([each.near.start for each in substrates]),
        near=_padded([_records(NEAR, node=each.near.node, link=each.near.link) for each in substrates]),
        hops=_padded([each.hops for each in paths]),
        paths=_padded([_records(PATH, delay_s=each.delay_s, leaf=each.leaf) for each in paths]),
        quickest_s=_padded([each.delay_s.min(axis=2) for each in paths]),
        trees=_padded([_records(TREE, parent=each.parent, over=each.link) for each in paths]),
        rows=np.zeros(rows, ROW),
        nodes=np.zeros((rows, nodes), NODE),
        links=np.zeros((rows, links), LINK),
        instances=np.zeros((rows, nodes, kinds), INSTANCE),
        requests=np.zeros((rows, requests), REQUEST),
        functions=np.zeros((rows, requests, longest), FUNCTION),
        segments=np.zeros((rows, requests, longest + 1), SEGMENT),
        departures=np.zeros((rows, requests), np.int64),
        failure_s=np.zeros((rows, failures)),
        element=np.zeros((rows, failures), np.int64),
        choices=np.zeros((rows, candidates + 1), CHOICE),
        slot=np.full((rows, candidates), -1, np.int64),
        score=np.zeros((rows, nodes)),
        scratch=np.zeros((rows, max(nodes, longest))),
        layers=np.zeros((2, nodes)),
        reach=np.zeros((2, max(each.parent.shape[1] for each in paths)), REACH),
    )


def _network(substrate: Substrate) -> NDArray[Any]:
    array = np.zeros(1, NETWORK)
    network, nodes = array[0], len(substrate.nodes)
    network["nodes"], network["links"] = nodes, len(substrate.ends)
    network["cpu"], network["bandwidth"] = substrate.cpu.sum(), substrate.bandwidth.sum()
    network["most_cpu"], network["most_around"] = substrate.cpu.max(), _around(substrate).max() / UNIT
    network["most_near"] = np.diff(substrate.near.start).max()
    return array


def _around(substrate: Substrate) -> NDArray[np.int64]:
    """(n,) capacity of the links of each node, micro-units."""
    around = np.zeros(len(substrate.nodes), np.int64)
    np.add.at(around, substrate.ends, micro(substrate.bandwidth)[:, None])
    return around


def _limits(params: NetworkFunctionsParams, substrate: Substrate) -> NDArray[Any]:
    def spare(utilisation: float | None) -> NDArray[np.float64]:
        return np.ceil((1.0 - (1.0 if utilisation is None else utilisation)) * micro(substrate.bandwidth))

    return _records(LIMIT, brim=spare(params.congestion.above), calm=spare(params.congestion.until))


def _records(dtype: np.dtype[Any], **fields: NDArray[Any]) -> NDArray[Any]:
    """Put arrays of one shape side by side."""
    result = np.zeros(next(iter(fields.values())).shape, dtype)
    for name, values in fields.items():
        result[name] = values
    return result


def _padded(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack arrays of different shapes, each in the first corner of its place; the rest is 0."""
    shape = np.max([array.shape for array in arrays], axis=0)
    result = np.zeros((len(arrays), *shape), arrays[0].dtype)
    for place, array in zip(result, arrays, strict=True):
        place[tuple(slice(0, extent) for extent in array.shape)] = array
    return result
