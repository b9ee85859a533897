"""Shot noise: requests for contents that are born, requested for a lifetime and forgotten.

S. Traverso et al., "Temporal locality in today's content caching: why it matters and how to model it", ACM CCR 43(5),
2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError
from edgegym.workload.draws import JointSampler, Sampler, checked_sizes, drawn_sizes, placed, streams
from edgegym.workload.trace import RequestTrace, dense_ids

PILOT_CONTENTS = 10_000
WINDOW_MARGIN = 1.05
MOST_BIRTHS = 50_000_000


def shot_noise(
    requests: int,
    *,
    birth_rate: float,
    lifetimes: Sequence[float],
    seed: int,
    volumes: Sampler | None = None,
    sizes: Sampler | None = None,
    joint: JointSampler | None = None,
    nodes: int = 1,
    overlap: float = 1.0,
) -> RequestTrace:
    """Draw requests for contents that are born, requested for a lifetime and forgotten (Traverso et al., 2013).

    Births are Poisson. A content with volume V and lifetime L gets Poisson(V) requests, uniform over its lifetime: V is
    its *mean* number of requests, so that requests come at ``birth_rate`` times the mean of V, and a share of exp(-V)
    of the contents of volume V is never seen. Those that are seen have V / (1 - exp(-V)) requests on average: counts
    observed in a log (at least 1 each), taken as volumes, give back the log's request rate but more requests per seen
    content than the log has.

    The process is stationary from time 0 on: contents born up to the longest lifetime earlier are alive then.

    Args:
        requests: length of the trace.
        birth_rate: births per second over all nodes.
        lifetimes: seconds; each content has one of them, all equally likely.
        seed: of ``numpy.random.default_rng``.
        volumes: draws the mean number of requests of each content, above 0.
        sizes: draws bytes for each content that is seen; 1 without it.
        joint: draws volume and size of a content together, in place of ``volumes`` and ``sizes``.
        nodes: edge nodes.
        overlap: probability that a content is requested at every node rather than at one.

    Returns:
        The first ``requests`` requests after time 0, in seconds.

    Raises:
        SettingsError: for values out of range.
    """
    life = np.asarray(lifetimes, np.float64)
    _check_shot_noise(birth_rate, life, volumes is not None, sizes is not None, joint is not None)
    rng, placing, sizing = streams(requests, seed, nodes, overlap)
    both = joint or _separate(volumes)
    time, born, size = _shot_requests(rng, requests, birth_rate, life, both)
    content = dense_ids(born)
    seen = np.empty(int(content.max()) + 1, np.int64)
    seen[content] = born
    size_of = checked_sizes(size[seen]) if joint is not None else drawn_sizes(sizes, sizing, len(seen))
    return RequestTrace(time, content, size_of, placed(placing, content, len(seen), nodes, overlap), "shot noise")


def _check_shot_noise(birth_rate: float, life: NDArray[np.float64], volumes: bool, sizes: bool, joint: bool) -> None:
    if not 0.0 < birth_rate < np.inf:
        raise SettingsError(f"birth_rate: found {birth_rate}; births per second above 0 are needed.")
    if life.ndim != 1 or len(life) == 0 or not np.all((life > 0) & (life < np.inf)):
        raise SettingsError(f"lifetimes: found {life.tolist()}; one or more numbers of seconds above 0 are needed.")
    if joint == volumes or (joint and sizes):
        raise SettingsError("give either volumes (and sizes) or joint, which draws both.")


def _separate(volumes: Sampler | None) -> JointSampler:
    """Volumes alone in the form of joint draws; sizes are drawn later, for the contents that are seen."""
    assert volumes is not None
    return lambda rng, count: (volumes(rng, count), np.ones(count, np.int64))


def _shot_requests(
    rng: np.random.Generator, requests: int, birth_rate: float, life: NDArray[np.float64], both: JointSampler
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Time and number of the content of the first requests after 0, and the sizes of all contents born.

    Given its volume, a content's requests form a Poisson process over its lifetime, independent in disjoint windows of
    time. So only the windows that are needed are drawn, one after the other until there are enough requests.
    """
    mean_volume = float(_volumes(both(rng, PILOT_CONTENTS)[0]).mean())
    birth, death, volume, size = (np.empty(0) for _ in range(4))
    time, born = np.empty(0), np.empty(0, np.int64)
    start, oldest = 0.0, -float(life.max())
    while len(time) < requests:
        missing = WINDOW_MARGIN * (requests - len(time)) + 10.0
        stop = start + missing / (birth_rate * mean_volume)
        expected = birth_rate * (stop - oldest)
        if expected > MOST_BIRTHS:
            raise SettingsError(f"birth_rate: needs some {expected:.0e} births; lower it, the lifetimes or requests.")
        count = int(rng.poisson(expected))
        volumes, sizes = both(rng, count)
        births = oldest + (stop - oldest) * rng.random(count)
        birth = np.append(birth, births)
        death = np.append(death, births + rng.choice(life, count))
        volume = np.append(volume, _volumes(volumes))
        size = np.append(size, sizes)
        more_time, more_born = _window(rng, start, stop, birth, death, volume)
        time, born = np.append(time, more_time), np.append(born, more_born)
        start = oldest = stop
    return time[:requests], born[:requests], size.astype(np.int64)


def _window(
    rng: np.random.Generator,
    start: float,
    stop: float,
    birth: NDArray[np.float64],
    death: NDArray[np.float64],
    volume: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The requests of the contents between two times, in order of time: times and content numbers."""
    begin, end = np.maximum(birth, start), np.minimum(death, stop)
    alive = np.flatnonzero(end > begin)
    begin, span = begin[alive], (end - begin)[alive]
    count = rng.poisson(volume[alive] * span / (death - birth)[alive])
    time = np.repeat(begin, count) + np.repeat(span, count) * rng.random(int(count.sum()))
    order = np.argsort(time, kind="stable")
    return time[order], np.repeat(alive, count)[order]


def _volumes(drawn: NDArray[Any]) -> NDArray[np.float64]:
    volume = np.asarray(drawn, np.float64)
    if not np.all((volume > 0) & (volume < np.inf)):
        raise SettingsError("volumes: the sampler drew a value that is not above 0 and finite.")
    return volume
