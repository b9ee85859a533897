"""What decides how a stream of requests fares in an LRU cache of any size, condensed to a few numbers.

A footprint descriptor (A. Sundarrajan, M. Feng, M. Kasbekar and R. K. Sitaraman, "Footprint descriptors: theory and
practice of cache provisioning in a global CDN", CoNEXT 2017) is the law of the stack distance; here the curve of first
requests stands beside it, so that a trace drawn from both also starts as the measured one did.
"""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator, model_validator

from edgegym.cards.tables import check_masses, cumulative
from edgegym.settings import Settings


class StackDistances(Settings):
    """Law of the stack distance of a request for a content that was requested before.

    The distance counts the distinct contents requested since the content's previous request, itself included. Among the
    contents that lie in a bin it is popularity that decides, so within a bin nothing is said.
    """

    unit: Literal["objects", "bytes"] = "objects"
    """What the distance counts."""
    edges: tuple[int, ...] = Field(min_length=2)
    """Bin i holds the distances above ``edges[i]`` up to ``edges[i + 1]``; starts with 0, strictly increasing."""
    probabilities: tuple[float, ...] = Field(min_length=1)
    """Probability of each bin, with sum 1."""

    @field_validator("edges")
    @classmethod
    def _growing_from_zero(cls, edges: tuple[int, ...]) -> tuple[int, ...]:
        if edges[0] != 0 or not np.all(np.diff(edges) > 0):
            raise ValueError("must start with 0 and grow from entry to entry")
        return edges

    @model_validator(mode="after")
    def _one_probability_a_bin(self) -> Self:
        if len(self.edges) != len(self.probabilities) + 1:
            raise ValueError(
                f"{len(self.edges)} edges need {len(self.edges) - 1} probabilities (found {len(self.probabilities)})"
            )
        check_masses(self.probabilities)
        return self

    @property
    def cumulative(self) -> NDArray[np.float64]:
        """Probability of a distance up to each edge, (edges,) float64, from 0 to exactly 1."""
        masses = np.array(self.probabilities)
        return np.append(0.0, cumulative(masses / masses.sum()))


class FirstRequests(Settings):
    """Distinct contents among the first requests; a power law from point to point (Heaps' law), and after the last."""

    requests: tuple[int, ...] = Field(min_length=2)
    """Numbers of requests, strictly increasing; the first is 1."""
    contents: tuple[float, ...] = Field(min_length=2)
    """Distinct contents among so many requests: the first is 1, never falling, no more than the requests."""

    @model_validator(mode="after")
    def _a_curve(self) -> Self:
        if len(self.requests) != len(self.contents):
            raise ValueError(f"{len(self.requests)} requests but {len(self.contents)} contents; one each is needed")
        if (self.requests[0], self.contents[0]) != (1, 1) or not np.all(np.diff(self.requests) > 0):
            raise ValueError("must start with 1 content of 1 request, and requests must grow from entry to entry")
        if not np.all(np.diff(self.contents) >= 0) or not np.all(np.array(self.contents) <= self.requests):
            raise ValueError("contents must not fall from entry to entry nor exceed the requests")
        return self

    def at(self, requests: ArrayLike) -> NDArray[np.float64]:
        """Distinct contents among the first ``requests`` (at least 1, any shape)."""
        x, y, wanted = np.log(self.requests), np.log(self.contents), np.log(requests)
        slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
        return np.exp(np.interp(wanted, x, y) + slope * np.maximum(wanted - x[-1], 0.0))


class Footprint(Settings):
    """How the requests of a stream follow each other."""

    requests: int = Field(ge=2)
    """Requests that were measured; the counts of the card are those among so many."""
    contents: int = Field(ge=1)
    """Distinct contents among them."""
    stack_distances: StackDistances
    """Law of the stack distance, which decides how large a cache a repeated request needs."""
    first_requests: FirstRequests
    """How fast contents appear that were not requested before: misses at every cache size."""
    popular_first: float = Field(default=1.0, ge=0, le=1)
    """How strongly popular contents are the first to appear: a content's rate of appearing is its number of requests to
    this power. 1 is what independent requests give, 0 an order without regard to popularity."""
