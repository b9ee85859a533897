"""Systems that the tests of request scheduling play."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.request_scheduling.params import RequestSchedulingParams
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.envs.request_scheduling.workload import Episode

ENV = "EdgeGym/RequestScheduling-v0"
PARK = {"preset": "park_load_balance"}
SITE = {"preset": "edge_site"}
PLAIN: dict[str, Any] = {
    "tasks": {"job": ()},
    "access_link": None,
    "topology": {"builder": "single_edge"},
    "workload": {"kind": "streams", "streams": [{"task": "job"}]},
}


def system_of(rows: int = 1, preset: str | None = None, **values: Any) -> RequestSchedulingSystem:
    params = make_settings(RequestSchedulingSystem, preset, values)
    assert isinstance(params, RequestSchedulingParams)
    return RequestSchedulingSystem(params, rows)


def site(**values: Any) -> RequestSchedulingSystem:
    return system_of(preset="edge_site", **values)


def episode_of(arrival: Any, size: Any = None, stream: Any = None) -> Episode:
    times = np.asarray(arrival, np.float64)
    sizes = np.ones(len(times)) if size is None else np.asarray(size, np.float64)
    return Episode(times, sizes, np.zeros(len(times), np.int32) if stream is None else np.asarray(stream, np.int32))


def play(system: RequestSchedulingSystem, episode: Episode, actions: Any) -> NDArray[Any]:
    """Take the given candidates one after another; the requests."""
    system.begin(0, 0, {"episode": episode})
    decisions = Decisions.empty(system)
    system.observe(decisions)
    for action in actions:
        assert not decisions.done[0]
        system.step(np.array([action]), np.ones(1, np.bool_), decisions)
    assert decisions.done[0]
    return system.requests(0)
