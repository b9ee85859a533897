"""Workload cards with a footprint from a request trace, for workloads of kind ``footprint``.

``python -m edgegym.calibration.workload_footprint TRACE --name NAME --source SOURCE --out CARD.yaml``

A distance is only seen up to the depth that the stack has at its time: distances are right-truncated by the number of
contents seen so far. Their law is therefore estimated by the product limit for truncated data (D. Lynden-Bell, "A
method of allowing for known observational selection in small samples applied to 3CR quasars", MNRAS 155, 1971), which
a generator that cuts the law at the depth of its own stack turns back into the measured distances.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edgegym.calibration.quantile_fit import rounded, significant
from edgegym.calibration.workload_fit import workload_card_of
from edgegym.cards import FirstRequests, Footprint, Provenance, StackDistances, WorkloadCard, save_card
from edgegym.errors import EdgeGymError
from edgegym.workload.footprint import footprint
from edgegym.workload.readers import read_trace
from edgegym.workload.stack_distance import INFINITE, curve_of, stack_distances
from edgegym.workload.trace import RequestTrace

FINEST = 1e-3
"""Stack distances below this share of the contents are not told apart."""
BIN_MASS = 0.05
"""Bins of distances are no more probable than this, so that they leave popularity a choice and say enough of LRU."""
BIN_DEVIATION = 0.004
"""Within a bin the law is even up to this probability; a distance more probable than this ends a bin."""
CURVE_POINTS = 24
CURVE_ERROR = 5e-4
"""Error at which the curve of first requests needs no further point, as a share of the contents."""
CAPACITIES = np.geomspace(1e-3, 1.0, 200)
"""Cache sizes, as shares of the footprint, over which the fidelity is stated."""


def footprint_card_of(trace: RequestTrace, name: str, provenance: Provenance) -> WorkloadCard:
    """Make a workload card with a footprint from a request trace.

    The fidelity says how a trace of the same length that is generated from the card (with seed 0) differs from this
    one.

    Args:
        trace: the requests; nodes are not told apart.
        name: name of the card.
        provenance: where the trace comes from.

    Raises:
        EdgeGymError: if no content is requested twice.
    """
    card = workload_card_of(trace, name, provenance)
    card = card.model_copy(update={"footprint": measure_footprint(trace)})
    return card.model_copy(update={"fidelity": card.fidelity.model_copy(update=_errors(trace, card))})


def measure_footprint(trace: RequestTrace) -> Footprint:
    """Measure how the requests of a trace follow each other.

    Raises:
        EdgeGymError: if no content is requested twice.
    """
    distance = stack_distances(trace.content)
    again = distance < INFINITE
    if not again.any():
        raise EdgeGymError(f"{trace.source}: no content is requested twice; a footprint needs stack distances.")
    appeared = np.cumsum(~again, dtype=np.int64)
    values, cumulative = truncated_law(distance[again], appeared[again])
    return Footprint(
        requests=len(trace),
        contents=int(appeared[-1]),
        stack_distances=binned_law(values, cumulative, finest=max(1, round(FINEST * appeared[-1]))),
        first_requests=_fitted_curve(appeared),
        popular_first=_popular_first(np.bincount(trace.content)[: appeared[-1]]),
    )


def truncated_law(value: NDArray[np.int64], limit: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Law of a value that is only seen where it does not exceed a limit, by the product limit of Lynden-Bell.

    Args:
        value: (n,) what was seen.
        limit: (n,) the limit of each, at least the value.

    Returns:
        The distinct values, growing, and the probability up to each, the last one 1.
    """
    values, count = np.unique(value, return_counts=True)
    # Who is compared at a value: those that could have had it (limit) and had no larger one.
    compared = np.cumsum(count) - np.searchsorted(np.sort(limit), values, side="left")
    below = np.cumprod(1.0 - (count / compared)[:0:-1])[::-1]
    return values, np.append(below, 1.0)


def binned_law(values: NDArray[np.int64], cumulative: NDArray[np.float64], finest: int) -> StackDistances:
    """Condense a law of distances in objects.

    Args:
        values: (n,) distances, growing.
        cumulative: (n,) probability up to each.
        finest: the first bin holds at least the distances up to this one.
    """
    return condensed_law(*_knots(values, cumulative, finest), "objects", BIN_DEVIATION)


def condensed_law(
    x: NDArray[np.int64], cumulative: NDArray[np.float64], unit: Literal["objects", "bytes"], deviation: float
) -> StackDistances:
    """Choose the edges of bins among places, each bin as wide as the tolerances allow.

    Args:
        x: (n,) places where a bin may end, above 0, growing.
        cumulative: (n,) probability up to each, the last one 1.
        unit: of ``x``.
        deviation: within a bin the law is even up to this probability.
    """
    edges, ends = [0], [0.0]
    at = 0
    while at < len(x):
        reach = max(at, int(np.searchsorted(cumulative, ends[-1] + BIN_MASS, side="right")) - 1)
        while (
            reach > at and _unevenness(x[at : reach + 1], cumulative[at : reach + 1], edges[-1], ends[-1]) > deviation
        ):
            reach = (at + reach) // 2
        edges.append(int(x[reach]))
        ends.append(float(cumulative[reach]))
        at = reach + 1
    masses = significant(np.diff(ends), 5)
    return StackDistances(unit=unit, edges=tuple(edges), probabilities=tuple(masses.tolist()))


def _knots(
    values: NDArray[np.int64], cumulative: NDArray[np.float64], finest: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places where a bin may end, with the probability up to there; before a probable distance there is one, too."""
    before = np.append(0.0, cumulative[:-1])
    jump = np.flatnonzero(cumulative - before > BIN_DEVIATION)
    x = np.concatenate([values[jump] - 1, values])
    y = np.concatenate([before[jump], cumulative])
    x, first = np.unique(x, return_index=True)
    y = y[first]
    coarse = np.searchsorted(x, finest, side="right")
    if coarse == 0:
        return x, y
    return np.append(finest, x[coarse:]), np.append(y[coarse - 1], y[coarse:])


def _unevenness(x: NDArray[np.int64], y: NDArray[np.float64], low: int, below: float) -> float:
    """Largest distance of the points from the line between the bin's ends."""
    line = below + (y[-1] - below) * (x - low) / (x[-1] - low)
    return float(np.abs(y - line).max())


def _fitted_curve(appeared: NDArray[np.int64]) -> FirstRequests:
    """Points of the curve of first requests, one by one where the curve so far is most wrong."""
    n = np.arange(1, len(appeared) + 1)
    chosen = [1, len(appeared)]
    while True:
        points = np.array(sorted(chosen))
        curve = FirstRequests(requests=tuple(points.tolist()), contents=tuple(appeared[points - 1].astype(float)))
        error = np.abs(curve.at(n) - appeared)
        if len(points) >= CURVE_POINTS or error.max() <= CURVE_ERROR * appeared[-1]:
            return curve
        chosen.append(int(error.argmax()) + 1)


def _popular_first(requests: NDArray[np.int64]) -> float:
    """The exponent that gives the rank correlation of a content's requests and its place in the order of appearance.

    Args:
        requests: (contents,) in order of first appearance.
    """
    if np.ptp(requests) == 0:
        return 1.0
    rank = stats.rankdata(requests)
    wait = np.random.default_rng(0).exponential(size=len(requests))
    place = np.arange(len(requests), dtype=np.float64)

    def correlation(order: NDArray[np.intp]) -> float:
        return float(np.corrcoef(rank[order], place)[0, 1])

    measured = correlation(np.arange(len(requests)))
    low, high = 0.0, 1.0
    for _ in range(8):
        middle = (low + high) / 2
        weaker = correlation(np.argsort(wait / requests**middle)) > measured
        low, high = (middle, high) if weaker else (low, middle)
    return round((low + high) / 2, 2)


def _errors(trace: RequestTrace, card: WorkloadCard) -> dict[str, float | None]:
    drawn = footprint(len(trace), card, seed=0)
    sized = int(trace.size.max()) > 1
    return {
        "miss_ratio_error": rounded(miss_ratio_difference(trace, drawn)),
        "byte_capacity_miss_ratio_error": rounded(miss_ratio_difference(trace, drawn, in_bytes=True))
        if sized
        else None,
        "top_percent_share_error": rounded(abs(top_percent_share(drawn) - top_percent_share(trace))),
        "one_hit_share_error": rounded(abs(one_hit_share(drawn) - one_hit_share(trace))),
    }


def miss_ratio_difference(
    one: RequestTrace, other: RequestTrace, *, in_bytes: bool = False, weighted: bool = False
) -> float:
    """Largest difference of two traces' LRU miss ratios over :data:`CAPACITIES` of the first one's footprint.

    Args:
        one: a trace.
        other: another one.
        in_bytes: whether capacities are bytes, else objects.
        weighted: whether misses count their bytes, else one each.
    """
    total = int(one.size.sum()) if in_bytes else one.contents
    capacity = np.unique(np.maximum(1, np.rint(CAPACITIES * total)))
    ratios = [
        curve_of(
            stack_distances(trace.content, trace.size if in_bytes else None),
            trace.size[trace.content] if weighted else None,
        ).at(capacity)
        for trace in (one, other)
    ]
    return float(np.abs(ratios[0] - ratios[1]).max())


def top_percent_share(trace: RequestTrace) -> float:
    """Share of the requests that the most popular percent of the contents gets."""
    requests = np.sort(np.bincount(trace.content))[::-1]
    return float(requests[: max(1, round(0.01 * trace.contents))].sum() / len(trace))


def one_hit_share(trace: RequestTrace) -> float:
    """Share of the contents that are requested once."""
    return float(np.mean(np.bincount(trace.content, minlength=trace.contents) == 1))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m edgegym.calibration.workload_footprint",
        description="Make a workload card, with footprint, from a request trace.",
    )
    parser.add_argument("trace", type=Path, help="the trace file, plain or compressed with gzip or xz")
    parser.add_argument("--format", help="its format; guessed where that is certain")
    parser.add_argument("--name", required=True, help="name of the card")
    parser.add_argument("--source", required=True, help="who measured what, in a form that can be cited")
    parser.add_argument("--licence", help="terms of the trace")
    parser.add_argument("--out", type=Path, required=True, help="the card, a .yaml file")
    options = parser.parse_args(arguments)
    provenance = Provenance(source=options.source, licence=options.licence, rule=f"python -m {__spec__.name}")
    try:
        card = footprint_card_of(read_trace(options.trace, options.format), options.name, provenance)
        save_card(card, options.out)
    except EdgeGymError as error:
        print(error, file=sys.stderr)
        return 2
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
