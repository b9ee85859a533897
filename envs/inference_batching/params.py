"""Settings of the inference batching environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

from pydantic import Field, field_validator

from edgegym.settings import Settings
from edgegym.workload.arrivals import ArrivalSettings, PoissonSettings

LOAD_BYTES_PER_S = 12e9
"""Three quarters (assumed) of what PCIe 3.0 x16 carries: 8 GT/s x 16 lanes x 128/130 / 8 bits = 15.75 GB/s."""


class AffineVariant(Settings):
    """A model variant that no card describes: a batch of b takes ``setup_s + per_item_s x b``."""

    setup_s: float = Field(0.003, ge=0, allow_inf_nan=False)
    """Part of a batch's time that its size does not change."""
    per_item_s: float = Field(0.001, gt=0, allow_inf_nan=False)
    """Time that each request adds."""
    accuracy: float = Field(1.0, gt=0, le=1)
    """What a request that is answered in time is worth."""
    active_w: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Power while a batch runs."""
    bytes: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Memory that it needs."""


class QueueSettings(Settings):
    """One stream of requests, answered by any of some variants of a model."""

    variants: tuple[str | AffineVariant, ...] = Field(min_length=1)
    """Names of model cards (or paths of such), or variants of one's own."""
    slo_s: float | None = Field(0.1, gt=0)
    """Time from arrival to answer that is promised; None for no deadline."""
    share: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Of the requests, relative to the other queues."""
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Of its requests in goodput."""


class BatchingWorkload(Settings):
    """When requests arrive; each belongs to a queue at random, by the queues' shares."""

    arrivals: ArrivalSettings = PoissonSettings(rate=1500.0)
    """The stream of all requests: a process, or a trace."""
    requests: int = Field(2000, ge=1)
    """Length of an episode."""
    speed: float | tuple[float, float] = 1.0
    """Factor on the stream's rate; of two numbers, each episode draws its own between them (uniform logarithm)."""

    @field_validator("speed")
    @classmethod
    def _ordered(cls, speed: float | tuple[float, float]) -> float | tuple[float, float]:
        low, high = speed if isinstance(speed, tuple) else (speed, speed)
        if not 0.0 < low <= high < math.inf:
            raise ValueError("needs a number above 0, or two of them in rising order, for example [0.7, 1.4]")
        return speed


class RewardWeights(Settings):
    """Reward of a batch from named terms; and, for training only, the advantage signal."""

    goodput: float = 1.0
    """Per request answered in time, times the queue's weight and the variant's accuracy."""
    shortfall: float = 0.0
    """Taken off per unit of weighted accuracy that a request falls short of the queue's best variant: all of it if
    it is dropped or late. An episode's sum differs from that of ``goodput`` by a constant."""
    latency: float = 0.0
    """Taken off per second between a request's arrival and its answer."""
    energy: float = 0.0
    """Taken off per joule."""
    drop: float = 0.0
    """Taken off per request that is dropped, or answered late."""
    signal: Literal["terms", "advantage"] = "terms"
    """``"terms"`` pays the terms above. ``"advantage"`` pays, at each decision, what it earns in these terms more than
    the reference rule's decision, if the reference rule went on from there with the true arrivals. It knows the future,
    so it is for training only."""
    reference: tuple[int, ...] | None = None
    """Advantage signal: the variants that the reference rule may use, counted over all queues from 0; None for all.
    One of each queue makes it a static choice of variants."""
    horizon_s: float = Field(0.5, gt=0, allow_inf_nan=False)
    """Advantage signal: requests that arrive within this time of the decision count."""


class InferenceBatchingParams(Settings):
    """Everything that defines a batching system; the environment's docstring is the manual."""

    device: str = "rtx_3090"
    """Device card of the accelerator."""
    queues: tuple[QueueSettings, ...] = Field(
        (
            QueueSettings(variants=("mobilenet_v2_050", "mobilenet_v2", "efficientnet_b0"), slo_s=0.05),
            QueueSettings(variants=("resnet18", "resnet50"), slo_s=0.1),
        ),
        min_length=1,
        max_length=32,
    )
    """Streams of requests and the variants that answer them."""
    workload: BatchingWorkload = BatchingWorkload()
    """When requests arrive."""
    batches: tuple[int, ...] = Field((1, 2, 4, 8, 16, 32), min_length=1)
    """Batch sizes to choose from, rising; one that exceeds what waits means all that waits."""
    drop: Literal["never", "expired", "late"] = "late"
    """Requests that are not served: ``"never"`` any, ``"expired"`` those past their deadline, ``"late"`` all that no
    variant could answer in time; a batch then also passes over older requests that it would not answer in time."""
    wait_s: float | None = Field(0.005, gt=0)
    """Waiting ends with the next arrival or after this time; None for the next arrival alone."""
    memory_bytes: float | None = Field(128e6, gt=0)
    """For the weights of loaded variants; None for the device card's memory. The least recently used make room."""
    load_bytes_per_s: float = Field(LOAD_BYTES_PER_S, gt=0)
    """At which weights are loaded, while nothing else runs; the default is three quarters of PCIe 3.0 x16."""
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""

    @field_validator("batches")
    @classmethod
    def _rising(cls, batches: tuple[int, ...]) -> tuple[int, ...]:
        if batches[0] < 1 or any(b <= a for a, b in pairwise(batches)) or batches[-1] > 4096:
            raise ValueError("needs rising sizes from 1 to at most 4096, for example [1, 2, 4, 8]")
        return batches


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "smdp": {
        "queues": [{"variants": [{"setup_s": 0.003, "per_item_s": 0.001}], "slo_s": None}],
        "workload": {"arrivals": {"kind": "poisson", "rate": 421.0}, "requests": 20_000},
        "batches": list(range(1, 17)),
        "drop": "never",
        "wait_s": None,
        "reward": {"goodput": 0.0, "latency": 1.0},
    },
}
"""``smdp`` is the textbook case that :mod:`edgegym.queueing.batching_smdp` solves exactly, at half load."""
