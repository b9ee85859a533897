"""A fitted forecaster of requests: what the setting ``forecaster`` names, on disk and as the kernel's record.

On disk it is one safetensors file, written whole or not at all: the weights, and in the file's metadata a JSON record
of everything else. Reading it executes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from edgegym.envs.caching.forecast_network import HIDDEN, NETWORK, OWN_RATE, WIDTH
from edgegym.errors import SettingsError, unknown
from edgegym.files import replaced
from edgegym.settings import Settings

FILE = "forecaster.safetensors"
"""Name of the file in a forecaster's folder."""
RATE = "rate"
"""Input that is no candidate column: requests decayed with the forecaster's own half-life, scaled as ``rate_short``."""
OCTAVES = 40.0
"""The column ``forecast`` is .5 + log2(forecast) / 40."""
MEND = "Fit one: edgegym forecast CONFIG."

Width = Annotated[int, Field(ge=1, le=WIDTH)]
Layer = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Weights (from, to) and biases (to,)."""


class ForecasterRecord(Settings):
    """The JSON half of the file."""

    format: Literal["edgegym-forecaster-1"] = "edgegym-forecaster-1"
    inputs: tuple[str, ...] = Field(min_length=1, max_length=WIDTH)
    """Candidate columns, or ``rate``."""
    hidden: tuple[Width, ...] = Field((), max_length=HIDDEN)
    """Units of the hidden layers."""
    window: float = Field(gt=0)
    """How far it looks ahead, in cache capacities (contents) of requests to the node."""
    half_life: float | None = Field(None, gt=0)
    """Of the input ``rate``, in the same unit."""
    notes: dict[str, JsonValue] = Field(default_factory=dict)
    """Anything else worth keeping: what it was fitted on, by which method."""


@dataclass(frozen=True, eq=False)
class Forecaster:
    """A network from a content's columns to log2 of the requests expected for it in the next window.

    Attributes:
        record: inputs, shape, window.
        layers: weights (from, to) and biases (to,) of each layer, float32; tanh between them.

    Raises:
        SettingsError: if weights and record do not fit together.
    """

    record: ForecasterRecord
    layers: Sequence[Layer] = field(repr=False)

    def __post_init__(self) -> None:
        """Check shapes and values once, so that the kernel need not."""
        widths = (len(self.record.inputs), *self.record.hidden, 1)
        wanted = [((before, after), (after,)) for before, after in pairwise(widths)]
        found = [(weights.shape, biases.shape) for weights, biases in self.layers]
        if found != wanted:
            raise SettingsError(f"weights of the shapes {found}; its record needs {wanted}.")
        if not all(np.isfinite(part).all() for layer in self.layers for part in layer):
            raise SettingsError("weights that are not finite.")
        if RATE in self.record.inputs and self.record.half_life is None:
            raise SettingsError(f"the input {RATE!r} needs a half_life.")

    def packed(self, columns: Sequence[str]) -> NDArray[Any]:
        """The (1,) NETWORK record of this forecaster among candidate columns of these names.

        Raises:
            SettingsError: for an input that is not among them.
        """
        packed = np.zeros(1, NETWORK)
        network = packed[0]
        network["half_life"] = self.record.half_life or math.inf
        network["hidden"] = len(self.record.hidden)
        network["widths"][: len(self.layers)] = [len(weights) for weights, _ in self.layers]
        for i, name in enumerate(self.record.inputs):
            if name not in (*columns, RATE):
                raise unknown("input", name, (*columns, RATE), SettingsError)
            network["columns"][i] = OWN_RATE if name == RATE else columns.index(name)
        for layer, (weights, biases) in enumerate(self.layers):
            network["weights"][layer, : weights.shape[0], : weights.shape[1]] = weights
            network["biases"][layer, : len(biases)] = biases
        return packed


def decayed_count(half_life: float, window: float) -> Forecaster:
    """The forecaster whose output is log2 of its own decayed count: an EWMA that is not calibrated yet."""
    # The input is .5 + log2(count) / 40.
    layer = np.full((1, 1), OCTAVES, np.float32), np.full(1, -OCTAVES / 2, np.float32)
    return Forecaster(ForecasterRecord(inputs=(RATE,), window=window, half_life=half_life), [layer])


def save_forecaster(folder: str | Path, forecaster: Forecaster) -> None:
    """Write a forecaster into a folder; an earlier one there is replaced whole."""
    tensors = {}
    for layer, (weights, biases) in enumerate(forecaster.layers):
        tensors[f"weights_{layer}"] = np.ascontiguousarray(weights, np.float32)
        tensors[f"biases_{layer}"] = np.ascontiguousarray(biases, np.float32)
    metadata = {"record": forecaster.record.model_dump_json()}
    with replaced(Path(folder) / FILE) as aside:
        aside.write_bytes(safetensors.numpy.save(tensors, metadata))


def load_network(folder: str | Path, columns: Sequence[str]) -> NDArray[Any]:
    """Read a forecaster as the kernel's record among candidate columns of these names; see :func:`load_forecaster`."""
    forecaster = load_forecaster(folder)
    try:
        return forecaster.packed(columns)
    except SettingsError as error:
        raise SettingsError(f"forecaster: {Path(folder) / FILE} is of another version: {error} {MEND}") from None


def load_forecaster(folder: str | Path) -> Forecaster:
    """Read what :func:`save_forecaster` wrote.

    Raises:
        SettingsError: naming the file that is missing, damaged or of another kind, and the mend.
    """
    path = Path(folder) / FILE
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("record", "{}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        record = ForecasterRecord.parse(json.loads(text), "its record")
        names = [(f"weights_{layer}", f"biases_{layer}") for layer in range(len(record.hidden) + 1)]
        return Forecaster(record, [(tensors[weights], tensors[biases]) for weights, biases in names])
    except FileNotFoundError:
        raise SettingsError(f"forecaster: {path} does not exist. {MEND}") from None
    except (OSError, LookupError, ValueError, safetensors.SafetensorError) as error:
        raise SettingsError(f"forecaster: {path} is damaged or no forecaster: {error} {MEND}") from None
