"""Settings of the user migration environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.mobility.hex_mdp import HopCosts
from edgegym.settings import Settings

Range = tuple[float, float]


class HexWalkSettings(Settings):
    """One user on an unbounded plane of hexagons, each cell of which has a site; the published random walk."""

    kind: Literal["hex_walk"] = "hex_walk"
    slots: int = Field(1000, ge=1, le=16_000)
    """Length of an episode."""
    move: float = Field(1.0 / 12.0, ge=0, le=1.0 / 6.0)
    """Probability of each of the six neighbours; else the user stays."""


class CitySettings(Settings):
    """Users that move over a map of sites; a user's cell is that of the nearest site."""

    kind: Literal["city"] = "city"
    model: Literal["manhattan", "random_waypoint", "gauss_markov"] = "manhattan"
    """How users move."""
    users: int = Field(120, ge=1, le=4096)
    """How many; all are there all the time."""
    slots: int = Field(60, ge=1)
    """Length of an episode."""
    slot_s: float = Field(10.0, gt=0)
    """Length of a slot."""
    speed_m_s: Range = (5.0, 15.0)
    """Slowest and fastest user."""
    block_m: float = Field(125.0, gt=0)
    """Distance between streets (Manhattan)."""
    turn: float = Field(0.3, ge=0, le=1)
    """Probability of turning left or right at a crossing (Manhattan)."""
    memory: float = Field(0.9, ge=0, lt=1)
    """Of the velocity from slot to slot (Gauss-Markov)."""
    rings: int = Field(2, ge=1, le=8)
    """Rings of hexagonal cells around the central one, without ``sites``."""
    spacing_m: float = Field(500.0, gt=0)
    """Distance between neighbouring sites, without ``sites``; in any case the length of a hop."""
    sites: str | None = None
    """CSV file with columns LATITUDE and LONGITUDE in place of the hexagons; ``$EDGEGYM_DATA`` is replaced."""

    @field_validator("speed_m_s")
    @classmethod
    def _ordered(cls, speed: Range) -> Range:
        if not 0.0 < speed[0] <= speed[1] < 1e4:
            raise ValueError("needs 0 < slowest <= fastest, for example [5, 15]")
        return speed


class TaxiSettings(Settings):
    """Recorded users over real cells, one an episode: workload seed s gives user s modulo their number."""

    kind: Literal["taxi"] = "taxi"
    path: str = "$EDGEGYM_DATA/mobility/sf_taxi/sf_taxi_cells_20080531.npz"
    """As :func:`edgegym.mobility.traces.read_taxis` reads it."""
    part: Range = (0.0, 0.6)
    """Which users, as fractions of their shuffled order."""
    fitted_on: Range = (0.0, 0.6)
    """Users to which the Markov chain is fitted."""
    split_seed: int = Field(0, ge=0)
    """Of the order."""
    least_slots: int = Field(10, ge=1)
    """Shorter sessions are left out. A gap ends a session; the next one starts free in the user's cell."""
    hop_degrees: float = Field(0.01, gt=0)
    """Length of a hop: distances are Euclidean degrees over it, rounded up (the published metric)."""

    @field_validator("part", "fitted_on")
    @classmethod
    def _ordered(cls, part: Range) -> Range:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.6]")
        return part


WorkloadSettings = Annotated[HexWalkSettings | CitySettings | TaxiSettings, Field(discriminator="kind")]
"""Who moves where, told apart by ``kind``."""


class ExponentialCost(HopCosts):
    """The constant-plus-exponential cost of the literature, in hops; without unit, load or capacity."""

    kind: Literal["exponential"] = "exponential"


class EdgeCost(Settings):
    """Delays and transfers from link and device cards, summed with weights.

    A slot costs ``latency`` per deadline of mean delay; what interrupts a service or is sent costs ``downtime`` per
    second and ``traffic`` per gigabyte. Migration is by pre-copy, whose rounds shrink geometrically while memory is
    dirtied more slowly than it is sent; 0 rounds are stop-and-copy.
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
    most_utilisation: float = Field(0.9, gt=0, lt=1)
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

    @field_validator("servers")
    @classmethod
    def _some(cls, servers: float | tuple[float, ...]) -> float | tuple[float, ...]:
        values = servers if isinstance(servers, tuple) else (servers,)
        if not values or min(values) < 0 or max(values) <= 0:
            raise ValueError("needs numbers from 0 on, one of them above 0; no service could run anywhere else")
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


class RewardSettings(Settings):
    """What a decision earns."""

    signal: Literal["cost", "regret"] = "cost"
    """``"cost"`` pays minus the cost of all users when a slot closes. ``"regret"`` pays, at each decision, minus what
    it costs beyond the best candidate: migration, this slot (with what it adds to the service times of others), and the
    least cost of that user's remaining known path if sites stayed empty. It knows the future, so it is for training."""


class UserMigrationParams(Settings):
    """Everything that defines a user migration system; the environment's docstring is the manual."""

    workload: WorkloadSettings = CitySettings()
    """Who moves where."""
    cost: CostSettings = EdgeCost()
    """What it costs."""
    services: tuple[ServiceSettings, ...] = Field(SERVICES, min_length=1)
    """Mix of services; without meaning for the exponential cost."""
    candidates: int = Field(8, ge=2, le=64)
    """Length of the list over sites; on the hexagonal plane it is 1 + ``reach``."""
    reach: int | None = Field(None, ge=2, le=200)
    """Hops from which on a service cannot stay: candidate 0 then moves to the user's cell. Needed on the plane."""
    observe: Literal["cell", "motion", "prediction"] = "prediction"
    """What is known of a user: its cell, also the cell before (so heading), also a Markov prediction."""
    discount: float = Field(0.9, ge=0, lt=1)
    """Of the metric ``discounted_cost``."""
    lookahead: float = Field(0.97, ge=0, lt=1)
    """Discount of the outlook by the Markov chain."""
    migration_budget: float = Field(0.05, ge=0)
    """Mean migration cost per slot beyond which a user's virtual queue grows (follow-me)."""
    reward: RewardSettings = RewardSettings()
    """What a decision earns."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        plane = self.workload.kind == "hex_walk"
        if plane and (self.cost.kind != "exponential" or self.reach is None or self.reward.signal == "regret"):
            raise ValueError("a hex walk needs the exponential cost, a 'reach' and the signal 'cost'")
        if self.reach is not None and self.cost.kind != "exponential":
            raise ValueError("'reach' goes with the exponential cost alone; leave it out")
        if self.workload.kind == "taxi" and self.cost.kind != "exponential":
            raise ValueError("recorded taxis have the exponential cost alone; their sites have no capacities")
        return self


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "city": {},
    "hex_mdp": {"workload": {"kind": "hex_walk"}, "cost": {"kind": "exponential"}, "reach": 10},
    "sf_taxi": {"workload": {"kind": "taxi"}, "cost": {"kind": "exponential"}},
    "melbourne": {
        "workload": {
            "kind": "city",
            "sites": "$EDGEGYM_DATA/mobility/eua/site-optus-melbCBD.csv",
            "spacing_m": 200.0,
            "users": 300,
        },
        "cost": {"kind": "edge", "servers": 0.5},
    },
}
"""``city`` is the registered default."""
