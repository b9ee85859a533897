"""Generated users: the walk on hexagons, and the movements of a city."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.workload_settings import CitySettings, HexWalkSettings
from edgegym.errors import SettingsError
from edgegym.mobility import walks
from edgegym.mobility.csv_table import read_table
from edgegym.mobility.hex_plane import pack
from edgegym.mobility.motion import Walks
from edgegym.mobility.sites import Sites, hex_layout, nearest_site, read_positions, read_sites
from edgegym.workload.sources import resolve_path

FITTING_SEED = 1 << 40
"""Episodes of these seeds, which nobody is judged on, fit predictors."""


class GeneratedUsers:
    """Users whose ways are drawn from the workload seed.

    Args:
        settings: how they move.

    Attributes:
        sites: of the map; on the plane of hexagons one at the origin stands for all.
        xy: (sites, 2) metres.
        unit: length of a hop, metres.
        slot_s: length of a slot; NaN where it has none.
        users: of an episode.

    Raises:
        EdgeGymError: for a file that is missing or damaged, or whose positions are not of the sites' kind.
    """

    def __init__(self, settings: HexWalkSettings | CitySettings) -> None:
        self.settings = settings
        self.unit, self.slot_s, self.users = 1.0, math.nan, 1
        self.sites = Sites.of_metres(np.zeros((1, 2)))
        self._starts: NDArray[np.float64] | None = None
        if isinstance(settings, CitySettings):
            self.unit, self.slot_s, self.users = settings.spacing_m, settings.slot_s, settings.users
            self.sites = _city_sites(settings)
            self._starts = None if settings.starts is None else _starts(settings.starts, self.sites)
        self.xy = self.sites.metres
        self._low, self._extent = self._rectangle()

    def walks(self, seed: int, rng: np.random.Generator) -> Walks:
        """The users of an episode."""
        settings = self.settings
        if isinstance(settings, HexWalkSettings):
            return Walks(pack(walks.hex_walk(rng, 1, settings.slots, settings.move)))
        start = self._drawn_starts(rng)
        common = (rng, settings.users, settings.slots, settings.slot_s, self._extent, settings.speed_m_s)
        if settings.model == "manhattan":
            at = walks.manhattan(*common, settings.block_m, settings.turn, start)
        elif settings.model == "gauss_markov":
            at = walks.gauss_markov(*common, settings.memory, start)
        else:
            at = walks.random_waypoint(*common, start)
        at += self._low
        return Walks(nearest_site(at, self.xy), at)

    def fitting_walks(self, episodes: int) -> Walks:
        """The users of some episodes side by side."""
        found = [self.walks(seed, np.random.default_rng(seed)) for seed in range(FITTING_SEED, FITTING_SEED + episodes)]
        position = [walk.position for walk in found if walk.position is not None]
        cell = np.concatenate([walk.cell for walk in found], axis=1)
        return Walks(cell, np.concatenate(position, axis=1) if position else None)

    def _drawn_starts(self, rng: np.random.Generator) -> NDArray[np.float64] | None:
        if self._starts is None:
            return None
        few = self.users > len(self._starts)
        return self._starts[rng.choice(len(self._starts), self.users, replace=few)] - self._low

    def _rectangle(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower left corner and sides of the area in which users move."""
        if isinstance(self.settings, CitySettings) and self.settings.sites is None:
            return np.zeros(2), np.full(2, self.xy.max())
        places = self.xy if self._starts is None else np.concatenate([self.xy, self._starts])
        return places.min(axis=0), np.ptp(places, axis=0)


def _city_sites(settings: CitySettings) -> Sites:
    if settings.sites is None:
        return Sites.of_metres(hex_layout(settings.rings, settings.spacing_m))
    return read_sites(resolve_path(settings.sites, "workload.sites"))


def _starts(path: str, sites: Sites) -> NDArray[np.float64]:
    """(rows, 2) metres on the map of the sites."""
    position, degrees = read_positions(read_table(resolve_path(path, "workload.starts")))
    if degrees != sites.degrees:
        raise SettingsError("workload.starts: its positions are not of the same kind as those of workload.sites.")
    return sites.in_metres(position)
