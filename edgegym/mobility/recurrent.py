"""A recurrent predictor of cells: which cell a user goes to next, and in how many slots it leaves the present one.

A gated recurrent unit (K. Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014) reads a
user's slots one by one and corrects a Markov chain: its outputs are added to the chain's log-probabilities of the next
other cell, and to the chain's log-odds of leaving. Leaving is a discrete hazard for each of the slots ahead, given that
the user is still there (M. Gensheimer, B. Narasimhan, "A scalable discrete-time survival model for neural networks",
PeerJ 7:e6257, 2019). The weights come from torch; this module computes the same with numpy.

On disk it is one safetensors file, written whole or not at all, with a JSON record in its metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import Field, JsonValue
from scipy.special import expit, softmax

from edgegym.errors import SettingsError
from edgegym.files import replaced
from edgegym.mobility import motion
from edgegym.mobility.markov import MarkovChain, cells_before
from edgegym.mobility.motion import Walks, motion_inputs, spacing_of
from edgegym.mobility.sites import OUTSIDE
from edgegym.settings import Settings

FILE = "predictor.safetensors"
"""Name of the file in a predictor's folder."""
INPUTS: Mapping[str, tuple[str, ...]] = {"cells": motion.CELLS, "motion": motion.MOTION}
"""What a predictor reads."""
FLOOR = 1e-4
"""Added to the chain's probabilities, so that what it never saw can be learned."""
MEND = "Fit one: edgegym forecast CONFIG."
FORMAT: Literal["edgegym-cell-predictor-2"] = "edgegym-cell-predictor-2"
OLD_FORMAT = "edgegym-cell-predictor-1"
"""Files of this format do not say to which slot length and which distances they were fitted."""

Floats = NDArray[np.float32]


class PredictorRecord(Settings):
    """The JSON half of the file."""

    format: Literal["edgegym-cell-predictor-2"] = FORMAT
    inputs: Literal["cells", "motion"]
    """Cells alone, or also position, speed and heading."""
    cells: int = Field(ge=1)
    """Of the map."""
    map: str
    """Digest of the sites' positions, as :func:`map_digest` gives it."""
    spacing: float = Field(gt=0, allow_inf_nan=False)
    """Median distance of neighbouring sites in the unit of the map, metres or degrees, as
    :func:`~edgegym.mobility.motion.spacing_of` gives it."""
    slot_s: float = Field(gt=0, allow_inf_nan=False)
    """Length of a slot, seconds."""
    hidden: int = Field(ge=1, le=1024)
    """Units of the recurrent layer."""
    embedding: int = Field(ge=1, le=1024)
    """Learned numbers that describe a cell."""
    horizon: int = Field(ge=1, le=1024)
    """Slots ahead for which it says whether the user leaves."""
    notes: dict[str, JsonValue] = Field(default_factory=dict)
    """Anything else worth keeping: what it was fitted to, with which seed."""

    @classmethod
    def of_map(cls, xy: NDArray[np.float64], slot_s: float, **rest: Any) -> Self:
        """The record of a predictor for a map of sites (sites, 2) and slots of this length; the rest by name."""
        return cls(cells=len(xy), map=map_digest(xy), spacing=spacing_of(xy), slot_s=slot_s, **rest)

    def check_fit(self, path: Path, xy: NDArray[np.float64], slot_s: float) -> None:
        """Make sure that a predictor is for this map of sites (sites, 2) and these slots.

        Raises:
            SettingsError: naming the file, what it was fitted to, and what there is.
        """
        spacing = spacing_of(xy)
        if self.map != map_digest(xy):
            raise SettingsError(
                f"predictor: {path} was fitted to another map, of {self.cells} cells; this one has {len(xy)}"
                f"{' at other positions' if len(xy) == self.cells else ''}. {MEND}"
            )
        if not math.isclose(self.spacing, spacing, rel_tol=1e-6):
            raise SettingsError(
                f"predictor: {path} was fitted to neighbouring sites {self.spacing:.9g} apart, but those of this "
                f"workload are {spacing:.9g} apart; take the map that it was fitted to. {MEND}"
            )
        if not math.isclose(self.slot_s, slot_s, rel_tol=1e-9):
            raise SettingsError(
                f"predictor: {path} was fitted to slots of {self.slot_s:.12g} s, but those of this workload last "
                f"{slot_s:.12g} s; take slots of {self.slot_s:.12g} s. {MEND}"
            )

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the weights, by name."""
        gates, inputs = 3 * self.hidden, len(INPUTS[self.inputs]) + self.embedding
        return {
            "embedding.weight": (self.cells, self.embedding),
            "recurrent.weight_ih_l0": (gates, inputs),
            "recurrent.weight_hh_l0": (gates, self.hidden),
            "recurrent.bias_ih_l0": (gates,),
            "recurrent.bias_hh_l0": (gates,),
            "leave.weight": (self.horizon, self.hidden),
            "leave.bias": (self.horizon,),
            "towards.weight": (self.cells, self.hidden),
            "towards.bias": (self.cells,),
        }


@dataclass(frozen=True)
class Forecast:
    """What a predictor says in each slot, from that slot and those before.

    Attributes:
        leave: (slots, users, horizon) float32, probability of leaving the cell after 1, 2, ... slots for who is still
            there; 0 while away.
        towards: (slots, users, cells) float32, probability of being the next other cell; 0 while away.
    """

    leave: Floats
    towards: Floats

    def next_cell(self, cell: NDArray[np.int32]) -> Floats:
        """(slots, users, cells) probability of each cell in the next slot, given the present ones (slots, users)."""
        found = self.leave[..., :1] * self.towards
        slot, user = np.nonzero(cell != OUTSIDE)
        found[slot, user, cell[slot, user]] = 1.0 - self.leave[slot, user, 0]
        return found


@dataclass(frozen=True)
class Prior:
    """What a chain says, in the form that a recurrent network adds to.

    Attributes:
        leave: (states,) float32, log-odds of leaving in the next slot.
        towards: (states, cells) float32, log-probability of the next other cell but for a constant.
    """

    leave: Floats
    towards: Floats

    @classmethod
    def of(cls, chain: MarkovChain) -> Prior:
        """The prior of a fitted chain."""
        states = np.arange(len(chain.cell))
        stay = np.clip(chain.next_cell[states, chain.cell].astype(np.float64), FLOOR, 1.0 - FLOOR)
        towards = np.log(chain.next_cell.astype(np.float64) + FLOOR)
        towards[states, chain.cell] = -1e4
        return cls((np.log1p(-stay) - np.log(stay)).astype(np.float32), towards.astype(np.float32))


def chain_forecast(chain: MarkovChain, cell: NDArray[np.int32]) -> Forecast:
    """What the chain alone says, with a horizon of one slot: the forecast that a network begins its training at."""
    there = cell != OUTSIDE
    prior, state = Prior.of(chain), states_of(chain, cell)
    leave, towards = expit(prior.leave[state])[..., None], softmax(prior.towards[state], axis=-1)
    return Forecast(leave * there[..., None], towards * there[..., None])


def states_of(chain: MarkovChain, cell: NDArray[np.int32]) -> NDArray[np.int32]:
    """(slots, users) state of the chain; that of cell 0 while a user is away."""
    there = cell != OUTSIDE
    return chain.state[np.where(there, cells_before(cell), 0), np.where(there, cell, 0)]


def map_digest(xy: NDArray[np.float64]) -> str:
    """Tells maps of sites (sites, 2) apart, but not by their size; positions count to the millionth of it."""
    scale = max(float(np.ptp(xy, axis=0).max()), 1e-12)
    return hashlib.sha256(np.round((xy - xy.min(axis=0)) / scale, 6).tobytes()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class CellPredictor:
    """A fitted predictor.

    Attributes:
        record: inputs, shape, map.
        weights: by the names of torch, float32.

    Raises:
        SettingsError: if weights and record do not fit together.
    """

    record: PredictorRecord
    weights: Mapping[str, Floats] = field(repr=False)

    def __post_init__(self) -> None:
        """Check shapes and values once."""
        found = {name: value.shape for name, value in self.weights.items()}
        if found != self.record.shapes():
            raise SettingsError(f"weights of the shapes {found}; its record needs {self.record.shapes()}.")
        if not all(np.isfinite(value).all() for value in self.weights.values()):
            raise SettingsError("weights that are not finite.")

    def forecast(self, walks: Walks, xy: NDArray[np.float64], chain: MarkovChain) -> Forecast:
        """Predict in every slot.

        Args:
            walks: where the users were; with positions if the predictor reads motion.
            xy: (cells, 2) positions of the cells' sites, as they were in fitting.
            chain: what it corrects, fitted to all training users. In fitting, each user's chain left out the user's
                fold of them, so this one is another, if a little.
        """
        cell = walks.cell
        there = cell != OUTSIDE
        here = np.where(there, cell, 0)
        hidden = self._hidden(motion_inputs(walks, xy, INPUTS[self.record.inputs]), here, there)
        prior, state = Prior.of(chain), states_of(chain, cell)
        w = self.weights
        leave = expit(prior.leave[state][..., None] + hidden @ w["leave.weight"].T + w["leave.bias"])
        towards = softmax(prior.towards[state] + hidden @ w["towards.weight"].T + w["towards.bias"], axis=-1)
        return Forecast(leave * there[..., None], towards * there[..., None])

    def _hidden(self, inputs: Floats, here: NDArray[np.int32], there: NDArray[np.bool_]) -> Floats:
        """(slots, users, hidden) the recurrent state after each slot; it begins anew with every session."""
        w, size = self.weights, self.record.hidden
        described = np.concatenate([inputs, w["embedding.weight"][here]], axis=-1)
        given = described @ w["recurrent.weight_ih_l0"].T + w["recurrent.bias_ih_l0"]
        state, found = np.zeros((here.shape[1], size), np.float32), np.empty((*here.shape, size), np.float32)
        for t in range(len(here)):
            kept = state @ w["recurrent.weight_hh_l0"].T + w["recurrent.bias_hh_l0"]
            gates = expit(given[t, :, : 2 * size] + kept[:, : 2 * size])
            reset, update = gates[:, :size], gates[:, size:]
            new = np.tanh(given[t, :, 2 * size :] + reset * kept[:, 2 * size :])
            state = np.where(there[t][:, None], (1.0 - update) * new + update * state, np.float32(0.0))
            found[t] = state
        return found


def save_predictor(folder: str | Path, predictor: CellPredictor) -> None:
    """Write a predictor into a folder; an earlier one there is replaced whole."""
    tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in predictor.weights.items()}
    with replaced(Path(folder) / FILE) as aside:
        aside.write_bytes(safetensors.numpy.save(tensors, {"record": predictor.record.model_dump_json()}))


def load_predictor(folder: str | Path, xy: NDArray[np.float64], slot_s: float) -> CellPredictor:
    """Read what :func:`save_predictor` wrote.

    Args:
        folder: of the predictor.
        xy: (sites, 2) the map on which it is to predict.
        slot_s: length of a slot there, seconds.

    Raises:
        SettingsError: naming the file that is missing, damaged, of an older format, or fitted to another map or slot
            length, and the mend.
    """
    path = Path(folder) / FILE
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            record = json.loads((file.metadata() or {}).get("record", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        record = record if isinstance(record, dict) else {}
        old = record.get("format") == OLD_FORMAT
        found = None if old else CellPredictor(PredictorRecord.parse(record, "its record"), tensors)
    except FileNotFoundError:
        raise SettingsError(f"predictor: {path} does not exist. {MEND}") from None
    except (OSError, LookupError, ValueError, safetensors.SafetensorError) as error:
        raise SettingsError(f"predictor: {path} is damaged or no predictor: {error} {MEND}") from None
    if found is None:
        raise SettingsError(
            f"predictor: {path} is of the format {OLD_FORMAT}, which does not say to which slot length and distances "
            f"it was fitted; {FORMAT} is needed. Fit it anew: edgegym forecast CONFIG."
        )
    found.record.check_fit(path, xy, slot_s)
    return found
