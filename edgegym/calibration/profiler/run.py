"""A whole profile: every model of a plan at every batch, cell by cell, so that finished cells outlive an interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgegym.calibration.profiler.clock import CudaClock, WallClock
from edgegym.calibration.profiler.machine import MemoryMeter, describe_machine, device_name, energy_meter
from edgegym.calibration.profiler.measure import Cell, Instruments, measure
from edgegym.calibration.profiler.plan import ProfilePlan
from edgegym.calibration.zoo import zoo_model
from edgegym.errors import EdgeGymError

if TYPE_CHECKING:
    from edgegym.calibration.profiler.subjects import Subject

MOST_REFUSED = 3
"""Refusals in a row after which the machine is taken to stay busy, and the profile ends."""
MEASURED = "t_*, repetitions, peak_memory_bytes, load_s, energy_j, load_average"
COMPUTED = "macs, params, act_elements, layers, input_elements, channels_in, channels_out"


def profile(plan: ProfilePlan, report: Callable[[str, float], None] | None = None) -> Iterator[Cell]:
    """Measure, cell by cell; ends early on a machine that stays busy.

    Args:
        plan: what and how.
        report: told what is being measured and the fraction done.

    Yields:
        One cell per model and batch, measured, refused or skipped; one of batch 0 for a model that fails.

    Raises:
        EdgeGymError: for an unknown model, or a device that is not there; before anything is measured.
    """
    from edgegym.calibration.profiler.subjects import torch_threads

    check(plan)
    instruments = Instruments(
        clock=CudaClock() if plan.device == "cuda" else WallClock(),
        device_name=device_name(plan.device),
        memory=MemoryMeter(plan.device),
        energy=energy_meter(plan.device),
    )
    with torch_threads(plan.threads):
        _wake_runtime(plan.device)
        refused = 0
        for place, reference in enumerate(plan.models):
            for cell in _sweep(plan, reference, place, instruments, report or (lambda text, done: None)):
                yield cell
                refused = refused + 1 if cell.refused else 0
                if refused == MOST_REFUSED:
                    return


def _wake_runtime(device: str) -> None:
    """Let torch load and set up what the first model would otherwise be charged with."""
    from edgegym.calibration.profiler.subjects import TorchSubject

    subject = TorchSubject(zoo_model("ds_cnn"), device)
    with subject.running(1) as run:
        subject.time_layers(run, 1, WallClock() if device == "cpu" else CudaClock(), 1)


def check(plan: ProfilePlan) -> None:
    """See that what a plan asks for is there.

    Raises:
        EdgeGymError: for an unknown model, a missing file, or a device that is not there.
    """
    if plan.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise EdgeGymError("device 'cuda': torch sees none. Use --device cpu, or install a CUDA build of torch.")
    for reference in plan.models:
        if not _is_onnx(reference):
            zoo_model(reference, plan.input_shape, plan.input_dtype)
        elif not Path(reference).is_file():
            raise EdgeGymError(f"{reference}: there is no such file. Give the path of an ONNX file.")
        elif plan.device != "cpu":
            raise EdgeGymError(f"{reference}: ONNX files are profiled on the processor. Use --device cpu.")


def machine_header(plan: ProfilePlan) -> dict[str, str]:
    """What the leading lines of the table tell: the machine, how it was measured, and which columns were."""
    return {
        **describe_machine(plan.device, plan.threads),
        "warm_ups": str(plan.warm_ups),
        "remainder": "median of the whole call less the medians of its layers",
        "measured": MEASURED,
        "computed_from_the_graph": COMPUTED,
    }


def _sweep(
    plan: ProfilePlan,
    reference: str,
    place: int,
    instruments: Instruments,
    report: Callable[[str, float], None],
) -> Iterator[Cell]:
    """All batches of a model, until a call would take too long; a model that fails leaves the others their turn."""
    try:
        instruments.memory.start()
        yield from _batches(plan, _subject(plan, reference), place, instruments, report)
    except EdgeGymError as error:
        yield Cell(reference, 0, remark=f"failed: {error}")


def _batches(
    plan: ProfilePlan, subject: Subject, place: int, instruments: Instruments, report: Callable[[str, float], None]
) -> Iterator[Cell]:
    per_sample_s = 0.0
    for step, batch in enumerate(plan.batches):
        done = (place + step / len(plan.batches)) / len(plan.models)
        report(f"{subject.graph.name}, batch {batch}", done)
        if per_sample_s * batch > plan.longest_call_s:
            remark = f"skipped: a call would take about {per_sample_s * batch:.1f} s (limit {plan.longest_call_s:g} s)"
            yield Cell(subject.graph.name, batch, remark=remark)
            continue
        try:
            cell = measure(subject, batch, plan, instruments)
        except (EdgeGymError, RuntimeError, MemoryError) as error:
            yield Cell(subject.graph.name, batch, remark=f"failed: {error}")
            return
        if cell.whole is not None:
            per_sample_s = cell.whole.t_p50_s / batch
        yield cell


def _subject(plan: ProfilePlan, reference: str) -> Subject:
    if _is_onnx(reference):
        from edgegym.calibration.profiler.onnx_subject import OnnxSubject

        return OnnxSubject(reference, plan.threads)
    from edgegym.calibration.profiler.subjects import TorchSubject

    return TorchSubject(zoo_model(reference, plan.input_shape, plan.input_dtype), plan.device)


def _is_onnx(reference: str) -> bool:
    return reference.lower().endswith(".onnx")
