"""One cell of a profile: a model at a batch, first whole, then layer by layer, as rows of the table.

Plain and instrumented calls take turns in blocks, so that both see the same machine. The whole is the median of the
plain calls; what it holds beyond the medians of the layers is the remainder: Python, views, the framework. So layers
and remainder add up to the whole by construction, unless the layers alone exceed it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.profile_table import Level, ProfileRow
from edgegym.calibration.profiler.clock import Clock, Latency, time_calls
from edgegym.calibration.profiler.contention import busy, unsteady
from edgegym.calibration.profiler.machine import EnergyMeter, LoadAverage, MemoryMeter, NoMeter, load_average
from edgegym.calibration.profiler.operator_timer import LayerTimes
from edgegym.calibration.profiler.plan import ProfilePlan
from edgegym.calibration.profiler.subjects import Subject, model_columns

BLOCKS = 10
"""Turns that plain and instrumented calls take."""
REFUSED = "refused, contended"


@dataclass(frozen=True)
class Instruments:
    """What a measurement looks at; tests put fakes here."""

    clock: Clock
    device_name: str
    memory: MemoryMeter
    energy: EnergyMeter = field(default_factory=NoMeter)
    load_average: LoadAverage = load_average
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Cell:
    """A model at a batch.

    Attributes:
        model: name of the model.
        batch: samples in a call.
        rows: the rows of the table; empty if the measurement was refused or skipped.
        remark: why it was refused, skipped or marked as contended; empty if all is well.
    """

    model: str
    batch: int
    rows: tuple[ProfileRow, ...] = ()
    remark: str = ""

    @property
    def whole(self) -> ProfileRow | None:
        """The row of the whole model."""
        return self.rows[0] if self.rows else None

    @property
    def refused(self) -> bool:
        """Whether other work on the machine kept it from being measured."""
        return self.remark.startswith(REFUSED)

    def share(self, *levels: Level) -> float | None:
        """Time of the rows of some levels as a share of the whole; None if the layers were not timed.

        That of layers and remainder is 1 if they add up; that of the layers alone tells how much they explain.
        """
        if len(self.rows) < 2:
            return None
        return sum(row.t_p50_s for row in self.rows if row.level in levels) / self.rows[0].t_p50_s


@dataclass(frozen=True)
class _Samples:
    whole: NDArray[np.float64]
    layers: LayerTimes | None
    energy_j: float | None
    peak_memory_bytes: int | None


def measure(subject: Subject, batch: int, plan: ProfilePlan, instruments: Instruments) -> Cell:
    """Measure a model at a batch; a disturbed measurement is repeated and then refused, or kept and marked.

    Args:
        subject: the model.
        batch: samples in a call.
        plan: how carefully, and what counts as disturbed.
        instruments: what to look at.
    """
    remark = ""
    for attempt in range(1 if plan.allow_contended else 1 + plan.retries):
        if attempt:
            instruments.sleep(plan.pause_s)
        remark = busy(instruments.load_average(), plan) or ""
        if remark and not plan.allow_contended:
            continue
        samples = _sample(subject, batch, plan, instruments)
        load = instruments.load_average()
        remark = _disturbance(samples, load, plan)
        if not remark or plan.allow_contended:
            rows = _rows(subject, batch, plan, instruments.device_name, samples, load, bool(remark))
            return Cell(subject.graph.name, batch, rows, f"contended: {remark}" if remark else "")
    return Cell(subject.graph.name, batch, remark=f"{REFUSED}: {remark}")


def _disturbance(samples: _Samples, load: float | None, plan: ProfilePlan) -> str:
    """Why a measurement was disturbed, or nothing."""
    found = busy(load, plan) or unsteady(samples.whole, plan)
    if not found and samples.layers is not None:
        found = unsteady(samples.layers.totals, plan)
    return found or ""


def _sample(subject: Subject, batch: int, plan: ProfilePlan, instruments: Instruments) -> _Samples:
    clock, energy = instruments.clock, instruments.energy
    with subject.running(batch) as run:
        instruments.memory.restart_peak()
        warm = time_calls(run, clock, plan.warm_ups)
        peak = instruments.memory.peak_bytes()
        blocks = _blocks(plan, float(warm.min()))
        whole, layers, joules = [], [], []
        for repetitions in blocks:
            before = energy.joules()
            whole.append(time_calls(run, clock, repetitions))
            after = energy.joules()
            joules.append(None if before is None or after is None else after - before)
            if plan.layers:
                layers.append(subject.time_layers(run, batch, clock, repetitions))
    told = [each for each in joules if each is not None]
    used = sum(told) / sum(blocks) if len(told) == len(joules) else None
    return _Samples(np.concatenate(whole), LayerTimes.joined(layers) if layers else None, used, peak)


def _blocks(plan: ProfilePlan, call_s: float) -> list[int]:
    """Repetitions of each block: the fewest allowed, or more where calls are fast."""
    affordable = int(plan.seconds_per_cell / max(call_s, 1e-9))
    repetitions = max(plan.repetitions, min(plan.most_repetitions, affordable))
    blocks = min(BLOCKS, repetitions)
    return [repetitions // blocks + (place < repetitions % blocks) for place in range(blocks)]


def _rows(
    subject: Subject,
    batch: int,
    plan: ProfilePlan,
    device: str,
    samples: _Samples,
    load: float | None,
    contended: bool,
) -> tuple[ProfileRow, ...]:
    graph = subject.graph
    shared: dict[str, Any] = {
        "device": device,
        "runtime": subject.runtime,
        "threads": plan.threads,
        "dtype": graph.dtype,
        "model": graph.name,
        "family": graph.family,
        "batch": batch,
        "input": "x".join(map(str, graph.input_shape)) or "1",
        "load_average": load,
        "contended": contended,
    }
    whole = {
        "level": "model",
        "peak_memory_bytes": samples.peak_memory_bytes,
        "load_s": subject.load_s,
        "energy_j": samples.energy_j,
        **model_columns(graph),
    }
    rows = [_row(shared, whole, samples.whole)]
    if samples.layers is not None:
        for columns, times in zip(subject.layer_columns, samples.layers.layers.T, strict=True):
            rows.append(_row(shared, {"level": "layer", **columns}, times))
        remainder_s = max(0.0, rows[0].t_p50_s - sum(row.t_p50_s for row in rows[1:]))
        repetitions = len(samples.layers.totals)
        rows.append(ProfileRow(**shared, level="remainder", t_p50_s=remainder_s, repetitions=repetitions))
    return tuple(rows)


def _row(shared: dict[str, Any], columns: dict[str, Any], times: NDArray[np.float64]) -> ProfileRow:
    return ProfileRow(**shared, **columns, **vars(Latency.of(times)))
