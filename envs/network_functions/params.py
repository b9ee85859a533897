"""Settings of the network functions environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.network.substrates import SubstrateSettings
from edgegym.settings import Settings
from edgegym.workload.arrivals import ArrivalSettings, PoissonSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Range = tuple[float, float]


class FunctionSettings(Settings):
    """A network function: what an instance takes, and what serving traffic takes on a device."""

    model: str | None = None
    """Model card of its network; a device card says how long a call takes. Without one, ``item_s`` does."""
    item_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Seconds of a classical function per item, on every device."""
    items: Positive = 1.0
    """Items (packets, flows, frames) per second that a unit of a flow's rate brings."""
    batch: int = Field(1, ge=1)
    """Items in a call."""
    memory: float = Field(0.0, ge=0, lt=2**31)
    """Of an instance, MB; with a model its parameters are added."""
    startup_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Until a new instance serves."""
    traffic: Positive = 1.0
    """Rate behind the function over the rate before it: below 1 for a cache that answers itself, or for analytics that
    send results only."""


CATALOGUE: dict[str, FunctionSettings] = {
    "firewall": FunctionSettings(item_s=1e-6, items=150.0, memory=64, startup_s=0.5),
    "nat": FunctionSettings(item_s=1e-6, items=150.0, memory=64, startup_s=0.5),
    "intrusion_detection": FunctionSettings(model="kitnet", items=150.0, batch=64, memory=256, startup_s=2.0),
    "traffic_classification": FunctionSettings(model="traffic_cnn", items=0.5, memory=256, startup_s=2.0),
    "wireless_scheduling": FunctionSettings(model="ds_cnn", items=1.0, memory=128, startup_s=2.0),
    "caching": FunctionSettings(item_s=5e-6, items=20.0, memory=2048, startup_s=1.0, traffic=0.7),
    "video_analytics": FunctionSettings(model="mobilenet_v2", items=1.0, memory=512, startup_s=3.0, traffic=0.1),
}
"""Functions that services can name. Times of networks come from cards. All else is assumed: packets of about 830 bytes
(150 a second and Mbit/s), a microsecond a packet for header work, a flow to classify every two seconds and Mbit/s, a
frame or slot a second and Mbit/s, round numbers for memory and start. ``ds_cnn`` stands for a small network that
replaces an iterative scheduler."""


class RequestSettings(Settings):
    """What all requests have in common."""

    arrivals: ArrivalSettings = PoissonSettings(rate=0.3)
    """When they come."""
    requests: int = Field(1000, ge=1)
    """Length of an episode."""
    life_s: Positive = 500.0
    """Mean of the exponential lifetimes."""
    delay_budget_s: Range | None = None
    """Range of the end-to-end delay budgets; None sets none."""
    startup_budget_s: float | None = Field(None, ge=0)
    """Longest wait for instances that are just starting; None sets no limit."""
    endpoints: Literal["any", "edge"] = "any"
    """Sources and destinations are any two nodes, or nodes of tier ``edge``."""

    @field_validator("delay_budget_s")
    @classmethod
    def _ordered_budget(cls, limits: Range | None) -> Range | None:
        if limits is not None and not 0.0 < limits[0] <= limits[1] < 1e6:
            raise ValueError("needs 0 < low <= high, seconds, for example [0.01, 0.05]")
        return limits


class AbstractRequestSettings(RequestSettings):
    """Chains of the literature on embedding: numbers of functions, demands and bandwidths are drawn as integers."""

    kind: Literal["abstract"] = "abstract"
    functions: tuple[int, int] = (2, 10)
    """Range of the number of functions."""
    cpu: tuple[int, int] = (0, 20)
    """Range of the computing demand of a function."""
    bandwidth: tuple[int, int] = (0, 50)
    """Range of the bandwidth between two functions, and at both ends."""

    @field_validator("functions", "cpu", "bandwidth")
    @classmethod
    def _ordered(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= limits[0] <= limits[1] < 2**31:
            raise ValueError("needs 0 <= low <= high, for example [2, 10]")
        return limits

    @model_validator(mode="after")
    def _a_function(self) -> Self:
        if self.functions[0] < 1 or self.functions[1] > 32:
            raise ValueError("functions: needs 1 to 32, for example [2, 10]")
        return self


class ServiceRequestSettings(RequestSettings):
    """Flows of named services: a chain of known functions that each flow's rate goes through."""

    kind: Literal["services"] = "services"
    chains: tuple[tuple[str, ...], ...] = (
        ("firewall", "intrusion_detection"),
        ("nat", "firewall", "traffic_classification"),
        ("firewall", "caching"),
        ("nat", "video_analytics"),
        ("firewall", "wireless_scheduling"),
    )
    """The services' chains; every flow is of one of them, all alike often."""
    rate: Range = (1.0, 10.0)
    """Range of the flows' rates, Mbit/s, drawn evenly."""
    functions: dict[str, FunctionSettings] = Field(default_factory=dict)
    """Further functions by name, or others in place of the catalogue's."""

    @field_validator("rate")
    @classmethod
    def _ordered(cls, limits: Range) -> Range:
        if not 0.0 < limits[0] <= limits[1] < 1e6:
            raise ValueError("needs 0 < low <= high, Mbit/s, for example [1, 10]")
        return limits

    @model_validator(mode="after")
    def _known_functions(self) -> Self:
        known = sorted(self.catalogue)
        if not self.chains:
            raise ValueError("chains: at least one is needed")
        for chain in self.chains:
            if not 1 <= len(chain) <= 32:
                raise ValueError("chains: each needs 1 to 32 functions")
            for name in chain:
                if name not in known:
                    raise ValueError(f"chains: unknown function {name!r}; known: {', '.join(known)}")
        return self

    @property
    def catalogue(self) -> dict[str, FunctionSettings]:
        """All functions by name."""
        return {**CATALOGUE, **self.functions}


class FailureSettings(Settings):
    """Random failures of links and nodes, each independent of the others and exponential."""

    link_mtbf_s: Positive | None = None
    """Mean time until a link that works fails; None: never."""
    node_mtbf_s: Positive | None = None
    """Likewise nodes."""
    repair_s: Positive = 100.0
    """Mean time until it works again."""
    reroute: bool = True
    """Ask for another path for each segment of a flow that crossed a failed link, instead of dropping the flow."""


class CongestionSettings(Settings):
    """When flows are asked to leave congested links; what moving costs is ``update_s`` and ``reward.rerouted``.

    Utilisation is reserved bandwidth over capacity. A limit d on the queueing delay of packets that take S seconds on
    the link is a utilisation of d / (S + d), if the link is an M/M/1 queue.
    """

    above: float | None = Field(None, gt=0, lt=1)
    """Utilisation above which a link becomes congested and its flows are asked; None: never."""
    until: float = Field(0.8, gt=0, lt=1)
    """Utilisation at which it is no longer, at most ``above``. Only a link that was calm in between asks again."""

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        if self.above is not None and self.until > self.above:
            raise ValueError(f"needs until <= above (found until {self.until:g}, above {self.above:g})")
        return self


class RewardWeights(Settings):
    """Reward from named terms. What a request was paid before it was rejected is taken back."""

    signal: Literal["terms", "regret"] = "terms"
    """``"regret"`` is for training: it takes off what each placement or rejection is worth less than the best choice,
    an accepted request being worth ``accepted`` plus ``rejected`` less its prices if it is completed at the cheapest
    (:mod:`~edgegym.envs.network_functions.completion`). Of the other terms only ``failed`` and ``rerouted`` count."""
    accepted: float = 1.0
    """Per accepted request."""
    rejected: float = 0.0
    """Taken off per rejected request. Splitting the difference with ``accepted`` so that a request is worth about 0 on
    average keeps a discounting learner from hurrying to the next one by rejecting."""
    placed: float = 0.0
    """Per placed function."""
    revenue: float = 0.0
    """Per revenue of accepted requests, in expected revenues of a request of the workload."""
    link_price: float = 0.0
    """Taken off per share of the network's bandwidth-time that a request takes, in fair shares: 1 is what each request
    would get if all shared evenly, at the workload's mean rate."""
    node_price: float = 0.0
    """Likewise per share of computing time."""
    failed: float = 0.0
    """Taken off per flow that a failure ended."""
    rerouted: float = 0.0
    """Taken off per segment that is led over another path, for signalling and disturbance."""


class NetworkFunctionsParams(Settings):
    """Everything that defines a network functions system; the environment's docstring is the manual."""

    substrate: SubstrateSettings = SubstrateSettings()
    """The network, or several of them."""
    workload: Annotated[AbstractRequestSettings | ServiceRequestSettings, Field(discriminator="kind")] = (
        AbstractRequestSettings()
    )
    """The requests."""
    devices: dict[str, str] = Field(default_factory=lambda: {"": "jetson_agx_orin_gpu"})
    """Device card of the nodes of each tier; the entry ``""`` stands for all others. Services only."""
    candidates: int | None = Field(None, ge=1)
    """Most candidates offered: nodes whose way from the previous function and on to the destination has the fewest
    hops, of those the ones with the most free computing capacity; where a segment is led anew, the shortest paths. None
    offers every node, and every path."""
    completion: bool = False
    """Show what a request takes by way of each candidate if it is completed at the cheapest: three more columns."""
    distinct: bool = False
    """No two functions of a request share a node."""
    overload: Literal["refuse", "break"] = "refuse"
    """A node refuses what exceeds its computing capacity, or takes it, and every flow it serves is late."""
    idle_s: float = Field(0.0, ge=0)
    """How long an instance is kept after its last flow."""
    failures: FailureSettings = FailureSettings()
    """Of links and nodes."""
    congestion: CongestionSettings = CongestionSettings()
    """Re-routing around congested links."""
    update_s: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Until the rules of another path are in place; what a moved segment's flow sends meanwhile waits for it."""
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""


BACKBONE_REQUESTS: dict[str, Any] = {
    "kind": "abstract",
    "functions": (2, 5),
    "cpu": (1, 20),
    "bandwidth": (1, 20),
    "arrivals": {"kind": "poisson", "rate": 0.06},
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "waxman100": {"distinct": True, "workload": {"kind": "abstract"}},
    "abilene": {"substrate": {"builder": "abilene"}, "workload": BACKBONE_REQUESTS},
    "edge_tree": {
        "substrate": {
            "builder": "hierarchical",
            "tier_cpu": {"edge": 0.8, "aggregation": 0.8, "core": 3.2},
            "memory": (4096, 4096),
            "bandwidth": (100, 200),
        },
        "workload": {
            "kind": "services",
            "arrivals": {"kind": "poisson", "rate": 4.0},
            "life_s": 120.0,
            "delay_budget_s": (0.02, 0.2),
            "startup_budget_s": 5.0,
            "endpoints": "edge",
        },
        "devices": {"edge": "jetson_nano_gpu", "aggregation": "jetson_agx_orin_gpu", "core": "rtx_3090"},
        "idle_s": 30.0,
    },
    "topologies": {
        "distinct": True,
        "substrate": {"nodes": 50, "networks": 10},
        "workload": {"kind": "abstract", "arrivals": {"kind": "poisson", "rate": 0.1}},
    },
}
"""``waxman100`` is the registered default."""
