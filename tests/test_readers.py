"""Trace readers: every format against an independent reading, and the real files."""

from __future__ import annotations

import csv
import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgegym.errors import TraceError
from edgegym.workload.readers import FORMATS, read_trace
from edgegym.workload.trace import dense_ids

from .trace_samples import DENSE, PACKERS, SAMPLES, TIMES, error_of, put


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("format", FORMATS)
def test_each_format_gives_the_same_requests(tmp_path: Path, format: str, packer: str) -> None:
    trace = read_trace(put(tmp_path, PACKERS[packer](SAMPLES[format])), format)
    sized = format not in ("cache2k", "scarab")
    clocked = format in ("csv", "oracleGeneral", "lrb")
    assert trace.content.tolist() == DENSE
    assert trace.size.tolist() == ([10, 300, 7] if sized else [1, 1, 1])
    assert trace.time.tolist() == (TIMES if clocked else [0, 1, 2, 3, 4])
    assert trace.nodes == 1


def test_concatenated_streams_are_one_trace(tmp_path: Path) -> None:
    for pack in (gzip.compress, lzma.compress):
        parts = pack(SAMPLES["cache2k"][:8]) + pack(SAMPLES["cache2k"][8:])
        assert read_trace(put(tmp_path, parts), "cache2k").content.tolist() == DENSE


def test_an_object_that_changes_size_is_a_new_content(tmp_path: Path) -> None:
    for format, text in (("csv", b"0,7,10\n1,7,20\n2,7,10\n"), ("adaptsize", b"1 7 10\n2 7 20\n3 7 10\n")):
        trace = read_trace(put(tmp_path, text), format)
        assert trace.content.tolist() == [0, 1, 0]
        assert trace.size.tolist() == [10, 20]


@pytest.mark.parametrize(
    "text",
    [
        "time,id,size,node\r\n0,a,10,0\r\n0.5,b c,20,2\r\n1e0,a,10,1\r\n",
        "\ufeffTimestamp,obj_id,bytes,node\n0,a,10,0\n.5,b c,20,2\n1.,a,10,1\n\n \n",
        ' 0 , a ,10, 0\n+0.50,"b c",20,2\n1,"a",10,1\n',
    ],
    ids=["dos", "byte order mark, own names, blank end", "blanks and quotes"],
)
def test_csv_variants(tmp_path: Path, text: str) -> None:
    trace = read_trace(put(tmp_path, text.encode()), "csv")
    assert (trace.content.tolist(), trace.size.tolist()) == ([0, 1, 0], [10, 20])
    assert (trace.time.tolist(), trace.node.tolist()) == ([0, 0.5, 1], [0, 2, 1])


WORDS = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(str),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=5),
    st.sampled_from(["a", "b", "a,b", 'say "hi"', '"', "0", "00"]),
)
ROWS = st.lists(
    st.tuples(st.floats(-1e300, 1e300), WORDS, st.integers(1, 2**40), st.integers(0, 5)), min_size=1, max_size=20
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, node=st.booleans(), header=st.booleans(), ending=st.sampled_from(["\n", "\r\n"]))
def test_csv_reads_what_the_csv_module_reads(
    tmp_path: Path, rows: list[tuple[float, str, int, int]], node: bool, header: bool, ending: str
) -> None:
    rows = sorted(rows, key=lambda row: row[0])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=ending)
    if header:
        writer.writerow(["time", "id", "size", "node"][: 3 + node])
    writer.writerows(row[: 3 + node] for row in rows)
    path = put(tmp_path, text.getvalue().encode())

    expected = list(csv.reader(io.StringIO(text.getvalue(), newline="")))[header:]
    numbers: dict[tuple[str, str], int] = {}
    trace = read_trace(path, "csv")
    assert trace.time.tolist() == [float(row[0]) for row in expected]
    assert trace.content.tolist() == [numbers.setdefault((row[1], row[2]), len(numbers)) for row in expected]
    assert trace.size.tolist() == [int(size) for _, size in numbers]
    assert trace.node.tolist() == [int(row[3]) if node else 0 for row in expected]


def test_identifiers_that_share_a_hash_slot_stay_apart(tmp_path: Path) -> None:
    """Thousands of identifiers of one length must meet in the hash table."""
    ids = np.random.default_rng(3).integers(10_000, 20_000, 20_000).tolist()
    path = put(tmp_path, "".join(f"{n},{i},1\n" for n, i in enumerate(ids)).encode())
    numbers: dict[int, int] = {}
    assert read_trace(path, "csv").content.tolist() == [numbers.setdefault(i, len(numbers)) for i in ids]


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 3).map(lambda k: k << 40)), max_size=200))
def test_dense_ids_number_by_first_appearance(ids: list[int]) -> None:
    numbers: dict[int, int] = {}
    expected = [numbers.setdefault(value, len(numbers)) for value in ids]
    assert dense_ids(np.array(ids, np.int64)).tolist() == expected
    assert dense_ids(np.array(ids, np.int64).view(np.uint64)).tolist() == expected


def test_the_widest_identifiers_are_read(tmp_path: Path) -> None:
    text = "".join(f"{n} {i} 1\n" for n, i in enumerate((2**64 - 1, -1, -(2**63), 2**64 - 1)))
    assert read_trace(put(tmp_path, text.encode()), "lrb").content.tolist() == [0, 1, 2, 0]


def test_other_compressions_say_how_to_unpack(tmp_path: Path) -> None:
    zstd = error_of(put(tmp_path, b"\x28\xb5\x2f\xfd" + b"x" * 20), "oracleGeneral")
    assert "zstd" in zstd
    assert "Python before 3.14" in zstd
    assert "zstd -d" in zstd
    assert "bunzip2" in error_of(put(tmp_path, b"BZh91AY&SYxxxx"), "csv")


def test_missing_empty_and_odd_paths(tmp_path: Path) -> None:
    assert "no such file" in error_of(tmp_path / "nothing.csv", None)
    assert "is a directory" in error_of(tmp_path, "csv")
    for format in FORMATS:
        assert "is empty" in error_of(put(tmp_path, b""), format)
        assert "is empty" in error_of(put(tmp_path, lzma.compress(b"")), format)
    assert "rename" in error_of(put(tmp_path, SAMPLES["scarab"], "t.xz"), "scarab")


def test_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"'oraclegenerall'.*Did you mean 'oracleGeneral'.*cache2k"):
        read_trace(put(tmp_path, SAMPLES["csv"]), "oraclegenerall")


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_format_is_guessed_where_it_is_certain(tmp_path: Path, suffix: str) -> None:
    pack = PACKERS["xz" if suffix else "plain"]
    linked = np.frombuffer(SAMPLES["oracleGeneral"], "V24").copy()
    record = linked.view(np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]))
    record["next"] = [2, 4, -1, -1, 7]
    for name, data in (
        ("a.csv", SAMPLES["csv"]),
        ("a.CSV", SAMPLES["csv"]),
        ("a.oracleGeneral", SAMPLES["oracleGeneral"]),
        ("a.oracleGeneral.bin", SAMPLES["oracleGeneral"]),
        ("a", SAMPLES["csv"]),
        ("a.trace", b"time,id,size\n" + SAMPLES["csv"]),
        ("a.trace", record.tobytes()),
    ):
        assert read_trace(put(tmp_path, pack(data), name + suffix)).content.tolist() == DENSE


@pytest.mark.parametrize("format", ["cache2k", "scarab", "adaptsize", "lrb"])
def test_format_is_asked_for_where_it_is_not_certain(tmp_path: Path, format: str) -> None:
    message = error_of(put(tmp_path, SAMPLES[format]), None)
    assert "--format" in message
    assert all(name in message for name in FORMATS)


@pytest.mark.parametrize(
    ("name", "format", "requests", "objects"),
    [
        ("cache2k_web07", "cache2k", 76_118, 20_484),
        ("scarab_scarab-recs", "scarab", 1_245_184, 258_368),
        ("adapt_size_request", "adaptsize", 66_987, 40_240),
    ],
)
def test_real_traces(data_folder: Path, name: str, format: str, requests: int, objects: int) -> None:
    trace = read_trace(data_folder / "requests" / "caffeine" / f"{name}.trace.xz", format)
    assert (len(trace), trace.contents) == (requests, objects)
