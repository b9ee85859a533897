"""What all generators draw beside the requests: bytes and nodes, from random streams of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import SettingsError

Sampler = Callable[[np.random.Generator, int], NDArray[Any]]
"""Draws n values: ``sampler(rng, n) -> (n,)``."""
JointSampler = Callable[[np.random.Generator, int], tuple[NDArray[Any], NDArray[Any]]]
"""Draws n pairs of popularity and size: ``sampler(rng, n) -> ((n,) requests per object, (n,) bytes)``."""


def streams(
    requests: int, seed: int, nodes: int, overlap: float
) -> tuple[np.random.Generator, np.random.Generator, np.random.Generator]:
    """Random streams for the requests, the nodes and the sizes.

    Raises:
        SettingsError: for counts or an overlap out of range.
    """
    if requests < 1 or nodes < 1:
        raise SettingsError(f"requests: found {requests}, nodes: found {nodes}; at least 1 of each is needed.")
    if not 0.0 <= overlap <= 1.0:
        raise SettingsError(f"overlap: found {overlap}; a probability from 0 to 1 is needed.")
    rng = np.random.default_rng(seed)
    placing, sizing = rng.spawn(2)
    return rng, placing, sizing


def drawn_sizes(sizes: Sampler | None, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Bytes of ``count`` contents, 1 each without a sampler: (count,)."""
    return np.ones(count, np.int64) if sizes is None else checked_sizes(sizes(rng, count))


def checked_sizes(drawn: NDArray[Any]) -> NDArray[np.int64]:
    """Whole bytes of what a sampler drew, rounded down.

    Raises:
        SettingsError: if one is below 1.
    """
    size = np.asarray(drawn).astype(np.int64)
    if len(size) and size.min() < 1:
        raise SettingsError(f"sizes: the sampler drew {size.min()} bytes; at least 1 is needed.")
    return size


def placed(
    rng: np.random.Generator, content: NDArray[np.integer], contents: int, nodes: int, overlap: float
) -> NDArray[np.int32]:
    """The node of each request.

    Args:
        rng: the stream for nodes.
        content: (requests,) content numbers, 0 .. contents - 1.
        contents: how many there are.
        nodes: edge nodes, at least 1.
        overlap: probability that a content is requested at every node rather than at one.

    Returns:
        (requests,) int32.
    """
    if nodes == 1:
        return np.zeros(len(content), np.int32)
    shared = rng.random(contents) < overlap
    owner = rng.integers(nodes, size=contents, dtype=np.int32)
    anywhere = rng.integers(nodes, size=len(content), dtype=np.int32)
    return np.where(shared[content], anywhere, owner[content])
