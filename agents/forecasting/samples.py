"""Samples: what a node knew of a content at a decision, and how often it was asked for it in the window after.

Labels come in hindsight from the episode's own requests. A window that the episode's end cuts off has none: its sample
is left out, whatever the content, so that no content is favoured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.policy import UniformPolicy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions
from edgegym.envs.caching.columns import step_rows
from edgegym.envs.caching.state import ROW_ARRAYS, State
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import EdgeGymError
from edgegym.evaluation.harness import Progress, Task

Whole = int | NDArray[Any]
"""Integers, one or many."""
SUBSAMPLE = 4
"""So many times the samples wanted are taken on the way, evenly in time, before some are drawn."""
DRAWS = 8
"""Contents of the episode drawn for one that the node should know already."""
REPORT_EVERY = 512


@dataclass(frozen=True)
class Samples:
    """Contents at decisions and their requests in the next window.

    Attributes:
        features: names of the columns.
        columns: (samples, features) float32, as an agent sees them.
        requests: (samples,) int64, requests to the node in the window.
        begins: (samples,) float64, where the window begins, as a share of the node's requests in the episode.
        ends: (samples,) float64, where it ends.
    """

    features: tuple[str, ...]
    columns: NDArray[np.float32]
    requests: NDArray[np.int64]
    begins: NDArray[np.float64]
    ends: NDArray[np.float64]

    def inputs(self, names: Sequence[str]) -> NDArray[np.float32]:
        """(samples, names) columns of these names."""
        return self.columns[:, [self.features.index(name) for name in names]]

    def split(self, share: float) -> tuple[Self, Self]:
        """The samples whose window ends before a share of the episode, and those whose window begins after it."""
        return self._only(self.ends <= share), self._only(self.begins >= share)

    def _only(self, chosen: NDArray[Any]) -> Self:
        return type(self)(
            self.features, self.columns[chosen], self.requests[chosen], self.begins[chosen], self.ends[chosen]
        )

    def drawn(self, most: int, seed: int = 0) -> Self:
        """At most so many of them, drawn without repetition."""
        if len(self.requests) <= most:
            return self
        return self._only(np.sort(np.random.default_rng(seed).permutation(len(self.requests))[:most]))


class RequestIndex:
    """Counts the requests for any content in any stretch of a node's requests.

    Args:
        content: (requests,) contents of an episode.
        node: (requests,) nodes that they reach.
    """

    def __init__(self, content: NDArray[Any], node: NDArray[Any]) -> None:
        self.totals = np.bincount(node)
        self.contents, self._span = int(content.max()) + 1, len(content) + 1
        order = np.argsort(node, kind="stable")
        clock = np.empty(len(node), np.int64)
        clock[order] = np.arange(len(node)) - np.repeat(np.cumsum(self.totals) - self.totals, self.totals)
        self._keys = np.sort(self._key(node, content, clock))

    def _key(self, node: Whole, content: Whole, clock: Whole) -> NDArray[np.int64]:
        return (np.asarray(node, np.int64) * self.contents + content) * self._span + clock

    def count(self, node: Whole, content: Whole, clock: Whole, window: Whole) -> NDArray[np.int64]:
        """Requests for ``content`` among the node's requests number ``clock`` to ``clock + window`` (exclusive)."""
        until = np.minimum(np.add(clock, window), self._span - 1)
        first, after = (np.searchsorted(self._keys, self._key(node, content, at)) for at in (clock, until))
        return np.asarray(after - first)


def request_index(system: CachingSystem, row: int) -> RequestIndex:
    """The index of the episode that is loaded in a row."""
    requests = int(system.state.rows["requests"][row])
    return RequestIndex(system.state.content[row, :requests], system.state.node[row, :requests])


def window_requests(system: CachingSystem, row: Whole, node: Whole, window: float) -> NDArray[np.int64]:
    """Length of a window now, in requests: ``window`` times the contents that the cache holds, at least 1."""
    return np.maximum(np.rint(window * capacity_in_contents(system, row, node)), 1).astype(np.int64)


def capacity_in_contents(system: CachingSystem, row: Whole, node: Whole) -> NDArray[np.float64]:
    """How many contents of the mean size seen so far the caches hold, as the kernel counts it."""
    seen = system.state.nodes[row, node]
    return np.asarray(system.state.rows["capacity"][row] * seen["seen"] / seen["seen_occupancy"])


def pending_decisions(
    task: Task,
    seeds: Sequence[int],
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda done: None,
) -> Iterator[tuple[CachingSystem, Decisions, NDArray[np.bool_]]]:
    """Play episodes side by side with uniform choices, which depend on no forecast and favour no content.

    Args:
        task: environment and settings.
        seeds: workload seeds.
        options: the family's reset options.
        progress: called with the fraction done.

    Yields:
        The system, its pending decisions, and the (rows,) rows that have one after their warm-up. The arrays are
        filled again at the next step.
    """
    system, policy = task.system(rows=len(seeds)), UniformPolicy()
    assert isinstance(system, CachingSystem)
    for row, seed in enumerate(seeds):
        system.begin(row, int(seed), options or {})
    policy.begin(int(seeds[0]))
    decisions = Decisions.empty(system)
    system.observe(decisions)
    for step in count():
        if decisions.done.all():
            return
        if step % REPORT_EVERY == 0:
            progress(system.progress())
        rows = system.state.rows
        yield system, decisions, ~decisions.done & (rows["position"] > rows["count_from"])
        seen = Columns(decisions.candidates, decisions.context, system.candidate_features, system.context_features)
        system.step(policy.act(seen, decisions.mask > 0), ~decisions.done, decisions)


def collect(
    task: Task,
    seeds: Sequence[int],
    window: float,
    most: int,
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda done: None,
) -> Samples:
    """Sample contents at decisions: the candidates, and others that the node knows.

    Args:
        task: environment and settings.
        seeds: workload seeds of the episodes.
        window: in cache capacities of requests.
        most: samples.
        options: the family's reset options.
        progress: called with the fraction done.

    Raises:
        EdgeGymError: if there are none, because episodes are shorter than a window or nothing is ever evicted.
    """
    collector = Collector(window, most)
    for system, decisions, live in pending_decisions(task, seeds, options, progress):
        collector.take(system, decisions, live)
    return collector.samples()


class Collector:
    """Gathers samples while episodes are played: candidates of decisions, and as many of all that the node knows.

    A cache holds few contents that nobody wants any more. A forecaster that was fitted to its candidates alone would
    have to guess what becomes of those, and guess badly.

    Args:
        window: in cache capacities of requests.
        most: samples.
    """

    def __init__(self, window: float, most: int) -> None:
        self._window, self._most = window, most
        self._rng, self._step = np.random.default_rng(0), 0
        self._taken, self._columns = [np.empty((5, 0), np.int64)], [np.empty((0, 0), np.float32)]
        self._features: tuple[str, ...] = ()
        self.indices: list[RequestIndex] = []

    def take(self, system: CachingSystem, decisions: Decisions, live: NDArray[np.bool_]) -> None:
        """Look at the pending decisions of the rows in ``live``; take samples there every so often."""
        if not self.indices:
            self.indices = [request_index(system, row) for row in range(system.rows)]
            self._features = system.candidate_features
            self._columns = [np.empty((0, len(self._features)), np.float32)]
        share = 2 * int(system.state.rows["requests"].sum()) * system.num_candidates
        if self._step % max(1, share // (SUBSAMPLE * self._most)) == 0:
            row, k = np.nonzero((decisions.mask > 0) & live[:, None])
            self._keep(system, row, system.state.choice[row, k], decisions.candidates[row, k])
            for each in np.flatnonzero(live):
                known = self._known(system, int(each))
                self._keep(system, np.full(len(known), each), known, describe(system, int(each), known))
        self._step += 1

    def _known(self, system: CachingSystem, row: int) -> NDArray[np.int64]:
        """Some of the contents that the node of a row's decision was asked for before, each equally likely."""
        node = system.state.rows["node"][row]
        drawn = self._rng.integers(self.indices[row].contents, size=DRAWS * system.num_candidates)
        return drawn[system.state.records["first_use"][row, node, drawn] >= 0][: system.num_candidates]

    def _keep(
        self, system: CachingSystem, row: NDArray[Any], content: NDArray[Any], columns: NDArray[np.float32]
    ) -> None:
        node = system.state.rows["node"][row]
        clock, window = system.state.nodes["clock"][row, node], window_requests(system, row, node, self._window)
        self._taken.append(np.stack([row, node, content, clock, window]))
        self._columns.append(columns)

    def samples(self) -> Samples:
        """What was gathered, with labels."""
        row, node, content, clock, window = np.concatenate(self._taken, axis=1)
        requests, total = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
        for i, index in enumerate(self.indices):
            own = row == i
            requests[own] = index.count(node[own], content[own], clock[own], window[own])
            total[own] = index.totals[node[own]]
        columns = np.concatenate(self._columns)
        whole = Samples(self._features, columns, requests, clock / total, (clock + window) / total)
        uncut, _ = whole.split(1.0)
        if len(uncut.requests) == 0:
            raise EdgeGymError(
                "forecast: no decision is followed by a whole window. Take longer episodes, a smaller cache or a "
                "smaller forecast.window."
            )
        return uncut.drawn(self._most)


def describe(system: CachingSystem, row: int, contents: NDArray[Any]) -> NDArray[np.float32]:
    """(contents, candidate features): any contents as if they were nominated for a row's pending decision."""
    state, known = system.state, len(contents)
    if known == 0:
        # The kernel writes to the first candidate, which every decision has.
        return np.empty((0, len(system.candidate_features)), np.float32)
    of_row = [array[row : row + 1] if 1 <= i < ROW_ARRAYS else array for i, array in enumerate(state)]
    one = State(*of_row)._replace(choice=np.ascontiguousarray(contents, np.int32)[None])
    candidates = np.empty((1, known, len(system.candidate_features)), np.float32)
    context = np.empty((1, len(system.context_features)), np.float32)
    mask, idle = np.empty((1, known), np.int8), np.zeros(1, np.bool_)
    step_rows(one, np.zeros(1, np.int64), idle, candidates, context, mask, np.zeros(1), np.zeros(1, np.bool_))
    return candidates[0]
