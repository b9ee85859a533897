"""Trace writers: what is written reads back the same, or is refused with the reason."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgegym.envs.caching.replay import replay
from edgegym.errors import TraceError
from edgegym.workload.formats import FORMATS, RECORDS
from edgegym.workload.generators import zipf
from edgegym.workload.readers import read_trace
from edgegym.workload.trace import RequestTrace
from edgegym.workload.writers import write_trace

PROPERTY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def traces(draw: st.DrawFn, format: str) -> RequestTrace:
    """A trace that the format can hold, up to its limits."""
    ids = draw(st.lists(st.integers(0, 6), min_size=1, max_size=30))
    count = len(ids)
    clockless, unsized = format in ("cache2k", "scarab", "adaptsize"), format in ("cache2k", "scarab")
    top = 2**32 - 1 if format == "oracleGeneral" else 2**52
    ticks = st.floats(-1e300, 1e300) if format == "csv" else st.integers(0, top)
    time = sorted(draw(st.lists(ticks, min_size=count, max_size=count)))
    size = draw(st.lists(st.sampled_from([1, 2, 700, top]), min_size=count, max_size=count))
    node = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    return RequestTrace.from_arrays(
        np.array(ids),
        time=None if clockless else np.array(time, np.float64),
        size=None if unsized else np.array(size),
        node=np.array(node) if format == "csv" else None,
    )


def assert_same(read: RequestTrace, written: RequestTrace) -> None:
    for column in ("time", "content", "size", "node"):
        assert np.array_equal(getattr(read, column), getattr(written, column)), column


@PROPERTY
@given(data=st.data(), format=st.sampled_from(list(FORMATS)), suffix=st.sampled_from(["", ".gz", ".xz"]))
def test_round_trip(tmp_path: Path, data: st.DataObject, format: str, suffix: str) -> None:
    trace = data.draw(traces(format))
    path = tmp_path / f"t{suffix}"
    write_trace(path, trace, format)
    assert_same(read_trace(path, format), trace)


def test_suffix_chooses_the_compression(tmp_path: Path) -> None:
    trace = zipf(1000, 50, 0.9, 1)
    for suffix, magic in (("", b"time"), (".gz", b"\x1f\x8b"), (".xz", b"\xfd7z")):
        path = tmp_path / f"t.csv{suffix}"
        write_trace(path, trace, "csv")
        assert path.read_bytes().startswith(magic)
        assert_same(read_trace(path), trace)
    with pytest.raises(TraceError, match=r"t\.zst.*\.gz or \.xz"):
        write_trace(tmp_path / "t.zst", trace, "csv")


@given(ids=st.lists(st.integers(0, 8), min_size=1, max_size=40))
@PROPERTY
def test_next_request_index_leads_to_the_same_object(tmp_path: Path, ids: list[int]) -> None:
    path = tmp_path / "t"
    write_trace(path, RequestTrace.from_arrays(np.array(ids)), "oracleGeneral")
    following = np.fromfile(path, RECORDS["oracleGeneral"])["next"].tolist()
    expected = [next((j for j in range(i + 1, len(ids)) if ids[j] == ids[i]), -1) for i in range(len(ids))]
    assert following == expected


@pytest.mark.parametrize(
    ("format", "change", "word"),
    [
        ("cache2k", {"size": np.full(3, 7)}, "7 bytes"),
        ("scarab", {"time": np.array([0.0, 2, 3, 4])}, "only the order"),
        ("adaptsize", {"time": np.array([5.0, 6, 7, 8])}, "only the order"),
        ("adaptsize", {"node": np.array([0, 1, 0, 0], np.int32)}, "2 nodes"),
        ("oracleGeneral", {"node": np.array([0, 1, 0, 0], np.int32)}, "2 nodes"),
        ("oracleGeneral", {"time": np.array([0.0, 1.5, 2, 3])}, "request 1 has time 1.5"),
        ("oracleGeneral", {"time": np.array([-1.0, 0, 2, 3])}, "from -1.0"),
        ("oracleGeneral", {"time": np.array([0.0, 0, 2, 2.0**32])}, "allowed are 0 to 4294967295"),
        ("oracleGeneral", {"size": np.full(3, 2**32)}, "4294967296 bytes"),
        ("lrb", {"time": np.array([0.0, 1.5, 2, 3])}, "whole seconds"),
    ],
)
def test_what_a_format_would_lose_is_refused(tmp_path: Path, format: str, change: dict[str, object], word: str) -> None:
    trace = replace(RequestTrace.from_arrays(np.array([4, 5, 4, 6])), **change)  # type: ignore[arg-type]
    path = tmp_path / "t"
    path.write_text("kept")
    with pytest.raises(TraceError, match=word) as caught:
        write_trace(path, trace, format)
    assert str(path) in str(caught.value)
    assert path.read_text() == "kept"


def test_unknown_format_and_unwritable_place(tmp_path: Path) -> None:
    trace = RequestTrace.from_arrays(np.array([1, 2]))
    with pytest.raises(TraceError, match="Did you mean 'scarab'"):
        write_trace(tmp_path / "t", trace, "scarap")
    (tmp_path / "folder").mkdir()
    with pytest.raises(TraceError, match=r"folder: cannot be written"):
        write_trace(tmp_path / "folder", trace, "csv")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


CHILD = """
import json, sys
import libcachesim as lc
reader = lc.TraceReader(sys.argv[1], lc.TraceType.ORACLE_GENERAL_TRACE, lc.ReaderInitParam(ignore_obj_size=False))
print(json.dumps(lc.Belady(cache_size=100, hashpower=18).process_trace(reader, start_req=0, max_req=-1)[0]))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("libcachesim") is None,
    reason="libcachesim is not installed: pip install 'edgegym[oracle]' to compare with it",
)
def test_libcachesim_reads_what_is_written(tmp_path: Path) -> None:
    """Belady lives on the next-request index; libcachesim runs in a child process, as a black box."""
    trace = zipf(20_000, 2000, 0.8, 3)
    path = tmp_path / "t.oracleGeneral"
    write_trace(path, trace, "oracleGeneral")
    answer = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], check=True, timeout=60, capture_output=True, text=True
    )
    miss = json.loads(answer.stdout)
    assert miss == pytest.approx(replay(trace.content, trace.size, 100, "Belady").miss_ratio, abs=1e-6)
