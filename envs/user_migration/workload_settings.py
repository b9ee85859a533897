"""Settings of who moves where: walks on hexagons, generated users of a city, recorded users."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgegym.mobility.csv_table import ALIASES
from edgegym.settings import Settings

Range = tuple[float, float]


class HexWalkSettings(Settings):
    """One user on an unbounded plane of hexagons, each cell of which has a site; the published random walk."""

    kind: Literal["hex_walk"] = "hex_walk"
    slots: int = Field(1000, ge=1, le=16_000)
    """Length of an episode."""
    move: float = Field(1.0 / 12.0, ge=0, le=1.0 / 6.0)
    """Probability of each of the six neighbours; else the user stays."""


class CitySettings(Settings):
    """Users that move over a map of sites; a user's cell is that of the nearest site."""

    kind: Literal["city"] = "city"
    model: Literal["manhattan", "random_waypoint", "gauss_markov"] = "manhattan"
    """How users move."""
    users: int = Field(120, ge=1, le=4096)
    """How many; all are there all the time."""
    slots: int = Field(60, ge=1)
    """Length of an episode."""
    slot_s: float = Field(10.0, gt=0)
    """Length of a slot."""
    speed_m_s: Range = (5.0, 15.0)
    """Slowest and fastest user."""
    block_m: float = Field(125.0, gt=0)
    """Distance between streets (Manhattan)."""
    turn: float = Field(0.3, ge=0, le=1)
    """Probability of turning left or right at a crossing (Manhattan)."""
    memory: float = Field(0.9, ge=0, lt=1)
    """Of the velocity from slot to slot (Gauss-Markov)."""
    rings: int = Field(2, ge=1, le=8)
    """Rings of hexagonal cells around the central one, without ``sites``."""
    spacing_m: float = Field(500.0, gt=0)
    """Distance between neighbouring sites, without ``sites``; in any case the length of a hop."""
    sites: str | None = None
    """CSV file of sites in place of the hexagons, as :func:`edgegym.mobility.sites.read_sites` reads it;
    ``$EDGEGYM_DATA`` is replaced. Users move over the smallest upright rectangle with all sites and ``starts``."""
    starts: str | None = None
    """CSV file of positions, in the same kind of columns as ``sites``: users begin at rows drawn from the workload
    seed, each at another one while there are enough (Manhattan: at the nearest crossing). Left out, they begin
    anywhere."""

    @field_validator("speed_m_s")
    @classmethod
    def _ordered(cls, speed: Range) -> Range:
        if not 0.0 < speed[0] <= speed[1] < 1e4:
            raise ValueError("needs 0 < slowest <= fastest, for example [5, 15]")
        return speed

    @model_validator(mode="after")
    def _starts_on_a_map(self) -> Self:
        if self.starts is not None and self.sites is None:
            raise ValueError("'starts' needs 'sites', on whose map its positions lie")
        return self


class RecordedSettings(Settings):
    """Recorded users, split by user.

    Workload seed s gives users s n to s n + n - 1 of the part, begun again at its end, where n is ``users``.
    """

    users: int = Field(1, ge=1, le=4096)
    """Users of an episode, who share its sites."""
    part: Range = (0.0, 0.6)
    """Which users, as fractions of their shuffled order."""
    fitted_on: Range = (0.0, 0.6)
    """Users to which the Markov chain is fitted."""
    split_seed: int = Field(0, ge=0)
    """Of the order."""
    least_slots: int = Field(10, ge=1)
    """Shorter sessions are left out. A gap ends a session; the next one starts free in the user's cell."""

    @field_validator("part", "fitted_on")
    @classmethod
    def _ordered(cls, part: Range) -> Range:
        if not 0.0 <= part[0] < part[1] <= 1.0:
            raise ValueError("needs 0 <= start < stop <= 1, for example [0.0, 0.6]")
        return part


class TaxiSettings(RecordedSettings):
    """Recorded taxis over real cells."""

    kind: Literal["taxi"] = "taxi"
    path: str = "$EDGEGYM_DATA/mobility/sf_taxi/sf_taxi_cells_20080531.npz"
    """As :func:`edgegym.mobility.traces.read_taxis` reads it."""
    hop_degrees: float = Field(0.01, gt=0)
    """Length of a hop: distances are Euclidean degrees over it, rounded up (the published metric)."""


class PositionTraceSettings(RecordedSettings):
    """Your own users: a table of user, time and place; see :mod:`edgegym.mobility.positions` for what it means."""

    kind: Literal["trace"] = "trace"
    path: str
    """CSV file with columns ``user``, ``time`` (seconds or ISO 8601), and ``cell``, or ``x_m`` and ``y_m``, or
    ``latitude`` and ``longitude``; plain, gzip or xz. ``$EDGEGYM_DATA`` is replaced."""
    columns: dict[str, str] = Field(default_factory=dict)
    """What the file calls these columns, by the names above, for example ``{user: taxi_id}``."""
    sites: str | None = None
    """CSV file of sites, as :func:`edgegym.mobility.sites.read_sites` reads it; ``cell`` holds their names. Left out,
    hexagons are laid over the area of the positions."""
    spacing_m: float = Field(500.0, gt=0)
    """Distance between neighbouring hexagons, without ``sites``; in any case the length of a hop."""
    coverage_m: float = Field(2000.0, gt=0)
    """Farther from every site a user is away."""
    slot_s: float = Field(60.0, gt=0)
    """Length of a slot."""
    gap_s: float = Field(300.0, gt=0)
    """Two rows of a user farther apart end a session."""
    least_slots: int = Field(1, ge=1)
    """Shorter sessions are left out."""
    between: Literal["hold", "interpolate"] = "hold"
    """Between two rows of a session a user stays at the first, or moves straight to the second (positions only)."""
    slots: int | None = Field(None, ge=1)
    """Length of an episode, begun at a slot drawn from the workload seed; left out, or if the recording is shorter, the
    whole recording of its users. Slots in which none of them is there are left out, but for one between two others."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        allowed = [name for name in ALIASES if name not in ("site", "source", "target", "link")]
        wrong = [name for name in columns if name not in allowed]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is none of the columns {', '.join(allowed)}")
        return columns


WorkloadSettings = Annotated[
    HexWalkSettings | CitySettings | TaxiSettings | PositionTraceSettings, Field(discriminator="kind")
]
"""Who moves where, told apart by ``kind``."""
