"""Measured times of models or layers on one device, whatever file they came from, and the check of their units."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgegym.cards.work import LayerWork, Work
from edgegym.errors import TableError

Array = NDArray[np.float64]
SLOWEST, FASTEST = 1e4, 3e15
"""MAC/s outside which no device that anybody measures lies, from small microcontrollers to servers of accelerators."""
OUTLIER = 200.0
"""Times this far from what the other rows of the table suggest are in another unit, not noise."""


@dataclass(frozen=True)
class MeasuredTable:
    """Rows of one device, runtime, number format and thread count.

    Attributes:
        source: file, for error texts.
        device: the device as the table names it; empty where the table does not.
        runtime: software, likewise.
        dtype: number format, likewise.
        threads: threads, or None.
        line: (n,) line of each row in the file.
        model: (n,) str.
        family: (n,) str; held-out errors keep a family together.
        batch: (n,) samples in a call.
        time_s: (n,) seconds of a call, positive.
        time_column: name of the column of the times, for error texts.
        work: counts per sample, of whole models or of layers.
        run_sigma: spread of the log time from call to call, or None.
        energy_j: (n,) joules of a call with NaN where not measured, or None.
        memory_bytes: (n,) likewise.
        layers: rows of single layers, where the file has them beside those of whole models.
    """

    source: str
    device: str
    runtime: str
    dtype: str
    threads: int | None
    line: NDArray[np.intp]
    model: NDArray[np.str_]
    family: NDArray[np.str_]
    batch: Array
    time_s: Array
    time_column: str
    work: Work | LayerWork
    run_sigma: float | None = None
    energy_j: Array | None = None
    memory_bytes: Array | None = None
    layers: MeasuredTable | None = None

    def __len__(self) -> int:
        return len(self.time_s)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """The chosen rows; layers stay as they are."""
        kept = ("run_sigma", "layers", "threads")
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(
            **{n: v if n in kept or v is None or isinstance(v, str) else v[rows] for n, v in values.items()}
        )

    def checked(self) -> Self:
        """The table itself, if its units are plausible.

        Raises:
            TableError: naming line and column, if there are no rows, the times imply no possible speed, or single
                times are hundreds of times off what the others suggest.
        """
        if not len(self):
            raise TableError(f"{self.source}: no rows are left; loosen the filters or give another table.")
        multiplies = self.work.macs > 0
        if not multiplies.any():
            return self
        speed = self.batch[multiplies] * self.work.macs[multiplies] / self.time_s[multiplies]
        typical = float(np.median(speed))
        if not SLOWEST <= typical <= FASTEST:
            raise TableError(
                f"{self.source}: column {self.time_column}, row at line {self.line[0]} and others: the times imply "
                f"{typical:.3g} MAC/s, and no device lies outside {SLOWEST:g} to {FASTEST:g}. Mend the unit of the "
                "times or of the MACs."
            )
        self._check_single_rows()
        return self

    def _check_single_rows(self) -> None:
        """Compare each time with what a sum of MACs, elements and an overhead, set by medians, would be."""
        if isinstance(self.work, LayerWork) or len(self) < 8:
            return
        size = self.batch * (self.work.macs + self.work.act_elements) + self.work.params
        cost = np.median(self.time_s / size)
        expected = cost * size + 0.1 * np.median(self.time_s)
        ratio = np.log(self.time_s / expected)
        worst = int(np.argmax(np.abs(ratio - np.median(ratio))))
        factor = float(np.exp(np.abs(ratio[worst] - np.median(ratio))))
        if factor > OUTLIER:
            raise TableError(
                f"{self.source}: column {self.time_column}, row at line {self.line[worst]} ({self.model[worst]}): "
                f"{self.time_s[worst]:.4g} s is about {factor:.0f} times off what the other rows suggest. If its unit "
                "is another (s, ms, us), convert it; else leave the row out."
            )
