"""Request scheduling: settings, episodes and traces that are read, and mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgegym.errors import CardError, EdgeGymError, SettingsError, TraceError

from .scheduling_systems import episode_of, site, system_of


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"servers": [{"device": "jetson_nano_gpu", "memory_bytes": 1e6}]}, SettingsError, "hold no model"),
        ({"tasks": {"classification": ["resnet99"]}}, CardError, "resnet99"),
        ({"workload": {"streams": [{"task": "speech"}]}}, SettingsError, "task 'speech'"),
        ({"workload": {"streams": [{"origin": 7}]}}, SettingsError, "edge nodes 0..1"),
        ({"servers": [{"device": "jetson_nano_gpu", "site": 7}]}, SettingsError, "edge nodes 0..1"),
        ({"servers": [{"rate": 1.0, "device": "jetson_nano_gpu"}]}, SettingsError, "one of them"),
        ({"servers": [{"device": "jetson_nano_gpu", "resident": ["vgg16"]}]}, SettingsError, "vgg16"),
        ({"tasks": {"classification": []}}, SettingsError, "plain work"),
    ],
)
def test_bad_settings_say_what_is_wrong(values: dict[str, Any], error: type[EdgeGymError], message: str) -> None:
    with pytest.raises(error, match=message):
        site(**values)


def test_bad_episodes_say_what_is_wrong() -> None:
    with pytest.raises(TraceError, match=r"arrival_s\[1\] is 1.0"):
        episode_of([2.0, 1.0])
    with pytest.raises(TraceError, match=r"arrival_s\[0\] is -1.0"):
        episode_of([-1.0, 1.0])
    with pytest.raises(TraceError, match=r"size\[0\] is 0.0"):
        episode_of([1.0], [0.0])
    with pytest.raises(TraceError, match="one each"):
        episode_of([1.0], [1.0, 2.0])
    system = system_of(preset="park_load_balance")
    with pytest.raises(SettingsError, match=r"streams 0\.\.0"):
        system.begin(0, 0, {"episode": episode_of([1.0], stream=[1])})
    with pytest.raises(SettingsError, match="an Episode is needed"):
        system.begin(0, 0, {"episode": 3})
    with pytest.raises(EdgeGymError, match="reset option 'trace'"):
        system.begin(0, 0, {"trace": 3})


def test_azure_traces_feed_streams_by_part(data_folder: Path) -> None:
    path = str(data_folder / "requests" / "azure_llm_2023" / "AzureLLMInferenceTrace_code.csv.gz")
    stream = {"arrivals": {"kind": "trace", "path": path, "rate": 100.0}, "size": {"kind": "mark"}, "deadline_s": 0.2}
    workload = {"seconds": 5.0, "streams": [stream]}
    early, late = (site(workload={**workload, "part": part}) for part in ((0.0, 0.5), (0.5, 1.0)))
    first, second = early.episode(1, {}), late.episode(1, {})
    assert len(first.arrival_s) > 0
    assert not np.array_equal(first.size[:20], second.size[:20])
    with pytest.raises(SettingsError, match="no mark 'tokens'"):
        site(workload={"streams": [{**stream, "size": {"kind": "mark", "name": "tokens"}}]}).begin(0, 0, {})


def test_a_model_that_fits_no_memory_of_a_server_is_no_candidate_there() -> None:
    servers = [{"device": "jetson_nano_gpu", "memory_bytes": 4e9}, {"device": "jetson_nano_gpu", "memory_bytes": 30e6}]
    system = site(servers=servers)
    fits = system.fleet.rate[:, :, 0] > 0.0
    assert fits[0].all()
    assert fits[1].any()
    assert not fits[1].all()


def test_a_file_may_be_in_any_order_but_holds_times(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    workload = {"seconds": 2.0, "streams": [{"arrivals": {"kind": "trace", "path": str(path)}}]}
    path.write_text("time_s\n3.0\n-1.0\n1.0\n0.5\n", encoding="utf-8")
    episode = site(workload=workload).episode(0, {})
    assert (np.diff(episode.arrival_s) >= 0.0).all()
    assert (episode.arrival_s >= 0.0).all()
    path.write_text("time_s\n3.0\nsoon\n", encoding="utf-8")
    with pytest.raises(TraceError, match=r"line 3.*soon"):
        site(workload=workload).episode(0, {})
    path.write_text("time_s\n3.0\n3.5\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"seconds: found 2.*lasts 0\.5 s"):
        site(workload=workload).episode(0, {})


def test_speed_compresses_the_arrivals_and_a_pair_is_drawn_by_episode() -> None:
    slow, fast = (site(workload={"seconds": s, "speed": speed}) for s, speed in ((4.0, 1.0), (2.0, 2.0)))
    assert np.array_equal(slow.episode(3, {}).arrival_s / 2.0, fast.episode(3, {}).arrival_s)
    streams = [{"arrivals": {"kind": "poisson", "rate": 2000.0}}]
    drawn = site(workload={"seconds": 1.0, "streams": streams, "speed": (0.5, 2.0)})
    counts = np.array([len(drawn.episode(seed, {}).arrival_s) for seed in range(200)]) / 2000.0
    assert 0.45 < counts.min() < 0.6
    assert 1.7 < counts.max() < 2.2
    assert np.median(counts) == pytest.approx(1.0, rel=0.2)
    with pytest.raises(SettingsError, match="lower value first"):
        site(workload={"speed": (2.0, 1.0)})
