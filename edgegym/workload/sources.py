"""Workload settings and the episodes that they give: a generator or a trace file behind one interface.

A :class:`Source` turns a workload seed into an :class:`Episode`; nothing else in an environment is random.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.amounts import resolve_amount
from edgegym.cards import load_card
from edgegym.compiling import njit
from edgegym.errors import SettingsError
from edgegym.workload import generators
from edgegym.workload.footprint import footprint
from edgegym.workload.places import node_of_places
from edgegym.workload.readers import read_trace
from edgegym.workload.settings import (
    CatalogueSettings,
    DriftingSettings,
    FootprintSettings,
    ShotNoiseSettings,
    SplitSettings,
    TraceSettings,
    WorkloadSettings,
    ZipfSettings,
)
from edgegym.workload.splitting import split_by_client, split_by_overlap, spread_clients
from edgegym.workload.trace import RequestTrace

__all__ = [
    "NEVER",
    "CatalogueSettings",
    "DriftingSettings",
    "Episode",
    "FootprintSettings",
    "ShotNoiseSettings",
    "Source",
    "SplitSettings",
    "TraceSettings",
    "WorkloadSettings",
    "ZipfSettings",
    "episode_of",
    "node_clocks",
    "resolve_path",
]

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
        seed: its workload seed, for whatever else a system draws once an episode; 0 for a trace given as it is.
    """

    trace: RequestTrace
    next_use: NDArray[np.int32]
    seed: int = 0


class Source:
    """Episodes of one workload.

    Args:
        settings: which workload.
        nodes: edge nodes among which a generator or a split spreads its requests; a trace file may bring its own.
    """

    def __init__(self, settings: WorkloadSettings, nodes: int = 1) -> None:
        self.settings, self.nodes = settings, nodes
        card = None if isinstance(settings, TraceSettings) else settings.card
        self._card = load_card(card, "workload") if card is not None else None
        if isinstance(settings, TraceSettings):
            self._part, self._footprint = _trace_part(settings, nodes)
            if self._part.nodes > nodes:
                raise SettingsError(
                    f"workload.path: {settings.path} has requests for {self._part.nodes} nodes, the topology has "
                    f"{nodes} edge nodes; give a topology with at least {self._part.nodes}."
                )
            self._window_length = window_length(settings.requests, len(self._part))
            part = self._part
            _, self._following = node_clocks(part.content, part.node, part.contents, part.nodes)

    def episode(self, seed: int) -> Episode:
        """Draw the episode with workload seed ``seed``."""
        settings = self.settings
        if isinstance(settings, TraceSettings):
            return self._window(seed)
        return replace(episode_of(self._generate(seed)), seed=seed)

    def footprint(self, episode: Episode) -> tuple[int, int]:
        """Distinct contents and the sum of their bytes: of the whole file for a trace, else of the episode."""
        if isinstance(self.settings, TraceSettings):
            return self._footprint
        return _footprint_of(episode.trace)

    def provenance(self) -> str:
        """Where the requests come from, in a line."""
        settings = self.settings
        if isinstance(settings, TraceSettings):
            split = "" if settings.split is None else f", split over {self.nodes} nodes by {settings.split.by}"
            return f"trace {settings.path}, part {settings.part[0]:g} to {settings.part[1]:g}{split}"
        card = f", card {self._card.name} ({self._card.provenance.source})" if self._card is not None else ""
        return f"generated: {settings.kind}{card}"

    def _window(self, seed: int) -> Episode:
        length = self._window_length
        if length == len(self._part):
            return Episode(self._part, self._following, seed)
        start = int(np.random.default_rng(seed).integers(len(self._part) - length + 1))
        before = np.bincount(self._part.node[:start], minlength=self._part.nodes).astype(np.int64)
        window = slice(start, start + length)
        shifted = self._following[window].astype(np.int64) - before[self._part.node[window]]
        shifted[self._following[window] == NEVER] = NEVER
        return Episode(self._part.part(start, start + length), shifted.astype(np.int32), seed)

    def _generate(self, seed: int) -> RequestTrace:
        settings, card = self.settings, self._card
        assert not isinstance(settings, TraceSettings)
        requests = settings.requests
        placing: dict[str, Any] = {"nodes": self.nodes, "overlap": settings.overlap}
        if isinstance(settings, ZipfSettings):
            sizes = card.object_bytes.sample if card is not None else None
            law: dict[str, Any] = {"q": settings.q, "sizes": sizes, **placing}
            if isinstance(settings, DriftingSettings):
                law |= {"every": settings.drift_every, "share": settings.drift_share}
                return generators.drifting(requests, settings.contents, settings.alpha, seed, **law)
            return generators.zipf(requests, settings.contents, settings.alpha, seed, **law)
        assert card is not None
        if isinstance(settings, FootprintSettings):
            return footprint(requests, card, seed, **placing)
        joint = card.joint.sample
        if isinstance(settings, CatalogueSettings):
            return generators.catalogue(requests, settings.contents, seed, joint=joint, **placing)
        births = settings.request_rate / card.requests_per_object.mean()
        lives = settings.lifetime_s
        return generators.shot_noise(requests, birth_rate=births, joint=joint, lifetimes=lives, seed=seed, **placing)


def episode_of(trace: RequestTrace) -> Episode:
    """The whole trace as one episode; a content not requested again before its end counts as never."""
    _, following = node_clocks(trace.content, trace.node, trace.contents, trace.nodes)
    return Episode(trace, following)


def window_length(requests: int | str | None, available: int) -> int:
    """Requests of an episode: as many as are asked for, that share of what there is, or all.

    Raises:
        SettingsError: if more are asked for than there are.
    """
    length = available if requests is None else resolve_amount(requests, available)
    if not 1 <= length <= available:
        raise SettingsError(
            f"workload.requests: {requests} is {length} requests, but the part has {available}; "
            f"give 1 to {available}, or leave it out."
        )
    return length


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


def resolve_path(path: str, field: str = "workload.path") -> Path:
    """Replace a leading ``$EDGEGYM_DATA`` by the data folder and check that the file is there.

    Args:
        path: as the settings give it.
        field: the setting, for the error text.

    Raises:
        SettingsError: if the variable is not set or the file does not exist, with the mend.
    """
    if path.startswith(DATA_PREFIX):
        folder = os.environ.get("EDGEGYM_DATA")
        if not folder:
            raise SettingsError(
                f"{field}: {path} needs the data folder, but EDGEGYM_DATA is not set; "
                f"set it to the folder's path, or give {field} another file."
            )
        resolved = Path(folder) / path[len(DATA_PREFIX) :].lstrip("/")
    else:
        resolved = Path(path).expanduser()
    if not resolved.is_file():
        raise SettingsError(f"{field}: {resolved} is not a file; check the path.")
    return resolved


def _footprint_of(trace: RequestTrace) -> tuple[int, int]:
    return trace.contents, int(trace.size.sum())


Version = tuple[Path, int, int]
"""A file with its time of change and its size."""


def _version(path: Path) -> Version:
    status = path.stat()
    return path, status.st_mtime_ns, status.st_size


def _trace_part(settings: TraceSettings, nodes: int) -> tuple[RequestTrace, tuple[int, int]]:
    """The part of a trace, split over the nodes, once per version of its files; also the footprint of the whole."""
    split = settings.split
    places = None if split is None or split.places is None else resolve_path(split.places, "workload.split.places")
    return _read_part(
        _version(resolve_path(settings.path)),
        settings.format,
        settings.part,
        split,
        nodes if split is not None else 1,
        None if places is None else _version(places),
    )


@lru_cache(maxsize=8)
def _read_part(
    file: Version,
    format: str | None,
    part: tuple[float, float],
    split: SplitSettings | None,
    nodes: int,
    places: Version | None,
) -> tuple[RequestTrace, tuple[int, int]]:
    trace = read_trace(file[0], format)
    if split is not None:
        trace = _split(trace, split, nodes, None if places is None else places[0])
    start, stop = (round(fraction * len(trace)) for fraction in part)
    if start >= stop:
        raise SettingsError(f"workload.part: {part} of {len(trace)} requests is empty; widen it.")
    return (trace if part == (0.0, 1.0) else trace.part(start, stop)), _footprint_of(trace)


def _split(trace: RequestTrace, split: SplitSettings, nodes: int, places: Path | None) -> RequestTrace:
    """Spread the requests of a trace for one node over the nodes, as the settings say."""
    if trace.nodes > 1:
        raise SettingsError(
            f"workload.split: {trace.source} has requests for {trace.nodes} nodes already; leave it out."
        )
    if split.by == "overlap":
        return split_by_overlap(trace, nodes, split.overlap, split.seed, split.weights)
    if split.by == "client":
        return split_by_client(trace, spread_clients(trace, nodes, split.seed, split.weights))
    assert places is not None
    return split_by_client(trace, node_of_places(places, trace.clients, split.sites))
