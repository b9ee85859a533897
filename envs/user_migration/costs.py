"""From settings and sites to the tables of costs that the kernel reads.

Pre-copy in n rounds at a rate B with memory S dirtied at a rate w < B sends S sum_{k=0..n} (w / B)^k and stops the
service for the freeze and (S / B) (w / B)^n; 0 rounds are stop-and-copy, which is also what w >= B falls back to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.cards.work import Work
from edgegym.envs.user_migration.params import EdgeCost, ExponentialCost, ServiceSettings, UserMigrationParams

GIGABYTE = 1e9
TYPICAL_ACTIVATIONS, TYPICAL_PARAMS = 0.02, 0.01
"""Activations and weights per multiply-accumulate, of the order of mobile networks, for device cards that ask."""
Table = NDArray[np.float64]


@dataclass(frozen=True)
class Tables:
    """Costs by service, cell and site; on the plane by hops, with one cell.

    Attributes:
        near: (services, cells, sites) of a slot without the service time.
        move: (services, sites, sites) of a migration.
        work: (services,) of a slot's service time on an empty site.
        seconds: (services,) that service time.
        load: (services,) servers that a service keeps busy.
        capacity: (sites,) servers; infinite without contention.
        full: share of the capacity that may be busy.
        latency: (services, cells, sites) seconds of access and backhaul.
        downtime: (services, sites, sites) seconds without service in a migration.
        sent: (services, sites, sites) bytes of a migration.
        deadline: (services,) seconds.
        handover: cost of a change of cell without migration.
        handover_s: seconds of it.
    """

    near: Table
    move: Table
    work: Table
    seconds: Table
    load: Table
    capacity: Table
    full: float
    latency: Table
    downtime: Table
    sent: Table
    deadline: Table
    handover: float
    handover_s: float


def tables_of(params: UserMigrationParams, hops: NDArray[np.int64]) -> Tables:
    """The tables of a system whose sites are ``hops`` (sites, sites) apart."""
    if isinstance(params.cost, EdgeCost):
        return _edge(params.cost, params.services, hops)
    distance = np.arange(2 * (params.reach or 0) + 2)[None] if params.workload.kind == "hex_walk" else hops
    return _exponential(params.cost, len(params.services), distance, len(hops))


def _exponential(cost: ExponentialCost, services: int, distance: NDArray[np.int64], sites: int) -> Tables:
    shape, zero = (services, *distance.shape), np.zeros(services)
    near, move = (np.broadcast_to(f(distance), shape).copy() for f in (cost.delay, cost.migration))
    nothing = np.zeros(shape)
    infinite = np.full(sites, np.inf)
    deadline = np.full(services, np.inf)
    return Tables(near, move, zero, zero, zero, infinite, 1.0, nothing, nothing, nothing, deadline, 0.0, 0.0)


def _edge(cost: EdgeCost, services: tuple[ServiceSettings, ...], hops: NDArray[np.int64]) -> Tables:
    access, hop, device = (
        load_card(cost.access_link, "link"),
        load_card(cost.backhaul_link, "link"),
        load_card(cost.device, "device"),
    )
    macs = np.array([service.macs for service in services])
    seconds = device.latency_s(Work.of(macs, TYPICAL_ACTIVATIONS * macs, TYPICAL_PARAMS * macs))
    deadline = np.array([service.deadline_s for service in services])
    bits = 8.0 * np.array([service.request_bytes for service in services])[:, None, None]
    latency = cost.access_rtt_s + bits / access.rate_bps + hops * (hop.rtt_s + cost.hop_s + bits / hop.rate_bps)
    state, dirty = (np.array([getattr(s, name) for s in services]) for name in ("state_bytes", "dirty_bytes_s"))
    rate = cost.migration_share * hop.rate_bps / 8.0
    shrink = np.where(dirty < rate, dirty / rate, 0.0)
    rounds = np.where(dirty < rate, cost.rounds, 0)
    sent = state * sum(np.where(k <= rounds, shrink**k, 0.0) for k in range(cost.rounds + 1))
    frozen = cost.freeze_s + state / rate * shrink**rounds
    away = (hops > 0).astype(np.float64)
    downtime, sent = frozen[:, None, None] * away, sent[:, None, None] * away
    weight = cost.latency / deadline
    return Tables(
        near=weight[:, None, None] * latency,
        move=cost.downtime * downtime + cost.traffic * sent / GIGABYTE,
        work=weight * seconds,
        seconds=seconds,
        load=seconds * np.array([service.requests_hz for service in services]),
        capacity=np.resize(np.asarray(cost.servers, np.float64), len(hops)),
        full=cost.most_utilisation,
        latency=latency,
        downtime=downtime,
        sent=sent,
        deadline=deadline,
        handover=cost.downtime * cost.handover_s,
        handover_s=cost.handover_s,
    )
