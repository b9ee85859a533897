"""A user's own graph from node-link JSON or GraphML."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import networkx as nx

from edgegym.errors import SettingsError

FORMATS = {".json": "node-link JSON", ".graphml": "GraphML", ".xml": "GraphML"}
"""How each file suffix is read."""


def read_graph(path: Path, setting: str = "topology.path") -> nx.Graph:
    """Read a graph; link cards given by a relative path are looked up beside the file.

    Args:
        path: the file.
        setting: that named it, for errors.

    Raises:
        SettingsError: if the file is missing, damaged, or not a simple undirected graph.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise SettingsError(f"{setting}: {path}: unknown file type; it must end in {', '.join(FORMATS)}.")
    try:
        graph = _from_json(path) if suffix == ".json" else nx.read_graphml(path)
    except OSError as error:
        raise SettingsError(f"{setting}: {path}: cannot be read ({error.strerror}); check the path.") from None
    except (ValueError, KeyError, TypeError, AttributeError, ParseError, nx.NetworkXException) as error:
        detail = f"{type(error).__name__}: {error}"
        raise SettingsError(f"{setting}: {path}: not valid {FORMATS[suffix]} ({detail}).") from None
    graph = _simple(graph, path, setting)
    _resolve_cards(graph, path.parent)
    return graph


def _from_json(path: Path) -> nx.Graph:
    data: Any = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or "nodes" not in data:
        raise ValueError("an object with 'nodes' and 'edges' is needed")
    # networkx wrote "links" before version 3.4 and "edges" since.
    return nx.node_link_graph(data, edges="links" if "links" in data else "edges")


def _simple(graph: nx.Graph, path: Path, setting: str) -> nx.Graph:
    if graph.is_directed():
        raise SettingsError(f"{setting}: {path}: a directed graph; links work both ways, make it undirected.")
    simple = nx.Graph(graph)
    if simple.number_of_edges() != graph.number_of_edges():
        raise SettingsError(f"{setting}: {path}: parallel edges; keep one between any two nodes.")
    return simple


def _resolve_cards(graph: nx.Graph, folder: Path) -> None:
    for _, _, data in graph.edges(data=True):
        link = str(data.get("link", ""))
        if link.endswith((".yaml", ".yml")):
            data["link"] = str(folder / Path(link).expanduser())
