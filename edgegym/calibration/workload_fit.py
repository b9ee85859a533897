"""Workload cards from a joint law of popularity and size, or from a request trace."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.calibration.quantile_fit import Measurements, fidelity_of, fit_quantiles, rounded, significant
from edgegym.cards import (
    ByteTable,
    CountTable,
    Fidelity,
    Provenance,
    SizeGivenRequests,
    WorkloadCard,
)
from edgegym.errors import EdgeGymError
from edgegym.workload.trace import RequestTrace

ENTRIES = 31
"""Entries of a card's size table that the objects decide."""
TRAFFIC_ENTRIES = 10
"""Further entries where the requests are: a few popular sizes can carry most of the traffic."""
EXACT_COUNTS = 8
"""Numbers of requests below this one have a mass of their own; from it on bins grow by the square root of 2."""
GROUP_STARTS = (2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0)
"""Requests per object at which popularity groups of the joint law start; each is also the start of a bin of counts."""


def fit_workload(
    name: str,
    provenance: Provenance,
    requests: NDArray[np.float64],
    size: NDArray[np.float64],
    mass: NDArray[np.float64],
) -> WorkloadCard:
    """Make a workload card from a joint law over objects.

    Args:
        name: name of the card.
        provenance: where the law comes from.
        requests: (n,) requests per object, whole numbers, at least 1.
        size: (n,) bytes, at least 1.
        mass: (n,) share (or number) of the objects with this pair; any positive total.

    Raises:
        EdgeGymError: for requests or sizes below 1, or no mass at all.
    """
    for quantity, values in (("requests per object", requests), ("size", size)):
        if not len(values) or not np.all(values >= 1):
            raise EdgeGymError(f"{name}: {quantity}: at least one value is needed, and none below 1.")
    order = np.argsort(size, kind="stable")
    requests, size, mass = requests[order], size[order], mass[order] / mass.sum()
    probabilities, entries = _refined(*fit_quantiles(Measurements.of(size, mass), ENTRIES), requests, size, mass)
    card = WorkloadCard(
        name=name,
        provenance=provenance,
        object_bytes=ByteTable(probabilities=tuple(probabilities.tolist()), values=tuple(np.rint(entries).tolist())),
        requests_per_object=fit_counts(requests, mass),
        size_given_requests=_dependence(requests, size, mass, _groups(requests), probabilities),
    )
    return _with_fidelity(card, requests, size, mass)


def fit_independent_workload(
    name: str,
    provenance: Provenance,
    counts: tuple[NDArray[np.float64], NDArray[np.float64]],
    sizes: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> WorkloadCard:
    """Make a workload card where nothing is known of how size and popularity depend on each other.

    Args:
        name: name of the card.
        provenance: where the laws come from.
        counts: requests per object and the mass of each.
        sizes: bytes and the mass of each.
    """
    measured = Measurements.of(*sizes)
    probabilities, values = fit_quantiles(measured, ENTRIES)
    table = fit_counts(*counts)
    object_bytes = ByteTable(probabilities=tuple(probabilities.tolist()), values=tuple(np.rint(values).tolist()))
    return WorkloadCard(
        name=name,
        provenance=provenance,
        object_bytes=object_bytes,
        requests_per_object=table,
        fidelity=Fidelity(
            tables={"object_bytes": fidelity_of(object_bytes, measured)},
            mean_requests_error=rounded(abs(table.mean() / np.average(counts[0], weights=counts[1]) - 1)),
        ),
    )


def workload_card_of(trace: RequestTrace, name: str, provenance: Provenance) -> WorkloadCard:
    """Make a workload card from a request trace: each of its contents is an object."""
    requests = np.bincount(trace.content, minlength=trace.contents)
    seen = requests > 0
    size = trace.size[seen].astype(np.float64)
    return fit_workload(name, provenance, requests[seen].astype(np.float64), size, np.ones(int(seen.sum())))


def fit_counts(requests: NDArray[np.float64], mass: NDArray[np.float64]) -> CountTable:
    """Condense a law of counts; a bin of the tail is replaced by its mean, so that the mean of the law is kept.

    Args:
        requests: (n,) requests per object, at least 1.
        mass: (n,) share of each.
    """
    top = float(requests.max())
    steps = np.arange(int(2 * np.log2(max(top, EXACT_COUNTS) / EXACT_COUNTS)) + 2)
    edges = np.concatenate([np.arange(1, EXACT_COUNTS), np.ceil(EXACT_COUNTS * 2 ** (steps / 2) - 1e-9)])
    place = np.searchsorted(edges, requests, side="right") - 1
    total = np.bincount(place, mass, len(edges))
    kept = total > 0
    mean = np.bincount(place, mass * requests, len(edges))[kept] / total[kept]
    share = total[kept] / total.sum()
    return CountTable(values=tuple(significant(mean, 6).tolist()), probabilities=tuple(significant(share, 6).tolist()))


def _refined(
    probabilities: NDArray[np.float64],
    values: NDArray[np.float64],
    requests: NDArray[np.float64],
    size: NDArray[np.float64],
    mass: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Halve, one by one, the segments over which most requests spread widest (share times logarithm of the ratio)."""
    last, position = _positions(size, mass)
    traffic = np.concatenate([[0.0], np.cumsum(requests * mass)[last]])
    sizes = np.concatenate([size[:1], size[last]])
    for _ in range(TRAFFIC_ENTRIES):
        share = np.interp(probabilities, position, traffic)
        spread = np.diff(share) * np.diff(np.log(values))
        for segment in np.argsort(-spread, kind="stable"):
            inside = np.flatnonzero((position > probabilities[segment]) & (position < probabilities[segment + 1]))
            if len(inside):
                middle = (share[segment] + share[segment + 1]) / 2
                split = inside[np.argmin(np.abs(traffic[inside] - middle))]
                probabilities = np.insert(probabilities, segment + 1, position[split])
                value = np.clip(significant(sizes[split], 5), values[segment], values[segment + 1])
                values = np.insert(values, segment + 1, value)
                break
    return probabilities, values


def _positions(size: NDArray[np.float64], mass: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For sorted sizes the last row of each distinct size, and the share of objects up to it after a leading zero."""
    last = np.append(np.flatnonzero(np.diff(size)), len(size) - 1)
    position = np.concatenate([[0.0], np.cumsum(mass)[last]])
    return last, np.round(position / position[-1], 9)


def _groups(requests: NDArray[np.float64]) -> NDArray[np.float64]:
    """Starts of the popularity groups: those of :data:`GROUP_STARTS` whose group has data, however little.

    The most requested objects are few and carry much of the traffic, so they are not merged.
    """
    present = np.unique(np.searchsorted(GROUP_STARTS, requests, side="right"))
    starts = np.append(1.0, GROUP_STARTS)[present]
    starts[0] = 1.0
    return starts


def _dependence(
    requests: NDArray[np.float64],
    size: NDArray[np.float64],
    mass: NDArray[np.float64],
    groups: NDArray[np.float64],
    probabilities: NDArray[np.float64],
) -> SizeGivenRequests | None:
    """The contingency table of popularity groups and size segments; None for a single group or a single size."""
    if len(groups) == 1 or size[0] == size[-1]:
        return None
    last, position = _positions(size, mass)
    group = np.searchsorted(groups, requests, side="right") - 1
    rows = []
    for g in range(len(groups)):
        # A size that many objects share may span several segments: its mass is spread over them evenly in probability.
        below = np.concatenate([[0.0], np.cumsum(np.where(group == g, mass, 0.0))[last]])
        row = np.diff(np.interp(probabilities, position, below / below[-1]))
        rows.append(tuple(significant(np.maximum(row, 0.0), 4).tolist()))
    return SizeGivenRequests(requests_from=tuple(groups.tolist()), segment_probabilities=tuple(rows))


def _with_fidelity(
    card: WorkloadCard, requests: NDArray[np.float64], size: NDArray[np.float64], mass: NDArray[np.float64]
) -> WorkloadCard:
    traffic = Measurements.of(size, requests * mass)
    fidelity = Fidelity(
        tables={"object_bytes": fidelity_of(card.object_bytes, Measurements.of(size, mass))},
        mean_requests_error=rounded(abs(card.requests_per_object.mean() / float(mass @ requests) - 1)),
        mean_bytes_per_request_error=rounded(abs(card.joint.mean_bytes_per_request() / traffic.mean() - 1)),
        median_bytes_per_request_error=rounded(
            abs(float(card.joint.bytes_per_request().quantile(0.5)) / float(traffic.quantile(0.5)) - 1)
        ),
    )
    return card.model_copy(update={"fidelity": fidelity})
