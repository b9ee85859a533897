"""How well generated throughput moves like the measured one, on runs that the fit did not see.

python benchmarks/link_dynamics.py DATA [--output FILE]

DATA is the data folder. A figure is written beside FILE.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.dynamics_fit import FORMS, Generator, generator_of, judge
from edgegym.calibration.library_dynamics import MEASURED_RUNS
from edgegym.calibration.throughput_statistics import log_rate, outage_threshold, within_run_moments
from edgegym.cards import StatisticFidelity, load_card
from edgegym.evaluation.drawing import LEARNED, MUTED, new_figure, rendered, styled
from edgegym.files import replaced, write_text
from edgegym.network.throughput import throughput_trace

Array = NDArray[np.float64]
GOAL = 0.15
STATES = 20
CANDIDATE_SPLITS = 3
COMPARED = tuple(name for name in MEASURED_RUNS if name not in ("5g_first_hop", "lte_first_hop"))
"""Walking and driving are the parts of what is left out."""
DRAWN = ("5g_walking", "5g_driving", "lte_walking", "lte_driving", "hsdpa_3g", "fcc_broadband")
DRAWN_LAGS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 45, 60)
STATISTICS = ("acf_1s", "acf_5s", "acf_10s", "log_spread", "cv", "outage_share", "outage_s", "between_outages_s")
INTRODUCTION = """\
Throughput in steps of a second, the last value held between samples. Autocorrelation and spread (`log_spread`) are
those of the logarithm, floor 0.01 Mbit/s, as deviations from each run's mean and pooled; `cv` is the standard deviation
over the mean of the throughput, all runs; an outage is below a tenth of the median. The runs are split into random
halves (pieces of a subscriber stay together). A generator fitted to one half, its law included, draws four runs for
each run of the other half, of the same length; errors are relative to the other half. *Error* is their mean absolute
value, *floor* that of the difference between the two halves themselves, *bias* the error of the means over all halves:
what remains when their noise cancels. Where the error exceeds 15 %, it counts as no larger than the halves' own
difference if it is at most 1.25 times the floor and the bias at most 15 %.
"""


def independent(runs: Sequence[Array]) -> Generator:
    """Draws each step by itself from all measured values."""
    values = np.concatenate(runs)
    return lambda steps, seed: np.random.default_rng(seed).choice(values, steps)


def chain(runs: Sequence[Array]) -> Generator:
    """A Markov chain whose states are quantile classes, with an outage's bound among them; values by chance within."""
    values = np.sort(np.concatenate(runs))
    bounds = np.unique([*np.quantile(values, np.arange(1, STATES) / STATES), outage_threshold(runs)])
    members = [values[np.searchsorted(bounds, values, side="right") == k] for k in range(len(bounds) + 1)]
    shares = np.array([len(m) for m in members]) / len(values)
    moves = 1e-3 * np.tile(shares, (len(shares), 1))
    for run in runs:
        state = np.searchsorted(bounds, run, side="right")
        np.add.at(moves, (state[:-1], state[1:]), 1.0)
    ends = np.cumsum(moves / moves.sum(axis=1, keepdims=True), axis=1)

    def draw(steps: int, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        state = int(rng.choice(len(shares), p=shares))
        found = np.empty(steps)
        for step, (move, member) in enumerate(rng.random((steps, 2)).tolist()):
            found[step] = members[state][int(member * len(members[state]))]
            state = min(int(np.searchsorted(ends[state], move)), len(shares) - 1)
        return found

    return draw


CANDIDATES: dict[str, Callable[..., Generator]] = {
    "independent draws": lambda runs, sample_s: independent(runs),
    f"Markov chain, {STATES} states": lambda runs, sample_s: chain(runs),
    **{f"copula, {form.name}": partial(generator_of, form=form) for form in FORMS},
}
REMARKS = """\
## Remarks

- The law of the throughput is the card's, so the share of outages is right by construction; where it errs here, the
  halves of the runs differ in it.
- Where 15 % is missed on halves, the halves mostly differ as much themselves: 45 drives over 4G, 41 over 5G, 50
  subscribers with about 110 outages, and 21 and 24 downloads of a minute (4 and 6 outages, too few for statistics).
- 4G driving falls short at 5 s for another reason: its autocorrelation bends like a bell at first, as that of a smooth
  process does, and a sum of exponentials cannot. 5G driving is too low at 1 s: high there, a fifth of that at 5 s.
- Long outages over 5G (more than 20 s, a percent of them) are rarer than measured: blocked spells are geometric.
- A Markov chain over quantile classes has the outages, but forgets too fast and knows no level of a run. Three time
  scales gain nothing over two.
"""


def candidates(data: Path) -> list[str]:
    """Mean error over the statistics for each candidate and card."""
    lines = [
        "## Candidates",
        "",
        "Mean error over a card's statistics on held-out halves, %; floor: of the halves themselves. Bold: the form on "
        "the card.",
        "",
        f"| candidate | {' | '.join(COMPARED)} |",
        "|---" * (len(COMPARED) + 1) + "|",
    ]
    cells: dict[str, list[str]] = {name: [] for name in [*CANDIDATES, "floor"]}
    for card in COMPARED:
        recipe = MEASURED_RUNS[card]
        runs = recipe.read(data)
        units = [recipe.unit(run) for run in runs]
        for name, fit in CANDIDATES.items():
            found = judge(list(runs.values()), units, partial(fit, sample_s=recipe.sample_s), CANDIDATE_SPLITS)
            error = f"{100 * np.mean([f.held_out_error for f in found.values()]):.1f}"
            cells[name].append(f"**{error}**" if name.endswith(f", {recipe.form}") else error)
            print(card, name, error, flush=True)
        cells["floor"].append(f"{100 * np.mean([f.noise_floor for f in found.values()]):.1f}")
    return lines + [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()] + [""]


def verdict(found: StatisticFidelity) -> str:
    if found.held_out_error <= GOAL:
        return "within 15 %"
    if abs(found.bias) <= GOAL and found.held_out_error <= 1.25 * found.noise_floor:
        return "as far apart as the runs' halves"
    return "**missed**"


def cards() -> list[str]:
    """What stands on the cards, statistic by statistic."""
    lines = [
        "## Cards",
        "",
        "| card | statistic | measured | error | floor | bias | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in MEASURED_RUNS:
        found = load_card(name, "link").fidelity.dynamics
        for statistic in STATISTICS:
            if statistic in found:
                f = found[statistic]
                figures = f"{f.measured:g} | {f.held_out_error:.1%} | {f.noise_floor:.1%} | {f.bias:+.1%}"
                lines.append(f"| {name} | {statistic} | {figures} | {verdict(f)} |")
    return [*lines, ""]


def durations(runs: Sequence[Array], threshold_bps: float) -> Array:
    """Durations of outages that begin and end within a run, seconds, sorted."""
    found = []
    for run in runs:
        change = np.flatnonzero(np.diff((run < threshold_bps).astype(int)))
        length = np.diff(change)
        found.append(length[(run < threshold_bps)[change[:-1] + 1]] if len(change) > 1 else length[:0])
    return np.sort(np.concatenate(found))


def figure(data: Path, file: Path) -> None:
    """Autocorrelation and durations of outages, measured and generated."""
    with styled():
        drawing = new_figure(10.5, 6.0)
        axes = drawing.subplots(3, 4).ravel()
        for place, name in enumerate(DRAWN):
            card = load_card(name, "link")
            runs = list(MEASURED_RUNS[name].read(data).values())
            drawn = [throughput_trace(card, len(run), seed) for seed, run in enumerate(runs * 2)]
            threshold = outage_threshold(runs)
            left, right = axes[2 * place], axes[2 * place + 1]
            for kind, some, style in (
                ("measured", runs, {"color": MUTED, "marker": "o", "markersize": 3}),
                ("generated", drawn, {"color": LEARNED}),
            ):
                acf = within_run_moments([log_rate(run) for run in some], DRAWN_LAGS)[1]
                left.plot(DRAWN_LAGS, acf, label=kind, linewidth=1.2, **style)
                seconds = durations(some, threshold)
                if len(seconds) >= 10:
                    longer = 1.0 - np.arange(len(seconds)) / len(seconds)
                    right.step(seconds, longer, label=kind, linewidth=1.2, color=style["color"])
            left.set(xscale="log", ylim=(-0.1, 1), title=name)
            left.axhline(0, color=MUTED, linewidth=0.5)
            left.set_xticks([1, 2, 5, 10, 20, 60], ["1", "2", "5", "10", "20", "60"])
            left.minorticks_off()
            right.set(xscale="log", yscale="log", ylim=(1e-3, 1.2), xlim=(0.9, 100))
            right.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
            right.set_yticks([1, 0.1, 0.01, 0.001], ["1", ".1", ".01", ".001"])
            right.minorticks_off()
            if not right.lines:
                right.text(0.5, 0.5, "no outages", transform=right.transAxes, ha="center", color=MUTED)
        for left, right in zip(axes[-4::2], axes[-3::2], strict=True):
            left.set_xlabel("autocorrelation over lag, s")
            right.set_xlabel("share of outages at least as long, s")
        axes[0].legend(frameon=False)
        drawing.tight_layout()
    with replaced(file) as aside:
        aside.write_bytes(rendered(drawing, "png"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/link_dynamics.md"))
    options = parser.parse_args()
    begin = time.process_time()
    picture = options.output.with_suffix(".png")
    figure(options.data, picture)
    compared = candidates(options.data)
    lines = [
        "# Dynamics of links",
        "",
        f"`python benchmarks/link_dynamics.py DATA`; {platform.system()}, {os.cpu_count()} cores (one used), Python "
        f"{platform.python_version()}, numpy {np.__version__}, {date.today()}; {time.process_time() - begin:.0f} s of "
        "CPU.",
        "",
        INTRODUCTION,
        *cards(),
        *compared,
        REMARKS,
        f"![Autocorrelation and durations of outages]({picture.name})",
        "",
    ]
    write_text(options.output, "\n".join(lines))


if __name__ == "__main__":
    main()
