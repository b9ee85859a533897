"""Settings of what a slot and a migration cost, and of the services."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.mobility.hop_costs import HopCosts
from edgegym.settings import Settings

FULLEST = 0.99
"""Utilisation from which on service times grow no further."""


class ExponentialCost(HopCosts):
    """The constant-plus-exponential cost of the literature, in hops; without unit, load or capacity."""

    kind: Literal["exponential"] = "exponential"

    @model_validator(mode="after")
    def _nothing_is_earned(self) -> Self:
        for names in (("beta_c", "beta_l", "mu"), ("delta_c", "delta_l", "theta")):
            constant, factor, base = (getattr(self, name) for name in names)
            first = constant + factor * base
            beyond = constant if base < 1.0 else first if base == 1.0 or factor >= 0.0 else -math.inf
            if min(first, beyond) < -1e-12:
                raise ValueError(f"{names[0]} + {names[1]} {names[2]}^x must not be negative at any x from 1 hop on")
        return self


class EdgeCost(Settings):
    """Delays and transfers from link and device cards, summed with weights.

    A slot costs ``latency`` per deadline of mean delay; what interrupts a service or is sent costs ``downtime`` per
    second and ``traffic`` per gigabyte; energy costs ``energy`` per joule, by default nothing. Migration is by
    pre-copy, whose rounds shrink geometrically while memory is dirtied more slowly than it is sent; 0 rounds are
    stop-and-copy.
    """

    kind: Literal["edge"] = "edge"
    access_rtt_s: float = Field(0.008, ge=0)
    """Radio round trip: the target of 3GPP TR 38.913 for mobile broadband, 4 ms each way. (The first hops measured in
    2020, cards ``5g_first_hop`` and ``lte_first_hop``, take 26 and 29 ms: beyond 20 ms wherever the service runs.)"""
    access_link: str = "5g_first_hop"
    """Link card whose rate carries requests to the site."""
    backhaul_link: str = "metro_fibre_50km"
    """Link card of one hop between neighbouring sites."""
    hop_s: float = Field(0.001, ge=0)
    """Round trip added at each hop by switching, assumed."""
    device: str = "jetson_agx_orin_gpu"
    """Device card of a server."""
    servers: float | tuple[float, ...] = 1.0
    """Servers of each site; a tuple is begun again where there are more sites. 0 is a site that serves nobody."""
    most_utilisation: float = Field(0.9, gt=0, le=FULLEST)
    """A site with more than this load is full; service times grow as 1 / (1 - load)."""
    migration_share: float = Field(0.1, gt=0, le=1)
    """Share of a backhaul link that a migration gets."""
    rounds: int = Field(3, ge=0, le=30)
    """Pre-copy rounds before the service is frozen."""
    freeze_s: float = Field(0.1, ge=0)
    """Interruption beyond the last copy, assumed."""
    handover_s: float = Field(0.05, ge=0)
    """Interruption when a user changes cell and its service stays: the path is switched; assumed."""
    latency: float = Field(1.0, ge=0)
    """Cost of a slot whose mean delay is the service's deadline."""
    downtime: float = Field(1.0, ge=0)
    """Cost of a second without service."""
    traffic: float = Field(0.5, ge=0)
    """Cost of a gigabyte sent by a migration."""
    energy: float = Field(0.0, ge=0)
    """Cost of a joule, as far as cards state energy (metric ``energy_j``)."""

    @field_validator("servers")
    @classmethod
    def _some(cls, servers: float | tuple[float, ...]) -> float | tuple[float, ...]:
        values = servers if isinstance(servers, tuple) else (servers,)
        if not (values and all(0 <= value < math.inf for value in values) and max(values) > 0):
            raise ValueError("needs finite numbers from 0 on, one of them above 0; no service could run anywhere else")
        return servers


CostSettings = Annotated[ExponentialCost | EdgeCost, Field(discriminator="kind")]
"""What a slot and a migration cost, told apart by ``kind``."""


class ServiceSettings(Settings):
    """A kind of service. State sizes, dirty rates and requests are assumed round figures, not measurements."""

    name: str
    """As people call it."""
    share: float = Field(1.0, gt=0)
    """Of the users, relative to the others."""
    state_bytes: float = Field(gt=0)
    """Memory that a migration copies."""
    dirty_bytes_s: float = Field(ge=0)
    """Rate at which it is dirtied."""
    requests_hz: float = Field(gt=0)
    """Requests per second."""
    request_bytes: float = Field(ge=0)
    """Size of one."""
    macs: float = Field(gt=0)
    """Multiply-accumulates of one."""
    deadline_s: float = Field(gt=0)
    """Latency class; 20 ms is the usual motion-to-photon bound of AR and VR (RFC 9699)."""


SERVICES = (
    ServiceSettings(name="ar_vr", share=0.3, state_bytes=200e6, dirty_bytes_s=10e6, requests_hz=30.0,
                    request_bytes=30e3, macs=0.3e9, deadline_s=0.02),
    ServiceSettings(name="cloud_gaming", share=0.2, state_bytes=500e6, dirty_bytes_s=40e6, requests_hz=30.0,
                    request_bytes=1e3, macs=0.6e9, deadline_s=0.1),
    ServiceSettings(name="video_analytics", share=0.3, state_bytes=300e6, dirty_bytes_s=5e6, requests_hz=5.0,
                    request_bytes=100e3, macs=4e9, deadline_s=0.2),
    ServiceSettings(name="iot_twin", share=0.2, state_bytes=20e6, dirty_bytes_s=0.1e6, requests_hz=1.0,
                    request_bytes=1e3, macs=0.05e9, deadline_s=1.0),
)  # fmt: skip
"""The mix of the city."""
