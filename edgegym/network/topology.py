"""The network under every family: settings or a graph with link cards in, arrays of paths, delays and rates out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import networkx as nx
from pydantic import Field, model_validator

from edgegym.cards import load_card
from edgegym.errors import CardError, SettingsError
from edgegym.network.compiled import Topology, compile_topology
from edgegym.network.geant import geant_graph
from edgegym.network.graph_file import read_graph
from edgegym.settings import Settings

__all__ = ["Topology", "TopologySettings", "compile_topology", "topology_from_settings"]

Builder = Literal["single_edge", "edge_cluster", "tree", "geant", "file"]
METRO, WAN = "metro_fibre_50km", "wan_us_west"
BUILDER_DEFAULTS: dict[str, dict[str, Any]] = {
    "single_edge": {"origin_link": WAN},
    "edge_cluster": {"nodes": 4, "shape": "full", "edge_link": METRO, "origin_link": WAN},
    "tree": {"branching": 2, "depth": 2, "edge_link": METRO, "origin_link": WAN},
    "geant": {"edge_link": None, "origin_link": WAN},
    "file": {"path": None},
}
"""The settings that each builder uses, with their defaults; a setting of another builder is refused."""
MAX_TREE_NODES = 4096


class TopologySettings(Settings):
    """Edge nodes, origin and the link cards between them; which settings apply depends on the builder."""

    builder: Builder = "single_edge"
    """``"single_edge"``: one edge node, the origin behind it. ``"edge_cluster"``: edge nodes joined to each other, each
    with its own way to the origin. ``"tree"``: the leaves are the edge nodes, inner nodes only forward, the origin is
    behind the root. ``"geant"``: Europe's research backbone of 2012, where the nodes with one link are the edge nodes
    and the origin is behind each node with two. ``"file"``: a graph of your own."""
    nodes: int | None = Field(default=None, ge=1, le=1024)
    """Edge nodes of an ``edge_cluster``; 4 if left out."""
    shape: Literal["full", "ring"] | None = None
    """How the edge nodes of an ``edge_cluster`` are joined: each to each (``"full"``, the default) or in a ring."""
    branching: int | None = Field(default=None, ge=1)
    """Children of each inner node of a ``tree``; 2 if left out."""
    depth: int | None = Field(default=None, ge=1)
    """Links between the root of a ``tree`` and its leaves; 2 if left out."""
    edge_link: str | None = None
    """Link card between edge nodes (``edge_cluster``) or between the nodes of the ``tree``; ``metro_fibre_50km`` if
    left out. For ``geant``, whose links differ in length, one card instead of them all."""
    origin_link: str | None = None
    """Link card towards the origin: ``wan_us_west`` if left out."""
    path: str | None = None
    """Graph of builder ``file``: node-link JSON (.json) or GraphML (.graphml, .xml); nodes have a ``role`` (``edge``,
    ``origin`` or ``router``), edges a ``link`` (card name) or ``rtt_s`` and ``rate_bps``."""

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_builder(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        builder = values.get("builder", "single_edge")
        defaults = BUILDER_DEFAULTS.get(builder, {}) if isinstance(builder, str) else {}
        given = {key: value for key, value in values.items() if value is not None}
        return {**defaults, **given}

    @model_validator(mode="after")
    def _only_what_the_builder_uses(self) -> TopologySettings:
        used = BUILDER_DEFAULTS[self.builder]
        for name in type(self).model_fields:
            if name != "builder" and name not in used and getattr(self, name) is not None:
                owners = [builder for builder, fields in BUILDER_DEFAULTS.items() if name in fields]
                raise ValueError(
                    f"{name} does not apply to builder {self.builder!r} (it uses {', '.join(used)}); "
                    f"leave it out or set builder to {' or '.join(owners)}"
                )
        if self.builder == "file" and self.path is None:
            raise ValueError("builder 'file' needs path, the graph's .json or .graphml file")
        if self.builder == "tree" and _tree_size(self) > MAX_TREE_NODES:
            raise ValueError(
                f"branching {self.branching} and depth {self.depth} give more than {MAX_TREE_NODES} nodes; lower either"
            )
        return self


def topology_from_settings(settings: TopologySettings) -> Topology:
    """Build and compile the topology.

    Raises:
        SettingsError: for a graph that cannot be used or a link card that cannot be loaded, naming the setting.
    """
    source = "topology" if settings.path is None else f"topology.path: {settings.path}"
    return compile_topology(graph_from_settings(settings), source)


def graph_from_settings(settings: TopologySettings) -> nx.Graph:
    """The graph that the settings describe, before it is compiled: nodes with roles, edges with link cards.

    Raises:
        SettingsError: for a file that cannot be read or a link card that cannot be loaded.
    """
    if settings.builder == "file":
        assert settings.path is not None
        return read_graph(Path(settings.path).expanduser())
    for name in ("edge_link", "origin_link"):
        _check_card(name, getattr(settings, name))
    builders = {"single_edge": _single_edge, "edge_cluster": _edge_cluster, "tree": _tree, "geant": _geant}
    return builders[settings.builder](settings)


def _single_edge(settings: TopologySettings) -> nx.Graph:
    graph = nx.Graph()
    graph.add_node("edge0", role="edge")
    graph.add_node("origin", role="origin")
    graph.add_edge("edge0", "origin", link=settings.origin_link)
    return graph


def _edge_cluster(settings: TopologySettings) -> nx.Graph:
    assert settings.nodes is not None
    graph = nx.Graph()
    names = [f"edge{i}" for i in range(settings.nodes)]
    graph.add_nodes_from(names, role="edge")
    graph.add_node("origin", role="origin")
    pattern = nx.complete_graph(names) if settings.shape == "full" else nx.cycle_graph(names)
    # A ring of one node would join it to itself.
    graph.add_edges_from(((a, b) for a, b in pattern.edges if a != b), link=settings.edge_link)
    graph.add_edges_from(((name, "origin") for name in names), link=settings.origin_link)
    return graph


def _tree(settings: TopologySettings) -> nx.Graph:
    assert settings.branching is not None
    assert settings.depth is not None
    tree = nx.balanced_tree(settings.branching, settings.depth)
    level = nx.single_source_shortest_path_length(tree, 0)
    leaves = [node for node in tree if level[node] == settings.depth]
    names = {node: f"edge{i}" for i, node in enumerate(leaves)}
    routers = [node for node in tree if node not in names]
    names |= {node: f"router{i}" for i, node in enumerate(routers)}
    graph = nx.Graph()
    graph.add_nodes_from((names[node] for node in leaves), role="edge")
    graph.add_nodes_from((names[node] for node in routers), role="router")
    graph.add_node("origin", role="origin")
    graph.add_edges_from(((names[a], names[b]) for a, b in tree.edges), link=settings.edge_link)
    graph.add_edge(names[0], "origin", link=settings.origin_link)
    return graph


def _geant(settings: TopologySettings) -> nx.Graph:
    graph = geant_graph()
    if settings.edge_link is not None:
        for _, _, data in graph.edges(data=True):
            data.clear()
            data["link"] = settings.edge_link
    gateways = [node for node, links in graph.degree if links == 2]
    nx.set_node_attributes(graph, {node: "edge" if links == 1 else "router" for node, links in graph.degree}, "role")
    graph.add_node("origin", role="origin")
    graph.add_edges_from(((node, "origin") for node in gateways), link=settings.origin_link)
    return graph


def _tree_size(settings: TopologySettings) -> int:
    """Nodes of the tree, or more than the limit as soon as they exceed it."""
    assert settings.branching is not None
    assert settings.depth is not None
    size = level = 1
    for _ in range(settings.depth):
        level *= settings.branching
        size += level
        if size > MAX_TREE_NODES:
            break
    return size


def _check_card(name: str, card: str | None) -> None:
    if card is None:
        return
    try:
        load_card(card, "link")
    except CardError as error:
        raise SettingsError(f"topology.{name}: {error}") from None
