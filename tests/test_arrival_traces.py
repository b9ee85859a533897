"""Arrival traces: readers, damaged files, windows, and the published traces against their figures."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgegym.errors import SettingsError, TraceError
from edgegym.workload.arrivals import ArrivalTraceSettings, draw_arrivals, draw_count
from edgegym.workload.arrivals.readers import read_arrivals
from edgegym.workload.arrivals.statistics import fano_factor, gap_cv, mean_rate
from edgegym.workload.arrivals.traces import trace_part


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def written(path: Path, text: str) -> ArrivalTraceSettings:
    path.write_text(text, newline="")
    return ArrivalTraceSettings(path=str(path))


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 10**6), min_size=3, max_size=60, unique=True),
    share=st.floats(0.05, 1.0),
    rate=st.none() | st.floats(0.01, 1e3),
    seed=st.integers(0, 2**32),
)
def test_windows_are_pieces_of_the_part(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], share: float, rate: float | None, seed: int
) -> None:
    base = written(tmp_path_factory.mktemp("t") / "t.csv", "t,context_tokens\n" + "".join(f"{t},{t}\n" for t in times))
    trace = base.model_copy(update={"rate": rate})
    part = trace_part(trace)
    gap_s = (max(times) - min(times)) / (len(times) - 1)
    speed = 1.0 if rate is None else rate * gap_s
    np.testing.assert_allclose(part.time_s, (np.sort(times) - min(times)) / speed, rtol=1e-12)
    assert rate is None or mean_rate(part.time_s) == pytest.approx(rate, rel=1e-12)
    seconds = share * float(part.time_s[-1])
    window = draw_arrivals(trace, seconds=seconds, rng=rng(seed))
    assert np.all((window.time_s >= 0.0) & (window.time_s < seconds))
    count = math.ceil(share * len(times))
    batch = draw_count(trace, count, rng(seed))
    assert len(batch) == count
    first = int(np.searchsorted(part.marks["context_tokens"], batch.marks["context_tokens"][0]))
    assert batch.time_s[0] == (part.time_s[first] - part.time_s[first - 1] if first else 0.0)
    for piece in (window, batch):
        np.testing.assert_allclose(
            np.diff(piece.time_s), np.diff(piece.marks["context_tokens"]) / speed, atol=1e-6 * gap_s
        )


def test_parts_do_not_overlap_and_speed_scales(tmp_path: Path) -> None:
    trace = written(tmp_path / "t.csv", "Time,other\n" + "".join(f"{100 + i * i},x\n" for i in range(10)))
    first, second = (trace_part(trace.model_copy(update={"part": part})) for part in ((0.0, 0.4), (0.4, 1.0)))
    assert first.time_s.tolist() == [0.0, 1.0, 4.0, 9.0]
    assert second.time_s.tolist() == [i * i - 16.0 for i in range(4, 10)]
    assert trace_part(trace.model_copy(update={"speed": 2.0})).time_s[-1] == 40.5
    with pytest.raises(SettingsError, match="lasts 81 s"):
        draw_arrivals(trace, seconds=82.0, rng=rng())
    with pytest.raises(SettingsError, match="has 10 arrivals"):
        draw_count(trace, 11, rng())
    with pytest.raises(SettingsError, match="part"):
        trace_part(trace.model_copy(update={"part": (0.0, 0.1)}))


def test_azure_llm_dates_keep_seven_digits_and_are_sorted(tmp_path: Path) -> None:
    path = tmp_path / "llm.csv.gz"
    rows = ["2023-11-16 18:17:04.0000002,30,3", "2023-11-16 18:17:03.9999999,10,1", "2023-11-16 18:17:04.0000001,20,2"]
    path.write_bytes(gzip.compress("\r\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]).encode()))
    arrivals = read_arrivals(path)
    np.testing.assert_allclose(arrivals.time_s, [0.0, 2e-7, 3e-7], atol=1e-12)
    assert arrivals.marks["context_tokens"].tolist() == [10, 20, 30]
    assert arrivals.marks["generated_tokens"].tolist() == [1, 2, 3]


def test_functions_2021_arrive_at_their_end_less_their_duration(tmp_path: Path) -> None:
    text = "app,func,end_timestamp,duration\na,f,10,9\na,g,5,1\nb,f,6,0.5\na,f,7,0\n"
    written(tmp_path / "f.csv", text)
    arrivals = read_arrivals(tmp_path / "f.csv")
    assert arrivals.time_s.tolist() == [0.0, 3.0, 4.5, 6.0]
    assert arrivals.marks["duration_s"].tolist() == [9.0, 1.0, 0.5, 0.0]
    assert arrivals.marks["function"].tolist() == [0, 1, 2, 0]


def test_functions_2019_are_placed_within_their_minutes(tmp_path: Path) -> None:
    calls = np.zeros((2, 1440), int)
    calls[0, 0], calls[0, 7], calls[1, 1439] = 1, 50, 3
    header = ",".join(["HashOwner", "HashApp", "HashFunction", "Trigger", *map(str, range(1, 1441))])
    rows = [",".join(["o", "a", f"f{i}", "queue", *map(str, row)]) for i, row in enumerate(calls)]
    written(tmp_path / "d.csv", "\n".join([header, *rows]))
    arrivals = read_arrivals(tmp_path / "d.csv")
    assert arrivals.marks["function"].tolist() == [0] * 51 + [1] * 3
    # Counted from the first arrival, somewhere in minute 0.
    assert np.all((arrivals.time_s[1:51] > 6 * 60) & (arrivals.time_s[1:51] < 8 * 60))
    assert np.array_equal(arrivals.time_s, read_arrivals(tmp_path / "d.csv").time_s)


@pytest.mark.parametrize(
    ("header", "middle", "has_duration"),
    [("Timestamp,Model", "GPT-4", False), ("Timestamp,Session ID,Elapsed time,Model", "s1,2.5,GPT-4", True)],
)
def test_burst_gpt_in_both_releases(tmp_path: Path, header: str, middle: str, has_duration: bool) -> None:
    tail = "Conversation log"
    text = f"{header},Request tokens,Response tokens,Total tokens,Log Type\n"
    text += f"45,{middle},7,0,7,{tail}\n5,{middle},400,20,420,{tail}\n"
    written(tmp_path / "b.csv", text)
    arrivals = read_arrivals(tmp_path / "b.csv")
    assert arrivals.time_s.tolist() == [0.0, 40.0]
    assert arrivals.marks["context_tokens"].tolist() == [400, 7]
    assert arrivals.marks["generated_tokens"].tolist() == [20, 0]
    assert ("duration_s" in arrivals.marks) == has_duration


LLM = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,1,1\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "holds no row"),
        ("t\n", "holds no row"),
        ("a,b\n1,2\n", "line 1: found the columns a, b"),
        ("t\n1\nx\n", "line 3: t 'x' is not a number"),
        ("t\n1\nnan\n", "line 3: t 'nan' is not a finite number"),
        ("t,u\n1,2\n\n3\n", "line 4: 1 cells under 2 columns"),
        ("t,duration_s\n1,2\n3,-1\n", "line 3: duration_s '-1' is not a finite number of at least 0"),
        (LLM + "2023-13-16 18:17:03,1,1\n", "line 3: TIMESTAMP '2023-13-16 18:17:03' is not a date"),
        (LLM + "NaT,1,1\n", "line 3: TIMESTAMP 'NaT' is not a date"),
        (LLM + "2023-11-16 18:17:03,1.5,1\n", "line 3: ContextTokens '1.5' is not a whole number"),
        (LLM + "2023-11-16 18:17:03,1,\n", "line 3: GeneratedTokens '' is not a number"),
    ],
)
def test_damage_is_named_by_line(tmp_path: Path, text: str, found: str) -> None:
    written(tmp_path / "t.csv", text)
    with pytest.raises(TraceError) as error:
        read_arrivals(tmp_path / "t.csv")
    assert found in str(error.value)
    assert str(tmp_path / "t.csv") in str(error.value)


def test_truncated_and_missing_files_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"t\n" + b"".join(b"%d\n" % i for i in range(1000)))
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(TraceError, match=r"line \d+: the gzip stream is truncated"):
        read_arrivals(tmp_path / "t.csv.gz")
    (tmp_path / "l.csv").write_bytes(b"t\n1\n\xff\n")
    with pytest.raises(TraceError, match="line 3: is not UTF-8"):
        read_arrivals(tmp_path / "l.csv")
    with pytest.raises(TraceError, match="cannot be read"):
        read_arrivals(tmp_path / "none.csv")
    with pytest.raises(SettingsError, match=r"arrivals\.path"):
        draw_count(ArrivalTraceSettings(path=str(tmp_path / "none.csv")), 1, rng())


@pytest.mark.parametrize(
    ("name", "requests", "seconds", "cv", "fano", "median_context", "median_generated"),
    [("code", 8819, 3436, 13.2, (13.2, 166.9), 1469, 13), ("conv", 19366, 3502, 1.09, (1.39, 16.4), 1020, 129)],
)
def test_azure_llm_traces_have_their_known_burstiness(
    data_folder: Path,
    name: str,
    requests: int,
    seconds: int,
    cv: float,
    fano: tuple[float, float],
    median_context: int,
    median_generated: int,
) -> None:
    path = f"$EDGEGYM_DATA/requests/azure_llm_2023/AzureLLMInferenceTrace_{name}.csv.gz"
    part = trace_part(ArrivalTraceSettings(path=path))
    assert len(part) == requests
    assert part.time_s[-1] == pytest.approx(seconds, abs=0.5)
    assert gap_cv(part.time_s) == pytest.approx(cv, rel=0.005)
    found = [fano_factor(part.time_s, window_s) for window_s in (1.0, 60.0)]
    assert found == pytest.approx(fano, rel=0.005)
    # The last minute is not whole. With it, counted as if it were, conv would look burstier than it is: 20.6.
    minutes = np.bincount((part.time_s // 60.0).astype(int))
    assert minutes.var() / minutes.mean() == pytest.approx({"code": 160.5, "conv": 20.55}[name], rel=0.005)
    assert np.median(part.marks["context_tokens"]) == median_context
    assert np.median(part.marks["generated_tokens"]) == median_generated
    assert mean_rate(trace_part(ArrivalTraceSettings(path=path, rate=50.0)).time_s) == pytest.approx(50.0)


def test_azure_functions_samples(data_folder: Path) -> None:
    folder = data_folder / "requests/azure_functions_sample"
    arrivals = read_arrivals(folder / "Azure2021_200.csv")
    assert len(arrivals) == 199
    assert arrivals.marks["function"].max() + 1 == 31
    assert np.sum(arrivals.marks["duration_s"] == 0.0) == 8
    arrivals = read_arrivals(folder / "azure2019_example_invocations.csv")
    assert np.bincount(arrivals.marks["function"]).tolist() == [1150, 1125, 1125, 1125]
