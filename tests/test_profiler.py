"""The profiler: times add up, disturbed measurements are refused, nothing is made up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgegym.calibration.profiler import ProfilePlan
from edgegym.calibration.profiler import run as profiler_run
from edgegym.calibration.profiler.clock import Latency, WallClock, time_calls
from edgegym.calibration.profiler.contention import busy, unsteady
from edgegym.calibration.profiler.machine import MemoryMeter, RaplMeter
from edgegym.calibration.profiler.measure import Instruments, measure
from edgegym.calibration.profiler.operator_timer import LayerTimes
from edgegym.calibration.profiler.subjects import TorchSubject, graph_columns, torch_threads
from edgegym.calibration.zoo import ModelGraph, graph_of, zoo_model
from edgegym.errors import EdgeGymError, SettingsError


class FakeClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def mark(self) -> float:
        return self.now

    def seconds(self, marks: Sequence[float]) -> NDArray[np.float64]:
        return np.array(marks) - marks[0]


class FakeSubject:
    """A model whose calls take the times that the test gives; its layers take three quarters of them."""

    runtime, load_s = "fake 1", 0.5

    def __init__(self, clock: FakeClock, durations: Callable[[], float], graph: ModelGraph) -> None:
        self.graph, self._clock, self._durations = graph, clock, durations
        self.layer_columns = graph_columns(graph)
        self.calls = 0

    @contextmanager
    def running(self, batch: int) -> Iterator[Callable[[], None]]:
        yield self._run

    def _run(self) -> None:
        self.calls += 1
        self._clock.now += self._durations()

    def time_layers(self, run: Any, batch: int, clock: Any, repetitions: int) -> LayerTimes:
        totals = np.array([self._durations() for _ in range(repetitions)])
        return LayerTimes(np.outer(totals, np.full(len(self.graph), 0.75 / len(self.graph))), totals * 1.2)


class FakeMemory(MemoryMeter):
    def __init__(self) -> None:
        pass

    def start(self) -> None:
        pass

    def restart_peak(self) -> None:
        pass

    def peak_bytes(self) -> None:
        return None


def instruments(clock: Any, load: float = 0.1, sleeps: list[float] | None = None) -> Instruments:
    slept = [] if sleeps is None else sleeps
    return Instruments(clock, "fake device", FakeMemory(), load_average=lambda: load, sleep=slept.append)


def fake(durations: Callable[[], float]) -> tuple[FakeSubject, FakeClock]:
    clock = FakeClock()
    return FakeSubject(clock, durations, graph_of("traffic_cnn")), clock


def test_latency_is_the_quantiles() -> None:
    found = Latency.of(np.arange(101) / 100)
    assert (found.t_p50_s, found.t_p90_s, found.t_p99_s) == pytest.approx((0.5, 0.9, 0.99))
    assert (found.t_min_s, found.t_iqr_s, found.repetitions) == (0.0, 0.5, 101)


def test_calls_are_timed_one_by_one() -> None:
    subject, clock = fake(iter(np.arange(1.0, 9.0)).__next__)
    assert time_calls(subject._run, clock, 4).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_cell_counts_calls_and_adds_up() -> None:
    subject, clock = fake(lambda: 0.01)
    plan = ProfilePlan(models=("traffic_cnn",), threads=1, seconds_per_cell=0.5)
    cell = measure(subject, 8, plan, instruments(clock))
    assert subject.calls == plan.warm_ups + 50
    whole, *layers, remainder = cell.rows
    assert (whole.repetitions, whole.batch, whole.load_s, whole.energy_j) == (50, 8, 0.5, None)
    assert (whole.macs, whole.layers) == (subject.graph.macs, len(subject.graph))
    assert [row.layer for row in layers] == [layer.name for layer in subject.graph.layers]
    assert sum(row.macs or 0 for row in layers) == whole.macs
    assert remainder.t_p50_s == pytest.approx(0.25 * whole.t_p50_s)
    assert remainder.t_p90_s is None
    assert cell.share("layer") == pytest.approx(0.75)
    assert cell.share("layer", "remainder") == pytest.approx(1.0)


def test_fewest_repetitions_hold_for_slow_models() -> None:
    subject, clock = fake(lambda: 7.0)
    cell = measure(subject, 1, ProfilePlan(models=("traffic_cnn",), threads=1, layers=False), instruments(clock))
    assert cell.whole is not None
    assert cell.whole.repetitions == 30
    assert len(cell.rows) == 1
    assert cell.share("layer") is None


class ProcessorClock(WallClock):
    """Time of the processor on this thread: what a quiet machine's wall clock would show, whoever else is busy."""

    mark = staticmethod(time.thread_time)


@pytest.mark.parametrize("name", ["traffic_cnn", "branchy_alexnet", "ds_cnn"])
def test_layers_of_real_models_explain_their_time(name: str) -> None:
    plan = ProfilePlan(models=(name,), threads=1, seconds_per_cell=0.2, allow_contended=True)
    with torch_threads(1):
        subject = TorchSubject(zoo_model(name), "cpu")
        cell = measure(subject, 1, plan, instruments(ProcessorClock()))
    assert len(cell.rows) == len(subject.graph) + 2
    assert 0.7 < (cell.share("layer") or 0) < 1.1
    assert cell.share("layer", "remainder") == pytest.approx(1.0, abs=0.1)
    assert subject.load_s is not None
    assert subject.load_s > 0


def test_heavy_layers_take_most_of_the_time() -> None:
    """Independent of any quantile: the layer with nine tenths of the work takes more than half of the time."""
    with torch_threads(1):
        subject = TorchSubject(zoo_model("traffic_cnn"), "cpu")
        with subject.running(4) as run:
            run()
            times = subject.time_layers(run, 4, ProcessorClock(), 20)
    names = [layer.name for layer in subject.graph.layers]
    assert names[int(np.median(times.layers, axis=0).argmax())] in ("3.conv1d", "7.linear")
    assert (times.layers.sum(axis=1) <= times.totals).all()


class Fickle(torch.nn.Module):
    """Launches an operator more each time."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.times += 1
        for _ in range(self.times):
            x = x + 1
        return x


def test_models_that_change_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn, "Fickle", Fickle, raising=False)
    subject = TorchSubject(zoo_model("torch.nn:Fickle", (3,)), "cpu")
    with subject.running(1) as run, pytest.raises(EdgeGymError, match=r"change from call to call .*--no-layers"):
        subject.time_layers(run, 1, WallClock(), 2)


def test_threads_are_restored() -> None:
    before = torch.get_num_threads()
    with torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_scattered_times_are_refused_after_retries_and_kept_on_request() -> None:
    def scattered() -> float:
        return next(pattern)

    pattern = iter([0.01] * 5 + [0.01, 0.01, 0.01, 0.02] * 400)
    subject, clock = fake(scattered)
    plan = ProfilePlan(models=("traffic_cnn",), threads=1, layers=False, seconds_per_cell=0.4)
    sleeps: list[float] = []
    refused = measure(subject, 1, plan, instruments(clock, sleeps=sleeps))
    assert refused.rows == ()
    assert refused.refused
    assert "p90/p50 = 2.00 (limit 1.3)" in refused.remark
    assert sleeps == [plan.pause_s] * plan.retries
    allowed = plan.model_copy(update={"allow_contended": True})
    kept = measure(subject, 1, allowed, instruments(clock))
    assert not kept.refused
    assert all(row.contended for row in kept.rows)


def test_a_retry_may_succeed() -> None:
    pattern = iter([0.01] * 5 + [0.01, 0.02] * 20 + [0.01] * 100)
    subject, clock = fake(lambda: next(pattern))
    plan = ProfilePlan(models=("traffic_cnn",), threads=1, layers=False, seconds_per_cell=0.4)
    cell = measure(subject, 1, plan, instruments(clock))
    assert cell.remark == ""
    assert cell.whole is not None
    assert not cell.whole.contended


def test_busy_machine_is_not_measured_at_all() -> None:
    subject, clock = fake(lambda: 0.01)
    plan = ProfilePlan(models=("traffic_cnn",), threads=1)
    cell = measure(subject, 1, plan, instruments(clock, load=1e3))
    assert subject.calls == 0
    assert "load average 1000.0" in cell.remark
    assert busy(2.4, plan, cores=2) is None
    assert busy(2.6, plan, cores=2) is not None
    assert busy(None, plan) is None


def test_steadiness_has_the_stated_limit() -> None:
    plan = ProfilePlan(models=("traffic_cnn",), threads=1)
    assert unsteady(np.array([1.0] * 8 + [1.29] * 4), plan) is None
    assert unsteady(np.array([1.0] * 8 + [1.31] * 4), plan) == "p90/p50 = 1.31 (limit 1.3)"


def test_rapl_follows_counters_that_run_over(tmp_path: Path) -> None:
    for name, energy in (("intel-rapl:0", 900), ("intel-rapl:0:0", 5), ("intel-rapl:1", 100)):
        zone = tmp_path / name
        zone.mkdir()
        (zone / "energy_uj").write_text(f"{energy}\n")
        (zone / "max_energy_range_uj").write_text("1000\n")
    meter = RaplMeter(tmp_path)
    (tmp_path / "intel-rapl:0/energy_uj").write_text("50")
    (tmp_path / "intel-rapl:1/energy_uj").write_text("120")
    assert meter.joules() == pytest.approx((150 + 20) * 1e-6)


def test_no_meter_no_value(tmp_path: Path) -> None:
    assert RaplMeter(tmp_path).joules() is None
    (tmp_path / "intel-rapl:0").mkdir()
    assert RaplMeter(tmp_path).joules() is None


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux' peak of resident memory")
def test_peak_memory_sees_what_was_freed_again() -> None:
    meter = MemoryMeter("cpu")
    meter.start()
    meter.restart_peak()
    block = np.ones(8_000_000)
    del block
    peak = meter.peak_bytes()
    assert peak is None or 50e6 < peak < 200e6


def test_plan_sorts_batches_and_names_faults() -> None:
    assert ProfilePlan.parse({"batches": [8, 1, 8]}, "plan").batches == (1, 8)
    with pytest.raises(SettingsError, match="at least 1 sample"):
        ProfilePlan.parse({"batches": [0]}, "plan")
    with pytest.raises(SettingsError, match="repetitions"):
        ProfilePlan.parse({"repetitions": 1}, "plan")


def test_sweep_skips_batches_that_would_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    subject = FakeSubject(clock, lambda: 0.3, graph_of("traffic_cnn"))
    monkeypatch.setattr(profiler_run, "_subject", lambda plan, reference: subject)
    monkeypatch.setattr(profiler_run, "Instruments", lambda **_: instruments(clock))
    plan = ProfilePlan(models=("traffic_cnn",), batches=(1, 2, 4), threads=1, layers=False)
    cells = list(profiler_run.profile(plan))
    assert [bool(cell.rows) for cell in cells] == [True, True, True]
    cells = list(profiler_run.profile(plan.model_copy(update={"longest_call_s": 0.5})))
    assert [bool(cell.rows) for cell in cells] == [True, False, False]
    assert "a call would take about 0.6 s (limit 0.5 s)" in cells[1].remark


def test_profile_ends_on_a_machine_that_stays_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    subject = FakeSubject(clock, lambda: 0.3, graph_of("traffic_cnn"))
    monkeypatch.setattr(profiler_run, "_subject", lambda plan, reference: subject)
    monkeypatch.setattr(profiler_run, "Instruments", lambda **_: instruments(clock, load=99.0))
    cells = list(profiler_run.profile(ProfilePlan(models=("traffic_cnn",) * 9, threads=1)))
    assert [cell.refused for cell in cells] == [True] * profiler_run.MOST_REFUSED
