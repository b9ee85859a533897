"""The table of cooperation strategies: which way a request takes, which way the content, and who keeps a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgegym.envs.caching.cooperation.copying import (
    BY_PATH_CAPACITY,
    EVERYWHERE,
    HOME,
    HOME_AND_LOCAL,
    LOCAL,
    LOCAL_FROM_ORIGIN,
    MOST_CENTRAL,
    NOWHERE,
    ONE_AT_RANDOM,
    ONE_DOWN,
)
from edgegym.envs.caching.cooperation.kernel import (
    DIRECT,
    MULTICAST,
    PAST_CACHES,
    SAME_WAY,
    TO_ORIGIN,
    VIA_HOLDER,
    VIA_HOME,
)


@dataclass(frozen=True)
class Strategy:
    """One way for caches to work together; every cache evicts by LRU.

    Attributes:
        routing: the request's way: TO_ORIGIN, PAST_CACHES, VIA_HOLDER or VIA_HOME.
        returning: the way of a content that comes from its origin: SAME_WAY, DIRECT or MULTICAST.
        copying: who keeps a copy, a rule of :mod:`~edgegym.envs.caching.cooperation.copying`.
        summary: what it does, in one line.
        paper: where it comes from.
    """

    routing: int
    returning: int
    copying: int
    summary: str
    paper: str


LAOUTARIS = "Laoutaris, Che and Stavrakakis, Performance Evaluation 2006"
FAYAZBAKHSH = "Fayazbakhsh et al., SIGCOMM 2013"
SAINO = "Saino, Psaras and Pavlou, ICN 2013"

STRATEGIES: Mapping[str, Strategy] = MappingProxyType(
    {
        "No cache": Strategy(TO_ORIGIN, SAME_WAY, NOWHERE, "nothing is cached", "-"),
        "EDGE": Strategy(PAST_CACHES, SAME_WAY, LOCAL, "the first cache on the path works alone, by LRU", FAYAZBAKHSH),
        "LCE": Strategy(
            TO_ORIGIN, SAME_WAY, EVERYWHERE, "leave copy everywhere: in every cache on the path", LAOUTARIS
        ),
        "LCD": Strategy(
            TO_ORIGIN, SAME_WAY, ONE_DOWN, "leave copy down: in the cache below the one that served", LAOUTARIS
        ),
        "ProbCache": Strategy(
            TO_ORIGIN,
            SAME_WAY,
            BY_PATH_CAPACITY,
            "a copy with a probability that weighs the capacity ahead and the distance travelled",
            "Psaras, Chai and Pavlou, ICN 2012",
        ),
        "Random choice": Strategy(
            TO_ORIGIN,
            SAME_WAY,
            ONE_AT_RANDOM,
            "a copy in one cache of the path, drawn uniformly",
            "Eum et al., ICN 2012",
        ),
        "CL4M": Strategy(
            TO_ORIGIN,
            SAME_WAY,
            MOST_CENTRAL,
            "cache less for more: a copy in the cache of the path with the highest betweenness",
            "Chai, He, Psaras and Pavlou, Networking 2012",
        ),
        "Look-up, copy": Strategy(
            VIA_HOLDER, SAME_WAY, LOCAL, "EDGE, whose misses are served by the nearest cache with a copy", FAYAZBAKHSH
        ),
        "Look-up, no copy": Strategy(
            VIA_HOLDER,
            SAME_WAY,
            LOCAL_FROM_ORIGIN,
            "as Look-up, copy, but what another cache served is not copied",
            "Leff, Wolf and Yu, IEEE TPDS 1993",
        ),
        "Nearest replica": Strategy(
            VIA_HOLDER, SAME_WAY, EVERYWHERE, "LCE, and the nearest cache with a copy serves", FAYAZBAKHSH
        ),
        "Hash routing": Strategy(
            VIA_HOME,
            SAME_WAY,
            HOME,
            "each content has one home cache, and both request and content pass it (symmetric)",
            SAINO,
        ),
        "Hash routing, asymmetric": Strategy(
            VIA_HOME,
            DIRECT,
            HOME,
            "the content comes straight from its origin, and its home keeps it only if it is on the way",
            SAINO,
        ),
        "Hash routing, multicast": Strategy(
            VIA_HOME,
            MULTICAST,
            HOME,
            "the content comes straight from its origin, and a second branch takes it to its home",
            SAINO,
        ),
        "Hash routing, edge copy": Strategy(
            VIA_HOME,
            SAME_WAY,
            HOME_AND_LOCAL,
            "symmetric, with a second copy in the first cache on the request's route",
            "-",
        ),
    }
)
"""Strategy name to strategy. ``"Hash routing"`` is also what a hash partition is: each content has one cache, which all
requests for it pass."""
