"""Network functions against queueing theory: blocking, delays from cards, instances, overload."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgegym.cards import load_card
from edgegym.envs.network_functions.functions import costs_of
from edgegym.envs.network_functions.params import CATALOGUE
from edgegym.envs.network_functions.resources import OVERLOAD_S, queueing_s
from edgegym.envs.network_functions.state import UNIT
from edgegym.queueing.single_station import erlang_b, md1_sojourn

from .sfc_systems import act, begun, episode_of, line, play_first, system_of


def services(*chain: str, count: int = 1, **workload: Any) -> dict[str, Any]:
    return {"workload": {"kind": "services", "chains": [chain], "requests": count, **workload}}


@pytest.mark.parametrize("law", ["exponential", "constant"])
def test_one_node_and_one_function_block_as_erlang_says(law: str) -> None:
    servers, load, count = 5, 4.0, 60_000
    rng = np.random.default_rng(1)
    time_s = np.cumsum(rng.exponential(1.0, count))
    life_s = rng.exponential(load, count) if law == "exponential" else np.full(count, load)
    found = play_first(system_of({}, line([float(servers), 0.0])), episode_of(count, time_s=time_s, life_s=life_s))
    assert 1.0 - found["acceptance_ratio"] == pytest.approx(erlang_b(load, servers), abs=0.008)


def test_costs_of_networks_come_from_their_cards() -> None:
    system = system_of({**services("intrusion_detection", "video_analytics"), "devices": {"": "jetson_nano_gpu"}})
    costs, device = costs_of(system.params), load_card("jetson_nano_gpu", "device")
    for kind, name in enumerate(costs.functions):
        function, model = CATALOGUE[name], load_card(str(CATALOGUE[name].model), "model")
        call_s = device.latency_s(model.work(), function.batch)
        assert costs.call_s[kind, 0] == pytest.approx(call_s)
        # Real time: x items a second keep a device busy for x / batch calls of this length.
        assert costs.busy[kind, 0] == pytest.approx(function.items / function.batch * call_s)
        # The items of a batch that is full after (batch - 1) / x seconds wait for half of that on average.
        assert costs.fill_s[kind] == pytest.approx((function.batch - 1) / 2 / function.items)
        assert costs.memory[kind] == pytest.approx(function.memory + model.param_bytes() / 1e6)


def test_a_node_is_an_mg1_queue() -> None:
    for rate, call_s in ((3.0, 0.1), (7.0, 0.1), (0.5, 1.6)):
        used = rate * call_s
        found = queueing_s(int(UNIT), round((1 - used) * UNIT), rate * call_s**2)
        assert call_s + found == pytest.approx(md1_sojourn(rate, call_s), rel=1e-4)
    assert queueing_s(int(UNIT), int(UNIT), 0.0) == 0.0
    assert queueing_s(int(UNIT), 0, 0.1) == OVERLOAD_S


def test_delay_without_load_is_the_sum_of_its_parts_and_a_budget_below_it_is_refused() -> None:
    values = {**services("intrusion_detection"), "devices": {"": "rtx_3090"}}
    system = system_of(values, line([0.0, 0.0, 1.0], delay_s=0.002))
    one = {"demand": np.full((1, 1), 2.0), "bandwidth": np.full((1, 2), 2.0), "life_s": np.full(1, 50.0)}
    found = play_first(system, episode_of(1, **one))
    # There and back: three links; a batch of 64 packets at 300 a second; and the queue of its own calls.
    call_s, rate = system.costs.call_s[0, 0], 300.0 / 64
    expected = 3 * 0.002 + 63 / (2 * 300.0) + md1_sojourn(rate, call_s)
    assert found["delay_mean_s"] == pytest.approx(expected, rel=1e-6)
    for budget, accepted in ((expected * 1.001, 1.0), (expected * 0.999, 0.0)):
        result = play_first(system, episode_of(1, budget_s=np.full(1, budget), **one))
        assert (result["acceptance_ratio"], result["flow_success"]) == (accepted, accepted)


def test_a_node_that_cannot_keep_up_in_real_time_refuses() -> None:
    values = {**services("video_analytics", count=2), "devices": {"": "jetson_nano_gpu"}}
    system = system_of(values, line([1.0, 0.0]))
    most = 1.0 / system.costs.busy[0, 0]
    for share, accepted in ((0.49, 1.0), (0.51, 0.5)):
        found = play_first(system, episode_of(2, demand=np.full((2, 1), share * most)))
        assert found["acceptance_ratio"] == accepted
        # Until the second arrival at 1 s only the first flow keeps the device busy.
        assert found["node_utilisation"] == pytest.approx(share, rel=1e-4)


def test_overload_breaks_the_delay_of_every_flow_on_the_node_and_of_no_other() -> None:
    values = {
        **services("traffic_classification", count=3),
        "devices": {"": "jetson_nano_gpu"},
        "overload": "break",
    }
    system = system_of(values, line([0.8, 0.8, 0.0]))
    rate = 0.7 / system.costs.busy[0, 0]
    three = {"demand": np.full((3, 1), rate), "budget_s": np.full(3, 0.5)}

    def late(places: list[int], time_s: list[float]) -> list[bool]:
        out = begun(system, episode_of(3, time_s=np.array(time_s), **three))
        for v in places:
            act(system, v + 1, out)
        assert out.done[0]
        assert system.episode_metrics(0)["deadline_misses"] == pytest.approx(
            (system.requests(0)["delay_s"] > 0.5).mean()
        )
        return (system.requests(0)["delay_s"] > 0.5).tolist()

    assert late([0, 0, 1], [0.0, 100.0, 100.0]) == [False, False, False]
    assert late([0, 0, 1], [0.0, 1.0, 2.0]) == [True, True, False]
    refusing = system_of({**values, "overload": "refuse"}, line([0.8, 0.0]))
    found = play_first(refusing, episode_of(3, time_s=np.array([0.0, 1.0, 2.0]), **three))
    assert found["acceptance_ratio"] == pytest.approx(1 / 3)


def test_flows_share_an_instance_that_starts_up_and_is_torn_down_when_idle() -> None:
    values = {**services("firewall", count=3, startup_budget_s=0.5), "idle_s": 5.0}
    system = system_of(values, line([1.0, 0.0]))
    time_s, life_s = np.array([0.0, 0.25, 30.0]), np.array([2.0, 3.0, 1.0])
    found = play_first(system, episode_of(3, time_s=time_s, life_s=life_s))
    assert found["started_instances"] == 2.0
    assert found["startup_mean_s"] == pytest.approx((0.5 + 0.25 + 0.5) / 3)
    # Flows until 3.25 s, idle for 5 s more; the episode's averages end with the last arrival at 30 s.
    assert found["running_instances"] == pytest.approx((3.25 + 5.0) / 30.0)


@pytest.mark.parametrize(("idle_s", "gap_s", "started"), [(0.0, 0.5, 2), (2.0, 1.9, 1), (2.0, 2.1, 2)])
def test_an_instance_outlives_its_last_flow_by_the_idle_time_and_no_longer(
    idle_s: float, gap_s: float, started: int
) -> None:
    values = {**services("firewall", count=2), "idle_s": idle_s}
    time_s = np.array([0.0, 1.0 + gap_s])
    found = play_first(system_of(values, line([1.0, 0.0])), episode_of(2, time_s=time_s, life_s=np.ones(2)))
    assert found["started_instances"] == started


def test_memory_of_instances_limits_how_many_kinds_run_on_a_node() -> None:
    values = services("caching", count=2)
    tight = line([1.0, 0.0])
    tight.memory[:] = 3000.0
    system = system_of(values, tight)
    # Two flows share the instance of 2048 MB.
    assert play_first(system, episode_of(2))["acceptance_ratio"] == 1.0
    assert system.state.node_memory[0].tolist() == [3e9, 3e9]
    two_kinds = system_of(
        {"workload": {"kind": "services", "chains": [["caching"], ["video_analytics"]], "requests": 2}}, tight
    )
    tight.memory[:] = 2100.0
    smaller = system_of(
        {"workload": {"kind": "services", "chains": [["caching"], ["video_analytics"]], "requests": 2}}, tight
    )
    both = {"function": np.array([[0], [1]]), "demand": np.full((2, 1), 1e-3)}
    assert play_first(two_kinds, episode_of(2, **both))["acceptance_ratio"] == 1.0
    assert play_first(smaller, episode_of(2, **both))["acceptance_ratio"] == 0.5
