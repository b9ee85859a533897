"""Workload settings: which requests an environment serves. :mod:`~edgegym.workload.sources` makes episodes of them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.amounts import check_amount
from edgegym.settings import Settings


class ShotNoiseSettings(Settings):
    """Contents are born, requested for a lifetime and forgotten (Traverso et al., 2013)."""

    kind: Literal["shot_noise"] = "shot_noise"
    requests: int = Field(20_000, ge=1)
    """Length of an episode."""
    request_rate: float = Field(10.0, gt=0)
    """Mean requests per second over all nodes; births follow from it and the card's requests per content."""
    lifetime_s: tuple[float, ...] = Field((600.0, 3600.0, 21600.0), min_length=1)
    """Lifetimes that contents have, each equally likely."""
    card: str = "akamai_video"
    """Workload card: sizes and requests per content."""
    overlap: float = Field(1.0, ge=0, le=1)
    """Share of the contents that every node requests; the others belong to one node each."""


class ZipfSettings(Settings):
    """Independent requests with Zipf popularity: no temporal locality, for theory and comparison only."""

    kind: Literal["zipf"] = "zipf"
    requests: int = Field(20_000, ge=1)
    """Length of an episode."""
    contents: int = Field(10_000, ge=1)
    """Size of the catalogue."""
    alpha: float = Field(0.9, ge=0)
    """Exponent: the content of rank i = 1, 2, ... is requested with probability proportional to (i + q) ** -alpha."""
    q: float = Field(0.0, gt=-1)
    """Flattens the head of the popularity (Mandelbrot-Zipf): the first q or so contents are almost equally popular. 0
    is Zipf."""
    card: str | None = None
    """Workload card for the sizes, drawn without regard to popularity; without one every content has one byte. Kind
    ``catalogue`` draws popularity and size together."""
    overlap: float = Field(1.0, ge=0, le=1)
    """Share of the contents that every node requests."""


class DriftingSettings(ZipfSettings):
    """Zipf popularity whose ranks keep changing."""

    kind: Literal["drifting"] = "drifting"  # type: ignore[assignment]
    drift_every: int = Field(1000, ge=1)
    """Requests between two changes."""
    drift_share: float = Field(0.02, ge=0, le=1)
    """Share of the contents that get a new rank at each change."""


class CatalogueSettings(Settings):
    """Independent requests for a catalogue whose popularities and sizes are drawn together from a workload card."""

    kind: Literal["catalogue"] = "catalogue"
    requests: int = Field(20_000, ge=1)
    """Length of an episode."""
    contents: int = Field(10_000, ge=1)
    """Size of the catalogue; each episode draws its own."""
    card: str = "akamai_video"
    """Workload card: a content is requested in proportion to its requests per object there, and has that size."""
    overlap: float = Field(1.0, ge=0, le=1)
    """Share of the contents that every node requests."""


class FootprintSettings(Settings):
    """Requests that fare in LRU caches of any size as those that the card was measured on."""

    kind: Literal["footprint"] = "footprint"
    requests: int = Field(20_000, ge=1)
    """Length of an episode. It begins as the measured trace did, with first requests; one longer than the measurement
    goes on with its last rate of new contents."""
    card: str = "web07"
    """Workload card with a ``footprint``."""
    overlap: float = Field(1.0, ge=0, le=1)
    """Share of the contents that every node requests."""


class SplitSettings(Settings):
    """How the requests of a trace for one node are spread over the edge nodes of the topology."""

    by: Literal["overlap", "client", "place"]
    """``"overlap"``: a share of the contents is requested at every node, the others at one each. ``"client"``: all
    requests of a client reach one node. ``"place"``: they reach the node that ``places`` names or the nearest site. The
    last two need a trace with clients."""
    overlap: float = Field(0.5, ge=0, le=1)
    """By overlap: the share of the contents with at least as many requests as nodes that every node requests."""
    weights: tuple[float, ...] | None = None
    """By overlap or client: shares of the requests, one for each node, above 0; equal if left out."""
    places: str | None = None
    """By place: CSV file with the header ``client,node`` or ``client,latitude,longitude`` (degrees)."""
    sites: tuple[tuple[float, float], ...] | None = None
    """By place, with coordinates: latitude and longitude of each node, in the order of the nodes."""
    seed: int = Field(0, ge=0)
    """Decides who goes where; it is the same in every episode."""

    @field_validator("weights")
    @classmethod
    def _positive(cls, weights: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if weights is not None and not all(0 < weight < float("inf") for weight in weights):
            raise ValueError("every node needs a finite share above 0")
        return weights

    @model_validator(mode="after")
    def _what_it_needs(self) -> Self:
        if (self.by == "place") != (self.places is not None):
            raise ValueError("'places', the file that says where clients are, belongs to by: place; give both or none")
        return self


class TraceSettings(Settings):
    """Requests from a file, or a part of it, or windows drawn from that part."""

    kind: Literal["trace"] = "trace"
    path: str
    """The trace file, plain or compressed with gzip or xz; ``$EDGEGYM_DATA`` at the start is replaced."""
    format: str | None = None
    """A format that ``edgegym.workload.readers.read_trace`` knows; guessed where that is certain."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which part of the requests is used, as fractions."""
    requests: int | str | None = None
    """Length of an episode: a window at a random place of the part, a number or a share such as ``"40%"``; the whole
    part if left out."""
    split: SplitSettings | None = None
    """How a trace for one node is spread over the nodes of the topology; left out, all requests reach the first."""

    @field_validator("requests")
    @classmethod
    def _positive(cls, requests: int | str | None) -> int | str | None:
        return None if requests is None else check_amount(requests)

    @field_validator("part")
    @classmethod
    def _ordered(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return part


GeneratorSettings = ShotNoiseSettings | ZipfSettings | DriftingSettings | CatalogueSettings | FootprintSettings
"""Workloads that a generator draws."""

WorkloadSettings = Annotated[GeneratorSettings | TraceSettings, Field(discriminator="kind")]
"""Any workload, told apart by its ``kind``."""
