"""A picture of the network functions system: nodes and links by load, the request at hand, and its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from edgegym.envs.network_functions.state import PLACE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgegym.envs.network_functions.system import NetworkFunctionsSystem
    from edgegym.network.substrates import Substrate


def draw_network(system: NetworkFunctionsSystem, row: int, axes: Axes) -> None:
    """Draw a row: dots are nodes, lines links, both coloured by the share of their capacity that is taken."""
    state = system.state
    r = state.rows[row]
    network = int(r["network"])
    substrate = system.substrates[network]
    place = _layout(substrate)
    nodes, links = len(substrate.nodes), len(substrate.ends)
    taken = 1.0 - state.links["free"][row, :links] / np.maximum(state.bandwidth[network, :links], 1)
    busy = 1.0 - state.nodes["cpu"][row, :nodes] / np.maximum(state.cpu[network, :nodes], 1)
    from matplotlib.collections import LineCollection

    lines = LineCollection(list(place[substrate.ends]), cmap="YlOrRd", linewidths=2.0 if links < 100 else 0.6, zorder=1)
    lines.set_array(taken)
    lines.set_clim(0.0, 1.0)
    axes.add_collection(lines)
    dots = axes.scatter(
        place[:, 0],
        place[:, 1],
        s=30,
        c=busy,
        vmin=0,
        vmax=1,
        cmap="YlOrRd",
        edgecolors="0.4",
        linewidths=0.5,
        zorder=2,
    )
    axes.figure.colorbar(dots, ax=axes, label="share of a node's computing or a link's bandwidth taken")
    down = ~state.nodes["up"][row, :nodes]
    axes.scatter(place[down, 0], place[down, 1], s=60, marker="x", color="black", zorder=3)
    if r["pending"]:
        request = state.requests[row, int(r["flow"])]
        ends = place[[int(request["source"]), int(request["destination"])]]
        for (x, y), name in zip(ends, ("from", "to"), strict=True):
            axes.annotate(name, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=8, color="tab:blue")
        if r["decision"] == PLACE:
            _draw_candidates(system, row, place, axes)
    what = "function" if r["decision"] == PLACE else "path of segment"
    axes.set_title(
        f"request {int(r['flow']) + 1} of {int(r['requests'])}, {what} {int(r['position']) + 1}", fontsize=10
    )
    axes.set_xticks([])
    axes.set_yticks([])


def _draw_candidates(system: NetworkFunctionsSystem, row: int, place: NDArray[np.float64], axes: Axes) -> None:
    state = system.state
    x, y = place[int(state.rows["here"][row])]
    axes.scatter(x, y, s=90, marker="*", color="tab:blue", zorder=4, label="traffic is here")
    slots = state.slot[row]
    x, y = place[state.choices["node"][row, slots[slots >= 0]]].T
    axes.scatter(x, y, s=110, facecolors="none", edgecolors="tab:blue", zorder=3, label="candidates")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=8, frameon=False)


def _layout(substrate: Substrate) -> NDArray[np.float64]:
    """(n, 2) places of the nodes, the same for the same network: near where the delay is short."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(substrate.nodes)))
    far = substrate.delay_s / max(substrate.delay_s.mean(), 1e-12) + 0.1
    graph.add_weighted_edges_from((int(a), int(b), d) for (a, b), d in zip(substrate.ends, far, strict=True))
    found = nx.kamada_kawai_layout(graph)
    return np.array([found[node] for node in graph])
