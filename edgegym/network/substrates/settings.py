"""Settings of substrates, and the graphs that they describe."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

import networkx as nx
import numpy as np
from pydantic import Field, field_validator, model_validator

from edgegym.errors import SettingsError
from edgegym.network.graph_file import read_graph
from edgegym.network.substrates.compiled import Substrate, compile_substrate
from edgegym.network.substrates.generators import gabriel_graph, hierarchical_graph, waxman_graph
from edgegym.network.substrates.reference import abilene_graph, nsfnet_graph
from edgegym.settings import Settings

Range = tuple[int, int]


class SubstrateSettings(Settings):
    """One network, or several of a kind; capacities are drawn from the seed unless the graph has them."""

    builder: Literal["waxman", "gabriel", "hierarchical", "abilene", "nsfnet", "topohub", "file"] = "waxman"
    """``"waxman"`` and ``"gabriel"`` draw, ``"hierarchical"`` is core, aggregation and edge, ``"abilene"`` and
    ``"nsfnet"`` are small backbones, ``"topohub"`` is one of the topologies of the package of that name (an optional
    extra), ``"file"`` is a graph of your own."""
    nodes: int = Field(100, ge=2, le=1000)
    """How many are drawn."""
    alpha: float = Field(0.5, gt=0)
    """Reach of Waxman's links, as a share of the largest distance."""
    beta: float = Field(0.2, gt=0, le=1)
    """Probability of a Waxman link at distance 0."""
    side_km: float = Field(1000.0, gt=0)
    """Side of the square that nodes are drawn in."""
    tiers: tuple[int, int, int] = (2, 3, 4)
    """Core nodes, aggregation nodes of each, edge nodes of each of those."""
    tiers_km: tuple[float, float, float] = (200.0, 50.0, 10.0)
    """Lengths of links between core nodes, around aggregation nodes, and to edge nodes."""
    name: str | None = None
    """Of the topology in topohub, for example ``"sndlib/germany50"``."""
    path: str | None = None
    """Graph of builder ``file``: node-link JSON (.json) or GraphML (.graphml, .xml)."""
    seed: int = Field(0, ge=0)
    """Of the first network; the next has the next seed."""
    networks: int = Field(1, ge=1, le=256)
    """How many; an episode is played on the one whose number is its workload seed modulo this, so that episodes of
    successive seeds take all of them in turn."""
    cpu: Range | None = (50, 100)
    """Range of the integers that each node's computing capacity is drawn from; None takes the graph's ``cpu``."""
    tier_cpu: dict[str, float] = Field(default_factory=dict)
    """Computing capacity of the nodes of a tier, in place of a drawn one."""
    memory: Range | None = None
    """Likewise the memory; None takes the graph's ``memory``, and leaves it unlimited where there is none."""
    bandwidth: Range | None = (50, 100)
    """Likewise the bandwidth of each link."""
    paths: int = Field(10, ge=1, le=64)
    """Shortest paths known between any two nodes."""

    @field_validator("cpu", "memory", "bandwidth")
    @classmethod
    def _ordered(cls, limits: Range | None) -> Range | None:
        if limits is not None and not 0.0 <= limits[0] <= limits[1] < 2**31:
            raise ValueError("needs 0 <= low <= high, for example [50, 100]")
        return limits

    @field_validator("tiers")
    @classmethod
    def _some(cls, tiers: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(tiers) < 1 or tiers[0] * (1 + tiers[1] * (1 + tiers[2])) > 1000:
            raise ValueError("needs three numbers from 1 on that give at most 1000 nodes, for example [2, 3, 4]")
        return tiers

    @model_validator(mode="after")
    def _has_what_the_builder_needs(self) -> Self:
        if self.builder == "file" and self.path is None:
            raise ValueError("builder 'file' needs path, the graph's .json or .graphml file")
        if self.builder == "topohub" and self.name is None:
            raise ValueError("builder 'topohub' needs name, for example 'sndlib/germany50'")
        return self


def substrates_from_settings(settings: SubstrateSettings) -> tuple[Substrate, ...]:
    """Build and compile the networks.

    Raises:
        SettingsError: for a graph that is missing, damaged, disconnected or without capacities.
    """
    return _compiled(settings.model_dump_json())


# The tables of paths take seconds for a large network, and every environment of a vector asks for the same.
@lru_cache(maxsize=16)
def _compiled(json: str) -> tuple[Substrate, ...]:
    settings = SubstrateSettings.model_validate_json(json)
    source = f"substrate {settings.name or settings.path or settings.builder}"
    seeds = range(settings.seed, settings.seed + settings.networks)
    return tuple(compile_substrate(substrate_graph(settings, seed), settings.paths, source) for seed in seeds)


def substrate_graph(settings: SubstrateSettings, seed: int) -> nx.Graph:
    """The network of a seed, before it is compiled: nodes with ``cpu``, edges with ``bandwidth`` and a length."""
    shape, capacities = np.random.default_rng(seed).spawn(2)
    graph = _shape(settings, shape)
    for name, limits, parts in (
        ("cpu", settings.cpu, graph.nodes),
        ("memory", settings.memory, graph.nodes),
        ("bandwidth", settings.bandwidth, graph.edges),
    ):
        if limits is not None:
            drawn = capacities.integers(int(limits[0]), int(limits[1]), endpoint=True, size=len(parts))
            for part, value in zip(parts, drawn, strict=True):
                parts[part][name] = float(value)
    for _, data in graph.nodes(data=True):
        if data.get("tier") in settings.tier_cpu:
            data["cpu"] = settings.tier_cpu[data["tier"]]
    return graph


def _shape(settings: SubstrateSettings, rng: np.random.Generator) -> nx.Graph:
    match settings.builder:
        case "waxman":
            return waxman_graph(settings.nodes, settings.alpha, settings.beta, settings.side_km, rng)
        case "gabriel":
            return gabriel_graph(settings.nodes, settings.side_km, rng)
        case "hierarchical":
            return hierarchical_graph(settings.tiers, settings.tiers_km)
        case "abilene":
            return abilene_graph()
        case "nsfnet":
            return nsfnet_graph()
        case "topohub":
            return _topohub(str(settings.name))
        case "file":
            return read_graph(Path(str(settings.path)).expanduser(), "substrate.path")


def _topohub(name: str) -> nx.Graph:
    try:
        import topohub
    except ImportError:
        raise SettingsError("substrate.builder 'topohub': the package is missing; pip install topohub.") from None
    try:
        data: Any = topohub.get(name)
    except (KeyError, OSError, ValueError) as error:
        raise SettingsError(
            f"substrate.name: topohub has no topology {name!r} ({type(error).__name__}); names are such as "
            "'sndlib/abilene', 'topozoo/Geant2012' and 'gabriel/25/0'."
        ) from None
    graph = nx.Graph(nx.node_link_graph(data, edges="edges"))
    nx.set_edge_attributes(graph, {pair: data["dist"] for pair, data in graph.edges.items() if "dist" in data}, "km")
    names = nx.get_node_attributes(graph, "name")
    return nx.relabel_nodes(graph, names) if len(set(names.values())) == len(graph) else graph
