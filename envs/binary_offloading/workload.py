"""Episodes of channel gains and arrivals: drawn from the workload seed, or read from a file.

Mean gain follows distance; around it the field fades. A share L of the mean power is a constant line of sight, the rest
a circular complex Gaussian g, so the gain is mean * |sqrt(L) + sqrt(1 - L) g|^2: Rayleigh fading at L = 0, else Rician.
Between frames g_t = rho g_{t-1} + sqrt(1 - rho^2) noise; with Jakes' spectrum rho = J0(2 pi doppler).
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import j0

from edgegym.envs.binary_offloading.params import FadingSettings, FileSettings
from edgegym.errors import SettingsError, TraceError
from edgegym.workload.sources import resolve_path

SPEED_OF_LIGHT_M_S = 3e8
"""As rounded in the published programs."""
SEED_MASK = 0x7FFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Episode:
    """What happens to the devices, whatever they decide.

    Attributes:
        gain: (frames, devices) linear channel gains, finite and not negative.
        arrival_mbit: (frames, devices) data that arrive during each frame, or (0, devices) without queues.
    """

    gain: NDArray[np.float64]
    arrival_mbit: NDArray[np.float64]


class Source:
    """Turns workload seeds into episodes.

    Args:
        settings: of the workload.
        queueing: whether devices have queues, and so arrivals.

    Raises:
        EdgeGymError: for a file that is missing, damaged or does not hold what is needed.
    """

    def __init__(self, settings: FadingSettings | FileSettings, queueing: bool) -> None:
        self.settings, self.queueing = settings, queueing
        self._part = _read_part(settings, queueing) if isinstance(settings, FileSettings) else None
        self.devices = settings.devices if isinstance(settings, FadingSettings) else self._whole.gain.shape[1]

    @property
    def _whole(self) -> Episode:
        assert self._part is not None
        return self._part

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed."""
        rng = np.random.default_rng(workload_seed & SEED_MASK)
        if isinstance(self.settings, FadingSettings):
            return _draw(self.settings, self.queueing, rng)
        frames = self.settings.frames
        if frames is None:
            return self._whole
        start = int(rng.integers(len(self._whole.gain) - frames + 1))
        window = slice(start, start + frames)
        return Episode(self._whole.gain[window], self._whole.arrival_mbit[window])

    def provenance(self) -> str:
        """Where the channels come from, in a line."""
        settings = self.settings
        if isinstance(settings, FadingSettings):
            return f"drawn: {settings.model_dump(exclude={'kind'}, exclude_defaults=True) or 'defaults'}"
        return f"{settings.path}, part {settings.part[0]:g} to {settings.part[1]:g}"


def mean_gain(settings: FadingSettings, distance_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear mean gain at some distances: antenna gain * (wavelength / (4 pi distance)) ** exponent."""
    free_space = SPEED_OF_LIGHT_M_S / (4.0 * math.pi * settings.carrier_hz * distance_m)
    return np.asarray(settings.antenna_gain * free_space**settings.path_loss_exponent)


def _draw(settings: FadingSettings, queueing: bool, rng: np.random.Generator) -> Episode:
    shape = settings.frames, settings.devices
    near, far = settings.distance_m
    distance = np.linspace(near, far, settings.devices)
    if settings.placement == "uniform":
        distance = rng.uniform(near, far, settings.devices)
    rho = settings.correlation if settings.doppler is None else float(j0(2.0 * math.pi * settings.doppler))
    field = _autoregression(rng.standard_normal((2, *shape)), rho) * math.sqrt(0.5 * (1.0 - settings.line_of_sight))
    fading = (math.sqrt(settings.line_of_sight) + field[0]) ** 2 + field[1] ** 2
    load = settings.arrival_mbit
    mean_mbit = rng.uniform(*load) if isinstance(load, tuple) else load
    arrival = rng.exponential(mean_mbit, shape) if queueing else np.zeros((0, settings.devices))
    return Episode(mean_gain(settings, distance) * fading, arrival)


def _autoregression(noise: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """Stationary first-order autoregression along axis 1 with unit variance, driven by unit normal noise."""
    if rho == 0.0:
        return noise
    driven = noise * math.sqrt(1.0 - rho * rho)
    driven[:, 0] = noise[:, 0]
    return np.asarray(lfilter([1.0], [1.0, -rho], driven, axis=1))


def _read_part(settings: FileSettings, queueing: bool) -> Episode:
    path = resolve_path(settings.path, "workload.path")
    arrays = _read_arrays(path, ("h", "arrival") if queueing else ("h",))
    frames = len(arrays["h"])
    part = slice(*(round(share * frames) for share in settings.part))
    gain = arrays["h"][part]
    found = len(gain)
    if found < (settings.frames or 1):
        raise SettingsError(
            f"workload.frames: {settings.frames or 1} frames are needed, but the part of {path} has {found}."
        )
    arrival = arrays["arrival"][part] if queueing else np.zeros((0, gain.shape[1]))
    return Episode(gain, arrival)


def _read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Read arrays of one shape (frames, devices) with finite entries that are not negative."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            if missing:
                raise TraceError(
                    f"{path}: no array {missing[0]!r} (found {', '.join(file) or 'none'}); "
                    f"{' and '.join(names)} of shape (frames, devices) are needed."
                )
            arrays = {name: np.asarray(file[name], np.float64) for name in names}
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise TraceError(f"{path}: cannot be read as .npz ({error}). Give a file that numpy.savez wrote.") from None
    except ValueError as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path}: {error}; arrays of plain numbers are needed.") from None
    shape = arrays[names[0]].shape
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape != shape or 0 in shape:
            raise TraceError(f"{path}: {name} has shape {array.shape}; one shape (frames, devices) for all is needed.")
        bad = np.argwhere(~(np.isfinite(array) & (array >= 0.0)))
        if len(bad):
            frame, device = bad[0]
            raise TraceError(
                f"{path}: {name}[{frame}, {device}] is {array[frame, device]}; finite numbers from 0 on are needed."
            )
    return arrays
