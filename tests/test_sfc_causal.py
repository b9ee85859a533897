"""Network functions know nothing in advance: columns and rewards do not change with what is yet to come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgegym.envs.network_functions.system import NetworkFunctionsSystem, revenue_of
from edgegym.envs.network_functions.workload import Episode, mean_gap_s, mean_revenue

from .sfc_systems import ABSTRACT, SERVICES, begun, system_of

PAST = 20
"""Requests that both episodes begin with."""


def other_future(episode: Episode, later: Episode) -> Episode:
    """The same first requests, then sparse, long and large ones."""
    gaps_s = np.diff(episode.time_s, prepend=0.0)
    gaps_s[PAST:] *= 7.0
    changed = {"time_s": np.cumsum(gaps_s)}
    for name, factor in (("life_s", 5.0), ("demand", 0.5), ("bandwidth", 0.5), ("source", 1), ("destination", 1)):
        values = getattr(episode, name).copy()
        values[PAST:] = getattr(later, name)[PAST:] * factor
        changed[name] = values
    return replace(episode, **changed)


def seen_until(system: NetworkFunctionsSystem, episode: Episode) -> list[bytes]:
    """Everything that is shown and paid before the last of the requests that both share arrives."""
    out, rng, found = begun(system, episode), np.random.default_rng(0), []
    while system.state.rows["request"][0] < PAST - 1:
        found.append(b"".join(part.tobytes() for part in (out.candidates, out.context, out.mask, out.reward)))
        # Mostly accepting, so that the network fills; some requests are rejected that could be served.
        allowed = np.flatnonzero(out.mask[0])
        wanted = allowed[1:] if len(allowed) > 1 and rng.random() < 0.9 else allowed
        system.step(np.array([rng.choice(wanted)]), np.ones(1, bool), out)
    return found


@pytest.mark.parametrize("values", [ABSTRACT, {**SERVICES, "failures": {"link_mtbf_s": 50.0, "repair_s": 10.0}}])
@pytest.mark.parametrize("signal", ["terms", "regret"])
def test_the_past_looks_the_same_whatever_the_future(values: dict[str, Any], signal: str) -> None:
    reward = {"signal": signal, "revenue": 0.3, "link_price": 0.3, "node_price": 0.2}
    system = system_of({**values, "completion": True, "congestion": {"above": 0.5, "until": 0.4}, "reward": reward})
    episode = system.episode(3, {})
    other = other_future(episode, system.episode(4, {}))
    # Means over the whole episode do change, so columns that knew them would as well.
    assert other.time_s[-1] > 1.5 * episode.time_s[-1]
    assert revenue_of(other).mean() != pytest.approx(revenue_of(episode).mean(), rel=0.02)
    first, second = seen_until(system, episode), seen_until(system, other)
    assert len(first) > PAST
    assert first == second


@pytest.mark.parametrize("values", [ABSTRACT, SERVICES])
def test_expected_revenue_is_the_mean_over_many_requests(values: dict[str, Any]) -> None:
    workload = {**values["workload"], "requests": 20_000, "functions": (2, 5)} if values is ABSTRACT else None
    system = system_of({**values, "workload": workload or {**values["workload"], "requests": 20_000}})
    episode = system.source.episode(0)
    assert mean_revenue(system.params.workload) == pytest.approx(revenue_of(episode).mean(), rel=0.02)
    assert mean_gap_s(system.params.workload.arrivals) == pytest.approx(episode.time_s[-1] / 20_000, rel=0.03)


def test_a_trace_gives_its_mean_gap_however_bursty_the_episode(tmp_path: Path) -> None:
    """A request a second, then ten: the same request is worth as much in a slow window as in a fast one."""
    time_s = np.concatenate([np.arange(110.0), 110.0 + 0.1 * np.arange(111)])
    path = tmp_path / "arrivals.csv"
    path.write_text("time_s\n" + "\n".join(f"{time:.3f}" for time in time_s) + "\n")
    arrivals = {"kind": "trace", "path": str(path)}
    workload = {**ABSTRACT["workload"], "requests": 40, "arrivals": arrivals}
    system = system_of({**ABSTRACT, "completion": True, "workload": workload})
    assert mean_gap_s(system.params.workload.arrivals) == pytest.approx(121.0 / 220.0)
    episodes = [system.episode(seed, {}) for seed in range(8)]
    lasted_s = [float(episode.time_s[-1]) for episode in episodes]
    slow, fast = episodes[int(np.argmax(lasted_s))], episodes[int(np.argmin(lasted_s))]
    assert max(lasted_s) > 3.0 * min(lasted_s)
    first, second = begun(system, slow), begun(system, replace(slow, time_s=fast.time_s))
    assert np.array_equal(first.candidates, second.candidates)
    assert np.array_equal(first.context, second.context)
