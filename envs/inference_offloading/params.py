"""Settings of the inference offloading environment: who asks for what, over which network, by which plans."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from edgegym.settings import Settings
from edgegym.workload.arrivals import ArrivalSettings, PoissonSettings

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class AccessCardSettings(Settings):
    """Access links drawn from a link card with dynamics."""

    kind: Literal["card"] = "card"
    card: str = "5g_driving"
    """Link card; its radio power, round trip and throughput."""
    up_share: Positive = 0.25
    """Uplink over the card's throughput. Most were measured towards the user; 5G uplinks have about a quarter (Glasgow
    5G, 165 of 671 Mbit/s)."""


class AccessTraceSettings(Settings):
    """Access links that replay measured throughput."""

    kind: Literal["trace"] = "trace"
    path: str
    """CSV file with ``trace,t_s`` and a column of throughput; ``$EDGEGYM_DATA`` at the start is replaced."""
    prefix: str = ""
    """Only traces whose name begins so."""
    column: str = "down_mbps"
    """Column of throughput; its name says the unit."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which of the traces are used, as fractions of their list, shuffled in a fixed order. Whole traces, so that
    training and evaluation share none."""
    card: str = "5g_driving"
    """Link card of the round trip and the radio's power."""
    up_share: Positive = 0.25
    """Uplink over the throughput in the file."""
    optional: bool = False
    """Draw from the card, which then needs dynamics, where ``$EDGEGYM_DATA`` is not set."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.0 <= self.part[0] < self.part[1] <= 1.0:
            raise ValueError("part: needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return self


AccessSettings = Annotated[AccessCardSettings | AccessTraceSettings, Field(discriminator="kind")]
"""The link between devices and the edge, told apart by ``kind``."""


class ApplicationSettings(Settings):
    """What a device asks for again and again."""

    models: tuple[str, ...] = Field(("mobilenet_v2",), min_length=1)
    """Model cards that can answer; the first one, whole and on the device, is the fallback."""
    arrivals: ArrivalSettings = PoissonSettings(rate=5.0)
    """When a user's tasks come."""
    deadline_s: Positive | None = None
    """Seconds from arrival to result; a later result is a miss. None: no deadline."""
    min_accuracy: Fraction = 0.0
    """Least accuracy of a plan; the fallback is allowed all the same."""
    private_share: Fraction = 0.0
    """Share of the tasks that are private."""
    private_hides: Literal["input", "features"] = "input"
    """What a private task must not show to a server: its raw ``"input"``, or plain ``"features"`` neither."""
    compression: Positive = 1.0
    """Bytes of a raw input over what is sent of it."""


class UserGroupSettings(Settings):
    """Users with equal devices and the same application."""

    count: int = Field(1, ge=1)
    """How many."""
    device: str = "raspberry_pi_4"
    """Device card."""
    application: ApplicationSettings = ApplicationSettings()
    """What they ask for."""
    battery_j: Positive | None = None
    """Energy that a device starts with; once it is used up its tasks are lost. None: mains."""


class ServerSettings(Settings):
    """An edge server: a shared queue in front of one accelerator."""

    card: str = "jetson_agx_orin_gpu"
    """Device card; of fewer samples than it was measured with a batch takes as long as the smallest measured."""
    largest_batch: int = Field(1, ge=1)
    """Most samples that it takes up together."""
    link: str | None = None
    """Link card between the access network and the server; None: it stands at the access point."""


class CloudSettings(Settings):
    """The cloud: as many accelerators as are asked for, behind a wide area network."""

    card: str = "rtx_4090"
    """Device card."""
    link: str = "wan_us_east"
    """Link card between the edge and the cloud."""


class PeerSettings(Settings):
    """Helper devices beside each user, which take rows of every layer over a local network."""

    helpers: int = Field(3, ge=1, le=7)
    """How many beside each user; like the user's device."""
    rate_bps: Positive = 50e6
    """Throughput of the local network, shared by all (802.11n as measured between boards, assumed)."""
    rtt_s: Positive = 0.003
    """Round trip of the local network (assumed)."""
    slow_share: Fraction = 0.2
    """Share of the time that a helper is busy with something else."""
    slow_speed: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Speed it has then."""
    slow_s: Positive = 10.0
    """Mean time for which it stays so."""
    replan: bool = True
    """Shares follow the speeds seen in the last second; False: equal shares."""


class ReuseSettings(Settings):
    """Servers that keep recent results, for users who see the same (as in FoggyCache, Guo et al., MobiCom 2018)."""

    scenes: int = Field(4, ge=1)
    """Different things to see."""
    stay_s: Positive = 20.0
    """Mean time for which a user watches a scene; then it turns to any, each as likely."""
    similarity: Fraction = 0.8
    """Chance that a result of the same scene serves at once (assumed)."""
    similarity_s: Positive = 1.0
    """Time in which that chance falls by a factor e (assumed)."""
    accuracy_share: Fraction = 0.99
    """Accuracy of a reused result over that of a computed one (assumed)."""


class ChangeDetectionSettings(Settings):
    """A device that repeats its last result while its view has not changed (as NoScope, Kang et al., VLDB 2017)."""

    unchanged_share: Fraction = 0.5
    """Share of the tasks whose input is like the last one (assumed; a still camera has far more)."""
    detection_s: Positive = 0.002
    """Time to compare an input with the last one (assumed)."""
    accuracy_share: Fraction = 0.98
    """Accuracy of a repeated result over that of a computed one (assumed)."""


class PlanSettings(Settings):
    """Which execution plans there are."""

    edge: bool = True
    """Whole networks on an edge server."""
    cloud: bool = True
    """Whole networks in the cloud, if there is one."""
    cuts: bool = True
    """Networks cut between device and edge, and device and cloud."""
    tiers: bool = False
    """Networks cut twice: device, edge and cloud; and between edge and cloud."""
    formats: tuple[Literal["float32", "int8"], ...] = ("float32",)
    """Number formats of the networks, where the model card has an accuracy."""
    feature_bits: tuple[Literal[32, 8, 4], ...] = (32, 8)
    """Bits of a number that is sent between the parts of a cut network."""
    feature_loss: dict[int, Fraction] = Field(default_factory=lambda: {8: 0.001, 4: 0.01})
    """Accuracy lost by sending so few bits, for model cards that do not say (assumed)."""
    int8_time: Positive = 0.5
    """Time of a network in int8 over float32 on a device whose card is for float32: .37 to .62 on CPUs (TensorFlow
    Lite's published times)."""
    spare: bool = False
    """Fill the candidates up with undominated plans that lower the cost in no scenario of the choice."""
    exits: bool = False
    """Early exits on the device, for networks that have them."""
    change_detection: ChangeDetectionSettings | None = None
    """Raw input is compared with the last one first, and the last result repeated where nothing changed."""
    noise: bool = False
    """Features with noise against reconstruction, for private tasks."""
    noise_loss: Fraction = 0.02
    """Accuracy that the noise costs (assumed; networks keep their use only with so little of it that epsilon is 100 to
    200, arXiv:2104.03813)."""
    secure: bool = False
    """Two-party secure inference, for private tasks."""
    peers: PeerSettings | None = None
    """Rows split over helper devices."""
    reuse: ReuseSettings | None = None
    """Answers from results of the same scene."""


class RewardWeights(Settings):
    """Costs of a task, taken off the reward when it is finished; and, for training only, the regret signal."""

    latency: float = Field(1.0, ge=0)
    """Per second from arrival to result."""
    miss: float = Field(0.0, ge=0)
    """Per result that is late or fails."""
    energy: float = Field(0.0, ge=0)
    """Per joule of the device."""
    accuracy: float = Field(0.0, ge=0)
    """Per unit of accuracy that is missing to 1."""
    megabyte: float = Field(0.0, ge=0)
    """Per megabyte sent over the access link."""
    server: float = Field(0.0, ge=0)
    """Per second of an edge server's or the cloud's time."""
    signal: Literal["terms", "regret"] = "terms"
    """``"terms"`` pays the above. ``"regret"`` pays, at each decision, minus what the plan costs in excess of the best
    one, with future throughput known and the delay that it causes later tasks priced: for training only."""
    externality: float = Field(1.0, ge=0)
    """Weight of that delay in the regret signal."""


class InferenceOffloadingParams(Settings):
    """Everything that defines an offloading system; the environment's docstring is the manual."""

    seconds: Positive = 60.0
    """Length of an episode: tasks arrive during it, and all are finished."""
    users: tuple[UserGroupSettings, ...] = Field((UserGroupSettings(),), min_length=1)
    """Groups of users."""
    access: AccessSettings = AccessCardSettings()
    """The link between devices and the edge; every user has its own run of it."""
    servers: tuple[ServerSettings, ...] = (ServerSettings(),)
    """Edge servers."""
    cloud: CloudSettings | None = CloudSettings()
    """The cloud; None: there is none."""
    plans: PlanSettings = PlanSettings()
    """Which plans there are."""
    candidates: int = Field(32, ge=1, le=512)
    """Plans a decision chooses from, the fallback included: the most useful ones of those that nothing dominates."""
    timeout_s: Positive = 10.0
    """An upload that takes longer fails, and with it the task."""
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.seconds < 1.0:
            raise ValueError("seconds: an episode needs at least 1 second")
        return self
