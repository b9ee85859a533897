"""Device cards: what a device takes in time, energy and memory for work that is counted, not measured.

A card predicts the runtime, number format and threads it was measured with, and no others.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from edgegym.cards.architectures import family_of, kind_of
from edgegym.cards.latency import LatencyModel
from edgegym.cards.schema import Card
from edgegym.cards.work import LayerWork, Work
from edgegym.errors import CardError
from edgegym.settings import Settings

Array = NDArray[np.float64]
REFERENCE_MACS = 1e9


class PredictionError(Settings):
    """Errors of predictions on rows that the fit did not see, as fractions: 0.1 is ten percent."""

    mape: float = Field(ge=0)
    """Mean of the absolute percentage errors."""
    median_ape: float = Field(ge=0)
    """Their median."""
    spearman: float | None = Field(default=None, ge=-1, le=1)
    """Rank correlation of predicted and measured times; None for fewer than three rows."""
    within_10: float = Field(ge=0, le=1)
    """Share of the rows with an error of at most 10 %."""


class PowerModel(Settings):
    """Power of the device or the board, as ``source`` says."""

    idle_w: float | None = Field(default=None, ge=0)
    """Watts while nothing runs; None where nobody measured it."""
    active_w: float = Field(gt=0)
    """Watts while inference runs."""
    source: str = Field(min_length=1)
    """Where both come from, and what they include."""


class MemoryModel(Settings):
    """``base + per_param x params + per_element x batch x live elements``, bytes."""

    base_bytes: float = Field(default=0.0, ge=0)
    """Held without any network."""
    bytes_per_param: float = Field(gt=0)
    """For each weight."""
    bytes_per_element: float = Field(gt=0)
    """For each activation element that is alive at the peak."""
    capacity_bytes: float | None = Field(default=None, gt=0)
    """Memory of the device; None where it is not stated."""


class CoRunnerModel(Settings):
    """Slow-down by other work on the device: time multiplies by ``1 + per_co_runner x co_runners``."""

    per_co_runner: float = Field(default=1.0, ge=0)
    """1 is fair time sharing of a device that one of them would fill."""
    source: str = "assumed: processor sharing of a device that one network fills"
    """Measurement or assumption behind it."""


class KnownKinds(Settings):
    """Time of kinds of architectures relative to the model: ``factor x (MACs / 1e9)^exponent`` per sample.

    Three lists in one order; a name is a family, or a family with further words
    (:func:`edgegym.cards.architectures.kind_of`).
    """

    names: tuple[str, ...] = ()
    """Kinds."""
    factors: tuple[float, ...] = ()
    """Time over the model's at 1e9 MACs."""
    exponents: tuple[float, ...] = ()
    """How that changes with size."""

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        if not len(self.names) == len(self.factors) == len(self.exponents):
            raise ValueError("names, factors and exponents: one entry each is needed")
        return self

    def factor(self, model: str, macs: ArrayLike) -> Array:
        """Factor of a model's kind, else of its family, else 1; the shape of ``macs``.

        Args:
            model: its name.
            macs: multiply-accumulates per sample of the whole network.
        """
        size = np.log(np.asarray(macs, np.float64) / REFERENCE_MACS)
        for name in (kind_of(model), family_of(model)):
            if name in self.names:
                place = self.names.index(name)
                return np.asarray(self.factors[place] * np.exp(self.exponents[place] * size))
        return np.ones_like(size)


class DeviceCard(Card):
    """A device with one runtime, number format and thread count."""

    kind: Literal["device"] = "device"
    device: str = Field(min_length=1)
    """The device as its maker names it."""
    runtime: str = Field(min_length=1)
    """Software that ran the networks."""
    dtype: str = Field(min_length=1)
    """Number format of weights and activations."""
    threads: int | None = Field(default=None, ge=1)
    """Threads; None where it has no meaning or was not stated."""
    batches: tuple[float, float] = (1.0, 1.0)
    """Smallest and largest batch measured; outside, the card extrapolates."""
    rows: int = Field(ge=1)
    """Measurements that the fit used."""
    families: int = Field(ge=1)
    """Families of models among them."""
    latency: LatencyModel
    """Time of a call with a whole network or a part of one."""
    layer_latency: LatencyModel | None = None
    """Time of single layers, where the table has them."""
    held_out: PredictionError
    """Error for families that the fit did not see, the choice of the form included."""
    held_out_known_family: PredictionError | None = None
    """Error for further models of families that the fit saw, with what it knows of them."""
    held_out_batch: PredictionError | None = None
    """Error at batch sizes between those that the fit saw, where there are at least three."""
    held_out_layer: PredictionError | None = None
    """Error for layers of families that the fit did not see, where the table has layers."""
    baselines: dict[str, PredictionError] = Field(default_factory=dict)
    """Held-out errors of models of MACs alone, on the same folds."""
    sigma: float = Field(ge=0)
    """Spread of log residuals of unseen families: what the card does not know about a network."""
    run_sigma: float | None = Field(default=None, ge=0)
    """Spread of the log time from call to call; None where the table does not tell."""
    known: KnownKinds = KnownKinds()
    """What the architectures that were measured take in excess of the model."""
    power: PowerModel | None = None
    """Power, where known."""
    memory: MemoryModel | None = None
    """Memory, where known."""
    co_runners: CoRunnerModel = CoRunnerModel()
    """Sharing of the device."""

    def latency_s(self, work: Work, batch: ArrayLike = 1, co_runners: ArrayLike = 0, model: str | None = None) -> Array:
        """Time of a call, seconds; the median where the model is right.

        Args:
            work: counts per sample; any shape.
            batch: samples in a call, broadcast against the counts.
            co_runners: other networks that run on the device at the time, likewise.
            model: name of the model that all of the work belongs to, for what the card knows of its kind.
        """
        factor = 1.0 if model is None else self.known.factor(model, work.macs)
        return factor * self._slowdown(co_runners) * self.latency.seconds(work.columns(batch))

    def layer_latency_s(self, layers: LayerWork, batch: ArrayLike = 1, co_runners: ArrayLike = 0) -> Array:
        """Time of each layer, (n,) seconds.

        Raises:
            CardError: if the card was made from a table without layers.
        """
        if self.layer_latency is None:
            raise CardError(f"{self.name}: has no layer model; calibrate on a table with layer rows, or use latency_s.")
        return self._slowdown(co_runners) * self.layer_latency.seconds(layers.columns(batch))

    def latency_quantile_s(
        self,
        work: Work,
        probability: ArrayLike,
        batch: ArrayLike = 1,
        co_runners: ArrayLike = 0,
        spread: Literal["network", "run"] = "network",
    ) -> Array:
        """Quantile of the lognormal law around :meth:`latency_s`, seconds.

        Args:
            work: counts per sample.
            probability: in (0, 1), broadcast against the counts.
            batch: samples in a call.
            co_runners: other networks on the device.
            spread: ``"network"``: over networks that the card does not know; ``"run"``: over calls of one network.

        Raises:
            CardError: for a spread that was not measured, or a probability outside (0, 1).
        """
        p = np.asarray(probability, np.float64)
        if not np.all((p > 0) & (p < 1)):
            raise CardError(f"probability {p}: must lie between 0 and 1.")
        sigma = self.sigma if spread == "network" else self.run_sigma
        if sigma is None:
            raise CardError(f"{self.name}: run_sigma was not measured; use spread='network' or set it on the card.")
        return self.latency_s(work, batch, co_runners) * np.exp(sigma * np.vectorize(NormalDist().inv_cdf)(p))

    def energy_j(self, work: Work, batch: ArrayLike = 1, co_runners: ArrayLike = 0, above_idle: bool = False) -> Array:
        """Energy of a call: active power times its time on a device of its own, joules.

        Co-runners stretch a call but share the power, so they change only the idle share of ``above_idle=False``:
        nothing, since the device is active all the time.

        Args:
            work: counts per sample.
            batch: samples in a call.
            co_runners: other networks on the device.
            above_idle: only what the call adds to an idle device.

        Raises:
            CardError: if the power was not measured.
        """
        if self.power is None:
            raise CardError(f"{self.name}: power is not known; set power.active_w on a copy of the card.")
        if above_idle and self.power.idle_w is None:
            raise CardError(f"{self.name}: power.idle_w is not known; set it on a copy of the card.")
        watts = self.power.active_w - (self.power.idle_w or 0.0) * above_idle
        return watts * self.latency_s(work, batch, co_runners) / (1.0 + np.asarray(co_runners, np.float64))

    def memory_bytes(self, work: Work, batch: ArrayLike = 1, live_elements: ArrayLike | None = None) -> Array:
        """Memory of a call, bytes.

        Args:
            work: counts per sample.
            batch: samples in a call.
            live_elements: most activation elements alive at a time; all activations of the network if left out, which
                bounds it from above.

        Raises:
            CardError: if the card has no memory model.
        """
        if self.memory is None:
            raise CardError(f"{self.name}: memory is not known; set memory on a copy of the card.")
        elements = work.act_elements if live_elements is None else np.asarray(live_elements, np.float64)
        return (
            self.memory.base_bytes
            + self.memory.bytes_per_param * work.params
            + self.memory.bytes_per_element * np.asarray(batch, np.float64) * elements
        )

    def _slowdown(self, co_runners: ArrayLike) -> Array:
        return 1.0 + self.co_runners.per_co_runner * np.asarray(co_runners, np.float64)
