"""A picture of the migration system: sites by load, users by cell, the user that is asked, and its candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.state import NOWHERE
from edgegym.mobility.hex_plane import disc, pack, unpack

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from edgegym.envs.user_migration.system import UserMigrationSystem

SURROUNDINGS = 3
"""Rings of cells that are drawn around user and service on the hexagonal plane."""


def draw_map(system: UserMigrationSystem, row: int, axes: Axes) -> None:
    """Draw a row: squares are sites by load, dots users by their number, lines lead from users to their services."""
    state = system.state
    r = state.rows[row]
    users = state.users[row, : int(r["users"])]
    there = users[users["cell"] != NOWHERE]
    if system.plane:
        _draw_cells(system, there, axes)
    else:
        _draw_sites(system, row, axes)
    ways, many = np.unique(np.stack([there["cell"], there["site"]], axis=1), axis=0, return_counts=True)
    for way, count in zip(ways, many, strict=True):
        x, y = _xy(system, way).T
        axes.plot(x, y, color="0.5", linewidth=0.4 * np.sqrt(count), zorder=2)
    cells, many = np.unique(there["cell"], return_counts=True)
    x, y = _xy(system, cells).T
    axes.scatter(x, y, s=12 * many, color="tab:blue", alpha=0.7, linewidths=0, zorder=3, label="users")
    if r["pending"]:
        _draw_decision(system, row, axes)
    axes.set_title(f"slot {int(r['slot'])} of {int(r['slots'])}; lines lead to services", fontsize=10)
    axes.set_aspect("equal", "datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=8, frameon=False)


def _draw_decision(system: UserMigrationSystem, row: int, axes: Axes) -> None:
    state = system.state
    asked, nominees = state.users[row, int(state.rows["user"][row])], state.nominees[row]
    x, y = _xy(system, np.array([asked["cell"], asked["site"]])).T
    axes.plot(x, y, color="tab:red", linewidth=1.5, zorder=4)
    axes.scatter(x[0], y[0], s=90, marker="*", color="tab:red", zorder=5, label="asked; circles: candidates")
    x, y = _xy(system, nominees[nominees != NOWHERE]).T
    axes.scatter(x, y, s=240, facecolors="none", edgecolors="tab:red", linewidths=1.5, zorder=4)


def _draw_sites(system: UserMigrationSystem, row: int, axes: Axes) -> None:
    state = system.state
    capacity = np.where(state.capacity > 0, state.capacity, np.inf)
    busy = state.sites["load"][row] / capacity
    x, y = system.source.xy.T
    squares = axes.scatter(x, y, s=150, c=busy, vmin=0, vmax=1, cmap="YlOrRd", marker="s", edgecolors="0.6", zorder=1)
    if system.contended:
        axes.figure.colorbar(squares, ax=axes, label="busy share of a site's servers")


def _draw_cells(system: UserMigrationSystem, there: NDArray[Any], axes: Axes) -> None:
    ends = np.concatenate([unpack(there["cell"]), unpack(there["site"])])
    x, y = _xy(system, np.unique(pack((ends[:, None] + disc(SURROUNDINGS)).reshape(-1, 2)))).T
    axes.scatter(x, y, s=900, marker="h", facecolors="none", edgecolors="0.8", zorder=1)


def _xy(system: UserMigrationSystem, places: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 2) where places are: those of sites, or of packed cells of the hexagonal plane."""
    if not system.plane:
        return np.asarray(system.source.xy[places])
    q, s = unpack(places).T
    return np.stack([q + s / 2.0, s * np.sqrt(3.0) / 2.0], axis=-1)
