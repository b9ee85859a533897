"""Recipes of the link cards that ship with EdgeGym."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import constants

from edgegym.calibration.library_dynamics import (
    DYNAMICS_RULE,
    LTE_POWER,
    MMWAVE_POWER,
    OTHER_PHONES,
    RADIO_3G,
    fitted_dynamics,
)
from edgegym.calibration.link_fit import fit_link, held_values
from edgegym.calibration.quantile_fit import Measurements
from edgegym.cards import LinkCard, Provenance
from edgegym.network.measured import Series, read_series

GOPHERS = (
    "Narayanan et al., A First Look at Commercial 5G Performance on Smartphones, WWW 2020 (5Gophers)",
    "doi:10.1145/3366423.3380169",
)
LUMOS = ("Narayanan et al., Lumos5G, IMC 2020", "doi:10.1145/3419394.3423629")
CC_BY = "CC BY 4.0"
RTT_RULE = "Round trip: median and quantiles of the pings {which}, all series pooled."
NO_UPLINK = "Throughput was measured towards the user only."
CAMPAIGNS = "Round trip and throughput come from two campaigns of the same group in the same kind of network."
GROUP_INDEX = 1.468
"""Of standard single-mode fibre (ITU-T G.652) at 1550 nm, as in Corning's SMF-28 product information."""
BACKHAUL_BPS = 1e9


def access(radio: str, mode: str | None) -> Callable[[Path, str], LinkCard]:
    """Recipe of an access link: pings to the first hop, throughput of Lumos5G.

    Args:
        radio: ``"5G"`` or ``"4G"``.
        mode: ``"walking"``, ``"driving"`` or both (None).
    """

    def recipe(data: Path, name: str) -> LinkCard:
        which = f"{radio} traces, {mode or 'walking and driving'}"
        provenance = Provenance(
            source=f"{GOPHERS[0]}; {LUMOS[0]}",
            url=f"{GOPHERS[1]}; {LUMOS[1]}",
            licence=CC_BY,
            rule=f"{RTT_RULE.format(which=f'over {radio} to the first hop')} Rate: median and quantiles over time of "
            f"the throughput in the {which}. {DYNAMICS_RULE}",
            notes=f"{CAMPAIGNS} {NO_UPLINK} The pings were made standing still.",
            assumed={"radio": OTHER_PHONES},
        )
        return fit_link(
            name,
            provenance,
            rtt_s=_pings(data, radio, "First-Hop"),
            rate_bps=_lumos(data, lambda run: run.startswith(radio) and (mode or "") in run),
            rate_direction="down",
            dynamics=fitted_dynamics(data, name),
            radio=MMWAVE_POWER if radio == "5G" else LTE_POWER,
        )

    return recipe


def region(radio: str, target: str) -> Callable[[Path, str], LinkCard]:
    """Recipe of the whole way between a user and a region, ``"US-East"`` or ``"US-West"``."""

    def recipe(data: Path, name: str) -> LinkCard:
        measured = radio == "5G"
        rule = (
            f"Rate: median and quantiles of the 60 s downloads from {target} over 8 TCP connections, three operators, "
            f"user standing still. {DYNAMICS_RULE}"
            if measured
            else "Rate: that of the access link, see provenance.assumed."
        )
        reason = f"The 4G access rate of Lumos5G; nobody measured the rate from {target} over 4G here."
        provenance = Provenance(
            source=GOPHERS[0] if measured else f"{GOPHERS[0]}; {LUMOS[0]}",
            url=GOPHERS[1] if measured else f"{GOPHERS[1]}; {LUMOS[1]}",
            licence=CC_BY,
            rule=f"{RTT_RULE.format(which=f'over {radio} to {target}')} {rule}",
            notes=NO_UPLINK,
            assumed={}
            if measured
            else {"rate_bps": reason, "rate_table": reason, "dynamics": reason, "radio": OTHER_PHONES},
        )
        rates = (
            _throughput(data, "5gophers", re.compile(rf"static_TCP_\w+_8conn_{target}_r\d+").fullmatch)
            if measured
            else _lumos(data, lambda run: run.startswith(radio))
        )
        return fit_link(
            name,
            provenance,
            rtt_s=_pings(data, radio, target),
            rate_bps=rates,
            rate_direction="down",
            dynamics=fitted_dynamics(data, name if measured else "lte_first_hop"),
            # The three operators of the 5G downloads use bands whose radios draw differently.
            radio=None if measured else LTE_POWER,
        )

    return recipe


def wide_area(target: str) -> Callable[[Path, str], LinkCard]:
    """Recipe of the way between the mobile network's edge and a region: the difference of two medians."""

    def recipe(data: Path, name: str) -> LinkCard:
        near, far = (float(_pings(data, "5G", end).quantile(0.5)) for end in ("First-Hop", target))
        provenance = Provenance(
            source=GOPHERS[0],
            url=GOPHERS[1],
            licence=CC_BY,
            method="derived",
            rule=f"Round trip: median of the 5G pings to {target} ({1e3 * far:.2f} ms) minus median of those to the "
            f"first hop ({1e3 * near:.2f} ms). A difference of medians has no quantile table.",
            assumed={"rate_bps": "Nobody measured a backhaul rate here: 1 Gbit/s, a round figure for one transfer."},
        )
        return fit_link(name, provenance, rtt_s=round(far - near, 6), rate_bps=BACKHAUL_BPS)

    return recipe


def fibre(length_km: float) -> Callable[[Path, str], LinkCard]:
    """Recipe of a metropolitan fibre: propagation only."""

    def recipe(data: Path, name: str) -> LinkCard:
        provenance = Provenance(
            source=f"Speed of light in vacuum (SI) and the group index {GROUP_INDEX} of ITU-T G.652 single-mode fibre "
            "at 1550 nm, as in Corning's SMF-28 product information",
            method="derived",
            rule=f"Round trip: 2 x {length_km:g} km x {GROUP_INDEX} / c, without queues, switches or detours.",
            assumed={
                "rtt_s": f"The length of {length_km:g} km is a round figure for a metropolitan network.",
                "rate_bps": "10 Gbit/s, a usual rate of metropolitan Ethernet; no measurement.",
            },
        )
        rtt_s = 2 * length_km * 1e3 * GROUP_INDEX / constants.c
        return fit_link(name, provenance, rtt_s=float(f"{rtt_s:.4g}"), rate_bps=1e10)

    return recipe


def hsdpa(data: Path, name: str) -> LinkCard:
    """Recipe of the 3G access link."""
    provenance = Provenance(
        source="Riiser et al., Commute Path Bandwidth Traces from 3G Networks, MMSys 2013 (HSDPA, Oslo)",
        url="github.com/confiwent/Real-world-bandwidth-traces @ d28c4fd (cooked_3gp)",
        licence="host repository MIT; the original asks for a citation and states no licence",
        rule="Rate: median and quantiles over time of the TCP throughput, the last value held between samples. "
        f"{DYNAMICS_RULE}",
        date="2010 to 2011",
        notes=f"{NO_UPLINK} Slow samples span more time than fast ones, so the median over time is below that over "
        "samples.",
        assumed={
            "rtt_s": "Not measured with these traces: 100 ms, the lower end of the range for 3G in Grigorik, High "
            "Performance Browser Networking (O'Reilly 2013), table 7-2.",
            "radio": OTHER_PHONES,
        },
    )
    rates = _throughput(data, "hsdpa_norway", lambda run: True)
    return fit_link(
        name,
        provenance,
        rtt_s=0.1,
        rate_bps=rates,
        rate_direction="down",
        dynamics=fitted_dynamics(data, name),
        radio=RADIO_3G,
    )


def fcc(data: Path, name: str) -> LinkCard:
    """Recipe of the fixed broadband access link."""
    provenance = Provenance(
        source="FCC, Measuring Broadband America 2016, raw data of web downloads",
        url="github.com/confiwent/Real-world-bandwidth-traces @ d28c4fd (fcc_ori)",
        licence="US government data; host repository MIT",
        rule="Rate: median and quantiles over time of the throughput of web downloads. Folds keep the pieces of a "
        f"subscriber together. {DYNAMICS_RULE}",
        date="2016",
        notes=f"{NO_UPLINK} Throughput of web downloads at that time, not the capacity of the line.",
        assumed={"rtt_s": "Not measured with these traces: 30 ms, a round figure for wired access."},
    )
    rates = _throughput(data, "fcc_mba", lambda run: True, unit=lambda run: run.split("_")[1])
    return fit_link(
        name,
        provenance,
        rtt_s=0.03,
        rate_bps=rates,
        rate_direction="down",
        dynamics=fitted_dynamics(data, name),
    )


LINKS: dict[str, Callable[[Path, str], LinkCard]] = {
    "5g_first_hop": access("5G", None),
    "5g_walking": access("5G", "walking"),
    "5g_driving": access("5G", "driving"),
    "lte_first_hop": access("4G", None),
    "lte_walking": access("4G", "walking"),
    "lte_driving": access("4G", "driving"),
    "5g_us_east": region("5G", "US-East"),
    "5g_us_west": region("5G", "US-West"),
    "lte_us_east": region("4G", "US-East"),
    "lte_us_west": region("4G", "US-West"),
    "wan_us_east": wide_area("US-East"),
    "wan_us_west": wide_area("US-West"),
    "metro_fibre_50km": fibre(50.0),
    "hsdpa_3g": hsdpa,
    "fcc_broadband": fcc,
}
"""Recipe of each link card: data folder and name in, card out."""


@lru_cache(maxsize=8)
def _series(data: Path, folder: str, column: str) -> Series:
    return read_series(data / "network" / folder / "traces.csv.gz", column)


def _pings(data: Path, radio: str, target: str) -> Measurements:
    """Round trips in seconds."""
    series = _series(data, "5gophers_rtt", "rtt_ms")
    chosen = {run: ms for run, (_, ms) in series.items() if f"_{radio}_" in run and run.endswith(f"_{target}")}
    runs = [run for run, ms in chosen.items() for _ in ms]
    return Measurements.of(np.concatenate(list(chosen.values())) / 1e3, run=runs)


def _lumos(data: Path, wanted: Callable[[str], object]) -> Measurements:
    return _throughput(data, "lumos5g", wanted)


def _throughput(
    data: Path, folder: str, wanted: Callable[[str], object], unit: Callable[[str], str] = str
) -> Measurements:
    """Throughput in bit/s over time; ``unit`` names what a run belongs to, for folds of independent units."""
    series = _series(data, folder, "down_mbps")
    pooled = held_values({run: (t, 1e6 * mbps) for run, (t, mbps) in series.items() if wanted(run)})
    units = [unit(run) for run, (t, _) in series.items() if wanted(run) for _ in t]
    return Measurements.of(pooled.values, pooled.weights, units)
