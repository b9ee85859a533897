"""The machine that a profile is measured on: what it is, how loaded it is, what it tells of memory and energy.

A meter answers None where the machine does not tell; nothing is estimated in its place.
"""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from edgegym.calibration.profiler.plan import usable_cores

POWERCAP = Path("/sys/class/powercap")
STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What the kernel takes as the wish to restart the peak of resident memory."""


def load_average() -> float | None:
    """Load average of the last minute, None where the system has none."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def processor_name() -> str:
    """The processor as it names itself."""
    with suppress(OSError):
        found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.M)
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


def device_name(device: str) -> str:
    """Name of the processor, or of the accelerator."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return processor_name()


def describe_machine(device: str, threads: int) -> dict[str, str]:
    """What a reader of the table must know of the machine, as text by key."""
    import torch

    load = load_average()
    return {
        "device": device_name(device),
        "processor": processor_name(),
        "cores": str(usable_cores()),
        "threads": str(threads),
        "memory_bytes": str(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda or "none"),
        "load_average_at_start": "" if load is None else f"{load:.2f}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class EnergyMeter(Protocol):
    """Tells joules."""

    def joules(self) -> float | None:
        """Energy used since some fixed moment, None if the machine does not tell."""


class NoMeter:
    """For machines that do not tell."""

    def joules(self) -> None:
        """Nothing."""
        return None


class RaplMeter:
    """Energy of the processor packages from Linux' powercap (Intel RAPL and AMD's counterpart).

    Args:
        folder: where powercap lies.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._packages = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
        self._ranges = [self._read(zone / "max_energy_range_uj") or 0 for zone in self._packages]
        self._before = [self._read(zone / "energy_uj") for zone in self._packages]
        self._total = [0] * len(self._packages)

    def joules(self) -> float | None:
        """Energy since the meter was made; counters that ran over are followed if read often enough."""
        now = [self._read(zone / "energy_uj") for zone in self._packages]
        for place, (before, after) in enumerate(zip(self._before, now, strict=True)):
            if before is None or after is None:
                return None
            self._total[place] += after - before + (self._ranges[place] if after < before else 0)
        self._before = now
        return sum(self._total) * 1e-6 if now else None

    @staticmethod
    def _read(file: Path) -> int | None:
        try:
            return int(file.read_text("ascii"))
        except (OSError, ValueError):
            return None


class NvmlMeter:
    """Energy of the current CUDA device by NVML, through the package ``pynvml``."""

    def __init__(self) -> None:
        import pynvml
        import torch

        pynvml.nvmlInit()
        self._nvml = pynvml
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
        self._handle: Any = pynvml.nvmlDeviceGetHandleByUUID(uuid if uuid.startswith("GPU-") else f"GPU-{uuid}")

    def joules(self) -> float | None:
        """Energy since the driver was loaded."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) * 1e-3
        except self._nvml.NVMLError:
            return None


def energy_meter(device: str) -> EnergyMeter:
    """The meter of a device, or one that tells nothing."""
    if device == "cuda":
        try:
            return NvmlMeter()
        except Exception:  # the package may be missing, the driver may refuse: both mean no meter
            return NoMeter()
    return RaplMeter()


class MemoryMeter:
    """Most memory that a model took: on CUDA torch's own count, else resident memory beyond that before the model."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._before: int | None = None

    def start(self) -> None:
        """Before a model is loaded."""
        gc.collect()
        if self._cuda:
            import torch

            torch.cuda.empty_cache()
            self._before = int(torch.cuda.memory_allocated())
            return
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        self._before = _status_bytes("VmRSS")

    def restart_peak(self) -> None:
        """Before a measurement."""
        if self._cuda:
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        try:
            CLEAR_REFS.write_text(RESET_PEAK, "ascii")
        except OSError:
            self._before = None

    def peak_bytes(self) -> int | None:
        """After a measurement: the peak since :meth:`restart_peak`, less what was there before the model."""
        if self._before is None:
            return None
        peak = _cuda_peak() if self._cuda else _status_bytes("VmHWM")
        return None if peak is None else max(0, peak - self._before)


def _cuda_peak() -> int:
    import torch

    return int(torch.cuda.max_memory_allocated())


def _status_bytes(key: str) -> int | None:
    try:
        found = re.search(rf"^{key}:\s*(\d+) kB", STATUS.read_text("ascii"), re.M)
    except (OSError, UnicodeDecodeError):
        return None
    return int(found[1]) * 1024 if found else None


LoadAverage = Callable[[], float | None]
"""Tells the load average, as :func:`load_average` does."""
