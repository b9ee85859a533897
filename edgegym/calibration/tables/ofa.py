"""Latencies of networks from the Once-for-All MobileNetV3 space, as HELP (Lee et al., NeurIPS 2021) measured them.

An architecture is an input size, and per stage a depth, expansion ratios and kernel sizes; its operators are counted
here from that. Assumed: width 1.0 (the source does not state it), stem of 16 channels. Squeeze-and-excitation of the
second, fourth and fifth stage (Cai et al., Once-for-All, ICLR 2020) counts as two layers with weights; its few MACs are
left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgegym.calibration.tables.measured import MeasuredTable
from edgegym.calibration.tables.reading import CsvRows, read_csv
from edgegym.cards.work import MAC_CLASSES, Work
from edgegym.errors import TableError, did_you_mean

STAGES = ((24, 2, False), (40, 2, True), (80, 2, False), (112, 1, True), (160, 2, True))
"""Channels and first stride of each stage, and whether it squeezes and excites."""
SQUEEZE = 4
SLOTS = 4
SPATIAL, POINTWISE, DEPTHWISE = (MAC_CLASSES.index(name) for name in ("spatial", "pointwise", "depthwise"))


@dataclass
class _Counter:
    """Counts over a network that is walked layer by layer."""

    side: int
    channels: int = 3
    macs: np.ndarray = field(default_factory=lambda: np.zeros(len(MAC_CLASSES)))
    acts: float = 0.0
    params: float = 0.0
    layers: int = 0

    def convolution(self, channels: int, kernel: int, stride: int = 1, depthwise: bool = False) -> None:
        self.side = -(-self.side // stride)
        weights = kernel**2 * channels * (1 if depthwise else self.channels)
        place = DEPTHWISE if depthwise else POINTWISE if kernel == 1 else SPATIAL
        self.macs[place] += self.side**2 * weights
        self.acts += self.side**2 * channels
        self.params += weights
        self.channels = channels
        self.layers += 1

    def squeeze_and_excite(self) -> None:
        self.params += 2 * self.channels * (self.channels // SQUEEZE)
        self.layers += 2


def read_ofa(path: Path, device: str, filters: Mapping[str, str]) -> MeasuredTable:
    """Read the latencies of one GPU at all its batch sizes.

    Args:
        path: the CSV file.
        device: prefix of its columns, like ``2080ti`` in ``2080ti_b32``.
        filters: values of columns that rows must have.

    Raises:
        TableError: naming column and row.
    """
    rows = read_csv(path, ("idx", "r", "d", "e", "ks")).where(filters)
    columns = {name: name.rpartition("_b") for name in rows.cells[0] if "_b" in name}
    own = {name: int(batch) for name, (owner, _, batch) in columns.items() if owner == device}
    if not own:
        known = sorted({owner for owner, _, _ in columns.values()})
        raise TableError(
            f"{path}: header, line 1: no column {device}_b1.{did_you_mean(device, known)} Known: {', '.join(known)}."
        )
    counters = [_counted(rows, place) for place in range(len(rows))]
    repeat = np.tile(np.arange(len(rows)), len(own))
    work = Work.of(
        [c.macs.sum() for c in counters],
        [c.acts for c in counters],
        [c.params for c in counters],
        [c.layers for c in counters],
        class_macs=[c.macs for c in counters],
    )
    return MeasuredTable(
        source=str(path),
        device=device,
        runtime="as in HELP",
        dtype="float32",
        threads=None,
        line=rows.line[repeat],
        model=rows.text("idx")[repeat],
        family=rows.text("idx")[repeat],
        batch=np.repeat(np.array(list(own.values()), np.float64), len(rows)),
        time_s=np.concatenate([rows.number(name, above=0.0) for name in own]) / 1e3,
        time_column=next(iter(own)),
        work=work[repeat],
    ).checked()


def _counted(rows: CsvRows, place: int) -> _Counter:
    row = rows.cells[place]
    try:
        depths, expansions, kernels = ([int(v) for v in row[name].split("-")] for name in ("d", "e", "ks"))
        network = _Counter(int(row["r"]))
        network.convolution(16, 3, 2)
        network.convolution(16, 3, depthwise=True)
        network.convolution(16, 1)
        for stage, (channels, stride, squeezes) in enumerate(STAGES):
            for block in range(depths[stage]):
                slot = SLOTS * stage + block
                network.convolution(network.channels * expansions[slot], 1)
                network.convolution(network.channels, kernels[slot], stride if block == 0 else 1, depthwise=True)
                if squeezes:
                    network.squeeze_and_excite()
                network.convolution(channels, 1)
    except (ValueError, IndexError) as error:
        raise rows.error(place, "d, e, ks", f"not an architecture ({error})", "restore the row") from None
    network.convolution(960, 1)
    network.side = 1
    network.convolution(1280, 1)
    network.convolution(1000, 1)
    return network
