"""Workload settings and the episodes that they give: a generator or a trace file behind one interface.

A :class:`Source` turns a workload seed into an :class:`Episode`; nothing else in an environment is random.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field, field_validator

from edgegym.cards import load_card
from edgegym.errors import SettingsError
from edgegym.settings import Settings
from edgegym.workload import generators
from edgegym.workload.readers import read_trace
from edgegym.workload.trace import RequestTrace

NEVER = 2**31 - 1
"""``next_use`` of a content that its node is not asked for again."""
DATA_PREFIX = "$EDGEGYM_DATA"


@dataclass(frozen=True)
class Episode:
    """The requests of one episode.

    Attributes:
        trace: the requests, with dense ids of their own.
        next_use: (requests,) int32, for each request the number of requests to the same node, counted from the
            episode's start, that come before its content's next one there; :data:`NEVER` if there is none. It may lie
            beyond the episode's end where the source is longer.
    """

    trace: RequestTrace
    next_use: NDArray[np.int32]


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
    """Exponent: the content of rank i is requested with probability proportional to i ** -alpha."""
    card: str | None = None
    """Workload card for the sizes; without one every content has one byte."""
    overlap: float = Field(1.0, ge=0, le=1)
    """Share of the contents that every node requests."""


class DriftingSettings(ZipfSettings):
    """Zipf popularity whose ranks keep changing."""

    kind: Literal["drifting"] = "drifting"  # type: ignore[assignment]
    drift_every: int = Field(1000, ge=1)
    """Requests between two changes."""
    drift_share: float = Field(0.02, ge=0, le=1)
    """Share of the contents that get a new rank at each change."""


class TraceSettings(Settings):
    """Requests from a file, or a part of it, or windows drawn from that part."""

    kind: Literal["trace"] = "trace"
    path: str
    """The trace file, plain or compressed with gzip or xz; ``$EDGEGYM_DATA`` at the start is replaced."""
    format: str | None = None
    """One of ``edgegym.workload.readers.FORMATS``; guessed where that is certain."""
    part: tuple[float, float] = (0.0, 1.0)
    """Which part of the requests is used, as fractions."""
    requests: int | None = Field(None, ge=1)
    """Length of an episode: a window at a random place of the part; the whole part if left out."""

    @field_validator("part")
    @classmethod
    def _ordered(cls, part: tuple[float, float]) -> tuple[float, float]:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.5]")
        return part


WorkloadSettings = Annotated[
    ShotNoiseSettings | ZipfSettings | DriftingSettings | TraceSettings, Field(discriminator="kind")
]


class Source:
    """Episodes of one workload.

    Args:
        settings: which workload.
        nodes: edge nodes among which a generator spreads its requests; a trace file brings its own.
    """

    def __init__(self, settings: WorkloadSettings, nodes: int = 1) -> None:
        self.settings, self.nodes = settings, nodes
        card = None if isinstance(settings, TraceSettings) else settings.card
        self._card = load_card(card, "workload") if card is not None else None
        if isinstance(settings, TraceSettings):
            self._part, self._footprint = _trace_part(settings.path, settings.format, settings.part)
            if self._part.nodes > nodes:
                raise SettingsError(
                    f"workload.path: {settings.path} has requests for {self._part.nodes} nodes, the topology has "
                    f"{nodes} edge nodes; give a topology with at least {self._part.nodes}."
                )
            if settings.requests is not None and settings.requests > len(self._part):
                raise SettingsError(
                    f"workload.requests: {settings.requests} is more than the {len(self._part)} requests of the part; "
                    "lower it or leave it out."
                )
            part = self._part
            _, self._following = node_clocks(part.content, part.node, part.contents, part.nodes)

    def episode(self, seed: int) -> Episode:
        """Draw the episode with workload seed ``seed``."""
        settings = self.settings
        if isinstance(settings, TraceSettings):
            return self._window(seed)
        return episode_of(self._generate(seed))

    def footprint(self, episode: Episode) -> tuple[int, int]:
        """Distinct contents and the sum of their bytes: of the whole file for a trace, else of the episode."""
        if isinstance(self.settings, TraceSettings):
            return self._footprint
        return _footprint_of(episode.trace)

    def provenance(self) -> str:
        """Where the requests come from, in a line."""
        settings = self.settings
        if isinstance(settings, TraceSettings):
            return f"trace {settings.path}, part {settings.part[0]:g} to {settings.part[1]:g}"
        card = f", card {self._card.name} ({self._card.provenance.source})" if self._card is not None else ""
        return f"generated: {settings.kind}{card}"

    def _window(self, seed: int) -> Episode:
        assert isinstance(self.settings, TraceSettings)
        length = self.settings.requests
        if length is None or length == len(self._part):
            return Episode(self._part, self._following)
        start = int(np.random.default_rng(seed).integers(len(self._part) - length + 1))
        before = np.bincount(self._part.node[:start], minlength=self._part.nodes).astype(np.int64)
        window = slice(start, start + length)
        shifted = self._following[window].astype(np.int64) - before[self._part.node[window]]
        shifted[self._following[window] == NEVER] = NEVER
        return Episode(self._part.part(start, start + length), shifted.astype(np.int32))

    def _generate(self, seed: int) -> RequestTrace:
        settings = self.settings
        sizes = self._card.object_bytes.sample if self._card is not None else None
        if isinstance(settings, ShotNoiseSettings):
            assert self._card is not None
            return generators.shot_noise(
                settings.requests,
                birth_rate=settings.request_rate / self._card.requests_per_object.mean(),
                joint=self._card.joint.sample,
                lifetimes=settings.lifetime_s,
                seed=seed,
                nodes=self.nodes,
                overlap=settings.overlap,
            )
        assert isinstance(settings, ZipfSettings)
        common: dict[str, Any] = {"sizes": sizes, "nodes": self.nodes, "overlap": settings.overlap}
        if isinstance(settings, DriftingSettings):
            return generators.drifting(
                settings.requests,
                settings.contents,
                settings.alpha,
                seed,
                every=settings.drift_every,
                share=settings.drift_share,
                **common,
            )
        return generators.zipf(settings.requests, settings.contents, settings.alpha, seed, **common)


def episode_of(trace: RequestTrace) -> Episode:
    """The whole trace as one episode; a content not requested again before its end counts as never."""
    _, following = node_clocks(trace.content, trace.node, trace.contents, trace.nodes)
    return Episode(trace, following)


@njit(cache=True)
def node_clocks(
    content: NDArray[np.int32], node: NDArray[np.int32], contents: int, nodes: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each request: how many came to its node before it, and how many will have come before its content's next.

    Args:
        content: (requests,) dense ids.
        node: (requests,) node numbers.
        contents: number of distinct contents.
        nodes: number of nodes.

    Returns:
        Two (requests,) int32 arrays; the second holds :data:`NEVER` where there is no next request.
    """
    requests = len(content)
    clock = np.empty(requests, np.int32)
    following = np.empty(requests, np.int32)
    ticks = np.zeros(nodes, np.int32)
    for i in range(requests):
        clock[i] = ticks[node[i]]
        ticks[node[i]] += 1
    upcoming = np.full((nodes, contents), NEVER, np.int32)
    for i in range(requests - 1, -1, -1):
        following[i] = upcoming[node[i], content[i]]
        upcoming[node[i], content[i]] = clock[i]
    return clock, following


def resolve_path(path: str) -> Path:
    """Replace a leading ``$EDGEGYM_DATA`` by the data folder and check that the file is there.

    Raises:
        SettingsError: if the variable is not set or the file does not exist, with the mend.
    """
    if path.startswith(DATA_PREFIX):
        folder = os.environ.get("EDGEGYM_DATA")
        if not folder:
            raise SettingsError(
                f"workload.path: {path} needs the data folder, but EDGEGYM_DATA is not set; "
                "set it to the folder's path, or give workload.path another trace."
            )
        resolved = Path(folder) / path[len(DATA_PREFIX) :].lstrip("/")
    else:
        resolved = Path(path).expanduser()
    if not resolved.is_file():
        raise SettingsError(f"workload.path: {resolved} is not a file; check the path.")
    return resolved


def _footprint_of(trace: RequestTrace) -> tuple[int, int]:
    return trace.contents, int(trace.size.sum())


def _trace_part(path: str, format: str | None, part: tuple[float, float]) -> tuple[RequestTrace, tuple[int, int]]:
    """Read the part of a file, once per version of the file; also the footprint of the whole."""
    resolved = resolve_path(path)
    status = resolved.stat()
    return _read_part(resolved, format, part, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _read_part(
    path: Path, format: str | None, part: tuple[float, float], mtime: int, size: int
) -> tuple[RequestTrace, tuple[int, int]]:
    trace = read_trace(path, format)
    start, stop = (round(fraction * len(trace)) for fraction in part)
    if start >= stop:
        raise SettingsError(f"workload.part: {part} of {len(trace)} requests is empty; widen it.")
    return (trace if part == (0.0, 1.0) else trace.part(start, stop)), _footprint_of(trace)
