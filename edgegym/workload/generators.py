"""Request traces drawn from a seed: Zipf, drifting Zipf, a catalogue with joint popularity and size, and shot noise.

The seed is everything: the same arguments give the same trace on every machine with the same stream of
``numpy.random.default_rng``. Sizes and nodes come from streams of their own, so that a trace keeps its requests when
only its sizes or nodes change.

A content is requested at every node with probability ``overlap`` (each of its requests then reaches a node drawn
uniformly), else at one node only, drawn uniformly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError
from edgegym.workload.draws import JointSampler, Sampler, checked_sizes, drawn_sizes, placed, streams
from edgegym.workload.shot_noise import shot_noise
from edgegym.workload.trace import RequestTrace, dense_ids

__all__ = ["catalogue", "drifting", "shot_noise", "zipf", "zipf_weights"]


def zipf_weights(contents: int, alpha: float, q: float = 0.0) -> NDArray[np.float64]:
    """Mandelbrot-Zipf popularity: the content of rank i = 1, 2, ... is requested in proportion to (i + q) ** -alpha.

    Args:
        contents: size of the catalogue.
        alpha: exponent, at least 0; 0 is uniform.
        q: flattens the head, above -1; 0 is Zipf.

    Returns:
        (contents,) probabilities in falling order.

    Raises:
        SettingsError: for values out of range.
    """
    if contents < 1:
        raise SettingsError(f"contents: found {contents}; at least 1 is needed.")
    if not 0.0 <= alpha < np.inf or not -1.0 < q < np.inf:
        raise SettingsError(f"alpha: found {alpha}, at least 0 is needed; q: found {q}, above -1 is needed.")
    weight = (np.arange(1, contents + 1) + q) ** -alpha
    return weight / weight.sum()


def zipf(
    requests: int,
    contents: int,
    alpha: float,
    seed: int,
    *,
    sizes: Sampler | None = None,
    nodes: int = 1,
    overlap: float = 1.0,
    q: float = 0.0,
) -> RequestTrace:
    """Draw independent requests with Mandelbrot-Zipf popularity (the independent reference model).

    Args:
        requests: length of the trace.
        contents: size of the catalogue; the trace holds those that are requested.
        alpha: exponent of the popularity, at least 0.
        seed: of ``numpy.random.default_rng``.
        sizes: draws bytes for each content; 1 without it.
        nodes: edge nodes.
        overlap: probability that a content is requested at every node rather than at one.
        q: flattens the head of the popularity, see :func:`zipf_weights`.

    Returns:
        The trace; its time is the request number.

    Raises:
        SettingsError: for values out of range.
    """
    rng, placing, sizing = streams(requests, seed, nodes, overlap)
    rank = _drawn(rng, requests, zipf_weights(contents, alpha, q))
    return _catalogue_trace(rank, drawn_sizes(sizes, sizing, contents), nodes, overlap, placing, "zipf")


def catalogue(
    requests: int, contents: int, seed: int, *, joint: JointSampler, nodes: int = 1, overlap: float = 1.0
) -> RequestTrace:
    """Draw independent requests for contents whose popularity and size belong together.

    Args:
        requests: length of the trace.
        contents: size of the catalogue; the trace holds those that are requested.
        seed: of ``numpy.random.default_rng``.
        joint: draws popularity (requests per object, any scale) and bytes of each content.
        nodes: edge nodes.
        overlap: probability that a content is requested at every node rather than at one.

    Returns:
        The trace; its time is the request number.

    Raises:
        SettingsError: for values out of range.
    """
    rng, placing, sizing = streams(requests, seed, nodes, overlap)
    if contents < 1:
        raise SettingsError(f"contents: found {contents}; at least 1 is needed.")
    weight, size = joint(sizing, contents)
    weight = np.asarray(weight, np.float64)
    if not np.all((weight > 0) & (weight < np.inf)):
        raise SettingsError("joint: the sampler drew a popularity that is not above 0 and finite.")
    number = _drawn(rng, requests, weight / weight.sum())
    return _catalogue_trace(number, checked_sizes(size), nodes, overlap, placing, "catalogue")


def drifting(
    requests: int,
    contents: int,
    alpha: float,
    seed: int,
    *,
    every: int,
    share: float,
    sizes: Sampler | None = None,
    nodes: int = 1,
    overlap: float = 1.0,
    q: float = 0.0,
) -> RequestTrace:
    """Draw Zipf requests while contents keep exchanging their ranks.

    Args:
        requests: length of the trace.
        contents: size of the catalogue.
        alpha: exponent of the popularity, at least 0.
        seed: of ``numpy.random.default_rng``; the ranks drawn are those of :func:`zipf`.
        every: requests between two changes, at least 1.
        share: share of the contents, drawn uniformly, that pass their ranks round at each change, rounded to a number
            of contents other than 1, which has nobody to exchange with; in [0, 1].
        sizes: draws bytes for each content; 1 without it.
        nodes: edge nodes.
        overlap: probability that a content is requested at every node rather than at one.
        q: flattens the head of the popularity, see :func:`zipf_weights`.

    Returns:
        The trace; its time is the request number.

    Raises:
        SettingsError: for values out of range.
    """
    if every < 1 or not 0.0 <= share <= 1.0:
        raise SettingsError(f"every: found {every}, at least 1 is needed; share: found {share}, 0 to 1 is needed.")
    rng, placing, sizing = streams(requests, seed, nodes, overlap)
    rank = _drawn(rng, requests, zipf_weights(contents, alpha, q))
    moved = round(share * contents)
    moved = min(2, contents) if moved == 1 else moved
    content_of_rank = np.arange(contents)
    content = np.empty(requests, np.int64)
    for start in range(0, requests, every):
        if start and moved:
            places = rng.choice(contents, moved, replace=False)
            content_of_rank[places] = content_of_rank[np.roll(places, 1)]
        content[start : start + every] = content_of_rank[rank[start : start + every]]
    return _catalogue_trace(content, drawn_sizes(sizes, sizing, contents), nodes, overlap, placing, "zipf")


def _drawn(rng: np.random.Generator, requests: int, probability: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers from 0 on, by inverting the distribution function."""
    cdf = np.cumsum(probability)
    cdf[-1] = 1.0
    return np.searchsorted(cdf, rng.random(requests))


def _catalogue_trace(
    request: NDArray[np.integer],
    size: NDArray[np.int64],
    nodes: int,
    overlap: float,
    placing: np.random.Generator,
    source: str,
) -> RequestTrace:
    """The trace of requests for numbers of a catalogue with these sizes, renumbered by first appearance."""
    content = dense_ids(request)
    number = np.empty(int(content.max()) + 1, np.int64)
    number[content] = request
    time = np.arange(len(request), dtype=np.float64)
    return RequestTrace(time, content, size[number], placed(placing, request, len(size), nodes, overlap), source)
