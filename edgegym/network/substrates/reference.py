"""Two small backbones that placements are often compared on, written down as facts: which sites, which links.

- Abilene, the backbone of Internet2 in 2004: 11 routers and 14 links, as its operator published them (and the Internet
  Topology Zoo transcribed: S. Knight et al., IEEE JSAC 29(9), 2011).
- NSFNET, the T1 backbone of 1991: 14 sites and 21 links, as it stands in the literature on routing (for example
  R. Ramaswami and K. N. Sivarajan, IEEE JSAC 14(5), 1996).

Positions are those of the cities, to a tenth of a degree; lengths are great circles.
"""

from __future__ import annotations

import networkx as nx

from edgegym.network.geant import great_circle_km

ABILENE_POSITION = {
    "seattle": (47.6, -122.3),
    "sunnyvale": (37.4, -122.0),
    "los_angeles": (34.1, -118.2),
    "denver": (39.7, -105.0),
    "kansas_city": (39.1, -94.6),
    "houston": (29.8, -95.4),
    "chicago": (41.9, -87.6),
    "indianapolis": (39.8, -86.2),
    "atlanta": (33.7, -84.4),
    "washington": (38.9, -77.0),
    "new_york": (40.7, -74.0),
}
ABILENE_LINKS = {
    "seattle": "sunnyvale denver",
    "sunnyvale": "los_angeles denver",
    "los_angeles": "houston",
    "denver": "kansas_city",
    "kansas_city": "houston indianapolis",
    "houston": "atlanta",
    "chicago": "indianapolis new_york",
    "indianapolis": "atlanta",
    "atlanta": "washington",
    "washington": "new_york",
}
NSFNET_POSITION = {
    "seattle": (47.6, -122.3),
    "palo_alto": (37.4, -122.1),
    "san_diego": (32.7, -117.2),
    "salt_lake_city": (40.8, -111.9),
    "boulder": (40.0, -105.3),
    "houston": (29.8, -95.4),
    "lincoln": (40.8, -96.7),
    "champaign": (40.1, -88.2),
    "pittsburgh": (40.4, -80.0),
    "atlanta": (33.7, -84.4),
    "ann_arbor": (42.3, -83.7),
    "ithaca": (42.4, -76.5),
    "princeton": (40.3, -74.7),
    "college_park": (39.0, -76.9),
}
NSFNET_LINKS = {
    "seattle": "palo_alto san_diego champaign",
    "palo_alto": "san_diego salt_lake_city",
    "san_diego": "houston",
    "salt_lake_city": "boulder ann_arbor",
    "boulder": "houston lincoln",
    "houston": "atlanta college_park",
    "lincoln": "champaign",
    "champaign": "pittsburgh",
    "pittsburgh": "atlanta ithaca princeton",
    "ann_arbor": "ithaca princeton",
    "ithaca": "college_park",
    "princeton": "college_park",
}


def abilene_graph() -> nx.Graph:
    """Abilene; each edge has ``km``."""
    return _graph(ABILENE_POSITION, ABILENE_LINKS)


def nsfnet_graph() -> nx.Graph:
    """NSFNET; each edge has ``km``."""
    return _graph(NSFNET_POSITION, NSFNET_LINKS)


def _graph(position: dict[str, tuple[float, float]], links: dict[str, str]) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(position)
    for a, neighbours in links.items():
        for b in neighbours.split():
            graph.add_edge(a, b, km=great_circle_km(*position[a], *position[b]))
    return graph
