"""Arrival settings: each describes one stream of requests, told apart by its ``kind``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.settings import Settings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ProcessSettings(Settings):
    """What all arrival processes have in common. They are stationary: a second is like any other on average."""

    rate: Positive = 10.0
    """Mean arrivals per second."""


class PeriodicSettings(ProcessSettings):
    """A sensor or camera: one arrival a period of 1 / rate seconds, the first at a random place of its period."""

    kind: Literal["periodic"] = "periodic"
    jitter: float = Field(0.0, ge=0, le=1)
    """Each arrival is late by a uniform share of the period from 0 to this."""


class PoissonSettings(ProcessSettings):
    """Many independent users: exponential gaps."""

    kind: Literal["poisson"] = "poisson"


class GammaSettings(ProcessSettings):
    """Independent gaps with a gamma law: smoother than Poisson if ``cv`` is below 1, burstier if above."""

    kind: Literal["gamma"] = "gamma"
    cv: float = Field(2.0, ge=0.01, le=100)
    """Coefficient of variation of the gaps: standard deviation over mean."""


class MmppSettings(ProcessSettings):
    """Markov-modulated Poisson process of two states: calm and burst alternate, each for an exponential time."""

    kind: Literal["mmpp"] = "mmpp"
    burst_ratio: float = Field(10.0, ge=1, allow_inf_nan=False)
    """Arrival rate in a burst over the arrival rate between bursts."""
    calm_s: Positive = 30.0
    """Mean time between bursts."""
    burst_s: Positive = 3.0
    """Mean length of a burst."""


class DiurnalSettings(ProcessSettings):
    """Poisson arrivals whose rate swings like a sine around ``rate``, as by day and night."""

    kind: Literal["diurnal"] = "diurnal"
    period_s: Positive = 86_400.0
    """From one peak to the next."""
    peak_to_mean: float = Field(1.5, ge=1, le=2)
    """Highest over mean rate; at 2 the stream stops for a moment at its lowest."""
    phase: float | None = Field(None, ge=0, le=1)
    """Where in the period the stream starts: 0 is the trough, 0.5 the peak. Random if left out."""


class OnOffSettings(ProcessSettings):
    """A few users who alternate between sessions and pauses, exponential both, with Poisson requests in a session."""

    kind: Literal["onoff"] = "onoff"
    users: int = Field(5, ge=1)
    """They share ``rate`` equally and are independent of each other."""
    session_s: Positive = 60.0
    """Mean length of a session."""
    pause_s: Positive = 240.0
    """Mean time between two sessions of a user."""


class ArrivalTraceSettings(Settings):
    """Arrivals from a file, or a part of it; what is drawn is a window at a random place of that part."""

    kind: Literal["trace"] = "trace"
    path: str
    """A CSV file, plain or compressed with gzip or xz, of a layout that ``edgegym.workload.arrivals.readers`` knows;
    ``$EDGEGYM_DATA`` at the start is replaced."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which part of the arrivals is used, as fractions."""
    rate: Positive | None = None
    """Mean arrivals per second that the part is sped up or slowed down to."""
    speed: Positive | None = None
    """How many times faster than recorded the part passes; give this or ``rate``, or none to leave it as it is."""

    @field_validator("part")
    @classmethod
    def _ordered(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return part

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        if self.rate is not None and self.speed is not None:
            raise ValueError("'rate' and 'speed' both scale the time; give one of them")
        return self


ArrivalProcess = PeriodicSettings | PoissonSettings | GammaSettings | MmppSettings | DiurnalSettings | OnOffSettings
"""Streams that are drawn."""

ArrivalSettings = Annotated[ArrivalProcess | ArrivalTraceSettings, Field(discriminator="kind")]
"""Any stream, told apart by its ``kind``."""
