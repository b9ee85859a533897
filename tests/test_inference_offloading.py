"""Inference offloading: against an independent model, against hand-made figures, and by invariants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.cards import load_card
from edgegym.decision.system import Decisions
from edgegym.envs.inference_offloading.plans import Maker
from edgegym.envs.inference_offloading.pruning import counts, undominated
from edgegym.envs.inference_offloading.system import InferenceOffloadingSystem
from edgegym.envs.inference_offloading.tables import quickest
from edgegym.envs.inference_offloading.workload import HISTORY_S, Episode
from edgegym.errors import EdgeGymError

from .offloading_model import play
from .offloading_systems import RICH, played, system_of


@pytest.fixture(scope="module")
def rich() -> InferenceOffloadingSystem:
    return system_of(RICH)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_kernel_agrees_with_an_independent_model(rich: InferenceOffloadingSystem, seed: int) -> None:
    choices, total = played(rich, seed, np.random.default_rng(seed))
    tasks, log = rich.log(0)
    courses = play(rich, rich.episode(seed, {}), choices)
    for name in ("finish", "energy_j", "server_s", "bytes", "accuracy", "failed", "reused"):
        expected = np.array([getattr(course, name) for course in courses], np.float64)
        np.testing.assert_allclose(log[name].astype(np.float64), expected, rtol=1e-9, atol=1e-9, err_msg=name)
    weights = rich.params.reward
    latency = log["finish"] - tasks["time"]
    deadline = rich.tables.groups["deadline_s"][rich.tables.group_of[tasks["user"]]]
    costs = (
        weights.latency * latency
        + weights.miss * (log["failed"] | (latency > deadline))
        + weights.energy * log["energy_j"]
        + weights.accuracy * (1.0 - np.where(log["failed"], 0.0, log["accuracy"]))
        + weights.megabyte * log["bytes"] / 1e6
        + weights.server * log["server_s"]
    )
    assert total == pytest.approx(-costs.sum(), rel=1e-9)
    metrics = rich.episode_metrics(0)
    assert metrics["mean_latency_s"] == pytest.approx(latency.mean())
    assert metrics["energy_j"] == pytest.approx(log["energy_j"].mean())


def test_columns_do_not_know_the_future(rich: InferenceOffloadingSystem) -> None:
    """Whatever throughput and noise come later, the decision at hand looks the same."""
    episode, half = rich.episode(3, {}), 10
    now = float(episode.tasks["time"][half])
    rate = episode.rate.copy()
    rate[:, int(now) + HISTORY_S :] *= 0.1
    other = episode.tasks.copy()
    for name in ("device_noise", "server_noise", "ease", "alike", "rtt_s"):
        other[name][half:] = other[name][half:][::-1] * 0.5
    seen = []
    for given_episode in (episode, Episode(other, rate, episode.helper)):
        rich.begin(0, 0, {"episode": given_episode})
        decisions = Decisions.empty(rich)
        for _ in range(half):
            rich.step(np.zeros(1, np.int64), np.ones(1, np.bool_), decisions)
        seen.append(decisions.copy_row(0))
    np.testing.assert_array_equal(seen[0].candidates, seen[1].candidates)
    np.testing.assert_array_equal(seen[0].context, seen[1].context)


def test_columns_stay_in_the_unit_interval_and_the_mask_says_what_it_should(rich: InferenceOffloadingSystem) -> None:
    rng = np.random.default_rng(0)
    rich.begin(0, 11, {})
    decisions = Decisions.empty(rich)
    rich.observe(decisions)
    private_seen = 0
    while not decisions.done[0]:
        assert min(decisions.candidates.min(), decisions.context.min()) >= 0.0
        assert max(decisions.candidates.max(), decisions.context.max()) <= 1.0
        task = rich.state.tasks[0, rich.state.rows["task"][0]]
        plans = rich.tables.plans[rich.tables.group_of[task["user"]]]
        allowed = plans["private"] if task["private"] else plans["public"]
        expected = allowed & plans["exists"]
        expected[0] = True
        np.testing.assert_array_equal(decisions.mask[0].astype(bool), expected)
        private_seen += bool(task["private"])
        rich.step(np.array([rng.choice(np.flatnonzero(decisions.mask[0]))]), np.ones(1, np.bool_), decisions)
    assert private_seen > 3


def test_private_tasks_show_no_raw_input_and_hopeless_ones_are_counted() -> None:
    system = system_of(RICH)
    for label, plan in zip(system.tables.labels[0], system.tables.plans[0], strict=False):
        sends_raw = plan["up_bytes"] > 0 and "bits" not in label
        assert not (plan["private"] and sends_raw), label
    group = {"application": {"models": ["vgg16"], "deadline_s": 0.0001, "arrivals": {"kind": "poisson", "rate": 5.0}}}
    hopeless = system_of({"seconds": 5.0, "users": [group]})
    _, _ = played(hopeless, 0, np.random.default_rng(0))
    assert hopeless.episode_metrics(0)["hopeless_ratio"] == 1.0
    strict = {
        "application": {"models": ["resnet18"], "min_accuracy": 0.99, "arrivals": {"kind": "poisson", "rate": 5.0}}
    }
    choices, _ = played(system_of({"seconds": 5.0, "users": [strict]}), 0, np.random.default_rng(0))
    assert set(choices) == {0}


def test_plans_left_out_are_dominated() -> None:
    system = system_of(RICH)
    plans = Maker(system.params, system.params.users[0]).plans()
    table = counts(plans, len(system.params.servers))
    kept = set(undominated(table).tolist())
    for k in range(len(plans)):
        beaten = ((table <= table[k]).all(axis=1) & (table < table[k]).any(axis=1)).any()
        assert beaten != (k in kept) or (table[:k] == table[k]).all(axis=1).any()


def test_times_of_a_plan_are_those_of_the_cards() -> None:
    group = {"device": "raspberry_pi_4", "application": {"models": ["resnet18"]}}
    system = system_of({"users": [group], "cloud": None, "servers": [{"card": "raspberry_pi_4"}]})
    model, device = load_card("resnet18", "model"), load_card("raspberry_pi_4", "device")
    whole = float(device.known.factor("resnet18", model.macs) * device.latency_s(model.work()))
    plans = {plan.label: plan for plan in Maker(system.params, system.params.users[0]).plans()}
    assert plans["resnet18 on device"].device_s == pytest.approx(whole)
    assert plans["resnet18 > edge 0"].first_s == pytest.approx(whole)
    assert plans["resnet18 > edge 0"].up_bytes == 224 * 224 * 3
    card = system.source.card
    expected = 8 * 224 * 224 * 3 / 1e8 + float(card.rtt_table.values[0]) + whole  # type: ignore[union-attr]
    assert quickest(plans["resnet18 > edge 0"], card, 1e8, system.tables.servers) == pytest.approx(expected)


def test_empty_batteries_lose_tasks_and_end_the_reward_of_waiting() -> None:
    group = {
        "device": "raspberry_pi_4",
        "battery_j": 60.0,
        "application": {"arrivals": {"kind": "poisson", "rate": 5.0}},
    }
    system = system_of({"seconds": 60.0, "users": [group]})
    _, total = played(system, 1, np.random.default_rng(1))
    metrics = system.episode_metrics(0)
    assert 0.1 < metrics["failure_ratio"] < 1.0
    assert metrics["battery_life_h"] < 60.0 / 3600.0
    lost = int((system.log(0)[1]["plan"] < 0).sum())
    assert total < -lost * system.params.timeout_s


def test_secure_inference_is_never_worth_it_and_networks_without_cuts_have_whole_plans() -> None:
    group = {
        "device": "raspberry_pi_4",
        "application": {"models": ["resnet50"], "deadline_s": 60.0, "private_share": 1.0, "private_hides": "features"},
    }
    system = system_of({"users": [group], "plans": {"secure": True}, "access": {"kind": "card", "card": "lte_walking"}})
    assert not any("Cheetah" in label for label in system.tables.labels[0])
    assert any(plan.secure for plan in Maker(system.params, system.params.users[0]).plans())
    whole = system_of({"users": [group], "plans": {"cuts": False}})
    assert not any("bits" in label for label in whole.tables.labels[0])


def test_helpers_share_rows_and_shares_follow_their_speed() -> None:
    group = {
        "device": "raspberry_pi_zero_2",
        "application": {"models": ["vgg16"], "arrivals": {"kind": "poisson", "rate": 0.05}},
    }
    latency = {}
    for replan in (True, False):
        peers = {"helpers": 3, "slow_share": 0.5, "slow_speed": 0.2, "replan": replan}
        values = {"users": [group], "seconds": 300.0, "cloud": None, "servers": [], "plans": {"peers": peers}}
        system = system_of(values)
        shared = [k for k, label in enumerate(system.tables.labels[0]) if "devices" in label]
        assert shared
        system.begin(0, 5, {})
        decisions = Decisions.empty(system)
        while not decisions.done[0]:
            system.step(np.array([shared[-1]]), np.ones(1, np.bool_), decisions)
        latency[replan] = system.episode_metrics(0)["mean_latency_s"]
    assert latency[True] < latency[False]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"users": [{"device": "nokia_3310"}]}, "nokia_3310"),
        ({"users": [{"application": {"models": ["resnet"]}}]}, "resnet"),
        ({"access": {"kind": "card", "card": "wan_us_east"}}, "dynamics"),
        ({"access": {"card": "5g_driving"}}, "access.kind: missing"),
        ({"access": {"kind": "tracee"}}, "access.kind: unknown .*Allowed: card, trace"),
        ({"seconds": 0.5}, "at least 1 second"),
        ({"reward": {"energy": 1.0}, "users": [{"device": "raspberry_pi_zero_2"}]}, "power"),
        ({"access": {"kind": "trace", "path": "/nowhere/traces.csv"}}, "/nowhere/traces.csv"),
    ],
)
def test_bad_settings_say_what_and_how(values: dict[str, Any], words: str) -> None:
    with pytest.raises(EdgeGymError, match=words):
        system_of(values)


def test_traces_with_gaps_hold_the_last_value_and_short_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "traces.csv"
    rows = [f"a,{second},{10 + second % 3}" for second in range(100) if not 40 <= second < 60]
    file.write_text("trace,t_s,down_mbps\n" + "\n".join(rows) + "\n", encoding="utf-8")
    access = {"kind": "trace", "path": str(file), "up_share": 1.0}
    system = system_of({"seconds": 50.0, "access": access})
    assert set(np.unique(system.episode(0, {}).rate)) <= {10e6, 11e6, 12e6}
    with pytest.raises(EdgeGymError, match="Lower 'seconds'"):
        system_of({"seconds": 100.0, "access": access})


def test_a_faster_uplink_has_never_sent_later() -> None:
    system = system_of(preset="phone_5g")
    episode = system.episode(2, {})
    faster = replace(episode, rate=episode.rate * 2.0)
    sent = []
    for given_episode in (episode, faster):
        system.begin(0, 0, {"episode": given_episode})
        decisions = Decisions.empty(system)
        while not decisions.done[0]:
            system.step(np.ones(1, np.int64), np.ones(1, np.bool_), decisions)
        sent.append(system.log(0)[1]["sent"].copy())
    assert np.all(sent[1] <= sent[0] + 1e-9)


def test_unchanged_inputs_repeat_the_last_result_without_computing() -> None:
    group = {"application": {"models": ["resnet18"], "arrivals": {"kind": "periodic", "rate": 2.0}}}
    detection = {"unchanged_share": 0.6, "detection_s": 0.003, "accuracy_share": 0.9}
    system = system_of({"users": [group], "cloud": None, "servers": [], "plans": {"change_detection": detection}})
    plan = next(k for k, label in enumerate(system.tables.labels[0]) if "if changed" in label)
    system.begin(0, 4, {})
    decisions = Decisions.empty(system)
    while not decisions.done[0]:
        system.step(np.array([plan]), np.ones(1, np.bool_), decisions)
    tasks, log = system.log(0)
    unchanged = tasks["ease"] < 0.6
    assert 0.4 < unchanged.mean() < 0.8
    busy = log["device_end"] - log["device_start"]
    whole = system.tables.plans[0, 0]["device_s"] + 0.003
    np.testing.assert_allclose(busy[unchanged], 0.003, rtol=0.05)
    np.testing.assert_allclose(busy[~unchanged], whole, rtol=0.05)
    accuracy = load_card("resnet18", "model").accuracy_of() * (1 - 0.6 * 0.1)
    assert log["accuracy"][0] == pytest.approx(accuracy)
