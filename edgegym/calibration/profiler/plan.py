"""What to measure, and how carefully."""

from __future__ import annotations

import os
from typing import Literal, Self

from pydantic import Field, field_validator

from edgegym.calibration.zoo import ZOO
from edgegym.settings import Settings

BATCHES = (1, 2, 4, 8, 16, 32, 64)
QUICK_BATCHES = (1, 4)
QUICK_MODELS = (
    *("mobilenet_v2_050", "mobilenet_v2", "squeezenet1_1", "resnet18", "branchy_alexnet"),
    *("ds_cnn", "lstm_kws", "bert_mini", "kitnet", "traffic_cnn"),
)


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProfilePlan(Settings):
    """A measurement: which models, at which batches, on what, and what counts as disturbed."""

    models: tuple[str, ...] = Field(default=tuple(ZOO), min_length=1)
    """Names of the zoo, ``module:factory``, or ONNX files."""
    batches: tuple[int, ...] = Field(default=BATCHES, min_length=1)
    """Samples in a call, growing."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the models run."""
    threads: int = Field(default_factory=usable_cores, ge=1)
    """Threads that an operator may use."""
    input_shape: tuple[int, ...] = ()
    """Shape of one sample of the user's own models."""
    input_dtype: str = "float32"
    """Type of the input of the user's own models."""
    layers: bool = True
    """Time the layers too."""
    warm_ups: int = Field(default=5, ge=1)
    """Calls before the first that counts."""
    repetitions: int = Field(default=30, ge=2)
    """Fewest calls that count."""
    most_repetitions: int = Field(default=300, ge=2)
    """Most calls that count, for models that are fast."""
    seconds_per_cell: float = Field(default=3.0, gt=0)
    """Time that a model at one batch gets beyond the fewest repetitions."""
    longest_call_s: float = Field(default=1.0, gt=0)
    """Larger batches of a model are left out once a call would take longer than this."""
    quantile_ratio_limit: float = Field(default=1.3, gt=1)
    """A measurement whose 90 % quantile exceeds the median by more than this factor was disturbed."""
    load_per_core_limit: float = Field(default=1.25, gt=0)
    """A machine with a higher load average per core is busy with other work."""
    retries: int = Field(default=2, ge=0)
    """How often a disturbed measurement is repeated."""
    pause_s: float = Field(default=2.0, ge=0)
    """Wait before a repetition, seconds."""
    allow_contended: bool = False
    """Keep disturbed measurements, marked, instead of refusing them."""

    @field_validator("batches")
    @classmethod
    def _growing(cls, batches: tuple[int, ...]) -> tuple[int, ...]:
        if min(batches) < 1:
            raise ValueError("a batch holds at least 1 sample")
        return tuple(sorted(set(batches)))

    @classmethod
    def quick(cls, **changes: object) -> Self:
        """A minute's worth on two cores: light models, batches 1 and 4, the fewest repetitions."""
        values = {"models": QUICK_MODELS, "batches": QUICK_BATCHES, "seconds_per_cell": 0.3, "pause_s": 0.5, **changes}
        return cls.parse(values, "quick profile")
