"""Binary offloading as an environment: decisions against joint modes, queues against their log, episodes, mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, special

from edgegym.agents.policies import policy_named
from edgegym.decision.system import Decisions, make_settings
from edgegym.envs.binary_offloading.allocation import solve_allocations
from edgegym.envs.binary_offloading.params import BinaryOffloadingParams, FadingSettings
from edgegym.envs.binary_offloading.system import BinaryOffloadingSystem
from edgegym.envs.binary_offloading.workload import Episode, Source, mean_gain
from edgegym.errors import EdgeGymError, SettingsError, TraceError
from edgegym.evaluation.harness import Task, run_episodes

ENV = "EdgeGym/BinaryOffloading-v0"
NATS = 2e6 / (1.1 * np.log(2.0))
minimize: Any = optimize.minimize
lambertw: Any = special.lambertw
NO_ARRIVALS = np.zeros((0, 10))


def params_of(preset: str, **values: Any) -> BinaryOffloadingParams:
    found = make_settings(BinaryOffloadingSystem, preset, values)
    assert isinstance(found, BinaryOffloadingParams)
    return found


DROO, LYDROO = params_of("droo"), params_of("lydroo")


def droo_gains(rng: np.random.Generator, frames: int, devices: int = 10) -> NDArray[np.float64]:
    return mean_gain(FadingSettings(), np.linspace(2.5, 5.2, devices)) * rng.exponential(size=(frames, devices))


@pytest.mark.parametrize("settings_of", [{"preset": "lydroo"}, {"preset": "droo", "reward": {"signal": "regret"}}])
def test_vector_row_equals_single_environment(settings_of: dict[str, Any]) -> None:
    workload = {"frames": 15, "correlation": 0.8, "placement": "uniform"}
    vector = gym.make_vec(ENV, num_envs=3, workload=workload, **settings_of)
    single: Any = gym.make(ENV, workload=workload, **settings_of)
    seen, _ = vector.reset(seed=20)
    alone, _ = single.reset(seed=22)
    rng = np.random.default_rng(0)
    for _ in range(150):
        assert all((seen[name][2] == alone[name]).all() for name in alone)
        actions = rng.integers(2, size=3)
        seen, rewards, ended, _, _ = vector.step(actions)
        alone, reward, over, _, _ = single.step(int(actions[2]))
        assert (rewards[2], ended[2]) == (reward, over)
    assert over


@pytest.mark.parametrize("preset", ["droo", "lydroo"])
def test_decisions_one_by_one_are_the_joint_mode_and_queues_follow_from_the_log(preset: str) -> None:
    env: Any = gym.make(ENV, preset=preset, workload={"frames": 60}, reward={"objective": 1.0, "rate": 0, "queue": 0})
    system = env.unwrapped.system
    _, info = env.reset(seed=4)
    episode = system.episode(4, {})
    params, state, rng = system.params, system.state, np.random.default_rng(0)
    queue, energy_queue = np.zeros(10), np.zeros(10)
    queues, energies = [], []
    for t in range(60):
        answers = np.zeros(10, np.int8)
        expected = None
        for position in range(10):
            device = state.order[0, position]
            answers[device] = rng.integers(2) * info["action_mask"][1]
            if position == 9:
                expected = solve_allocations(params, episode.gain[t], answers, queue, energy_queue)
            _, reward, _, _, info = env.step(int(answers[device]))
            assert position == 9 or reward == 0.0
        assert expected is not None
        assert (state.modes[0, t] == answers).all()
        assert reward == expected.value[0] == state.log["value"][0, t]
        if preset == "lydroo":
            queues.append(queue.mean())
            energies.append(expected.energy[0].mean())
            queue = np.maximum(queue + episode.arrival_mbit[t] - expected.rate[0], 0.0)
            energy_queue = np.maximum(energy_queue + 1000.0 * (expected.energy[0] - 0.08), 0.0)
    if preset == "lydroo":
        assert info["metrics"]["mean_queue_mbit"] == pytest.approx(np.mean(queues))
        assert info["metrics"]["energy_j"] == pytest.approx(np.mean(energies))
    else:
        optima = solve_allocations(params, episode.gain).value
        ratio = state.log["value"][0, :60] / optima
        assert info["metrics"]["optimum_ratio"] == pytest.approx(ratio.mean())
        assert info["metrics"]["optimum_ratio_min"] == pytest.approx(ratio.min())
        assert ratio.max() <= 1.0 + 1e-9


def test_searches_are_ordered_and_count_their_solutions() -> None:
    task = Task(ENV, {"preset": "droo", "workload": {"frames": 200}})
    names = ("All-local", "Top-3", "Top-k sweep", "Coordinate descent", "Exhaustive")
    found = {name: run_episodes(task, policy_named(ENV, name), range(2)) for name in names}
    for episode in range(2):
        rates = [found[name][episode].metrics["rate_bps"] for name in names]
        assert rates == sorted(rates)
        calls = {name: found[name][episode].metrics["critic_calls"] for name in names}
        assert calls["All-local"] == calls["Top-3"] == 0.0
        assert calls["Top-k sweep"] == 11.0
        assert found["Exhaustive"][episode].metrics["optimal_share"] == 1.0
        assert found["Exhaustive"][episode].total == pytest.approx(200 * rates[-1] / 1e6)


def test_fixed_modes_are_unstable_and_the_index_sweep_is_not() -> None:
    task = Task(ENV, {"preset": "lydroo", "workload": {"arrival_mbit": 2.8, "frames": 1000}})
    late = {}
    for name in ("All-local", "All-offload", "Index sweep"):
        results = run_episodes(task, policy_named(ENV, name, task.system()), range(2))
        late[name] = max(result.metrics["late_queue_mbit"] for result in results)
        assert max(result.metrics["energy_j"] for result in results) < 0.0815
    assert late["Index sweep"] < 30.0
    assert min(late["All-local"], late["All-offload"]) > 500.0


def test_index_sweep_on_the_published_slots(data_folder: Path) -> None:
    path = data_folder / "wireless_power" / "lydroo" / "lydroo_n10_500.npz"
    task = Task(ENV, {"preset": "lydroo", "workload": {"kind": "file", "path": str(path)}})
    metrics = run_episodes(task, policy_named(ENV, "Index sweep", task.system()), [0])[0].metrics
    # Slots pass tiny differences on through the queues, so two exact programs differ by some tenths.
    assert metrics["mean_queue_mbit"] == pytest.approx(22.4, abs=0.5)
    assert metrics["energy_j"] == pytest.approx(0.0783, abs=0.0005)
    assert metrics["critic_calls"] == 6.0


@pytest.mark.parametrize("preset", ["droo", "lydroo"])
def test_regret_is_zero_for_the_reference_mode_alone(preset: str) -> None:
    settings_of: dict[str, Any] = {"preset": preset, "workload": {"frames": 40}, "reward": {"signal": "regret"}}
    env: Any = gym.make(ENV, **settings_of)
    system = env.unwrapped.system
    env.reset(seed=9)
    total, other = 0.0, 0.0
    for _ in range(400):
        device = system.state.order[0, system.state.rows["position"][0]]
        total += env.step(int(system.state.best[0, device]))[1]
    env.reset(seed=9)
    for _ in range(400):
        device = system.state.order[0, system.state.rows["position"][0]]
        other += env.step(1 - int(system.state.best[0, device]))[1]
    assert total == pytest.approx(0.0, abs=1e-6)
    assert other < -10.0
    assert Task(ENV, settings_of).system().state.rules["regret"][0] == np.False_  # type: ignore[attr-defined]


def test_a_device_without_channel_or_data_may_not_offload() -> None:
    system = BinaryOffloadingSystem(DROO)
    gain = droo_gains(np.random.default_rng(5), 1)
    gain[0, 3] = 0.0
    system.begin(0, 0, {"episode": Episode(gain, NO_ARRIVALS)})
    decisions = Decisions.empty(system)
    system.observe(decisions)
    for _ in range(9):
        assert decisions.mask[0].tolist() == [1, 1]
        system.step(np.ones(1, np.int64), np.ones(1, np.bool_), decisions)
    assert system.state.order[0, 9] == 3
    assert decisions.mask[0].tolist() == [1, 0]
    empty = BinaryOffloadingSystem(LYDROO)
    empty.begin(0, 0, {})
    decisions = Decisions.empty(empty)
    empty.observe(decisions)
    assert decisions.mask[0].tolist() == [1, 0]  # queues start empty


def test_drawn_channels_have_the_statistics_that_were_asked_for() -> None:
    values = {"frames": 40_000, "devices": 2, "distance_m": (3.0, 3.0), "line_of_sight": 0.3, "doppler": 0.05}
    gain = Source(FadingSettings(**values), queueing=False).episode(0).gain
    mean = mean_gain(FadingSettings(), np.array(3.0))
    assert gain.mean() / mean == pytest.approx(1.0, abs=0.03)
    # Var of |sqrt(L) + sqrt(1 - L) g|^2 over the squared mean is 1 - L^2; its lag-1 correlation mixes rho and rho^2.
    assert gain.var() / mean**2 == pytest.approx(1 - 0.3**2, rel=0.05)
    rho = special.j0(2 * np.pi * 0.05)
    lag = np.mean([np.corrcoef(gain[1:, i], gain[:-1, i])[0, 1] for i in range(2)])
    assert lag == pytest.approx((2 * 0.3 * 0.7 * rho + 0.7**2 * rho**2) / (1 - 0.3**2), abs=0.02)
    free = Source(FadingSettings(frames=20_000), queueing=True).episode(1)
    assert abs(np.corrcoef(free.gain[1:, 0], free.gain[:-1, 0])[0, 1]) < 0.03
    assert free.arrival_mbit.mean() == pytest.approx(3.0, rel=0.02)


def test_loads_between_two_numbers() -> None:
    source = Source(FadingSettings(frames=3000, arrival_mbit=(2.0, 4.0)), queueing=True)
    means = [source.episode(seed).arrival_mbit.mean() for seed in range(20)]
    assert 1.9 < min(means) < 2.5
    assert 3.5 < max(means) < 4.1


def test_windows_of_a_file(tmp_path: Path) -> None:
    gain = droo_gains(np.random.default_rng(0), 50)
    np.savez(tmp_path / "channels.npz", h=gain)
    workload = {"kind": "file", "path": str(tmp_path / "channels.npz"), "part": [0.5, 1.0]}
    whole = BinaryOffloadingSystem(params_of("droo", workload=workload)).episode(1, {})
    assert (whole.gain == gain[25:]).all()
    system = BinaryOffloadingSystem(params_of("droo", workload={**workload, "frames": 10}))
    starts = {int(np.flatnonzero(gain[:, 0] == system.episode(seed, {}).gain[0, 0])[0]) for seed in range(30)}
    assert starts <= set(range(25, 41))
    assert len(starts) > 5


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"gain": np.ones((3, 2))}, "no array 'h'"),
        ({"h": np.ones(3)}, "has shape"),
        ({"h": np.array([[1.0, np.nan]])}, r"h\[0, 1\] is nan"),
        ({"h": np.array([[1.0, -1.0]])}, r"h\[0, 1\] is -1"),
        ({"h": np.array([[None, 1]], object)}, "plain numbers"),
        ({"h": np.array([["a", "b"]])}, "plain numbers"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    params = params_of("droo", workload={"kind": "file", "path": str(path)})
    with pytest.raises(TraceError, match=message):
        BinaryOffloadingSystem(params)


def test_other_mistakes_say_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no zip")
    np.savez(tmp_path / "h.npz", h=np.ones((4, 3)))
    with pytest.raises(TraceError, match=r"text\.npz"):
        BinaryOffloadingSystem(params_of("droo", workload={"kind": "file", "path": str(tmp_path / "text.npz")}))
    with pytest.raises(TraceError, match="no array 'arrival'"):
        BinaryOffloadingSystem(params_of("lydroo", workload={"kind": "file", "path": str(tmp_path / "h.npz")}))
    nine = params_of("droo", workload={"kind": "file", "path": str(tmp_path / "h.npz"), "frames": 9})
    with pytest.raises(SettingsError, match="9 frames are needed"):
        BinaryOffloadingSystem(nine)
    with pytest.raises(SettingsError, match="give one of them"):
        params_of("droo", workload={"correlation": 0.5, "doppler": 0.1})
    with pytest.raises(SettingsError, match="rising order"):
        params_of("lydroo", workload={"arrival_mbit": [4.0, 3.0]})
    with pytest.raises(SettingsError, match="shape"):
        solve_allocations(DROO, np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(SettingsError, match="finite numbers"):
        solve_allocations(DROO, -np.ones((2, 3)))
    system = BinaryOffloadingSystem(DROO)
    with pytest.raises(EdgeGymError, match="reset option 'trace'"):
        system.begin(0, 0, {"trace": 1})
    with pytest.raises(EdgeGymError, match="an Episode is needed"):
        system.begin(0, 0, {"episode": 1})
    with pytest.raises(EdgeGymError, match=r"\(frames, 10\) is needed"):
        system.begin(0, 0, {"episode": Episode(np.ones((5, 3)), NO_ARRIVALS)})
