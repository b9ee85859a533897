"""Recorded users: taxis over real cells, and a user's own table of positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.workload_settings import PositionTraceSettings, TaxiSettings
from edgegym.errors import SettingsError
from edgegym.mobility.motion import Walks
from edgegym.mobility.positions import Sampling, over_hexagons, read_fixes, recorded
from edgegym.mobility.sites import OUTSIDE, read_sites
from edgegym.mobility.traces import Recording, apart, read_taxis, split_users, together
from edgegym.workload.sources import resolve_path


class RecordedUsers:
    """Users of a trace, of whom each belongs to one part at most.

    Args:
        settings: which trace and which part.

    Attributes:
        sites: of the cells.
        xy: (sites, 2) map positions: metres, or degrees for taxis.
        unit: length of a hop on that map.
        slot_s: length of a slot.
        users: of an episode.

    Raises:
        EdgeGymError: for a file that is missing, damaged or empty, and a part with fewer users than an episode has.
    """

    def __init__(self, settings: TaxiSettings | PositionTraceSettings) -> None:
        self.settings = settings
        recording = self._read()
        tracks = [track.without_short_sessions(settings.least_slots) for track in recording.tracks]
        self._tracks = [track for track in tracks if (track.cell != OUTSIDE).any()]
        self._slots = recording.slots
        if not self._tracks:
            raise SettingsError(
                f"workload.least_slots: no session of {settings.path} has {settings.least_slots} slots; lower it."
            )
        self.sites, self.slot_s, self.users = recording.sites, recording.slot_s, settings.users
        taxis = isinstance(settings, TaxiSettings)
        self.xy = self.sites.position if taxis else self.sites.metres
        self.unit = settings.hop_degrees if isinstance(settings, TaxiSettings) else settings.spacing_m
        self._part = self._users_of(settings.part, "part")
        if self.users > len(self._part):
            raise SettingsError(
                f"workload.users: {self.users}, but part {settings.part} of {settings.path} has {len(self._part)} "
                "users; lower it or widen the part."
            )

    def walks(self, seed: int, rng: np.random.Generator) -> Walks:
        """The users of an episode."""
        picked = self._part[(seed * self.users + np.arange(self.users)) % len(self._part)]
        found = together([self._tracks[user] for user in picked], self._slots)
        return self._window(found, rng) if isinstance(self.settings, PositionTraceSettings) else found

    def fitting_walks(self, episodes: int) -> Walks:
        """The training users side by side; there are no more, so ``episodes`` does not matter."""
        tracks = [self._tracks[user] for user in self._users_of(self.settings.fitted_on, "fitted_on")]
        return apart(tracks) if self._slots is None else together(tracks, self._slots)

    def _read(self) -> Recording:
        settings = self.settings
        path = resolve_path(settings.path, "workload.path")
        if isinstance(settings, TaxiSettings):
            return read_taxis(path)
        sites = None if settings.sites is None else read_sites(resolve_path(settings.sites, "workload.sites"))
        fixes = read_fixes(path, settings.columns, sites)
        if sites is None:
            fixes, sites = over_hexagons(fixes, settings.spacing_m)
        sampling = Sampling(settings.slot_s, settings.gap_s, settings.between == "interpolate")
        return recorded(fixes, sites, settings.coverage_m, sampling)

    def _users_of(self, part: tuple[float, float], name: str) -> NDArray[np.int64]:
        found = split_users(len(self._tracks), part, self.settings.split_seed)
        if not len(found):
            raise SettingsError(
                f"workload.{name}: {part} holds none of the {len(self._tracks)} users of {self.settings.path}; "
                "widen it."
            )
        return found

    def _window(self, walks: Walks, rng: np.random.Generator) -> Walks:
        """The episode's slots of those in which its users were recorded."""
        assert isinstance(self.settings, PositionTraceSettings)
        slots = self.settings.slots
        if slots is None or slots >= len(walks.cell):
            return walks
        first = int(rng.integers(len(walks.cell) - slots + 1))
        part = slice(first, first + slots)
        position, outside = walks.position, walks.outside
        return Walks(
            walks.cell[part],
            None if position is None else position[part],
            None if outside is None else outside[part],
        )
