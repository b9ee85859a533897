"""The network between the sites: as many hops as the straight distance has units, or the quickest paths of a graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from edgegym.cards import load_card
from edgegym.errors import CardError, SettingsError
from edgegym.mobility.csv_table import read_table
from edgegym.mobility.sites import Sites, rounded_hops
from edgegym.network.substrates.generators import gabriel_links
from edgegym.settings import Settings
from edgegym.workload.sources import resolve_path

NANOSECOND = 1e-9
MOST_HOPS = 4096
"""A path's length is its whole nanoseconds times this plus its hops, exact in a float up to half an hour."""


class DistanceBackhaul(Settings):
    """No graph: two sites are as many links of the backhaul card apart as there are hops in their straight distance."""

    kind: Literal["distance"] = "distance"


class GraphBackhaul(Settings):
    """Links between sites; hops and delays are those of the quickest path, of several the one with the fewest hops.

    A link is of the backhaul card of the costs unless the file names another.
    """

    kind: Literal["graph"] = "graph"
    shape: Literal["gabriel", "nearest", "ring", "star", "links"] = "gabriel"
    """``"gabriel"`` links two sites if no third lies in the circle that has them as its diameter (the neighbours of a
    hexagonal grid), ``"nearest"`` each to its nearest ones, ``"ring"`` in order around the middle, ``"star"`` all to
    one, ``"links"`` those of ``links`` or ``path``."""
    neighbours: int = Field(3, ge=1)
    """Nearest sites that each is linked to."""
    hub: str | None = None
    """Name of the star's middle; left out, the site with the least sum of distances."""
    links: tuple[tuple[str, str], ...] = ()
    """Pairs of names of sites; a site without a name is called by its number from 0 on."""
    path: str | None = None
    """CSV file with columns ``source`` and ``target``, names of sites, and perhaps ``link``, a link card of each."""

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_names(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        named = dict(values)
        if isinstance(named.get("hub"), int):
            named["hub"] = str(named["hub"])
        if isinstance(named.get("links"), list | tuple):
            named["links"] = [
                [str(end) for end in pair] if isinstance(pair, list | tuple) else pair for pair in named["links"]
            ]
        return named

    @model_validator(mode="after")
    def _one_list_of_links(self) -> Self:
        if (self.shape == "links") != (bool(self.links) + (self.path is not None) == 1):
            raise ValueError("shape 'links' needs 'links' or 'path', and no other shape has either")
        if self.hub is not None and self.shape != "star":
            raise ValueError("'hub' goes with shape 'star' alone; leave it out")
        return self


BackhaulSettings = Annotated[DistanceBackhaul | GraphBackhaul, Field(discriminator="kind")]
"""The network between the sites, told apart by ``kind``."""


@dataclass(frozen=True, eq=False)
class Backhaul:
    """Paths between the sites.

    Attributes:
        cards: names of the link cards that occur.
        links: (cards, sites, sites) int64, links of each card on the path.
    """

    cards: tuple[str, ...]
    links: NDArray[np.int64]

    @property
    def hops(self) -> NDArray[np.int64]:
        """(sites, sites) links of the path."""
        return np.asarray(self.links.sum(axis=0))


def backhaul_of(
    settings: DistanceBackhaul | GraphBackhaul,
    sites: Sites,
    xy: NDArray[np.float64],
    unit: float,
    card: str,
    delay_s: Callable[[str], float],
) -> Backhaul:
    """The paths that settings describe.

    Args:
        settings: of the network.
        sites: with names and positions.
        xy: (sites, 2) positions between which straight distances count.
        unit: length of a hop of them.
        card: of a link that names none.
        delay_s: round trip over a link of a card.

    Raises:
        EdgeGymError: for links of unknown sites, and for sites without a path between them, naming two.
    """
    if isinstance(settings, DistanceBackhaul):
        return Backhaul((card,), rounded_hops(xy, unit)[None])
    if len(sites.name) == 1:
        return Backhaul((card,), np.zeros((1, 1, 1), np.int64))
    pairs, names = _listed(settings, sites, card) if settings.shape == "links" else (_drawn(settings, sites), [])
    cards, of_link = np.unique(names or [card] * len(pairs), return_inverse=True)
    delays = np.array([delay_s(str(name)) for name in cards])
    weight = np.rint(delays / NANOSECOND) * MOST_HOPS + 1.0
    count = len(sites.name)
    card_between = np.zeros((count, count), np.int64)
    card_between[pairs[:, 0], pairs[:, 1]] = card_between[pairs[:, 1], pairs[:, 0]] = of_link
    graph = csr_matrix((weight[of_link], (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    length, before = dijkstra(graph, directed=False, return_predecessors=True)
    _check_joined(settings, sites, length)
    return Backhaul(tuple(str(name) for name in cards), _links_on_paths(length, before, card_between, len(cards)))


def _links_on_paths(
    length: NDArray[np.float64], before: NDArray[np.int32], card_between: NDArray[np.int64], cards: int
) -> NDArray[np.int64]:
    """(cards, sites, sites) links of each card, from the last site before the end of each path."""
    count = len(length)
    found = np.zeros((cards, count, count), np.int64)
    source, order = np.arange(count), np.argsort(length, axis=1, kind="stable")
    for step in range(1, count):
        end = order[:, step]
        last = before[source, end]
        found[:, source, end] = found[:, source, last]
        found[card_between[last, end], source, end] += 1
    # Of paths alike in length, both directions take the same one.
    lower = np.tri(count, k=-1, dtype=np.bool_)
    return np.where(lower, found.transpose(0, 2, 1), found)


def _drawn(settings: GraphBackhaul, sites: Sites) -> NDArray[np.int64]:
    """(links, 2) pairs of sites, each once."""
    xy = sites.metres
    distance = np.hypot(*(xy[:, None] - xy).transpose(2, 0, 1))
    linked = np.zeros(distance.shape, np.bool_)
    if settings.shape == "gabriel":
        linked = gabriel_links(distance)
    elif settings.shape == "nearest":
        np.fill_diagonal(distance, np.inf)
        nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(settings.neighbours, len(xy) - 1)]
        linked[np.arange(len(xy))[:, None], nearest] = True
    elif settings.shape == "ring":
        around = np.argsort(np.arctan2(*(xy - xy.mean(axis=0)).T), kind="stable")
        linked[around, np.roll(around, 1)] = len(xy) > 1
    else:
        linked[_hub(settings, sites, distance)] = True
    return np.argwhere(np.triu(linked | linked.T, 1))


def _hub(settings: GraphBackhaul, sites: Sites, distance: NDArray[np.float64]) -> int:
    if settings.hub is None:
        return int(distance.sum(axis=1).argmin())
    return _site(settings.hub, sites, "backhaul.hub")


def _listed(settings: GraphBackhaul, sites: Sites, card: str) -> tuple[NDArray[np.int64], list[str]]:
    """(links, 2) pairs of sites, and the card of each."""
    where, ends, cards = "backhaul.links", list(settings.links), [card] * len(settings.links)
    if settings.path is not None:
        path = resolve_path(settings.path, "backhaul.path")
        table = read_table(path)
        where, ends = str(path), list(zip(table.texts("source"), table.texts("target"), strict=True))
        cards = _cards_of(table.texts("link"), path) if table.has("link") else [card] * len(ends)
    pairs = np.array([[_site(end, sites, where) for end in pair] for pair in ends])
    first: dict[tuple[int, int], int] = {}
    for link, (a, b) in enumerate(np.sort(pairs, axis=1).tolist()):
        if a == b:
            raise SettingsError(f"{where}: link {link + 1} joins site {ends[link][0]!r} to itself; leave it out.")
        if first.setdefault((a, b), link) != link:
            raise SettingsError(
                f"{where}: links {first[a, b] + 1} and {link + 1} both join {ends[link][0]!r} and {ends[link][1]!r}; "
                "keep one of them."
            )
    return pairs, cards


def _cards_of(names: list[str], path: Path) -> list[str]:
    """Names of cards; files of cards are looked up beside the table."""
    files = (".yaml", ".yml")
    found = [str(path.parent / Path(name).expanduser()) if name.endswith(files) else name for name in names]
    for name in sorted(set(found)):
        try:
            load_card(name, "link")
        except CardError as error:
            raise SettingsError(f"{path}: column link: {error}") from None
    return found


def _site(name: str, sites: Sites, where: str) -> int:
    if name not in sites.number:
        some = ", ".join(sites.name[:3])
        raise SettingsError(f"{where}: {name!r} is none of the {len(sites.name)} sites ({some}, ...); mend the name.")
    return sites.number[name]


def _check_joined(settings: GraphBackhaul, sites: Sites, length: NDArray[np.float64]) -> None:
    lost = np.flatnonzero(np.isinf(length[0]))
    if not len(lost):
        return
    mend = {
        "nearest": f"raise backhaul.neighbours ({settings.neighbours}), or take shape 'gabriel'",
        "links": "add a link between the two parts",
    }.get(settings.shape, "give them places that differ")
    raise SettingsError(
        f"backhaul: no path between sites {sites.name[0]!r} and {sites.name[lost[0]]!r} ({len(lost)} of "
        f"{len(sites.name)} sites cannot be reached from the first); {mend}."
    )
