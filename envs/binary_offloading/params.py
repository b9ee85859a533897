"""Settings of the binary offloading environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.settings import Settings


class FadingSettings(Settings):
    """Channels and arrivals that a generator draws; the defaults are those of DROO."""

    kind: Literal["fading"] = "fading"
    devices: int = Field(10, ge=1, le=64)
    """How many."""
    frames: int = Field(100, ge=1)
    """Length of an episode."""
    distance_m: tuple[float, float] = (2.5, 5.2)
    """Distances of the nearest and the farthest device."""
    placement: Literal["even", "uniform"] = "even"
    """``"even"`` puts the others at equal steps between these; ``"uniform"`` draws all, anew in each episode."""
    antenna_gain: float = Field(3.0, gt=0)
    """Linear; 3.0 is what the published channels of DROO imply (its paper says 4.11)."""
    carrier_hz: float = Field(915e6, gt=0)
    """Carrier frequency."""
    path_loss_exponent: float = Field(2.8, gt=0)
    """Mean gain is antenna gain * (wavelength / (4 pi distance)) ** exponent."""
    line_of_sight: float = Field(0.0, ge=0, le=1)
    """Share of the mean power that does not fade: 0 is Rayleigh fading, else Rician with K = share / (1 - share)."""
    correlation: float = Field(0.0, ge=0, lt=1)
    """Of the fading field from a frame to the next (first-order autoregression); 0 draws frames independently, as
    published."""
    doppler: float | None = Field(None, ge=0)
    """Doppler frequency times the frame length, in place of ``correlation``: Jakes' J0(2 pi doppler)."""
    arrival_mbit: float | tuple[float, float] = 3.0
    """Mean of the exponential arrivals per device and frame; of two numbers, each episode draws its mean between them.
    The problem without queues has no arrivals."""

    @field_validator("distance_m")
    @classmethod
    def _ordered(cls, distance_m: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 < distance_m[0] <= distance_m[1] < math.inf:
            raise ValueError("needs 0 < nearest <= farthest, for example [2.5, 5.2]")
        return distance_m

    @field_validator("arrival_mbit")
    @classmethod
    def _ordered_load(cls, arrival_mbit: float | tuple[float, float]) -> float | tuple[float, float]:
        low, high = arrival_mbit if isinstance(arrival_mbit, tuple) else (arrival_mbit, arrival_mbit)
        if not 0.0 <= low <= high < math.inf:
            raise ValueError("needs a finite number from 0 on, or two of them in rising order, for example [2.5, 3.5]")
        return arrival_mbit

    @model_validator(mode="after")
    def _one_correlation(self) -> Self:
        if self.doppler is not None and self.correlation > 0:
            raise ValueError("'correlation' and 'doppler' both say how channels go on; give one of them")
        return self


class FileSettings(Settings):
    """Channels and arrivals from a file, in the order in which they stand there."""

    kind: Literal["file"] = "file"
    path: str
    """NumPy ``.npz`` file with ``h`` (frames, devices), linear channel gains, and for queues ``arrival`` of the same
    shape in Mbit; ``$EDGEGYM_DATA`` at the start is replaced."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which part of the frames is used, as fractions."""
    frames: int | None = Field(None, ge=1)
    """Length of an episode: a window at a random place of the part; the whole part if left out."""

    @field_validator("part")
    @classmethod
    def _ordered(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return part


WorkloadSettings = Annotated[FadingSettings | FileSettings, Field(discriminator="kind")]
"""Where channels and arrivals come from, told apart by ``kind``."""


class DeviceSettings(Settings):
    """Constants that both problems share, with their published values."""

    cycles_per_bit: float = Field(100.0, gt=0)
    """phi."""
    capacitance: float = Field(1e-26, gt=0)
    """k: a cycle at f Hz takes k f^2 joules."""
    bandwidth_hz: float = Field(2e6, gt=0)
    """B, or W."""
    overhead: float = Field(1.1, ge=1)
    """v_u: bits sent per bit of data."""


class WirelessPowerSettings(DeviceSettings):
    """The problem of DROO: devices live on the power that an access point sends in the same frame."""

    transmit_power_w: float = Field(3.0, gt=0)
    """P, of the access point."""
    harvesting: float = Field(0.7, gt=0, le=1)
    """mu, share of the received power that is stored."""
    noise_w: float = Field(1e-10, gt=0)
    """N0."""


class QueueingSettings(DeviceSettings):
    """The problem of LyDROO: data queues, and a budget of energy per frame and device."""

    peak_power_w: float = Field(0.1, gt=0)
    """Largest transmission power."""
    peak_frequency_hz: float = Field(300e6, gt=0)
    """Largest processor frequency."""
    noise_w: float = Field(2e6 * 10**-17.4 * 1e-3, gt=0)
    """N0: -174 dBm/Hz over 2 MHz."""
    budget_j: float = Field(0.08, ge=0)
    """gamma: mean energy per frame and device."""
    energy_step: float = Field(1000.0, ge=0)
    """nu: growth of the virtual energy queue per joule beyond the budget."""
    energy_weight: float = Field(10.0, ge=0)
    """Of the virtual queue in the slot objective; the paper has 1, the authors' program 10."""
    tradeoff: float = Field(20.0, ge=0)
    """V: weight of the rate against the queues."""


class RewardWeights(Settings):
    """Reward per frame from named terms; and, for training only, the regret signal."""

    rate: float = 1.0
    """Per Mbit/s of weighted sum rate."""
    queue: float = 0.0
    """Taken off per Mbit that waits at the frame's end, mean over the devices."""
    energy: float = 0.0
    """Taken off per joule, mean over the devices."""
    objective: float = 0.0
    """Per unit of what the allocation maximises: weighted sum rate in bit/s, or with queues the slot objective."""
    signal: Literal["terms", "regret"] = "terms"
    """``"terms"`` pays the terms above when a frame closes. ``"regret"`` pays, at each decision, minus what it costs
    against the other answer, in percent, if the rest followed the mode that coordinate descent finds. It solves tens
    of allocations a frame to know that, so it is for training only."""


class BinaryOffloadingParams(Settings):
    """Everything that defines a binary offloading system; the environment's docstring is the manual."""

    problem: Literal["wireless_power", "queueing"] = "wireless_power"
    """Which of the two problems."""
    workload: WorkloadSettings = FadingSettings()
    """Where channel gains and arrivals come from."""
    weights: tuple[float, ...] = Field((1.0, 1.5), min_length=1)
    """Of the devices in the weighted rate; begun again when there are more devices."""
    wireless_power: WirelessPowerSettings = WirelessPowerSettings()
    """Constants of the wireless-powered problem."""
    queueing: QueueingSettings = QueueingSettings()
    """Constants of the queueing problem."""
    reward: RewardWeights = RewardWeights()
    """Weights of the reward terms."""
    optimum: bool = True
    """Compare the episode with the best of all modes in the metrics: without queues, for up to 16 devices."""

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < weight < math.inf for weight in weights):
            raise ValueError("every device needs a finite weight above 0")
        return weights


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "droo": {"workload": {"kind": "fading"}},
    "lydroo": {
        "problem": "queueing",
        "workload": {
            "kind": "fading",
            "frames": 500,
            "distance_m": (120.0, 255.0),
            "path_loss_exponent": 3.0,
            "line_of_sight": 0.3,
        },
        "weights": (1.5, 1.0),
        "reward": {"rate": 0.0, "queue": 1.0},
    },
}
"""``droo`` is the registered default; ``lydroo`` is the problem with queues and an energy budget."""
