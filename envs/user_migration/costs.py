"""From settings and the network of sites to the tables of costs that the kernel reads.

Pre-copy in n rounds at a rate B with memory S dirtied at a rate w < B sends S sum_{k=0..n} (w / B)^k and stops the
service for the freeze and (S / B) (w / B)^n; 0 rounds are stop-and-copy, which is also what w >= B falls back to. B is
a share of the slowest link between the two sites.

Energy is what cards state, the rest is left out: a server's active power times the time that requests keep it busy, the
phone's energy for each byte of a request, and that of each link of the backhaul for each byte of a request or of a
migration. What servers draw while idle does not depend on decisions and is left out too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgegym.cards import load_card
from edgegym.cards.work import Work
from edgegym.envs.user_migration.backhaul import Backhaul
from edgegym.envs.user_migration.cost_settings import EdgeCost, ExponentialCost, ServiceSettings
from edgegym.errors import SettingsError

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
        energy: (services, cells, sites) joules of a slot.
        move_energy: (services, sites, sites) joules of a migration.
        deadline: (services,) seconds.
        handover: cost of a change of cell without migration.
        handover_s: seconds of it.
        metered: what energy covers, of ``server``, ``radio`` and ``backhaul``.
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
    energy: Table
    move_energy: Table
    deadline: Table
    handover: float
    handover_s: float
    metered: tuple[str, ...]


def exponential_tables(cost: ExponentialCost, services: int, distance: NDArray[np.int64], sites: int) -> Tables:
    """The tables of costs in hops.

    Args:
        cost: of hops.
        services: how many; all cost the same.
        distance: (cells, sites) hops.
        sites: how many.
    """
    shape, zero = (services, *distance.shape), np.zeros(services)
    near, move = (np.broadcast_to(f(distance), shape).copy() for f in (cost.delay, cost.migration))
    nothing, endless = np.zeros(shape), np.full(services, np.inf)
    return Tables(
        near=near,
        move=move,
        work=zero,
        seconds=zero,
        load=zero,
        capacity=np.full(sites, np.inf),
        full=1.0,
        latency=nothing,
        downtime=nothing,
        sent=nothing,
        energy=nothing,
        move_energy=nothing,
        deadline=endless,
        handover=0.0,
        handover_s=0.0,
        metered=(),
    )


def edge_tables(cost: EdgeCost, services: tuple[ServiceSettings, ...], backhaul: Backhaul, slot_s: float) -> Tables:
    """The tables of delays, transfers and energy from cards.

    Args:
        cost: cards and weights.
        services: the mix.
        backhaul: paths between the sites.
        slot_s: length of a slot.

    Raises:
        SettingsError: if energy is to be paid for and no card states any.
    """
    of = Mix(services)
    access, device = load_card(cost.access_link, "link"), load_card(cost.device, "device")
    work = Work.of(of.macs, TYPICAL_ACTIVATIONS * of.macs, TYPICAL_PARAMS * of.macs)
    seconds = device.latency_s(work)
    bits = 8.0 * of.request_bytes[:, None, None]
    cards = [load_card(name, "link") for name in backhaul.cards]
    latency = cost.access_rtt_s + bits / access.rate_bps
    for card, links in zip(cards, backhaul.links, strict=True):
        latency = latency + links * (card.rtt_s + cost.hop_s + bits / card.rate_bps)
    downtime, sent = _migration(cost, of, backhaul, np.array([card.rate_bps for card in cards]))
    metered, request_j, byte_j = _energy(cost, of, backhaul, work)
    if cost.energy > 0.0 and not metered:
        raise SettingsError(
            f"cost.energy: {cost.energy:g} a joule, but neither device {cost.device} nor the link cards state energy; "
            "take a device card with power, or leave energy at 0."
        )
    energy = (slot_s * of.requests_hz)[:, None, None] * request_j
    move_energy = sent * byte_j
    weight = cost.latency / of.deadline_s
    return Tables(
        near=weight[:, None, None] * latency + cost.energy * energy,
        move=cost.downtime * downtime + cost.traffic * sent / GIGABYTE + cost.energy * move_energy,
        work=weight * seconds,
        seconds=seconds,
        load=seconds * of.requests_hz,
        capacity=np.resize(np.asarray(cost.servers, np.float64), len(backhaul.hops)),
        full=cost.most_utilisation,
        latency=latency,
        downtime=downtime,
        sent=sent,
        energy=energy,
        move_energy=move_energy,
        deadline=of.deadline_s,
        handover=cost.downtime * cost.handover_s,
        handover_s=cost.handover_s,
        metered=metered,
    )


class Mix:
    """The numbers of a mix of services as arrays (services,), named as in their settings."""

    def __init__(self, services: tuple[ServiceSettings, ...]) -> None:
        def column(name: str) -> Table:
            return np.array([getattr(service, name) for service in services])

        self.macs, self.requests_hz, self.request_bytes = map(column, ("macs", "requests_hz", "request_bytes"))
        self.state_bytes, self.dirty_bytes_s, self.deadline_s = map(
            column, ("state_bytes", "dirty_bytes_s", "deadline_s")
        )


def _migration(cost: EdgeCost, of: Mix, backhaul: Backhaul, rate_bps: Table) -> tuple[Table, Table]:
    """(services, sites, sites) seconds without service and bytes sent."""
    slow_first = np.argsort(rate_bps, kind="stable")
    slowest = slow_first[(backhaul.links[slow_first] > 0).argmax(axis=0)]
    state, dirty = of.state_bytes[:, None], of.dirty_bytes_s[:, None]
    rate = cost.migration_share * rate_bps / 8.0
    shrink = np.where(dirty < rate, dirty / rate, 0.0)
    rounds = np.where(dirty < rate, cost.rounds, 0)
    sent = state * sum(np.where(k <= rounds, shrink**k, 0.0) for k in range(cost.rounds + 1))
    frozen = cost.freeze_s + state / rate * shrink**rounds
    away = (backhaul.hops > 0).astype(np.float64)
    return frozen[:, slowest] * away, sent[:, slowest] * away


def _energy(cost: EdgeCost, of: Mix, backhaul: Backhaul, work: Work) -> tuple[tuple[str, ...], Table, Table]:
    """What cards state, (services, cells, sites) joules of a request, (sites, sites) joules of a byte on its path."""
    access, device = load_card(cost.access_link, "link"), load_card(cost.device, "device")
    per_link = np.array([load_card(name, "link").j_per_byte for name in backhaul.cards], np.float64)
    known = {
        "server": device.power is not None,
        "radio": access.radio is not None,
        "backhaul": bool(np.isfinite(per_link).all()),
    }
    byte_j = np.asarray(np.tensordot(np.where(known["backhaul"], per_link, 0.0), backhaul.links, axes=1), np.float64)
    request_j: Table = of.request_bytes[:, None, None] * byte_j
    if access.radio is not None:
        request_j = request_j + (of.request_bytes * access.radio.up_j_per_byte)[:, None, None]
    if known["server"]:
        request_j = request_j + np.asarray(device.energy_j(work))[:, None, None]
    return tuple(name for name in known if known[name]), request_j, byte_j
