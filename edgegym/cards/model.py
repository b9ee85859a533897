"""Model cards: what a network computes and what crosses at each place where it can be parted. No torch is needed.

A point parts the network in a prefix, run here, and the rest, run elsewhere (Kang et al., Neurosurgeon, ASPLOS 2017).
The counts of a point are those of everything before it, so that a part is the difference of two points; a device card
turns it into seconds: ``device.latency_s(model.work(2, 5))``. All counts are per sample.
"""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from edgegym.cards.schema import Card
from edgegym.cards.work import ELEMENT_CLASSES, ITEM_BYTES, MAC_CLASSES, Work
from edgegym.errors import CardError, unknown
from edgegym.settings import Settings

Array = NDArray[np.float64]
Count = Annotated[int, Field(ge=0)]
FLOAT_BITS = 32


class Published(Settings):
    """A published figure."""

    value: float = Field(ge=0, le=1)
    """As a fraction."""
    source: str = Field(min_length=1)
    """Where it was published; ``(unverified)`` where nobody compared it with the original."""


class Counts(Settings):
    """Counted work under a name."""

    name: str = Field(min_length=1)
    """What is counted: up to the layer of this name, or the exit of this name."""
    act_elements: Count
    """Elements that convolutions, dense layers and products of activations put out."""
    params: Count
    """Trained parameters."""
    layers: Count
    """Operators launched."""
    class_macs: tuple[Count, ...] = Field(min_length=len(MAC_CLASSES), max_length=len(MAC_CLASSES))
    """Multiply-accumulates by :data:`~edgegym.cards.work.MAC_CLASSES`."""
    class_elements: tuple[Count, ...] = Field(min_length=len(ELEMENT_CLASSES), max_length=len(ELEMENT_CLASSES))
    """Elements read and written by :data:`~edgegym.cards.work.ELEMENT_CLASSES`."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return sum(self.class_macs)


class CutPoint(Counts):
    """A place behind a layer (``"input"`` before all) where the network can be parted, with the counts up to there."""

    elements: Count
    """Numbers that cross here; 0 at the last point, behind which nothing is left to do."""


class EarlyExit(Counts):
    """A classifier of its own in the middle of the network, with the counts of this branch alone."""

    point: int = Field(ge=1)
    """Index of the point whose tensor it reads."""
    share: float = Field(ge=0, le=1)
    """Share of all samples that leave here."""


class ModelCard(Card):
    """A network with its work at every useful cut, its accuracy by number format, and its early exits."""

    kind: Literal["model"] = "model"
    model: str = Field(min_length=1)
    """Name of the network, under which device cards know its kind."""
    family: str = Field(min_length=1)
    """Architecture that it shares with its variants."""
    task: str = Field(min_length=1)
    """What it does."""
    input_shape: tuple[int, ...] = Field(min_length=1)
    """Shape of one sample as the network takes it."""
    input_bytes: int = Field(ge=1)
    """Bytes of one raw sample when it is sent: pixels of 8 bits, sound of 16 bits, not compressed."""
    compressed_input_bytes: int | None = Field(default=None, ge=1)
    """The same after compression (JPEG); None where nobody measured it."""
    output_bytes: int = Field(ge=1)
    """Bytes of the results in float32."""
    accuracy_metric: str | None = None
    """What ``accuracy`` measures: ``top-1``, ``mAP`` (COCO), ``AP50`` (mAP at overlap 0.5), ``GLUE`` (mean score)."""
    accuracy: dict[str, Published] = Field(default_factory=dict)
    """By number format; a format without a published figure is left out."""
    feature_loss: dict[int, Published] = Field(default_factory=dict)
    """Accuracy lost when the numbers that cross are sent in so many bits."""
    exits: tuple[EarlyExit, ...] = ()
    """The earliest first; the end of the network is not among them."""
    exit_accuracy: Published | None = None
    """Accuracy over all samples when they leave at the exits in these shares."""
    folded: bool = True
    """Whether ``layers`` leaves out batch norms and activation functions that runtimes fold into the layer before."""
    points: tuple[CutPoint, ...] = Field(min_length=2)
    """In the order of execution: input, useful cuts, output. Branches of early exits are not counted in them."""

    @model_validator(mode="after")
    def _points_accumulate(self) -> Self:
        first, last, table = self.points[0], self.points[-1], _table(self.points)
        if table[0].any() or first.name != "input" or not first.elements:
            raise ValueError("points.0: must be 'input', with elements and without counts")
        if last.elements:
            raise ValueError(f"points.{len(self.points) - 1}: elements is {last.elements}; behind the end it is 0")
        falling = np.flatnonzero((np.diff(table, axis=0) < 0).any(axis=1))
        if len(falling):
            raise ValueError(f"points.{falling[0] + 1}: counts are of all that comes before and cannot fall")
        return self

    @model_validator(mode="after")
    def _exits_lie_inside(self) -> Self:
        places = [0, *(leave.point for leave in self.exits), len(self.points) - 1]
        if self.exits and not all(before < after for before, after in pairwise(places)):
            raise ValueError(f"exits: their points must grow within 1..{places[-1] - 1}")
        if sum(leave.share for leave in self.exits) > 1:
            raise ValueError("exits: their shares sum to more than 1")
        return self

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole network."""
        return self.points[-1].macs

    @property
    def params(self) -> int:
        """Trained parameters of the whole network."""
        return self.points[-1].params

    @cached_property
    def prefixes(self) -> Work:
        """Work of everything before each point; all arrays have the points as their first axis."""
        return _work(_table(self.points))

    def work(self, start: ArrayLike = 0, stop: ArrayLike | None = None) -> Work:
        """Work of the part between two points, without branches of early exits; of the whole network by default.

        An empty part has no work, yet a latency model still charges its overhead for it: such a call is not made.

        Args:
            start: index of the point where the part starts; any shape.
            stop: index of the point where it stops, broadcast against ``start``; the output by default.

        Raises:
            CardError: for indices that are no points, or a part that stops before it starts.
        """
        first, last = np.broadcast_arrays(start, len(self.points) - 1 if stop is None else stop)
        if np.any(self._checked(first) > self._checked(last)):
            raise CardError(f"{self.name}: part {first}..{last}: a part cannot stop before it starts.")
        return self.prefixes[last] - self.prefixes[first]

    def cut_bytes(self, point: ArrayLike, bits: ArrayLike = FLOAT_BITS) -> Array:
        """Bytes that cross at a point: the raw sample at the input, numbers behind it, nothing at the output.

        Args:
            point: index of the point; any shape.
            bits: of each number, broadcast against ``point``; the raw sample is sent as it is.

        Raises:
            CardError: for indices that are no points.
        """
        place = self._checked(np.asarray(point))
        elements = np.array([each.elements for each in self.points], np.float64)[place]
        return np.where(place == 0, self.input_bytes, np.ceil(elements * np.asarray(bits, np.float64) / 8))

    def param_bytes(self, dtype: str = "float32", start: ArrayLike = 0, stop: ArrayLike | None = None) -> Array:
        """Bytes of the parameters of a part (:meth:`work`): what is loaded, or sent to a device that lacks them.

        Raises:
            CardError: for an unknown number format or part.
        """
        if dtype not in ITEM_BYTES:
            raise unknown("number format", dtype, ITEM_BYTES, CardError)
        return ITEM_BYTES[dtype] * self.work(start, stop).params

    def accuracy_of(self, dtype: str = "float32") -> float:
        """Published accuracy in a number format, as a fraction of ``accuracy_metric``.

        Raises:
            CardError: if none is known.
        """
        if dtype not in self.accuracy:
            known = ", ".join(self.accuracy) or "none"
            raise CardError(
                f"{self.name}: accuracy in {dtype} is not known (known: {known}); set accuracy on a copy of the card."
            )
        return self.accuracy[dtype].value

    def feature_loss_of(self, bits: int) -> float:
        """Accuracy lost when the numbers that cross are sent in so many bits; 0 for 32.

        Raises:
            CardError: if it is not known.
        """
        if bits == FLOAT_BITS:
            return 0.0
        if bits not in self.feature_loss:
            known = ", ".join(map(str, self.feature_loss)) or "none"
            raise CardError(
                f"{self.name}: accuracy lost with features of {bits} bits is not known (known: {known}); set "
                "feature_loss on a copy of the card."
            )
        return self.feature_loss[bits].value

    @property
    def exit_shares(self) -> tuple[float, ...]:
        """Share of the samples that leave at each exit, and last of those that reach the output; (exits + 1,)."""
        early = tuple(leave.share for leave in self.exits)
        return (*early, 1.0 - sum(early))

    def branch_work(self, leave: int) -> Work:
        """Work of the branch of one early exit alone.

        Raises:
            CardError: for an index that is no exit.
        """
        if not 0 <= leave < len(self.exits):
            raise CardError(f"{self.name}: exit {leave}: the card has {len(self.exits)} early exits, counted from 0.")
        return _work(_table(self.exits[leave : leave + 1])[0])

    def exit_work(self, leave: int) -> Work:
        """Work of a sample that leaves at an exit: the network up to there, and all branches tried on the way.

        Args:
            leave: index of the exit; the number of exits stands for the output.

        Raises:
            CardError: for another index.
        """
        ends = [*(each.point for each in self.exits), len(self.points) - 1]
        if not 0 <= leave < len(ends):
            raise CardError(f"{self.name}: exit {leave}: 0..{len(self.exits)} is needed, the last being the output.")
        total = self.work(0, ends[leave])
        for tried in range(min(leave + 1, len(self.exits))):
            total = total + self.branch_work(tried)
        return total

    def _checked(self, point: NDArray[np.intp]) -> NDArray[np.intp]:
        if point.dtype.kind not in "iu" or np.any((point < 0) | (point >= len(self.points))):
            raise CardError(f"{self.name}: point {point}: indices 0..{len(self.points) - 1} are needed.")
        return point


def _table(rows: tuple[Counts, ...]) -> Array:
    """(rows, 16): activations, parameters, layers, MACs by class, elements by class."""
    return np.array([(r.act_elements, r.params, r.layers, *r.class_macs, *r.class_elements) for r in rows], np.float64)


def _work(table: Array) -> Work:
    acts, params, layers = (table[..., place] for place in range(3))
    macs, elements = np.split(table[..., 3:], [len(MAC_CLASSES)], axis=-1)
    return Work.of(macs.sum(axis=-1), acts, params, layers, macs, elements)
