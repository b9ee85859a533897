"""Recipes of how the throughput of the library's links moves, and of what a phone draws on them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.dynamics_fit import ENTRIES, fit_dynamics, form_named, generator_of, judge
from edgegym.calibration.quantile_fit import Measurements, fit_table
from edgegym.cards import LinkDynamics, RadioPower, StatisticFidelity
from edgegym.network.measured import read_throughput

Array = NDArray[np.float64]
DYNAMICS_RULE = (
    "Dynamics: method of moments on the logarithm of the throughput within runs; errors are those of generators fitted "
    "to half of the runs, against the other half."
)
OTHER_PHONES = "Measured by others on other phones than the throughput; the power of the whole phone."
VARIEGATED = "Narayanan et al., A Variegated Look at 5G in the Wild, SIGCOMM 2021: linear regression on its power logs"
BYTE_JOULES = 8e-9
"""Energy per byte, joules, for each mW per Mbit/s: 1e-3 W / (1e6 bit/s) is 1e-9 J per bit."""


def _power(down: tuple[float, float], up: tuple[float, float], source: str) -> RadioPower:
    """From (mW per Mbit/s, mW at a rate of zero) of each direction."""
    return RadioPower(
        down_j_per_byte=float(f"{down[0] * BYTE_JOULES:.4g}"),
        down_base_w=float(f"{down[1] * 1e-3:.6g}"),
        up_j_per_byte=float(f"{up[0] * BYTE_JOULES:.4g}"),
        up_base_w=float(f"{up[1] * 1e-3:.6g}"),
        source=source,
    )


LTE_POWER = _power((11.5, 2839.0), (76.7, 2926.0), f"{VARIEGATED} of LTE, R2 .42 down and .55 up; idle included")
MMWAVE_POWER = _power(
    (1.73, 5237.0), (8.88, 5664.0), f"{VARIEGATED} of mmWave 5G, R2 .88 down and .84 up; idle included"
)
RADIO_3G = _power(
    (122.12, 817.88),
    (868.98, 817.88),
    "Huang et al., A Close Examination of Performance and Power Characteristics of 4G LTE Networks, MobiSys 2012: "
    "power model of 3G",
)


@dataclass(frozen=True)
class MeasuredRuns:
    """Where the runs of a card are, and the form of dynamics that fits them.

    Attributes:
        folder: below ``network`` of the data folder.
        pattern: regular expression that the name of a run matches from its beginning.
        form: the name of one of :data:`~edgegym.calibration.dynamics_fit.FORMS`.
        sample_s: seconds for which a measured value holds.
        unit: what a run belongs to, from its name.
    """

    folder: str
    pattern: str
    form: str
    sample_s: float = 1.0
    unit: Callable[[str], str] = str

    def read(self, data: Path) -> dict[str, Array]:
        """The runs by name, bit/s in steps of a second."""
        runs = read_throughput(data / "network" / self.folder / "traces.csv.gz")
        return {name: rate for name, rate in runs.items() if re.match(self.pattern, name)}


def _subscriber(run: str) -> str:
    return run.split("_")[1]


PLAINEST, PLAIN = "1 scale, level", "2 scales, level"
BLOCKED, BLOCKED_TWO = "1 scale, level, blockage", "2 scales, level, blockage"
MEASURED_RUNS = {
    "5g_first_hop": MeasuredRuns("lumos5g", "5G_", BLOCKED_TWO),
    "5g_walking": MeasuredRuns("lumos5g", "5G_.*walking", BLOCKED_TWO),
    "5g_driving": MeasuredRuns("lumos5g", "5G_.*driving", BLOCKED_TWO),
    "lte_first_hop": MeasuredRuns("lumos5g", "4G_", PLAIN),
    "lte_walking": MeasuredRuns("lumos5g", "4G_.*walking", PLAIN),
    "lte_driving": MeasuredRuns("lumos5g", "4G_.*driving", PLAIN),
    "5g_us_east": MeasuredRuns("5gophers", r"static_TCP_\w+_8conn_US-East_r\d+$", PLAINEST),
    "5g_us_west": MeasuredRuns("5gophers", r"static_TCP_\w+_8conn_US-West_r\d+$", PLAINEST),
    "hsdpa_3g": MeasuredRuns("hsdpa_norway", "", PLAIN),
    "fcc_broadband": MeasuredRuns("fcc_mba", "", BLOCKED, sample_s=5.0, unit=_subscriber),
}
"""The runs behind each link card with dynamics of its own. Forms were chosen by the errors on runs that were held out,
``benchmarks/link_dynamics.py``; of two about as good the plainer one."""


@lru_cache(maxsize=len(MEASURED_RUNS))
def fitted_dynamics(data: Path, name: str) -> tuple[LinkDynamics, dict[str, StatisticFidelity]]:
    """Dynamics fitted to the runs of a link card, and how well they stand for runs that were held out.

    Args:
        data: the data folder.
        name: a key of :data:`MEASURED_RUNS`.
    """
    recipe = MEASURED_RUNS[name]
    runs = recipe.read(data)
    rates, form = list(runs.values()), form_named(recipe.form)
    table = fit_table(Measurements.of(np.concatenate(rates)), ENTRIES)
    dynamics = fit_dynamics(rates, table, form, recipe.sample_s)
    units = [recipe.unit(run) for run in runs]
    return dynamics, judge(rates, units, lambda half: generator_of(half, form, recipe.sample_s))
