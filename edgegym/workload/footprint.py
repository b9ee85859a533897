"""Traces with the LRU miss-ratio curve of a measured one, at every cache size and from the first request on.

LRU depends on a trace through its stack distances alone (R. L. Mattson et al., IBM Systems Journal 9(2), 1970), so a
trace whose distances follow the measured law has the measured curve: the idea of footprint descriptors and of TRAGEN
(A. Sabnis and R. K. Sitaraman, "TRAGEN: a synthetic trace generator for realistic cache simulations", IMC 2021). The
model here has three parts, all in a workload card:

1. The curve of first requests says whether a request is for a content that was never requested.
2. If not, the law of stack distances, cut at the present depth of the stack, draws a bin of distances: it says how deep
   in the stack the content lies.
3. The content is drawn among those in the bin, in proportion to the requests that they still have to get: each brings a
   number of requests and a size, drawn together from the card's joint law. So popularity says which content it is.

Parts 1 and 2 decide the curve, whatever part 3 does. Part 3 keeps counts near the measured ones, as far as the bins
leave a choice: where none of a bin's contents has requests left, the distance itself decides.

Contents appear as if each had an arrival time, exponential with rate (its requests) ** ``popular_first``. After as many
requests as were measured, contents get their requests once more; those that the measurement never saw bring one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from edgegym.cards import Footprint, WorkloadCard
from edgegym.compiling import njit
from edgegym.errors import SettingsError
from edgegym.workload.draws import placed, streams
from edgegym.workload.fenwick import add, find, new_tree, prefix
from edgegym.workload.trace import RequestTrace

NOBODY = -1
"""What a slot holds whose content was requested again."""


def footprint(requests: int, card: WorkloadCard, seed: int, *, nodes: int = 1, overlap: float = 1.0) -> RequestTrace:
    """Draw a trace that fares in LRU caches as the one that the card was measured on.

    Args:
        requests: length of the trace; any, see the module's text for one longer than the measured trace.
        card: a workload card with a footprint.
        seed: of ``numpy.random.default_rng``.
        nodes: edge nodes.
        overlap: probability that a content is requested at every node rather than at one.

    Returns:
        The trace; its time is the request number.

    Raises:
        SettingsError: for values out of range, or a card without a footprint.
    """
    measured = card.footprint
    if measured is None:
        raise SettingsError(
            f"card: {card.name} has no footprint; name one that has, such as web07, or make one of a trace with "
            "python -m edgegym.calibration.workload_footprint."
        )
    rng, placing, sizing = streams(requests, seed, nodes, overlap)
    count = _arrivals(rng, requests, card, measured)
    size = card.joint.sizes(count, sizing.random(requests))
    # Masses of the card's tail are means of bins of counts; rounding at random keeps the mean.
    demand = np.floor(np.array(card.requests_per_object.values)[count] + rng.random(requests)).astype(np.int64) - 1
    law = measured.stack_distances
    content = _requested(
        _first_requests(rng, requests, measured),
        np.array(law.edges, np.int64),
        law.cumulative,
        size if law.unit == "bytes" else np.ones(requests, np.int64),
        demand,
        measured.requests,
        rng.random((requests, 2)),
    )
    seen = int(content.max()) + 1
    node = placed(placing, content, seen, nodes, overlap)
    return RequestTrace(np.arange(requests, dtype=np.float64), content, size[:seen], node, "footprint")


def _first_requests(rng: np.random.Generator, requests: int, measured: Footprint) -> NDArray[np.bool_]:
    """Which requests are for a new content: (requests,).

    Between two whole values of the curve of first requests there is one, at a random place.
    """
    curve = measured.first_requests.at(np.arange(1, requests + 1))
    number = np.arange(int(curve[-1]) + 1)
    place = np.searchsorted(curve, number + rng.random(len(number)))
    place[0] = 0
    # Two in one place: the second moves on.
    place = np.maximum.accumulate(place - number) + number
    first = np.zeros(requests, np.bool_)
    first[place[place < requests]] = True
    return first


def _arrivals(rng: np.random.Generator, contents: int, card: WorkloadCard, measured: Footprint) -> NDArray[np.intp]:
    """Contents in the order in which they appear, as indices into the card's requests per object: (contents,).

    Of the measured contents only those that are first to arrive are drawn, from the law of the counts given that.
    """
    table = card.requests_per_object
    rate = np.array(table.values) ** measured.popular_first
    drawn = min(contents, measured.contents)
    until = _arrival_time(rate, table.masses, drawn / measured.contents)
    arrived = -np.expm1(-rate * until)
    ends = np.cumsum(table.masses * arrived)
    # One draw in each of equal shares: the few popular contents that carry the traffic come in their right number.
    share = (np.arange(drawn) + rng.random(drawn)) / drawn
    count = np.minimum(np.searchsorted(ends / ends[-1], share, side="right"), len(rate) - 1)
    time = -np.log1p(-rng.random(drawn) * arrived[count]) / rate[count]
    newcomers = np.zeros(contents - drawn, np.intp)
    return np.concatenate([count[np.argsort(time, kind="stable")], newcomers])


def _arrival_time(rate: NDArray[np.float64], mass: NDArray[np.float64], share: float) -> float:
    """When the expected share of all contents has arrived; inf for all."""
    if share >= 1.0:
        return float("inf")
    late = 1.0
    while mass @ -np.expm1(-rate * late) < share:
        late *= 2.0
    return float(brentq(lambda time: mass @ -np.expm1(-rate * time) - share, 0.0, late))


@njit(cache=True)
def _requested(
    first: NDArray[np.bool_],
    edges: NDArray[np.int64],
    cumulative: NDArray[np.float64],
    room: NDArray[np.int64],
    demand: NDArray[np.int64],
    period: int,
    uniform: NDArray[np.float64],
) -> NDArray[np.int32]:
    """The contents requested, numbered in order of first appearance.

    Slot t + 1 of the trees belongs to the content whose last request was t, so the stack is read from the last slot
    down.

    Args:
        first: (requests,) whether the request is for a new content; the first one is.
        edges: (bins + 1,) of the stack distances.
        cumulative: (bins + 1,) probability up to each edge.
        room: (contents,) what each content adds to the depth of the stack, in order of appearance.
        demand: (contents,) requests that each still has to get after its first.
        period: requests after which the demand is renewed.
        uniform: (requests, 2) random numbers in [0, 1).
    """
    requests = len(first)
    rooms, demands = new_tree(requests), new_tree(requests)
    content_at = np.full(requests + 1, NOBODY, np.int32)
    content = np.empty(requests, np.int32)
    left = demand.copy()
    depth = np.int64(0)
    appeared, covered = 0, 0
    for t in range(requests):
        if t % period == 0 and t > 0:
            _renew(demands, left, demand, content_at[: t + 1])
        while covered < len(edges) - 1 and edges[covered + 1] <= depth:
            covered += 1
        possible = _probability_up_to(depth, edges, cumulative, covered)
        if first[t]:
            x = appeared
            appeared += 1
            depth += room[x]
        else:
            low, distance, high = _drawn_distance(uniform[t, 0] * possible, possible, edges, cumulative, depth)
            slot = _slot_within(rooms, demands, depth, low, high, uniform[t, 1])
            if slot == 0:
                slot = find(rooms, depth - distance + 1)
            x = content_at[slot]
            add(rooms, slot, -room[x])
            add(demands, slot, -left[x])
            content_at[slot] = NOBODY
            left[x] = max(left[x] - 1, 0)
        content[t] = x
        content_at[t + 1] = x
        add(rooms, t + 1, room[x])
        add(demands, t + 1, left[x])
    return content


@njit(cache=True)
def _renew(
    demands: NDArray[np.int64], left: NDArray[np.int64], demand: NDArray[np.int64], content_at: NDArray[np.int32]
) -> None:
    """Give every content in the stack its demand anew."""
    for slot in range(1, len(content_at)):
        x = content_at[slot]
        if x != NOBODY:
            add(demands, slot, demand[x] - left[x])
            left[x] = demand[x]


@njit(cache=True)
def _probability_up_to(depth: int, edges: NDArray[np.int64], cumulative: NDArray[np.float64], covered: int) -> float:
    """Probability of a distance up to ``depth``; edge ``covered`` is the last within it."""
    if covered == len(edges) - 1:
        return cumulative[covered]
    inside = (depth - edges[covered]) / (edges[covered + 1] - edges[covered])
    return cumulative[covered] + inside * (cumulative[covered + 1] - cumulative[covered])


@njit(cache=True)
def _drawn_distance(
    share: float, possible: float, edges: NDArray[np.int64], cumulative: NDArray[np.float64], depth: int
) -> tuple[int, int, int]:
    """The distance with probability ``share`` below it, between the edges of its bin, all within ``depth``.

    The deepest where the law has nothing within it (``possible`` is 0).
    """
    if possible == 0.0:
        return depth - 1, depth, depth
    b = min(int(np.searchsorted(cumulative, share, side="right")), len(edges) - 1)
    low, high = edges[b - 1], min(edges[b], depth)
    inside = (share - cumulative[b - 1]) / (cumulative[b] - cumulative[b - 1])
    distance = low + 1 + np.int64(inside * (edges[b] - low))
    return low, min(distance, high), high


@njit(cache=True)
def _slot_within(
    rooms: NDArray[np.int64], demands: NDArray[np.int64], depth: int, low: int, high: int, uniform: float
) -> int:
    """Slot of a content between two depths of the stack, drawn in proportion to its demand; 0 if there is none."""
    deepest, shallowest = find(rooms, depth - high + 1), find(rooms, depth - low)
    before = prefix(demands, deepest - 1)
    within = prefix(demands, shallowest) - before
    return find(demands, before + 1 + np.int64(uniform * within)) if within > 0 else 0
