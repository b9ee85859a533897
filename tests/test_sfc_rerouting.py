"""Network functions under failures and congestion: who is lost, who is asked, what moving costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgegym.agents.policies import heuristics
from edgegym.decision.policy import ScorePolicy
from edgegym.decision.spaces import Columns
from edgegym.envs.network_functions.state import DONE, FAILED, PLACE, RELIEVE, REROUTE

from .sfc_systems import ENV, act, begun, episode_of, link_of, play_first, ring, system_of

LATER: dict[str, Any] = {"time_s": np.array([0.0, 5.0]), "life_s": np.array([10.0, 1.0])}


def failing(element: int | list[int], at_s: float | list[float] = 2.0, **values: Any) -> Any:
    """Two requests, and failures and repairs between their arrivals."""
    also = {"failure_s": np.atleast_1d(at_s).astype(float), "element": np.atleast_1d(element)}
    return episode_of(2, bandwidth=np.ones((2, 2)), **{**LATER, **also, **values})


def node(v: int) -> int:
    """Element of a node of the ring, behind its four links."""
    return 4 + v


def test_segments_over_a_failed_link_are_led_around_it() -> None:
    around = ring({0: 5.0})
    found = play_first(system_of({"failures": {"link_mtbf_s": 1e9}}, around), failing(link_of(around, 0, 1)))
    assert (found["rerouted_segments"], found["failed_flows"], found["acceptance_ratio"]) == (1.0, 0.0, 1.0)
    # One hop for 2 s and three for 8 s; the other flow takes three at once.
    assert found["delay_mean_s"] == pytest.approx(((2 * 1 + 8 * 3) / 10 + 3) / 2 * 1e-3)


@pytest.mark.parametrize(("v", "role"), [(0, "source"), (1, "destination"), (2, "server")])
def test_flows_that_need_a_failed_node_are_lost(v: int, role: str) -> None:
    found = play_first(system_of({"failures": {"node_mtbf_s": 1e9}}, ring({2: 5.0})), failing(node(v)))
    assert (found["rerouted_segments"], found["failed_flows"]) == (0.0, 1.0), role
    # Nobody can be served without it later on.
    assert found["acceptance_ratio"] == 0.5
    assert np.isnan(found["delay_mean_s"])


@pytest.mark.parametrize("reroute", [True, False])
def test_flows_through_a_failed_node_are_led_around_it_or_lost(reroute: bool) -> None:
    around = ring({2: 5.0})
    system = system_of({"failures": {"node_mtbf_s": 1e9, "reroute": reroute}}, around)
    # From 0 by way of 1 or 3 to the function on 2, which is the destination as well.
    episode = failing(node(1), destination=np.full(2, 2))
    assert around.paths.links_of(0, 2, 0)[0] == link_of(around, 0, 1)
    out = begun(system, episode)
    act(system, 3, out)
    if reroute:
        assert system.state.rows["decision"][0] == REROUTE
        # The way over node 1 is the first, the other one is open.
        assert out.mask[0].tolist() == [1, 0, 1, 0, 0]
        act(system, 2, out)
    # The next request meets the failed node.
    assert system.state.rows["request"][0] == 1
    assert system.state.choices["path"][0, system.state.slot[0, 2]] == 1
    act(system, 3, out)
    found = system.episode_metrics(0)
    assert found["failed_flows"] == (0.0 if reroute else 0.5)
    assert found["acceptance_ratio"] == 1.0


def test_refusing_every_other_path_loses_the_flow() -> None:
    system = system_of({"failures": {"node_mtbf_s": 1e9}, "reward": {"failed": 2.0}}, ring({2: 5.0}))
    out = begun(system, failing(node(1), destination=np.full(2, 2)))
    assert act(system, 3, out) == 1.0
    assert act(system, 0, out) == -2.0
    assert system.requests(0)["status"].tolist() == [FAILED, 0]


def test_a_link_carries_again_only_when_it_and_both_ends_work() -> None:
    around = ring({0: 5.0})
    link = link_of(around, 0, 1)
    system = system_of({}, around)
    at_s = [1.0, 2.0, 3.0, 4.0]
    # Link and node 1 fail; the node is repaired at 3 s, the link at 4 s.
    episode = failing([link, node(1), node(1), link], at_s, time_s=np.array([0.5, 3.5]), life_s=np.full(2, 0.1))
    out = begun(system, episode)
    act(system, 1, out)
    assert system.state.links["faults"][0, link] == 1
    act(system, 1, out)
    assert system.state.segments["path"][0, 1, 1] == -1
    assert system.state.links["faults"][0, link] == 0
    assert system.requests(0)["path_s"].tolist() == pytest.approx([0.001, 0.003])


def test_instances_are_gone_with_their_node() -> None:
    services: dict[str, Any] = {
        "workload": {"kind": "services", "chains": [["firewall"]], "requests": 2},
        "idle_s": 100.0,
    }
    for elements, started in (([], 1.0), ([node(2), node(2)], 2.0)):
        at_s = [3.0, 4.0][: len(elements)]
        episode = failing(
            np.array(elements, np.int64), np.array(at_s), source=np.full(2, 3), life_s=np.array([2.0, 1.0])
        )
        system = system_of(services, ring({2: 1.0}))
        found = play_first(system, episode)
        assert (found["started_instances"], found["acceptance_ratio"], found["failed_flows"]) == (started, 1.0, 0.0)
        # It idles from 2 s; until the failure at 3 s, or until the last arrival at 5 s.
        assert found["running_instances"] == pytest.approx((3.0 if elements else 5.0) / 5.0)


def crowd(count: int, need: float, **values: Any) -> Any:
    """Flows of one function on node 1, from 0 to 1: over the direct link, or the long way round."""
    given = {"life_s": np.full(count, 100.0), "bandwidth": np.tile([need, 0.0], (count, 1))}
    return episode_of(count, **{**given, **values})


CONGESTED: dict[str, Any] = {"congestion": {"above": 0.75, "until": 0.5}}


def place_all(system: Any, out: Any, count: int) -> None:
    for _ in range(count):
        assert system.state.rows["decision"][0] == PLACE
        act(system, 2, out)


def test_flows_of_a_congested_link_are_asked_one_by_one_until_it_is_calm() -> None:
    system = system_of(CONGESTED, ring({1: 50.0}))
    out = begun(system, crowd(4, 3.0))
    place_all(system, out, 3)
    rows = system.state.rows
    # 9 of 10 are above 0.75. The oldest flow is asked first; only the long way is another one.
    assert (rows["decision"][0], rows["flow"][0], rows["position"][0]) == (RELIEVE, 0, 0)
    assert out.mask[0].tolist() == [1, 0, 1, 0, 0]
    assert out.context[0, 0] == 0.5
    # Staying shows its path: one hop, 1 of 10 free on it; the other way takes three, 7 of 10 free.
    names = system.candidate_features
    stay, move = (dict(zip(names, out.candidates[0, i].tolist(), strict=True)) for i in (0, 2))
    assert [stay[name] for name in ("place", "stay", "hops", "bottleneck")] == pytest.approx([1.0, 1.0, 1 / 8, 0.1])
    assert [move[name] for name in ("place", "stay", "hops", "bottleneck")] == pytest.approx([1.0, 0.0, 3 / 8, 0.7])
    act(system, 0, out)
    assert (rows["decision"][0], rows["flow"][0]) == (RELIEVE, 1)
    assert system.state.segments["path"][0, 0, 0] == 0
    act(system, 2, out)
    # 6 of 10 are still above 0.5.
    assert (rows["decision"][0], rows["flow"][0]) == (RELIEVE, 2)
    act(system, 2, out)
    assert rows["congested"][0] == 0
    # The next request: the direct link has 7 free again, and 3 of 10 are taken the long way, twice.
    assert (rows["decision"][0], rows["request"][0]) == (PLACE, 3)
    assert (10e6 - system.state.links["free"][0] == [3e6, 6e6, 6e6, 6e6]).all()
    found = system.episode_metrics(0)
    assert (found["relieved_segments"], found["rerouted_segments"]) == (2.0, 2.0)


def test_who_stays_is_not_asked_again_before_the_link_was_calm() -> None:
    system = system_of(CONGESTED, ring({1: 50.0}, bandwidth=100.0))
    # Flow 1 leaves at 10 s, when 74 of 100 are taken: calm is at 50 only, so the link stays congested.
    ends = np.array([100.0, 10.0, 20.0, 100.0, 100.0, 100.0])
    time_s = np.array([0.0, 1.0, 2.0, 12.0, 30.0, 31.0])
    need = np.array([[40.0, 0], [5.0, 0], [34.0, 0], [5.0, 0], [5.0, 0], [30.0, 0]])
    out = begun(system, crowd(6, 1.0, time_s=time_s, life_s=ends - time_s, bandwidth=need))
    asked: list[tuple[int, int]] = []
    rows = system.state.rows
    while not out.done[0]:
        if rows["decision"][0] == RELIEVE:
            asked.append((int(rows["request"][0]), int(rows["flow"][0])))
            act(system, 0, out)
        else:
            act(system, 2, out)
    # 79 above 75: three flows are asked. 74 + 5 at 12 s is above 75 without a calm before. At 20 s, 45 are: calm. 80 at
    # 31 s: all four are asked again.
    assert asked == [(2, 0), (2, 1), (2, 2), (5, 0), (5, 3), (5, 4), (5, 5)]
    assert system.episode_metrics(0)["relieved_segments"] == 0.0


def test_a_way_that_would_be_congested_is_none() -> None:
    system = system_of(CONGESTED, ring({1: 50.0}))
    # Flow 0 takes 5 of the last link of the long way: 5 + 3 of 10 would be above 0.75 there.
    need = np.array([[5.0, 0.0], [3.0, 0.0], [3.0, 0.0], [3.0, 0.0]])
    out = begun(system, crowd(4, 3.0, source=np.array([2, 0, 0, 0]), bandwidth=need))
    moves = 0
    while not out.done[0]:
        moves += system.state.rows["decision"][0] == RELIEVE
        act(system, int(np.flatnonzero(out.mask[0])[-1]), out)
    assert moves == 0
    assert system.episode_metrics(0)["congested_links"] == 0.0


@pytest.mark.parametrize("update_s", [0.0, 4.0])
def test_moving_costs_a_reward_and_the_delay_of_what_waits(update_s: float) -> None:
    values = {**CONGESTED, "update_s": update_s, "reward": {"accepted": 0.0, "rerouted": 0.25}}
    system = system_of(values, ring({1: 50.0}))
    out = begun(system, crowd(3, 3.0, life_s=np.array([10.0, 10.0, 10.0])))
    place_all(system, out, 3)
    assert act(system, 2, out) == -0.25
    assert act(system, 0, out) == 0.0
    assert act(system, 0, out) == 0.0
    assert out.done[0]
    assert (system.requests(0)["status"] == DONE).all()
    # Flow 0 moved at 2 s to a path of three hops; half of what came in 4 s of 10 waited 4 s less what had passed.
    expected = (2 * 1 + 8 * 3) / 10 * 1e-3 + 0.5 * update_s**2 / 10
    assert system.requests(0)["delay_s"].tolist() == pytest.approx([expected, 1e-3, 1e-3])


def relieved(policy: str, far: bool) -> float:
    """Segments that a heuristic moves off a crowded link; the other way is as long as the present one, or longer."""
    # From 0 to 2 both ways take two links, from 0 to 1 it is one or three.
    place = 1 if far else 2
    system = system_of({**CONGESTED, "completion": True}, ring({place: 50.0}))
    chosen = next(each for each in heuristics(ENV, system) if each.name == policy)
    destination = np.full(4, place, np.int64)
    out = begun(system, crowd(4, 3.0, destination=destination))
    while not out.done[0]:
        action = place + 1
        if system.state.rows["decision"][0] == RELIEVE:
            assert isinstance(chosen, ScorePolicy)
            columns = Columns(out.candidates, out.context, system.candidate_features, system.context_features)
            action = int(chosen.act(columns, out.mask > 0)[0])
        act(system, action, out)
    return system.episode_metrics(0)["relieved_segments"]


@pytest.mark.parametrize(
    ("policy", "moves"),
    [("Shortest path", False), ("Nearest", False), ("Least loaded", False), ("Cheapest completion", True)],
)
def test_heuristics_move_only_where_another_path_is_better_to_them(policy: str, moves: bool) -> None:
    assert relieved(policy, far=True) == 0.0
    assert (relieved(policy, far=False) > 0.0) == moves


@pytest.mark.parametrize("candidates", [1, None])
def test_as_many_paths_are_offered_as_candidates(candidates: int | None) -> None:
    system = system_of({**CONGESTED, "candidates": candidates}, ring({1: 50.0}))
    assert system.num_candidates == 1 + (candidates or 4)
    out = begun(system, crowd(3, 3.0))
    moves = 0
    while not out.done[0]:
        moves += system.state.rows["decision"][0] == RELIEVE
        act(system, int(np.flatnonzero(out.mask[0])[-1]), out)
    # The present path is the first; with one candidate no other is offered, so nobody is asked.
    assert moves == (0 if candidates else 2)


def test_congestion_is_off_by_default() -> None:
    found = play_first(system_of({}, ring({1: 50.0})), crowd(4, 3.0))
    assert (found["relieved_segments"], found["congested_links"]) == (0.0, 0.0)
