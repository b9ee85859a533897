"""Link cards from measured round trips and throughput traces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.quantile_fit import Measurements, fidelity_of, fit_table, significant
from edgegym.cards import Fidelity, LinkCard, LinkDynamics, Provenance, RadioPower, StatisticFidelity

ENTRIES = 21
"""Entries of a link's quantile tables."""


def held_values(series: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Measurements:
    """Pool throughput series; a value counts for as long as it holds.

    Args:
        series: for each run its (n,) seconds, not falling, and (n,) values. The last value of a run counts for the
            run's median step.
    """
    values, weights, run = [], [], []
    for name, (time_s, value) in series.items():
        step = np.diff(time_s)
        last = float(np.median(step)) if len(step) else 1.0
        values.append(value)
        weights.append(np.append(step, last))
        run += [name] * len(value)
    return Measurements.of(np.concatenate(values), np.concatenate(weights), run)


def fit_link(
    name: str,
    provenance: Provenance,
    *,
    rtt_s: Measurements | float,
    rate_bps: Measurements | float,
    rate_direction: str = "both",
    dynamics: tuple[LinkDynamics, dict[str, StatisticFidelity]] | None = None,
    radio: RadioPower | None = None,
) -> LinkCard:
    """Make a link card.

    Args:
        name: name of the card.
        provenance: where the measurements come from; a quantity given as a plain number is best listed in its
            ``assumed``.
        rtt_s: measured round trips, seconds, or one number.
        rate_bps: measured throughput, bit/s, or one number.
        rate_direction: ``"down"`` where only the way to the user was measured.
        dynamics: how the throughput moves, and how well that stands for the measured runs.
        radio: what a phone draws.

    Returns:
        The card: medians, quantile tables and their fidelity where measurements were given.
    """
    moves, moves_like = dynamics if dynamics is not None else (None, {})
    given: dict[str, object] = {"dynamics": moves, "radio": radio}
    fidelity = {}
    for field, table_field, measured in (("rtt_s", "rtt_table", rtt_s), ("rate_bps", "rate_table", rate_bps)):
        if isinstance(measured, Measurements):
            table = fit_table(measured, ENTRIES)
            given[field] = float(significant(measured.quantile([0.5]), 5)[0])
            given[table_field] = table
            fidelity[table_field] = fidelity_of(table, measured)
        else:
            given[field] = float(measured)
    return LinkCard.parse(
        {
            "name": name,
            "provenance": provenance,
            "rate_direction": rate_direction,
            "fidelity": Fidelity(tables=fidelity, dynamics=moves_like),
            **given,
        },
        f"link card {name}",
    )
