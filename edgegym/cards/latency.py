"""Latency as a sum of costs with a physical meaning, each the inverse of a speed.

A call takes ``((launch)^p + (work)^p)^(1/p)`` seconds: launching operators hides behind work that is already queued,
the more sharply the larger p; p = 1 adds them. Both are sums of counted columns times costs that are never negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgegym.cards.work import ELEMENT_CLASSES, MAC_CLASSES
from edgegym.errors import CardError
from edgegym.settings import Settings

Array = NDArray[np.float64]
LAUNCH_TERMS = ("overhead", "layers")
OTHER_MACS = "macs.spatial"
"""Term of the MACs whose class the measurements did not tell apart."""


@dataclass(frozen=True)
class Term:
    """How a cost is reported: as seconds for one of the column, or as the column's amount per second."""

    parameter: str
    unit: str
    is_rate: bool = True

    def value(self, cost: float) -> float:
        """The parameter for a cost in seconds per unit of the column, and the reverse."""
        return 1.0 / cost if self.is_rate else cost


def term(name: str) -> Term:
    """The term of a column, for example ``macs.depthwise``: parameter ``mac_per_s.depthwise`` in MAC/s."""
    stem, _, part = name.partition(".")
    known = {
        "overhead": Term("overhead_s", "s", False),
        "layers": Term("launch_s_per_layer", "s", False),
        "macs": Term("mac_per_s", "MAC/s"),
        "layer_macs": Term("mac_per_s", "MAC/s"),
        "elements": Term("element_per_s", "1/s"),
        "read": Term("read_element_per_s", "1/s"),
        "written": Term("written_element_per_s", "1/s"),
        "weights": Term("weight_per_s", "1/s"),
        "short_sums": Term("sum_per_s", "1/s"),
        "few_positions": Term("mac_per_position_per_s", "1/s"),
        "few_channels": Term("mac_per_channel_per_s", "1/s"),
    }
    found = known[stem]
    return Term(f"{found.parameter}.{part}", found.unit, found.is_rate) if part else found


class Parameter(Settings):
    """A fitted figure with its 90 % bootstrap interval over families."""

    value: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Estimate in the unit of its term; None if the cost vanished: the measurements do not show it at all."""
    low: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Lower end of the interval; None where it is open."""
    high: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Upper end of the interval; None where it is open."""
    identified: bool = True
    """False: the measurements do not determine it. Its value serves predictions and is no constant of the device."""


class LatencyModel(Settings):
    """A fitted latency model."""

    form: str
    """Name of the form that won by held-out error."""
    hiding_power: float = Field(default=1.0, ge=1.0)
    """p of the formula; 1 adds launching and work."""
    parameters: dict[str, Parameter] = Field(min_length=1)
    """By the name of the term (the column that it multiplies)."""
    typical_mac_shares: tuple[float, ...] | None = None
    """Shares of :data:`~edgegym.cards.work.MAC_CLASSES` in the MACs, for work that does not know them."""
    typical_traffic: tuple[float, ...] | None = None
    """Elements by :data:`~edgegym.cards.work.ELEMENT_CLASSES` per activation, for work that does not know them."""

    @model_validator(mode="after")
    def _known_terms(self) -> LatencyModel:
        for name in self.parameters:
            try:
                term(name)
            except KeyError:
                raise ValueError(f"parameters: {name!r} is not a term of a latency model") from None
        return self

    def costs(self) -> dict[str, float]:
        """Seconds per unit of each column; 0 for a cost that vanished."""
        return {n: 0.0 if p.value is None else term(n).value(p.value) for n, p in self.parameters.items()}

    def seconds(self, columns: Mapping[str, Array]) -> Array:
        """Time of a call.

        Args:
            columns: arrays by name of the term, as :meth:`edgegym.cards.Work.columns` gives them.

        Raises:
            CardError: if a column that the model needs is missing and no typical mix can stand in.
        """
        return combined(self.costs(), self._completed(columns), self.hiding_power)

    def serves(self, columns: Mapping[str, Array]) -> bool:
        """Whether the columns hold what the model needs, layers that are not counted excepted."""
        try:
            self._completed(columns)
        except CardError:
            return False
        return "layers" not in self.parameters or bool(np.any(columns["layers"] > 0))

    def _completed(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        result = dict(columns)
        for stem, classes, typical in (
            ("macs", MAC_CLASSES, self.typical_mac_shares),
            ("elements", ELEMENT_CLASSES, self.typical_traffic),
        ):
            if typical is not None and f"{stem}.{classes[0]}" not in columns:
                result |= {f"{stem}.{c}": share * columns[stem] for c, share in zip(classes, typical, strict=True)}
        if OTHER_MACS in self.parameters and OTHER_MACS in result:
            untold = [f"macs.{c}" for c in MAC_CLASSES if f"macs.{c}" not in self.parameters]
            result[OTHER_MACS] = sum((result[name] for name in untold), result[OTHER_MACS])
        kinds = ("read.", "written.")
        missing = [n for n in self.parameters if n not in result and not n.startswith(kinds)]
        if missing:
            raise CardError(f"the {self.form} model needs {', '.join(missing)}, which this work does not hold.")
        return result


def combined(costs: Mapping[str, float], columns: Mapping[str, Array], hiding_power: float) -> Array:
    """``((launch)^p + (work)^p)^(1/p)`` of the columns that have a cost."""
    launch: Array | float = 0.0
    work: Array | float = 0.0
    for name, cost in costs.items():
        if name not in columns:
            continue
        if name in LAUNCH_TERMS:
            launch = launch + cost * columns[name]
        else:
            work = work + cost * columns[name]
    if hiding_power == 1.0:
        return np.asarray(launch + work)
    larger, smaller = np.maximum(launch, work), np.minimum(launch, work)
    # The ratio keeps the power from overflowing.
    ratio = np.divide(smaller, larger, out=np.zeros_like(larger), where=larger > 0)
    return np.asarray(larger * (1.0 + ratio**hiding_power) ** (1.0 / hiding_power))
