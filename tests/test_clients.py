"""Traces that name clients: CSV with a client column, and the UMass YouTube log."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgegym.errors import TraceError
from edgegym.workload.readers import read_trace
from edgegym.workload.trace import RequestTrace
from edgegym.workload.writers import write_trace

from .trace_samples import error_of, put

LOG = """\
1189828806.5 1.2.3.4 128.119.0.9 GETVIDEO lML9dik8QNw 5.6.7.8
1189828805.208862 1.2.3.4 128.119.0.7 GETVIDEO HSsdaX4s 5.6.7.8
1189828805.3 1.2.3.4 128.119.0.7 STAT lML9dik8QNw 5.6.7.8

1189828807.0 1.2.3.4 host.umass.edu GETVIDEO lML9dik8QNw 5.6.7.8
1189828805.9 1.2.3.4 128.119.0.7 GETVIDEO _-L9dik8QNw
1189828808.0 1.2.3.4 128.119.0.7 GETVIDEO UMASS123456 5.6.7.8
80.5 1.2.3.4 128.119.0.7 GETVIDEO lML9dik8QNw 5.6.7.8
1189828809.0 1.2.3.4 128.119.0.7 GETVIDEO lML9dik8QNw 5.6.7.8
"""


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("time,id,size,client\n0,a,10,10.0.0.1\n1,b,20,x\n2,a,10,10.0.0.1\n", [0, 0, 0]),
        ("t,key,bytes,edge,user\n0,a,10,2,10.0.0.1\n1,b,20,0,x\n2,a,10,1,10.0.0.1\n", [2, 0, 1]),
        ('time,id,size,client_ip\n0,a,10, 10.0.0.1 \n1,b,20,"x"\n2,a,10,10.0.0.1\n', [0, 0, 0]),
    ],
)
def test_a_client_column_is_read_where_the_header_names_it(text: str, node: list[int], tmp_path: Path) -> None:
    trace = read_trace(put(tmp_path, text.encode()), "csv")
    assert trace.clients == ("10.0.0.1", "x")
    assert trace.client is not None
    assert trace.client.tolist() == [0, 1, 0]
    assert (trace.content.tolist(), trace.size.tolist(), trace.node.tolist()) == ([0, 1, 0], [10, 20], node)
    # The header alone tells the format.
    assert read_trace(put(tmp_path, text.encode())).clients == trace.clients


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6).filter(
    lambda name: name == name.strip()
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), NAMES, st.integers(0, 3)), min_size=1, max_size=20))
def test_clients_survive_writing_and_reading(tmp_path: Path, rows: list[tuple[int, str, int]]) -> None:
    ids, names, node = zip(*rows, strict=True)
    trace = RequestTrace.from_arrays(np.array(ids), client=np.array(names, dtype=object), node=np.array(node))
    write_trace(tmp_path / "t.csv", trace, "csv")
    read = read_trace(tmp_path / "t.csv")
    assert np.array_equal(read.content, trace.content)
    assert np.array_equal(read.node, trace.node)
    assert read.client is not None
    assert [read.clients[c] for c in read.client] == list(names)


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("time,id,size,client\n0,a,10,\n", "record 1 (line 2)", ["without a client"]),
        ("time,id,size,client\n0,a,10,x\n1,a,10\n", "record 2 (line 3)", ["time,id,size,client"]),
        ("time,id,size,node,client\n0,a,10,y,x\n", "record 1 (line 2)", ["node 'y'"]),
        ("time,id,size,client,node\n0,a,10,x,1\n", "line 1", ["neither a record nor a header", "client"]),
        ("0,a,10,1,x\n", "record 1 (line 1)", ["expected the fields time,id,size"]),
    ],
)
def test_damaged_client_columns(text: str, place: str, words: list[str], tmp_path: Path) -> None:
    message = error_of(put(tmp_path, text.encode()), "csv")
    assert place in message
    assert all(word in message for word in words)


def test_clients_are_not_lost_in_silence(tmp_path: Path) -> None:
    trace = RequestTrace.from_arrays(np.array([1, 2]), client=np.array(["a", "b\nc"]))
    with pytest.raises(TraceError, match=r"clients and the format none.*csv"):
        write_trace(tmp_path / "t", trace, "lrb")
    with pytest.raises(TraceError, match=r"'b.nc' has no name on one line; rename it\."):
        write_trace(tmp_path / "t", trace, "csv")
    with pytest.raises(TraceError, match="client needs one number per request"):
        replace(trace, clients=("a",))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_the_youtube_log(pack: object, tmp_path: Path) -> None:
    """By hand: five of eight lines are no video requests, and the rest is not in order."""
    data = LOG.encode() if pack is bytes else gzip.compress(LOG.encode())
    trace = read_trace(put(tmp_path, data), "youtube")
    assert trace.time.tolist() == [1189828805.9, 1189828806.5, 1189828809.0]
    assert trace.content.tolist() == [0, 1, 1]
    assert trace.size.tolist() == [1, 1]
    assert trace.client is not None
    assert [trace.clients[c] for c in trace.client] == ["128.119.0.7", "128.119.0.9", "128.119.0.7"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LOG[:150], "line 3"),
        ("x 1.2.3.4 1.2.3.4 GETVIDEO lML9dik8QNw 5.6.7.8\n", "line 1"),
        ("1189828805 1.2.3.4 1.2.3.4 STAT lML9dik8QNw 5.6.7.8\n", "none of its lines"),
        ("", "empty"),
    ],
)
def test_what_is_no_youtube_log(text: str, words: str, tmp_path: Path) -> None:
    assert words in error_of(put(tmp_path, text.encode()), "youtube")


def test_formats_of_logs_are_offered(tmp_path: Path) -> None:
    path = put(tmp_path, b"1 2 3\n")
    with pytest.raises(TraceError, match="Did you mean 'youtube'"):
        read_trace(path, "youtub")
    assert "youtube (UMass" in error_of(path, None)
