"""What a card holds: the law or model of one thing that was measured, and where the measurements came from."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from edgegym.cards.footprint import Footprint
from edgegym.cards.link import LinkDynamics, RadioPower, StatisticFidelity
from edgegym.cards.tables import ByteTable, CountTable, QuantileTable, check_masses, cumulative, whole_bytes
from edgegym.errors import did_you_mean
from edgegym.settings import Settings

MARGINAL_TOLERANCE = 1e-3
"""How far the sizes that ``size_given_requests`` implies may be from ``object_bytes``, in probability per segment."""


class Provenance(Settings):
    """Where the figures of a card come from, and which of them nobody measured."""

    source: str = Field(min_length=1)
    """Who measured what, in a form that can be cited."""
    url: str | None = None
    """Where the measurements can be had: URL, DOI, or repository with commit."""
    licence: str | None = None
    """Terms of the measurements."""
    method: Literal["measured", "derived", "assumed"] = "measured"
    """``measured``: condensed from measurements; ``derived``: computed from them or from physics by ``rule``;
    ``assumed``: set by hand."""
    rule: str | None = None
    """How the figures were obtained from the source."""
    date: str | None = None
    """When the measurements were made."""
    notes: str | None = None
    """What a user must know: reservations, gaps, readings of unclear fields."""
    assumed: dict[str, str] = Field(default_factory=dict)
    """Fields of the card that are assumptions, not measurements, each with the reason."""


class TableFidelity(Settings):
    """How well a quantile table stands for its measurements; errors are relative, 0.01 is one percent."""

    observations: int = Field(ge=1)
    """Rows of measurements behind the table."""
    runs: int | None = Field(default=None, ge=1)
    """Independent runs (series, subscribers) among them."""
    max_quantile_error: float = Field(ge=0)
    """Largest error at the 1 %, 2 %, ... 99 % quantiles of the measurements, where these are not zero."""
    mean_error: float = Field(ge=0)
    """Error of the mean."""
    held_out_median_error: float | None = Field(default=None, ge=0)
    """Error of the median on runs that the fit did not see, mean over folds."""
    held_out_decile_error: float | None = Field(default=None, ge=0)
    """The same for the 10 %, 20 %, ... 90 % quantiles, mean over deciles and folds."""


class Fidelity(Settings):
    """What was lost between the measurements and the card; errors are relative, 0.01 is one percent."""

    tables: dict[str, TableFidelity] = Field(default_factory=dict)
    """For each fitted table, by the name of its field."""
    dynamics: dict[str, StatisticFidelity] = Field(default_factory=dict)
    """For each statistic of throughput over time, by its name."""
    mean_requests_error: float | None = Field(default=None, ge=0)
    """Error of the mean number of requests per object."""
    mean_bytes_per_request_error: float | None = Field(default=None, ge=0)
    """Error of the mean size per request (not per object): what the joint law says of the traffic."""
    median_bytes_per_request_error: float | None = Field(default=None, ge=0)
    """Error of the median size per request."""
    miss_ratio_error: float | None = Field(default=None, ge=0)
    """Largest difference of the LRU miss ratio between the measured trace and one generated from the footprint, over
    caches of 0.1 % to 100 % of the contents; absolute, 0.01 is one percent of the requests."""
    byte_capacity_miss_ratio_error: float | None = Field(default=None, ge=0)
    """The same over caches of 0.1 % to 100 % of the contents' bytes."""
    top_percent_share_error: float | None = Field(default=None, ge=0)
    """Difference of the share of the requests that the most popular percent of the contents gets; absolute."""
    one_hit_share_error: float | None = Field(default=None, ge=0)
    """Difference of the share of the contents that are requested once; absolute."""


class Card(Settings):
    """What all cards have in common."""

    name: str = Field(min_length=1)
    """Name under which the card is loaded."""
    kind: str
    """What the card describes."""
    provenance: Provenance
    """Where the figures come from."""
    fidelity: Fidelity = Fidelity()
    """How well the figures stand for the measurements."""

    @model_validator(mode="after")
    def _remarks_name_fields(self) -> Self:
        fields = type(self).model_fields
        for place, names in (
            ("provenance.assumed", self.provenance.assumed),
            ("fidelity.tables", self.fidelity.tables),
        ):
            for name in names:
                if name not in fields:
                    raise ValueError(
                        f"{place}: {name!r} is not a field of a {self.kind} card.{did_you_mean(name, fields)} "
                        f"Allowed: {', '.join(fields)}"
                    )
        return self


class LinkCard(Card):
    """A kind of link: its round trip and its throughput."""

    kind: Literal["link"] = "link"
    rtt_s: float = Field(ge=0, allow_inf_nan=False)
    """Round trip, seconds: the median where it was measured."""
    rate_bps: float = Field(gt=0, allow_inf_nan=False)
    """Throughput, bits per second: the median where it was measured."""
    rate_direction: Literal["down", "both"] = "both"
    """``"down"``: measured towards the user only."""
    rtt_table: QuantileTable | None = None
    """Law of the round trip, seconds."""
    rate_table: QuantileTable | None = None
    """Law of the throughput over time, bits per second; zero is an outage."""
    dynamics: LinkDynamics | None = None
    """How the throughput moves over time; needs ``rate_table``."""
    loss: float | None = Field(default=None, ge=0, le=1)
    """Share of the packets that are lost; left out where nobody measured it."""
    radio: RadioPower | None = None
    """What a phone on this link draws."""
    j_per_byte: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    """Energy that the link's equipment spends on each byte, joules; left out where nobody stated it."""

    @model_validator(mode="after")
    def _dynamics_have_a_law(self) -> Self:
        if self.dynamics is not None and self.rate_table is None:
            raise ValueError("dynamics: they move through rate_table, which is missing; give it or leave them out")
        return self


class SizeGivenRequests(Settings):
    """How sizes depend on popularity: a contingency table of groups of objects and segments of ``object_bytes``."""

    requests_from: tuple[float, ...] = Field(min_length=1)
    """Group g holds the objects with at least this many requests, and fewer than the next group's; starts with 1."""
    segment_probabilities: tuple[tuple[float, ...], ...]
    """(groups, segments): the probability that an object of the group has a size between two neighbouring quantiles of
    ``object_bytes``; within a segment the size follows ``object_bytes``."""

    @field_validator("requests_from")
    @classmethod
    def _growing_from_one(cls, starts: tuple[float, ...]) -> tuple[float, ...]:
        if starts[0] != 1 or not np.all(np.diff(starts) > 0):
            raise ValueError("must start with 1 and grow from entry to entry")
        return starts

    @field_validator("segment_probabilities")
    @classmethod
    def _rows_are_laws(cls, rows: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        for place, row in enumerate(rows):
            try:
                check_masses(row)
            except ValueError as error:
                raise ValueError(f"row {place}: {error}") from None
        return rows


class WorkloadCard(Card):
    """A kind of request stream: sizes of the objects and how often an object is requested."""

    kind: Literal["workload"] = "workload"
    object_bytes: ByteTable
    """Law of the size over objects (not over requests)."""
    requests_per_object: CountTable
    """Law of the number of requests over objects that were requested at all."""
    size_given_requests: SizeGivenRequests | None = None
    """Dependence of size and popularity; left out, they are independent."""
    footprint: Footprint | None = None
    """How requests follow each other; workloads of kind ``footprint`` need it."""

    @model_validator(mode="after")
    def _marginals_agree(self) -> Self:
        table = self.size_given_requests
        if table is None:
            return self
        groups, segments = len(table.requests_from), len(self.object_bytes.values) - 1
        rows = table.segment_probabilities
        if len(rows) != groups or any(len(row) != segments for row in rows):
            raise ValueError(
                f"size_given_requests.segment_probabilities: {groups} rows of {segments} entries are needed, one row "
                "per entry of requests_from and one entry per segment of object_bytes"
            )
        implied = self.joint.group_masses @ self.joint.segment_masses
        gap = np.abs(implied - np.diff(self.object_bytes.probabilities))
        if gap.max() > MARGINAL_TOLERANCE:
            raise ValueError(
                f"size_given_requests: implies probability {implied[gap.argmax()]:.5g} for segment {gap.argmax()} of "
                f"object_bytes, which has {np.diff(self.object_bytes.probabilities)[gap.argmax()]:.5g}; mend either"
            )
        return self

    @cached_property
    def joint(self) -> JointLaw:
        """The joint law of requests and size of an object."""
        return JointLaw(self)


class JointLaw:
    """Joint law of requests per object and object size; its marginals are those of the card.

    Args:
        card: the workload card; without ``size_given_requests`` the two are independent.

    Attributes:
        group_of: (counts,) intp, the group of each value of ``requests_per_object``.
        group_masses: (groups,) float64, share of the objects in each group.
        segment_masses: (groups, segments) float64, law of the size's segment in each group.
    """

    def __init__(self, card: WorkloadCard) -> None:
        self._card = card
        table = card.size_given_requests
        starts = (1.0,) if table is None else table.requests_from
        rows = [np.diff(card.object_bytes.probabilities)] if table is None else table.segment_probabilities
        self.group_of = np.searchsorted(starts, card.requests_per_object.values, side="right") - 1
        self.group_masses = np.bincount(self.group_of, card.requests_per_object.masses, len(starts))
        self.segment_masses = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
        self._ends = cumulative(self.segment_masses)

    def sample(self, rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw ``n`` independent objects.

        Returns:
            Requests per object, (n,) float64, and sizes in bytes, (n,) int64, at least 1.
        """
        count = self._card.requests_per_object.draw(rng, n)
        return np.array(self._card.requests_per_object.values)[count], self.sizes(count, rng.random(n))

    def sizes(self, count: NDArray[np.intp], share: NDArray[np.float64]) -> NDArray[np.int64]:
        """Sizes of objects whose numbers of requests are known.

        Args:
            count: (n,) index into the values of ``requests_per_object``.
            share: (n,) share of the objects with as many requests that are smaller, in [0, 1); uniform to draw sizes.

        Returns:
            (n,) int64, bytes, at least 1.
        """
        group = self.group_of[count]
        groups, segments = self._ends.shape
        # Row g is lifted by g, so that one search in the flattened table finds the segment in every object's own row.
        lifted = (self._ends + np.arange(groups)[:, None]).ravel()
        segment = np.searchsorted(lifted, group + share, side="right") - group * segments
        segment = np.clip(segment, 0, segments - 1)
        mass = self.segment_masses[group, segment]
        fraction = 1.0 - (self._ends[group, segment] - share) / np.where(mass > 0, mass, 1.0)
        return whole_bytes(self._card.object_bytes.within(segment, np.clip(fraction, 0.0, 1.0)))

    def bytes_per_request(self) -> QuantileTable:
        """Law of the size over requests (not over objects), what a cache's traffic sees."""
        table, sizes = self._card.requests_per_object, self._card.object_bytes
        requests = np.bincount(self.group_of, table.masses * np.array(table.values), len(self.group_masses))
        # The floor keeps probabilities growing over a segment that no request falls into.
        masses = np.maximum(requests / requests.sum() @ self.segment_masses, 1e-12)
        ends = np.append(0.0, cumulative(masses / masses.sum()))
        return QuantileTable(probabilities=tuple(ends.tolist()), values=sizes.values)

    def mean_bytes_per_request(self) -> float:
        """Mean size of the requested object over requests."""
        return self.bytes_per_request().mean()
