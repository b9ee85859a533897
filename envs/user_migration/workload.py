"""Episodes of moving users: generated from the workload seed, or read from a trace."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgegym.envs.user_migration.generated import GeneratedUsers
from edgegym.envs.user_migration.params import UserMigrationParams
from edgegym.envs.user_migration.recorded import RecordedUsers
from edgegym.envs.user_migration.workload_settings import PositionTraceSettings, TaxiSettings
from edgegym.errors import SettingsError
from edgegym.mobility.motion import Walks
from edgegym.mobility.sites import OUTSIDE

SEED_MASK = 0x7FFFFFFFFFFFFFFF
FITTING_EPISODES = 20
"""Episodes of a generated workload to which the Markov chain is fitted."""
GIVEN = "reset option 'episode'"


@dataclass(frozen=True)
class Episode:
    """What the users do, whatever is decided.

    Attributes:
        place: (slots, users) int32 cells; -1 while a user is away. On the plane packed axial coordinates.
        service: (users,) int32, index of each user's service in the settings.
        start: (users,) int32 cells where services run at first, or -1 for the user's own cell.
        position: (slots, users, 2) on the map of the sites, or None where only cells are known.
        outside: (slots,) recorded users who are away because they are beyond every cell; None where nobody ever is.
    """

    place: NDArray[np.int32]
    service: NDArray[np.int32]
    start: NDArray[np.int32]
    position: NDArray[np.float64] | None = None
    outside: NDArray[np.int64] | None = None

    @property
    def walks(self) -> Walks:
        """Where the users are."""
        return Walks(self.place, self.position)


def check_episode(episode: Episode, cells: int, services: int) -> None:
    """Make sure that an episode which somebody made fits a system.

    Args:
        episode: what is given as a reset option.
        cells: places that there are.
        services: kinds of service that there are.

    Raises:
        SettingsError: for arrays of the wrong shape or kind, a cell or service that does not exist, or a user that is
            there without a position.
    """
    place, service, start, position = episode.place, episode.service, episode.start, episode.position
    if place.ndim != 2 or not place.size or service.shape != place.shape[1:] or start.shape != service.shape:
        raise SettingsError(f"{GIVEN}: place {place.shape} must be (slots, users), service and start (users,).")
    for name, array in (("place", place), ("service", service), ("start", start)):
        if array.dtype.kind not in "iu":
            raise SettingsError(f"{GIVEN}: {name} must hold whole numbers (found {array.dtype}).")
    named = np.append(place.ravel(), start)
    wrong = named[(named < OUTSIDE) | (named >= cells)]
    if len(wrong):
        raise SettingsError(
            f"{GIVEN}: cell {wrong[0]} is none of the {cells} cells; -1 stands for a user outside every cell."
        )
    if not (service.min() >= 0 and service.max() < services):
        raise SettingsError(f"{GIVEN}: services must lie in 0 to {services - 1}.")
    if position is not None and position.shape != (*place.shape, 2):
        raise SettingsError(f"{GIVEN}: position {position.shape} must be (slots, users, 2), here {(*place.shape, 2)}.")
    if position is not None and not np.isfinite(position[place != OUTSIDE]).all():
        raise SettingsError(f"{GIVEN}: position must be finite wherever a user is in a cell.")
    if episode.outside is not None and episode.outside.shape != place.shape[:1]:
        raise SettingsError(f"{GIVEN}: outside {episode.outside.shape} must be (slots,), here {place.shape[:1]}.")


class Source:
    """Turns workload seeds into episodes.

    Args:
        params: the settings.

    Attributes:
        sites: of the map; on the plane of hexagons one at the origin stands for all.
        xy: (sites, 2) map positions: metres, or degrees for taxis.
        unit: length of a hop on that map.
        slot_s: length of a slot; NaN where it has none.
        users: of an episode.

    Raises:
        EdgeGymError: for a file that is missing, damaged or empty.
    """

    def __init__(self, params: UserMigrationParams) -> None:
        self.settings = settings = params.workload
        shares = np.array([service.share for service in params.services])
        self._shares = shares / shares.sum()
        self._users: RecordedUsers | GeneratedUsers
        if isinstance(settings, TaxiSettings | PositionTraceSettings):
            self._users = RecordedUsers(settings)
        else:
            self._users = GeneratedUsers(settings)
        self.sites, self.xy, self.unit = self._users.sites, self._users.xy, self._users.unit
        self.slot_s, self.users = self._users.slot_s, self._users.users

    def episode(self, workload_seed: int) -> Episode:
        """The episode of a workload seed."""
        rng = np.random.default_rng(workload_seed & SEED_MASK)
        walks = self._users.walks(workload_seed, rng)
        users = walks.cell.shape[1]
        service = np.asarray(rng.choice(len(self._shares), users, p=self._shares), np.int32)
        return Episode(walks.cell, service, np.full(users, OUTSIDE, np.int32), walks.position, walks.outside)

    @cached_property
    def fitting_trace(self) -> NDArray[np.int32]:
        """(slots, users) cells of the training users."""
        return self.fitting_walks().cell

    def fitting_walks(self, episodes: int = FITTING_EPISODES) -> Walks:
        """The training users: those of a trace, or of some episodes of a generated workload."""
        return self._users.fitting_walks(episodes)

    def provenance(self) -> str:
        """Where the users come from, in a line."""
        return (
            f"{self.settings.kind}: {self.settings.model_dump(exclude={'kind'}, exclude_defaults=True) or 'defaults'}"
        )
