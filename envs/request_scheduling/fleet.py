"""From settings and cards to the constant tables that the kernels read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.cards.device import DeviceCard
from edgegym.cards.model import ModelCard
from edgegym.envs.request_scheduling.params import PRIORITIES, RequestSchedulingParams, ServerSettings, StreamsWorkload
from edgegym.envs.request_scheduling.state import EDF, FCFS, NONE, RULES, STRICT, WEIGHTED, Fleet
from edgegym.errors import SettingsError, unknown
from edgegym.network.topology import Topology, topology_from_settings

DISCIPLINES = {"fcfs": FCFS, "edf": EDF, "strict_priority": STRICT, "weighted_priority": WEIGHTED}
BITS = 8.0
STREAM = np.dtype(
    [
        ("task", np.int32),
        ("origin", np.int32),
        ("priority", np.int32),
        ("weight", np.float64),
        ("deadline", np.float64),  # s after the arrival; inf without one
        ("payload", np.float64),
    ]
)


def rules_of(params: RequestSchedulingParams) -> NDArray[Any]:
    """(1,) RULES of a system with these settings."""
    array = np.zeros(1, RULES)
    rules, discipline, hold, reward = array[0], params.discipline, params.hold, params.reward
    rules["discipline"] = DISCIPLINES[discipline.order]
    rules["batch"], rules["window"] = discipline.max_batch, discipline.window_s
    rules["drop_late"], rules["most_queued"] = discipline.drop_late, discipline.most_queued
    rules["whole"] = params.workload.kind == "park"
    rules["reject"] = params.reject
    rules["hold"], rules["most_holds"] = (hold.step_s, hold.most) if hold else (0.0, 0)
    rules["variants"] = max(1, *map(len, params.tasks.values()))
    rules["latency_reward"], rules["slo_reward"], rules["goodput_reward"] = reward.latency, reward.slo, reward.goodput
    rules["tail_reward"], rules["tail_s"] = reward.tail, reward.tail_s
    rules["energy_reward"], rules["reject_reward"] = reward.energy, reward.reject
    rules["clip"], rules["horizon"] = reward.clip, reward.horizon if reward.signal == "regret" else 0
    base, ranks = reward.base, 1.0 - np.arange(len(PRIORITIES)) / (len(PRIORITIES) - 1)
    rules["charge"], rules["bend"], rules["margin"] = base.charge, base.bend, base.margin
    array["favour"] = 2.0 ** (base.favour * ranks)
    return array


def streams_of(params: RequestSchedulingParams) -> NDArray[Any]:
    """(streams,) STREAM.

    Raises:
        SettingsError: for a task or an origin that does not exist.
    """
    if not isinstance(params.workload, StreamsWorkload):
        return np.array([(0, 0, 1, params.priority_weights[1], np.inf, 0.0)], STREAM)
    tasks, found = list(params.tasks), np.zeros(len(params.workload.streams), STREAM)
    for row, stream in zip(found, params.workload.streams, strict=True):
        if stream.task not in tasks:
            raise unknown("task", stream.task, tasks, SettingsError)
        priority = PRIORITIES.index(stream.priority)
        row["task"], row["origin"], row["priority"] = tasks.index(stream.task), stream.origin, priority
        row["weight"] = params.priority_weights[priority]
        row["deadline"] = np.inf if stream.deadline_s is None else stream.deadline_s
        row["payload"] = stream.payload_bytes
    return found


def fleet_of(params: RequestSchedulingParams) -> Fleet:
    """The tables of servers, models and ways.

    Raises:
        EdgeGymError: for a card that does not exist, a server that cannot hold any model or stands at no site, or
            where candidate 0 could not serve everyone.
    """
    names = list(dict.fromkeys(model for models in params.tasks.values() for model in models)) or ["work"]
    servers, models, batch = len(params.servers), len(names), params.discipline.max_batch
    cards = [None if name == "work" else load_card(name, "model") for name in names]
    rate = np.zeros((servers, models, batch))
    load, memory, capacity = np.zeros((servers, models)), np.zeros((servers, models)), np.full(servers, np.inf)
    power, co_runner = np.zeros(servers), np.zeros(servers)
    for s, server in enumerate(params.servers):
        device = None if server.device is None else load_card(server.device, "device")
        capacity[s], power[s], co_runner[s] = _constants(server, device)
        for m, card in enumerate(cards):
            rate[s, m] = _rate(server, device, card, batch, f"servers.{s}")
            if card is not None:
                load[s, m] = float(card.param_bytes()) / server.storage_bytes_s
                memory[s, m] = _memory(device, card, batch)
        rate[s, server.slots * memory[s] > capacity[s]] = 0.0
        if not rate[s].any():
            raise SettingsError(
                f"servers.{s}: {capacity[s]:.3g} bytes hold no model {server.slots} times (the smallest takes "
                f"{memory[s].min():.3g}); give it more memory_bytes, fewer slots, or the tasks smaller models."
            )
    variant = _variants(params, names)
    if not params.reject and not rate[0, variant[:, 0], 0].all():
        raise SettingsError("servers.0: without reject it must be able to serve the first variant of every task.")
    rtt, byte = _ways(params)
    return Fleet(
        rate, load, memory, capacity, power, np.array([s.slots for s in params.servers], np.int32), co_runner,
        _residents(params, names, rate[..., 0], memory, capacity),
        np.array([1.0 if card is None else card.accuracy_of() for card in cards]), variant, rtt, byte,
    )  # fmt: skip


def _constants(server: ServerSettings, device: DeviceCard | None) -> tuple[float, float, float]:
    """Bytes of memory, watts, and slow-down by each co-runner."""
    card_memory = device.memory.capacity_bytes if device and device.memory else None
    memory = server.memory_bytes or card_memory or np.inf
    power = server.power_w if server.power_w is not None else (device.power.active_w if device and device.power else 0)
    slow = server.per_co_runner
    return memory, power, slow if slow is not None else (device.co_runners.per_co_runner if device else 0.0)


def _rate(
    server: ServerSettings, device: DeviceCard | None, card: ModelCard | None, batch: int, where: str
) -> NDArray[np.float64]:
    """(batch,) calls a second with 1, 2, ... requests of size 1."""
    calls = np.arange(1, batch + 1)
    if device is None:
        assert server.rate is not None
        return server.rate / calls
    if card is None:
        raise SettingsError(f"{where}.device: a task without models is plain work; give the server a rate instead.")
    return 1.0 / device.latency_s(card.work(), calls, model=card.model)


def _memory(device: DeviceCard | None, card: ModelCard, batch: int) -> float:
    if device is None or device.memory is None:
        return float(card.param_bytes())
    return float(device.memory_bytes(card.work(), batch))


def _variants(params: RequestSchedulingParams, names: list[str]) -> NDArray[np.int32]:
    table = np.full((len(params.tasks), max(1, *map(len, params.tasks.values()))), NONE, np.int32)
    for row, models in zip(table, params.tasks.values(), strict=True):
        row[: max(1, len(models))] = [names.index(model) for model in models or ("work",)]
    return table


def _residents(
    params: RequestSchedulingParams,
    names: list[str],
    rate: NDArray[np.float64],
    memory: NDArray[np.float64],
    capacity: NDArray[np.float64],
) -> NDArray[np.int8]:
    """(S, M) int8: what is asked for, or what fits."""
    found = np.zeros(memory.shape, np.int8)
    for s, server in enumerate(params.servers):
        for name in server.resident or ():
            if name not in names:
                raise unknown(f"model in servers.{s}.resident", name, names, SettingsError)
        wanted = names if server.resident is None else list(server.resident)
        for m in map(names.index, wanted):
            if rate[s, m] > 0.0 and found[s] @ memory[s] + memory[s, m] <= capacity[s]:
                found[s, m] = 1
            elif server.resident is not None:
                raise SettingsError(f"servers.{s}.resident: {names[m]} does not fit beside the others.")
    return found


def _ways(params: RequestSchedulingParams) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(sites, S) round trips in seconds and seconds per byte, access link included."""
    topology = topology_from_settings(params.topology)
    access = None if params.access_link is None else load_card(params.access_link, "link")
    places = np.array([_place(topology, server, s) for s, server in enumerate(params.servers)], np.int32)
    if isinstance(params.workload, StreamsWorkload):
        for i, stream in enumerate(params.workload.streams):
            if stream.origin >= len(topology.edge):
                raise SettingsError(
                    f"workload.streams.{i}.origin: {stream.origin} found; edge nodes 0..{len(topology.edge) - 1} exist."
                )
    ways = np.ix_(topology.edge, places)
    rtt_s, rate_bps = topology.rtt_s[ways].copy(), topology.rate_bps[ways].copy()
    if access is not None:
        rtt_s, rate_bps = rtt_s + access.rtt_s, np.minimum(rate_bps, access.rate_bps)
    return rtt_s, BITS / rate_bps


def _place(topology: Topology, server: ServerSettings, s: int) -> int:
    if server.site == "cloud":
        return topology.origin
    if not 0 <= server.site < len(topology.edge):
        raise SettingsError(f"servers.{s}.site: {server.site} found; edge nodes 0..{len(topology.edge) - 1} exist.")
    return int(topology.edge[server.site])
