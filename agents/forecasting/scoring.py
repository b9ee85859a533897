"""How good a forecaster is on held-out episodes, from the column that the environment itself computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.agents.forecasting.errors import captured, log_error, poisson_deviance
from edgegym.agents.forecasting.samples import (
    Collector,
    RequestIndex,
    capacity_in_contents,
    describe,
    pending_decisions,
    window_requests,
)
from edgegym.envs.caching import columns
from edgegym.envs.caching.forecaster import OCTAVES
from edgegym.envs.caching.system import CachingSystem
from edgegym.evaluation.harness import Progress, Task

SNAPSHOTS = 64
"""At most so many times an episode all contents that the node knows are forecast."""


@dataclass(frozen=True)
class ForecastScore:
    """Errors on samples like those fitted to, and recall over all contents that the node knows.

    Attributes:
        deviance: mean Poisson deviance of the requests in the next window.
        log_error: mean absolute difference of log2(1 + requests).
        recall: requests in the next window for the contents that would fill the cache by forecast, as a share of
            those for the contents that would fill it in hindsight; sizes aside.
    """

    deviance: float
    log_error: float
    recall: float


@dataclass(frozen=True)
class Snapshot:
    """All contents that a node knows at a decision.

    Attributes:
        row: of the system, and number of the episode.
        position: requests served so far.
        node: where the decision is pending.
        clock: requests that reached the node.
        window: length of the next window, in requests to the node.
        contents: (known,) the contents requested there before.
    """

    row: int
    position: int
    node: int
    clock: int
    window: int
    contents: NDArray[np.int64]


Value = Callable[[Snapshot], NDArray[Any]]
"""What each content of a snapshot is worth: (known,) requests in the next window."""


def score(
    task: Task,
    seeds: Sequence[int],
    window: float,
    most: int,
    options: Mapping[str, Any] | None = None,
    value: Value | None = None,
    progress: Progress = lambda done: None,
) -> ForecastScore:
    """Judge the forecaster of a task on its episodes, from their warm-up on.

    Args:
        task: environment and settings, ``forecaster`` among them.
        seeds: workload seeds.
        window: of the forecaster.
        most: samples on which errors are measured.
        options: the family's reset options.
        value: what recall weighs contents by; the requests that came if left out.
        progress: called with the fraction done.
    """
    collector, gained, possible = Collector(window, most), 0.0, 0.0
    for step, (system, decisions, live) in enumerate(pending_decisions(task, seeds, options, progress)):
        collector.take(system, decisions, live)
        every = max(1, int(system.state.rows["requests"].max()) // SNAPSHOTS)
        for row in np.flatnonzero(live) if step % every == 0 else ():
            snapshot, index = _snapshot(system, int(row), window), collector.indices[row]
            if snapshot.clock + snapshot.window <= index.totals[snapshot.node]:
                capacity = round(float(capacity_in_contents(system, snapshot.row, snapshot.node)))
                worth = value(snapshot) if value else _requests(index, snapshot)
                part = captured(worth, forecasts(system, snapshot), capacity)
                gained, possible = gained + part[0], possible + part[1]
    samples = collector.samples()
    output = OCTAVES * (samples.inputs([columns.FORECAST])[:, 0].astype(np.float64) - 0.5)
    recall = gained / possible if possible else float("nan")
    return ForecastScore(poisson_deviance(samples.requests, output), log_error(samples.requests, output), recall)


def forecasts(system: CachingSystem, snapshot: Snapshot) -> NDArray[np.float32]:
    """(known,) the column ``forecast`` of every content of a snapshot."""
    return describe(system, snapshot.row, snapshot.contents)[:, len(columns.CANDIDATE_FEATURES)]


def _snapshot(system: CachingSystem, row: int, window: float) -> Snapshot:
    state, node = system.state, int(system.state.rows["node"][row])
    known = np.flatnonzero(state.records["first_use"][row, node] >= 0)
    clock, length = int(state.nodes["clock"][row, node]), int(window_requests(system, row, node, window))
    return Snapshot(row, int(state.rows["position"][row]), node, clock, length, known)


def _requests(index: RequestIndex, snapshot: Snapshot) -> NDArray[np.int64]:
    return index.count(snapshot.node, snapshot.contents, snapshot.clock, snapshot.window)
