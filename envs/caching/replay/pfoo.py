"""PFOO-L: a bound on the hits of every caching policy, for objects of any sizes.

D. S. Berger, N. Beckmann and M. Harchol-Balter, "Practical bounds on optimal caching with variable object sizes",
Proceedings of the ACM on Measurement and Analysis of Computing Systems (SIGMETRICS) 2(2), 2018.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import EdgeGymError, unknown
from edgegym.workload.trace import next_uses

OBJECTIVES = ("objects", "bytes")


@dataclass(frozen=True)
class HitBound:
    """A bound that no caching policy passes.

    Attributes:
        hits: upper bound on the hits, in requests or in bytes.
        requested: all requests, or all bytes, that were counted.
    """

    hits: float
    requested: float

    @property
    def misses(self) -> float:
        """Lower bound on the misses, in requests or in bytes."""
        return self.requested - self.hits

    @property
    def hit_ratio(self) -> float:
        """Upper bound on the (byte) hit ratio."""
        return self.hits / self.requested

    @property
    def miss_ratio(self) -> float:
        """Lower bound on the (byte) miss ratio."""
        return self.misses / self.requested


def pfoo_l(
    content: NDArray[np.int32],
    size: NDArray[Any],
    capacity: int,
    *,
    objective: Literal["objects", "bytes"] = "objects",
    from_index: int = 0,
) -> HitBound:
    """Bound the hits of any policy that fetches an object only when it is requested.

    A hit at request j, whose object was last requested at i, needs that object in the cache throughout [i, j): it
    cannot have been fetched in between. Let slot t be the time from request t to request t + 1. The hits at or after
    ``from_index`` = W then hold ``size`` in each of the slots max(i, W - 1) .. j - 1, all of which lie among the
    N - W slots W - 1 .. N - 2 (slots 0 .. N - 2 for W = 0), and in no slot do they hold more than the capacity C
    together. Summed over the slots: the costs size x (j - max(i, W - 1)) of the hits are at most C x (N - W). This
    holds whatever the policy did before W, so the bound stays valid for a cache that is warm at W; an interval that
    straddles W pays for its part after W only, which is all it takes from the budget. The bound lets the capacity be
    exceeded in one slot and made up for in another (a relaxation), and then the best choice under one budget is the
    fractional knapsack: the cheapest cost per hit, or per byte hit, first, the last interval in part.

    Args:
        content: (requests,) int32, dense ids.
        size: (contents,) >= 1, room that an object takes: bytes, or ones for a cache that counts objects.
        capacity: room in the cache, in the unit of ``size``; larger objects never hit.
        objective: what to bound: hits per request ("objects") or in units of ``size`` ("bytes").
        from_index: the first request that counts, 0 .. requests - 1.

    Raises:
        EdgeGymError: for an unknown objective or an index outside the trace.
    """
    if objective not in OBJECTIVES:
        raise unknown("objective", objective, OBJECTIVES)
    requests = len(content)
    if not 0 <= from_index < requests:
        raise EdgeGymError(f"from_index: found {from_index}; allowed are 0 .. {requests - 1}.")
    again = next_uses(content, len(size))
    first = np.flatnonzero((again < requests) & (again >= from_index) & (size[content] <= capacity))
    room = size[content[first]].astype(np.float64)
    length = (again[first] - np.maximum(first, from_index - 1)).astype(np.float64)
    worth = room if objective == "bytes" else np.ones(len(first))
    hits = _fractional_knapsack(worth, room * length, float(capacity) * (requests - from_index))
    counted = content[from_index:]
    requested = float(size[counted].sum()) if objective == "bytes" else float(len(counted))
    return HitBound(hits, requested)


def _fractional_knapsack(worth: NDArray[np.float64], cost: NDArray[np.float64], budget: float) -> float:
    """The greatest total worth within the budget when items may be taken in part; costs are positive."""
    order = np.argsort(cost / worth, kind="stable")
    spent = np.cumsum(cost[order])
    whole = int(np.searchsorted(spent, budget, side="right"))
    total = float(worth[order[:whole]].sum())
    if whole < len(order):
        left = budget - (float(spent[whole - 1]) if whole else 0.0)
        total += left / float(cost[order[whole]]) * float(worth[order[whole]])
    return total
