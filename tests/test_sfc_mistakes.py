"""Network functions: every mistake is named, with what was found and how to mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgegym.envs.network_functions.state import ACTIVE
from edgegym.errors import EdgeGymError, SettingsError

from .sfc_systems import ABSTRACT, SMALL, episode_of, line, play_first, system_of


def services(*chain: str, **workload: Any) -> dict[str, Any]:
    return {"workload": {"kind": "services", "chains": [chain], **workload}}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (services("firewal"), "unknown function 'firewal'; known: caching, firewall"),
        ({"workload": {"kind": "services", "chains": []}}, "chains: at least one"),
        (services(), "each needs 1 to 32 functions"),
        (services("mine", functions={"mine": {"model": "nope"}}), "unknown model card 'nope'. Known: alexnet"),
        (services("mine", functions={"mine": {"modle": "x"}}), "mine.modle: unknown key. Did you mean 'model'"),
        (services("firewall", rate=(2.0, 1.0)), "rate: needs 0 < low <= high"),
        (services("firewall", delay_budget_s=(0.5, 0.1)), "delay_budget_s: needs 0 < low <= high"),
        ({**services("firewall"), "devices": {"": "no_such_card"}}, "devices: unknown device card 'no_such_card'"),
        ({"workload": {"kind": "abstrakt"}}, "workload.kind: unknown .*Allowed: abstract, services"),
        ({"workload": {"kind": "abstract", "functions": (0, 3)}}, "functions: needs 1 to 32"),
        ({"workload": {"kind": "abstract", "cpu": (5, 1)}}, "low <= high"),
        ({"workload": {"kind": "abstract", "endpoints": "edge"}}, "workload.endpoints: 'edge' needs .* found 0"),
        ({"congestion": {"above": 0.5, "until": 0.7}}, "needs until <= above"),
        ({"congestion": {"above": 1.0}}, "congestion.above"),
        ({"failures": {"repair_s": 0.0}}, "failures.repair_s"),
        ({"candidates": 0}, "candidates"),
        ({"update_s": -1.0}, "update_s"),
    ],
)
def test_mistakes_in_settings_are_named(values: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        system_of({"substrate": SMALL, **values})


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({**services("firewall"), "devices": {"edge": "rtx_3090"}}, "no card for nodes of tier '' .*found .'edge'"),
        (
            {**services("caching"), "substrate": {**SMALL, "memory": (100, 200)}},
            "hold 'caching': it takes 2048 MB, nodes have 1.. MB",
        ),
        (
            {**services("video_analytics"), "substrate": {**SMALL, "cpu": (0, 0)}},
            "keep up with 'video_analytics': .* takes 0.00382 of computing, nodes have 0",
        ),
        (services("video_analytics", startup_budget_s=1.0), "starts in 3 s, longer than the 1 s that flows wait"),
        # At 10 Mbit/s and 150 packets a second and Mbit/s, 63 packets of a batch wait for half of 42 ms; and the call.
        (services("intrusion_detection", delay_budget_s=(1e-4, 1e-3)), "takes 0.02.* s at least in its functions"),
        (services("firewall", rate=(100.0, 200.0)), "chain firewall needs a bandwidth of 100 at least; .* have 19"),
        ({"workload": {"kind": "abstract", "cpu": (30, 40)}}, "keep up with a function: .* takes 30"),
        ({"workload": {"kind": "abstract", "bandwidth": (30, 40)}}, "a chain of 2 needs a bandwidth of 30 at least"),
        (
            {"workload": {"kind": "abstract", "functions": (10, 10)}, "distinct": True},
            "more functions than .* nodes .9.",
        ),
    ],
)
def test_chains_that_no_node_or_link_can_serve_are_named(values: dict[str, Any], match: str) -> None:
    with pytest.raises(SettingsError, match=match):
        system_of({"substrate": SMALL, **values})


def test_the_hardest_chain_that_can_be_served_is_no_mistake() -> None:
    for values in (
        {"workload": {"kind": "abstract", "cpu": (15, 40)}},
        {"workload": {"kind": "abstract", "functions": (9, 10)}, "distinct": True},
        {"workload": {"kind": "abstract", "bandwidth": (19, 40)}},
        {**services("video_analytics"), "substrate": {**SMALL, "cpu": (0, 0)}, "overload": "break"},
        services("video_analytics", startup_budget_s=3.0),
    ):
        system_of({"substrate": SMALL, **values})


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"source": np.array([0, 9])}, "episode.source: all values must lie between 0 and 1"),
        ({"time_s": np.array([1.0, 0.0])}, "episode.time_s: must not fall"),
        ({"demand": -np.ones((2, 1))}, "episode.demand: all values"),
        ({"demand": np.full((2, 1), np.nan)}, "episode.demand: all values"),
        ({"bandwidth": np.ones((2, 1))}, r"episode.bandwidth: shape \(2, 1\) found; \(2, 2\) is needed"),
        ({"network": 4}, "episode.network: found 4; 0 to 0 are known"),
        ({"failure_s": np.ones(1), "element": np.array([3])}, "episode.element: all values must lie between 0 and 2"),
        ({"failure_s": np.ones(2), "element": np.array([0])}, "episode.failure_s: shape"),
    ],
)
def test_mistakes_in_episodes_are_named(bad: dict[str, Any], match: str) -> None:
    system = system_of({}, line([1.0, 1.0]))
    with pytest.raises(EdgeGymError, match=match):
        system.begin(0, 0, {"episode": replace(episode_of(2), **bad)})
    with pytest.raises(EdgeGymError, match="an Episode is needed"):
        system.begin(0, 0, {"episode": 3})


def test_a_request_that_nobody_can_serve_is_rejected() -> None:
    system = system_of({}, line([1.0, 1.0]))
    assert play_first(system, episode_of(3, demand=np.full((3, 1), 2.0)))["acceptance_ratio"] == 0.0
    assert ACTIVE not in system.requests(0)["status"]


def test_failures_of_an_episode_are_served_without_settings_for_them() -> None:
    """Fewer candidates than paths: as many paths are offered as there are candidates."""
    system = system_of({**ABSTRACT, "candidates": 1})
    episode = system.episode(0, {})
    every_link = np.arange(len(system.substrates[0].ends))
    failing = replace(episode, failure_s=np.linspace(1.0, 60.0, len(every_link)), element=every_link)
    found = play_first(system, failing)
    assert system.num_candidates == 2
    assert found["failed_flows"] + found["rerouted_segments"] > 0.0
