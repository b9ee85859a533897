"""Settings of the request scheduling environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.envs.request_scheduling.reward import RewardWeights
from edgegym.network.topology import TopologySettings
from edgegym.settings import Settings
from edgegym.workload.arrivals import ArrivalSettings, GammaSettings, MmppSettings, PoissonSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Priority = Literal["high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")


class ConstantSize(Settings):
    """All requests are alike: size 1."""

    kind: Literal["constant"] = "constant"


class ExponentialSize(Settings):
    """Exponential sizes of mean 1."""

    kind: Literal["exponential"] = "exponential"


class ParetoSize(Settings):
    """Pareto sizes of mean 1: a few requests bring most of the work."""

    kind: Literal["pareto"] = "pareto"
    shape: float = Field(2.5, gt=1, allow_inf_nan=False)
    """Tail index; at 2 and below the variance is infinite."""


class MarkSize(Settings):
    """Sizes in proportion to what the arrival trace says of each request."""

    kind: Literal["mark"] = "mark"
    name: str = "context_tokens"
    """Which mark of the trace."""
    unit: Positive = 1024.0
    """Its value that makes size 1."""


SizeSettings = Annotated[ConstantSize | ExponentialSize | ParetoSize | MarkSize, Field(discriminator="kind")]
"""Law of the work of a request, as a multiple of its model's service time."""


class StreamSettings(Settings):
    """Requests of one kind from one place."""

    task: str = "classification"
    """Which of ``tasks`` they ask for."""
    arrivals: ArrivalSettings = PoissonSettings()
    """When they come."""
    size: SizeSettings = ConstantSize()
    """How much work they are."""
    origin: int = Field(0, ge=0)
    """Index of the edge node that their users reach first."""
    priority: Priority = "normal"
    """Class: what an answer in time is worth, and whose turn it is under some disciplines."""
    deadline_s: Positive | None = None
    """Time from arrival to answer that the service level objective allows; none if left out."""
    payload_bytes: NotNegative = 0.0
    """What is sent to the server; answers are small."""


def _site_streams() -> tuple[StreamSettings, ...]:
    """Four streams at two edge nodes; payloads are raw 224 x 224 images, as the models take them."""
    image = 150_528.0
    bursts = MmppSettings(rate=80.0, burst_ratio=5.0, calm_s=6.0, burst_s=2.0)
    return (
        StreamSettings(arrivals=bursts, origin=0, deadline_s=0.1, payload_bytes=image),
        StreamSettings(arrivals=bursts, origin=1, deadline_s=0.1, payload_bytes=image),
        StreamSettings(
            arrivals=GammaSettings(rate=40.0, cv=4.0), priority="high", deadline_s=0.05, payload_bytes=image
        ),
        StreamSettings(
            arrivals=PoissonSettings(rate=40.0), origin=1, priority="low", deadline_s=0.5, payload_bytes=image
        ),
    )


class StreamsWorkload(Settings):
    """Streams of requests, merged."""

    kind: Literal["streams"] = "streams"
    seconds: Positive = 20.0
    """Length of an episode's arrivals."""
    streams: tuple[StreamSettings, ...] = Field(default_factory=_site_streams, min_length=1)
    """They are drawn independently."""
    part: tuple[float, float] | None = None
    """Which part of every arrival trace is used, in place of the trace's own setting: a convenience for training on an
    earlier part in time than the one that is judged."""
    speed: Positive | tuple[Positive, Positive] = 1.0
    """How much faster all streams arrive than they say. Between two values each episode draws its own, log-uniformly:
    a policy that is trained so has seen many loads."""

    @field_validator("part")
    @classmethod
    def _ordered(cls, part: tuple[float, float] | None) -> tuple[float, float] | None:
        if part is not None and not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return part

    @field_validator("speed")
    @classmethod
    def _rising(cls, speed: float | tuple[float, float]) -> float | tuple[float, float]:
        if isinstance(speed, tuple) and speed[0] > speed[1]:
            raise ValueError("needs the lower value first, for example [0.7, 1.2]")
        return speed


class ParkWorkload(Settings):
    """The load balancing workload of Park (H. Mao et al., NeurIPS 2019), to the draw.

    Of one ``numpy.random.RandomState(seed)`` each job draws its size, int((Pareto(shape) + 1) * scale), and then the
    gap before it, int(Exponential(gap)); service times are truncated to whole seconds.
    """

    kind: Literal["park"] = "park"
    jobs: int = Field(1000, ge=1)
    """Length of an episode."""
    shape: Positive = 1.5
    """Tail index of the sizes."""
    scale: Positive = 100.0
    """Smallest size."""
    gap_s: Positive = 55.0
    """Mean of the gaps before truncation; Park's time has no unit and stands as seconds here."""


WorkloadSettings = Annotated[StreamsWorkload | ParkWorkload, Field(discriminator="kind")]
"""Where requests come from, told apart by ``kind``."""


class ServerSettings(Settings):
    """A server: a device card that runs models, or a plain one that works off so much size a second."""

    device: str | None = None
    """Device card; give this or ``rate``."""
    rate: Positive | None = None
    """Size that it works off a second, whatever the model."""
    site: int | Literal["cloud"] = 0
    """Index of the edge node where it stands, or the cloud, which is the topology's origin."""
    slots: int = Field(1, ge=1, le=256)
    """Batches in service side by side."""
    per_co_runner: NotNegative | None = None
    """How much each batch in service slows one down that starts; the device card's if left out, else 0."""
    memory_bytes: Positive | None = None
    """Room for models; that of the device card if left out, unlimited where it has none."""
    storage_bytes_s: Positive = 400e6
    """Rate at which models are loaded, bytes a second: by default the interface limit of eMMC 5.1 in HS400 mode (JEDEC
    JESD84-B51), so real loads are slower."""
    power_w: NotNegative | None = None
    """Power while a batch is in service; the device card's if left out, else 0."""
    resident: tuple[str, ...] | None = None
    """Models in memory at the start; if left out as many as fit, in the order of ``tasks``."""

    @model_validator(mode="after")
    def _device_or_rate(self) -> Self:
        if (self.device is None) == (self.rate is None):
            raise ValueError("give a device card or a rate, one of them")
        return self


class DisciplineSettings(Settings):
    """How a server orders and batches what waits."""

    order: Literal["fcfs", "edf", "strict_priority", "weighted_priority"] = "fcfs"
    """First come, first served; earliest deadline first; by class; or by weight times waiting time (Kleinrock 1964).
    None of them interrupts a batch."""
    max_batch: int = Field(1, ge=1, le=256)
    """Largest batch, all of one model."""
    window_s: NotNegative = 0.0
    """A batch that is not full waits until the longest waiting request has waited that long."""
    drop_late: bool = False
    """Drop a request whose turn has come when it can no longer be answered in time (Clockwork, OSDI 2020)."""
    most_queued: int = Field(1000, ge=1)
    """Requests that a server may have; beyond, it is no candidate."""


class HoldSettings(Settings):
    """A request may be held back at its source and be decided on again."""

    step_s: Positive = 0.005
    """For how long."""
    most: int = Field(4, ge=1)
    """How many times."""


def _site_tasks() -> dict[str, tuple[str, ...]]:
    """Variants of one task, the most accurate first."""
    return {"classification": ("efficientnet_b0", "mobilenet_v2", "mobilenet_v2_050")}


def _site_servers() -> tuple[ServerSettings, ...]:
    """Five boards at two edge nodes."""
    return (
        ServerSettings(device="jetson_agx_xavier_gpu", site=0, memory_bytes=8e9),
        ServerSettings(device="jetson_tx2_nx_gpu", site=0, memory_bytes=4e9),
        ServerSettings(device="jetson_tx2_nx_gpu", site=1, memory_bytes=4e9),
        ServerSettings(device="jetson_nano_gpu", site=1, memory_bytes=4e9),
        ServerSettings(device="raspberry_pi_4", site=1, memory_bytes=4e9),
    )


class RequestSchedulingParams(Settings):
    """Everything that defines a request scheduling system; the environment's docstring is the manual."""

    workload: WorkloadSettings = StreamsWorkload()
    """Requests."""
    tasks: dict[str, tuple[str, ...]] = Field(default_factory=_site_tasks, min_length=1)
    """Task to its variants, model cards; without any the task is plain work, for servers with a rate."""
    servers: tuple[ServerSettings, ...] = Field(default_factory=_site_servers, min_length=1)
    """The servers."""
    topology: TopologySettings = TopologySettings(builder="edge_cluster", nodes=2)
    """Edge nodes, cloud and the links between them."""
    access_link: str | None = "5g_first_hop"
    """Link card between users and their edge node; ``None`` where it does not matter."""
    discipline: DisciplineSettings = DisciplineSettings()
    """Of every server."""
    reject: bool = True
    """Whether candidate 0 rejects; without it, it is the first server."""
    hold: HoldSettings | None = None
    """A last candidate that holds the request back."""
    priority_weights: tuple[Positive, Positive, Positive] = (4.0, 2.0, 1.0)
    """Weights of the classes high, normal and low."""
    reward: RewardWeights = RewardWeights()
    """Terms of the reward."""

    @field_validator("tasks")
    @classmethod
    def _plain_work_alone(cls, tasks: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, models in tasks.items():
            if len(set(models)) != len(models):
                raise ValueError(f"task {name} names a model twice")
        return tasks


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "edge_site": {"workload": {"kind": "streams"}},
    "park_load_balance": {
        "workload": {"kind": "park"},
        "tasks": {"job": ()},
        "servers": [{"rate": round(0.15 + 0.1 * i, 2)} for i in range(10)],
        "topology": {"builder": "single_edge"},
        "access_link": None,
        "discipline": {"most_queued": 2**30},
        "reject": False,
        "reward": {"latency": 1.0, "goodput": 0.0},
    },
}
"""``edge_site`` is the registered default; ``park_load_balance`` is Park's load balancing."""
