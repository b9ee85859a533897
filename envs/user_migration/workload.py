"""Episodes of moving users: generated from the workload seed, or read from a trace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.params import CitySettings, HexWalkSettings, TaxiSettings, UserMigrationParams
from edgegym.errors import SettingsError
from edgegym.mobility import walks
from edgegym.mobility.hex_plane import pack
from edgegym.mobility.sites import OUTSIDE, hex_layout, nearest_site, read_sites, rounded_hops, to_metres
from edgegym.mobility.traces import read_taxis, split_users, without_short_sessions
from edgegym.workload.sources import resolve_path

SEED_MASK = 0x7FFFFFFFFFFFFFFF
FITTING_EPISODES = 20
FITTING_SEED = 1 << 40
"""Episodes of these seeds, which nobody is judged on, fit the Markov chain of a generated workload."""


@dataclass(frozen=True)
class Episode:
    """What the users do, whatever is decided.

    Attributes:
        place: (slots, users) int32 cells; -1 while a user is away. On the plane packed axial coordinates.
        service: (users,) int32, index of each user's service in the settings.
        start: (users,) int32 cells where services run at first, or -1 for the user's own cell.
    """

    place: NDArray[np.int32]
    service: NDArray[np.int32]
    start: NDArray[np.int32]


class Source:
    """Turns workload seeds into episodes.

    Args:
        params: the settings.

    Attributes:
        xy: (sites, 2) map positions: metres, or degrees for taxis; one site at the origin stands for the plane.
        hops: (sites, sites) distances.

    Raises:
        EdgeGymError: for a file that is missing, damaged or empty.
    """

    def __init__(self, params: UserMigrationParams) -> None:
        self.settings = settings = params.workload
        shares = np.array([service.share for service in params.services])
        self._shares = shares / shares.sum()
        self.xy, unit = np.zeros((1, 2)), 1.0
        if isinstance(settings, CitySettings):
            self.xy, unit = _city_sites(settings), settings.spacing_m
        elif isinstance(settings, TaxiSettings):
            trace = read_taxis(resolve_path(settings.path, "workload.path"))
            self.xy, unit = trace.site, settings.hop_degrees
            self._cells = without_short_sessions(trace.cell, settings.least_slots)
            self._cells = self._cells[:, (self._cells != OUTSIDE).any(axis=0)]
            self._users = split_users(self._cells.shape[1], settings.part, settings.split_seed)
            if not len(self._users):
                raise SettingsError(f"workload.part: {settings.part} holds no user.")
        self.hops = rounded_hops(self.xy, unit)

    @property
    def users(self) -> int:
        """Users of an episode."""
        return self.settings.users if isinstance(self.settings, CitySettings) else 1

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed."""
        rng = np.random.default_rng(workload_seed & SEED_MASK)
        place = self._place(workload_seed, rng)
        service = np.asarray(rng.choice(len(self._shares), place.shape[1], p=self._shares), np.int32)
        return Episode(place, service, np.full(place.shape[1], OUTSIDE, np.int32))

    @cached_property
    def fitting_trace(self) -> NDArray[np.int32]:
        """(slots, users) cells of the training users."""
        settings = self.settings
        if isinstance(settings, TaxiSettings):
            return self._cells[:, split_users(self._cells.shape[1], settings.fitted_on, settings.split_seed)]
        seeds = range(FITTING_SEED, FITTING_SEED + FITTING_EPISODES)
        return np.concatenate([self._place(seed, np.random.default_rng(seed)) for seed in seeds], axis=1)

    def _place(self, seed: int, rng: np.random.Generator) -> NDArray[np.int32]:
        settings = self.settings
        if isinstance(settings, HexWalkSettings):
            return pack(walks.hex_walk(rng, 1, settings.slots, settings.move))
        if isinstance(settings, TaxiSettings):
            return self._cells[:, self._users[seed % len(self._users)]][:, None]
        side = float(self.xy.max())
        common = (rng, settings.users, settings.slots, settings.slot_s, side, settings.speed_m_s)
        if settings.model == "manhattan":
            at = walks.manhattan(*common, settings.block_m, settings.turn)
        elif settings.model == "gauss_markov":
            at = walks.gauss_markov(*common, settings.memory)
        else:
            at = walks.random_waypoint(*common)
        return nearest_site(at, self.xy)

    def provenance(self) -> str:
        """Where the users come from, in a line."""
        return (
            f"{self.settings.kind}: {self.settings.model_dump(exclude={'kind'}, exclude_defaults=True) or 'defaults'}"
        )


def _city_sites(settings: CitySettings) -> NDArray[np.float64]:
    if settings.sites is None:
        return hex_layout(settings.rings, settings.spacing_m)
    return to_metres(read_sites(resolve_path(settings.sites, "workload.sites")))
