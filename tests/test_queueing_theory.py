"""Queueing theory against itself, and the request simulation against queueing theory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from edgegym.agents.policies import policy_named
from edgegym.decision.policy import ActingPolicy, Policy
from edgegym.decision.spaces import Columns
from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.request_scheduling.state import SERVED
from edgegym.envs.request_scheduling.system import RequestSchedulingSystem
from edgegym.envs.request_scheduling.workload import Episode
from edgegym.errors import EdgeGymError
from edgegym.queueing.dispatching import power_of_d_sojourn
from edgegym.queueing.single_station import (
    erlang_b,
    erlang_c,
    md1_sojourn,
    mg1_sojourn,
    mm1_sojourn,
    mmc_sojourn,
    priority_waits,
)

JOBS, WARMUP, BATCHES = 200_000, 0.1, 20
CONFIDENCE = 0.999


def system_of(servers: list[dict[str, Any]], streams: int = 1, **values: Any) -> RequestSchedulingSystem:
    classes = ("high", "normal", "low")
    plain = {
        "tasks": {"job": ()},
        "servers": servers,
        "access_link": None,
        "topology": {"builder": "single_edge"},
        "reject": False,
        "workload": {"kind": "streams", "streams": [{"task": "job", "priority": classes[i]} for i in range(streams)]},
        **values,
    }
    params = make_settings(
        RequestSchedulingSystem, None, {**plain, "discipline": {"most_queued": 10**6, **values.get("discipline", {})}}
    )
    return RequestSchedulingSystem(params)  # type: ignore[arg-type]


def poisson(rate: float, seed: int, sizes: str = "exponential", streams: int = 1, jobs: int = JOBS) -> Episode:
    rng = np.random.default_rng(seed)
    size = rng.exponential(size=jobs) if sizes == "exponential" else np.ones(jobs)
    arrival = np.cumsum(rng.exponential(1.0 / rate, jobs))
    return Episode(arrival, np.maximum(size, 1e-12), rng.integers(streams, size=jobs).astype(np.int32))


def simulate(system: RequestSchedulingSystem, episode: Episode, policy: Policy | None = None) -> NDArray[Any]:
    """What became of the requests after the warm-up; everyone takes candidate 0 without a policy."""
    system.begin(0, 0, {"episode": episode})
    decisions, active = Decisions.empty(system), np.ones(1, np.bool_)
    system.observe(decisions)
    actions = np.zeros(1, np.int64)
    while not decisions.done[0]:
        if isinstance(policy, ActingPolicy):
            seen = Columns(decisions.candidates, decisions.context, system.candidate_features, system.context_features)
            actions = policy.act(seen, decisions.mask > 0)
        system.step(actions, active, decisions)
    requests = system.requests(0)
    assert (requests["fate"] == SERVED).all()
    return requests[round(WARMUP * len(requests)) :].copy()


def agrees(requests: NDArray[Any], expected: float) -> bool:
    """Whether the mean sojourn time is what theory says, within the confidence interval of batch means."""
    sojourn = requests["response"] - requests["arrival"]
    means = np.array([batch.mean() for batch in np.array_split(sojourn, BATCHES)])
    half = stats.t.ppf(0.5 + CONFIDENCE / 2, BATCHES - 1) * means.std(ddof=1) / np.sqrt(BATCHES)
    assert half < 0.12 * expected  # else the test could not fail
    return bool(abs(means.mean() - expected) < half)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_server(load: float) -> None:
    system = system_of([{"rate": 1.0}])
    assert agrees(simulate(system, poisson(load, 1)), mm1_sojourn(load, 1.0))
    assert agrees(simulate(system, poisson(load, 2, "constant")), md1_sojourn(load, 1.0))


def test_general_service() -> None:
    episode = poisson(0.6, 3)
    size = np.random.default_rng(4).uniform(0.2, 1.8, JOBS)
    requests = simulate(system_of([{"rate": 1.0}]), Episode(episode.arrival_s, size, episode.stream))
    assert agrees(requests, mg1_sojourn(0.6, 1.0, 1.0 + 1.6**2 / 12))


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_several_slots_are_mmc(load: float) -> None:
    system = system_of([{"rate": 1.0, "slots": 4, "per_co_runner": 0.0}])
    assert agrees(simulate(system, poisson(4 * load, 5)), mmc_sojourn(4 * load, 1.0, 4))


def test_strict_priority_without_interruption() -> None:
    system = system_of([{"rate": 1.0}], streams=3, discipline={"order": "strict_priority"})
    requests = simulate(system, poisson(0.6, 6, streams=3))
    waits = priority_waits([0.6 / 3] * 3, [1.0] * 3, [2.0] * 3)
    for priority, wait in enumerate(waits):
        assert agrees(requests[requests["priority"] == priority], wait + 1.0)


def test_order_of_dispatching_and_the_limit_of_power_of_two() -> None:
    load, servers = 0.8, 50
    system = system_of([{"rate": 1.0}] * servers)
    episode = poisson(load * servers, 7, jobs=60_000)
    names = ("JSQ", "Power of two", "Weighted random")
    env = "EdgeGym/RequestScheduling-v0"
    found = [simulate(system, episode, policy_named(env, name)) for name in names]
    jsq, two, random = (float((r["response"] - r["arrival"]).mean()) for r in found)
    assert jsq < two < random
    assert two == pytest.approx(power_of_d_sojourn(load, 2), rel=0.06)
    assert random == pytest.approx(mm1_sojourn(load, 1.0), rel=0.1)


def test_littles_law_ties_the_reward_to_the_sojourn_times() -> None:
    system = system_of([{"rate": 1.0}, {"rate": 0.5}], reward={"latency": 1.0, "goodput": 0.0})
    system.begin(0, 0, {"episode": poisson(0.9, 8, jobs=3000)})
    decisions, rng, total = Decisions.empty(system), np.random.default_rng(0), 0.0
    while not decisions.done[0]:
        system.step(rng.integers(2, size=1), np.ones(1, np.bool_), decisions)
        total += decisions.reward[0]
    requests = system.requests(0)
    assert -total == pytest.approx((requests["response"] - requests["arrival"]).sum())


def test_formulas_agree_with_each_other() -> None:
    assert mmc_sojourn(0.7, 1.0, 1) == pytest.approx(mm1_sojourn(0.7, 1.0))
    assert mg1_sojourn(0.7, 1.0, 2.0) == pytest.approx(mm1_sojourn(0.7, 1.0))
    assert power_of_d_sojourn(0.7, 1) == pytest.approx(mm1_sojourn(0.7, 1.0))
    assert power_of_d_sojourn(0.9, 2) == pytest.approx(sum(0.9 ** (2**i - 2) for i in range(1, 20)))
    assert priority_waits([0.7], [1.0], [2.0])[0] + 1.0 == pytest.approx(mm1_sojourn(0.7, 1.0))
    # A truncated Poisson law, by its definition.
    masses = stats.poisson.pmf(np.arange(6), 3.0)
    assert erlang_b(3.0, 5) == pytest.approx(masses[-1] / masses.sum())
    assert erlang_c(3.0, 5) > erlang_b(3.0, 5)


def test_no_steady_state_is_an_error() -> None:
    with pytest.raises(EdgeGymError, match=r"load 1\.2"):
        mm1_sojourn(1.2, 1.0)
    with pytest.raises(EdgeGymError, match="steady state"):
        mmc_sojourn(4.0, 1.0, 4)
    with pytest.raises(EdgeGymError, match="choices"):
        power_of_d_sojourn(0.5, 0)
    with pytest.raises(EdgeGymError, match="offered_load"):
        erlang_b(-1.0, 2)
