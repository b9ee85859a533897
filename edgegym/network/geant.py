"""GEANT, the backbone of Europe's research networks, as it was in March 2012: 40 nodes and 61 links.

Which nodes and links there are is what the operator published on its map and the Internet Topology Zoo transcribed as
``Geant2012`` (S. Knight, H. X. Nguyen, N. Falkner, R. Bowden and M. Roughan, "The Internet Topology Zoo", IEEE JSAC
29(9), 2011). Positions are those of the cities, to a tenth of a degree; where the map names a country only (Turkey,
Israel, Norway) its middle stands for it. Delays are not measured: light in fibre along the great circle, as in the card
``metro_fibre_50km``. The rate of 10 Gbit/s is assumed; of most links it is not published.
"""

from __future__ import annotations

import math

import networkx as nx

SOURCE = "GEANT, March 2012: the operator's map as transcribed by the Internet Topology Zoo (Knight et al., 2011)"

POSITION = {
    "nl": (52.4, 4.9),
    "be": (50.9, 4.3),
    "dk": (55.7, 12.6),
    "pl": (52.4, 17.0),
    "de": (50.1, 8.7),
    "cz": (50.1, 14.4),
    "lu": (49.6, 6.1),
    "fr": (48.9, 2.3),
    "ch": (46.9, 7.4),
    "it": (45.5, 9.2),
    "ua": (50.5, 30.5),
    "md": (47.0, 28.8),
    "bg": (42.7, 23.3),
    "ro": (44.4, 26.1),
    "tr": (39.1, 34.9),
    "gr": (38.0, 23.7),
    "cy": (35.2, 33.4),
    "il": (31.5, 34.8),
    "mt": (35.9, 14.4),
    "by": (53.9, 27.6),
    "mk": (42.0, 21.4),
    "me": (42.4, 19.3),
    "hu": (47.5, 19.0),
    "sk": (48.1, 17.1),
    "pt": (38.7, -9.1),
    "es": (40.4, -3.7),
    "rs": (44.8, 20.5),
    "hr": (45.8, 16.0),
    "si": (46.1, 14.5),
    "at": (48.2, 16.4),
    "lt": (54.9, 23.9),
    "ru": (55.8, 37.6),
    "is": (64.1, -21.9),
    "ie": (53.3, -6.3),
    "uk": (51.5, -0.1),
    "no": (62.0, 10.0),
    "se": (59.3, 18.1),
    "fi": (60.5, 22.3),
    "ee": (59.4, 24.8),
    "lv": (56.9, 24.1),
}
"""Country code of each node to degrees of latitude and longitude."""

LINKS = {
    "nl": "be dk de uk lt",
    "be": "ie",
    "dk": "is no de ee se ru",
    "pl": "ua by de cz lt",
    "de": "cz lu ch cy il at ru",
    "cz": "sk",
    "lu": "fr",
    "fr": "ch es uk",
    "ch": "it es",
    "it": "es mt at gr",
    "md": "ro",
    "bg": "hu mk ro tr gr",
    "ro": "tr hu",
    "gr": "at",
    "cy": "uk",
    "il": "lt",
    "me": "hr",
    "hu": "rs hr sk",
    "sk": "at",
    "pt": "es uk",
    "hr": "si",
    "si": "at",
    "lt": "lv",
    "is": "uk",
    "ie": "uk",
    "no": "se",
    "se": "fi",
    "ee": "lv",
}
"""Each node to the later ones that it is linked to."""

RATE_BPS = 10e9
EARTH_RADIUS_KM = 6371.0
ROUND_TRIP_S_PER_KM = 2 * 1.468 / 299_792.458
"""Group index of single-mode fibre (ITU-T G.652, 1550 nm) over the speed of light, both ways."""


def geant_graph() -> nx.Graph:
    """The backbone; each edge has ``rtt_s`` (seconds) and ``rate_bps`` (bit/s)."""
    graph = nx.Graph()
    graph.add_nodes_from(POSITION)
    for a, neighbours in LINKS.items():
        for b in neighbours.split():
            graph.add_edge(a, b, rtt_s=ROUND_TRIP_S_PER_KM * great_circle_km(*POSITION[a], *POSITION[b]))
    nx.set_edge_attributes(graph, RATE_BPS, "rate_bps")
    return graph


def great_circle_km(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    """Length of the shortest way over the globe between two positions in degrees (haversine formula)."""
    a, b = math.radians(latitude_a), math.radians(latitude_b)
    half_chord = math.sin((b - a) / 2) ** 2
    half_chord += math.cos(a) * math.cos(b) * math.sin(math.radians(longitude_b - longitude_a) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half_chord))
