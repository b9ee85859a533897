"""Trace readers on damaged input: every kind of damage ends in an error that names file and record."""

from __future__ import annotations

import gzip
import lzma
import random
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgegym.errors import TraceError
from edgegym.workload.readers import FORMATS, read_trace
from edgegym.workload.trace import RequestTrace

from .trace_samples import DENSE, PACKERS, RECORD_BYTES, SAMPLES, error_of, oracle_general, put

DAMAGED_LINES: list[tuple[str, str, str, list[str]]] = [
    ("csv", "1,a,10\n2,b\n", "record 2 (line 2)", ["'2,b'", "time,id,size"]),
    ("csv", "time,id,size\n1,a,10\n2,b,10,1\n", "record 2 (line 3)", ["'2,b,10,1'"]),
    ("csv", "1,a,10\n\n2,b,10\n", "record 2 (line 2)", ["''"]),
    ("csv", "1,a,10\n2,b,ten\n", "record 2 (line 2)", ["size 'ten'", "at least 1"]),
    ("csv", "1,a,10\n2,b,0\n", "record 2 (line 2)", ["size '0'"]),
    ("csv", "1,a,-4\n", "record 1 (line 1)", ["size '-4'"]),
    ("csv", "1,a,1.5\n", "record 1 (line 1)", ["size '1.5'"]),
    ("csv", "1,a,9223372036854775808\n", "record 1 (line 1)", ["63 bits"]),
    ("csv", "1,a,10\nnan,b,10\n", "record 2 (line 2)", ["time 'nan'", "finite"]),
    ("csv", "1,a,10\ninf,b,10\n", "record 2 (line 2)", ["time 'inf'"]),
    ("csv", "1,a,10\n1e999,b,10\n", "record 2 (line 2)", ["time"]),
    ("csv", "1,a,10\n1_0,b,10\n", "record 2 (line 2)", ["time '1_0'"]),
    ("csv", "1,a,10\n0x10,b,10\n", "record 2 (line 2)", ["time '0x10'"]),
    ("csv", "time,id,size\n2,a,10\n1.5,b,10\n", "record 2 (line 3)", ["time 1.5", "before 2", "sort"]),
    ("csv", "1,,10\n", "record 1 (line 1)", ["id ''", "empty"]),
    ("csv", '1,"a,10\n', "record 1 (line 1)", ["quote"]),
    ("csv", '1,"a"b,10\n', "record 1 (line 1)", ["quote"]),
    ("csv", "1,a,10,0\n2,b,10,-1\n", "record 2 (line 2)", ["node '-1'"]),
    ("csv", "1,a,10,0\n2,b,10,99999999999\n", "record 2 (line 2)", ["node"]),
    ("csv", "1,a,10,0\n2,b,10\n", "record 2 (line 2)", ["time,id,size,node"]),
    ("csv", "id,time,size\n1,a,10\n", "line 1", ["'id,time,size'", "time,id,size[,node]"]),
    ("csv", "time,id,size\n", "no record", ["after the header"]),
    ("csv", "\n \n", "no record", []),
    ("csv", "1,a,10\n\0\0\0\0\n", "record 2 (line 2)", []),
    ("lrb", "1 7 10\n2 x 10\n", "record 2 (line 2)", ["id 'x'", "64 bits", "csv"]),
    ("lrb", "1 18446744073709551616 10\n", "record 1 (line 1)", ["64 bits"]),
    ("lrb", "1 -9223372036854775809 10\n", "record 1 (line 1)", ["64 bits"]),
    ("lrb", "1 7 10\n2 7\n", "record 2 (line 2)", ["time id size"]),
    ("lrb", "1 7 10\n2 7 10 4\n", "record 2 (line 2)", ["time id size"]),
    ("lrb", "5 7 10\n4 7 10\n", "record 2 (line 2)", ["before 5"]),
    ("adaptsize", "1 7 10\nx 7 10\n", "record 2 (line 2)", ["n 'x'"]),
    ("adaptsize", "2 7 10\n1 7 10\n", "record 2 (line 2)", ["counter n 1"]),
    ("adaptsize", "1 7 0\n", "record 1 (line 1)", ["size '0'"]),
]


@pytest.mark.parametrize(("format", "text", "place", "words"), DAMAGED_LINES)
def test_damaged_text_names_record_and_line(
    tmp_path: Path, format: str, text: str, place: str, words: list[str]
) -> None:
    message = error_of(put(tmp_path, text.encode()), format)
    assert place in message
    for word in words:
        assert word in message


def test_damaged_binary_names_record_and_byte(tmp_path: Path) -> None:
    empty = error_of(put(tmp_path, oracle_general([0, 1, 2], [1, 2, 3], [5, 0, 5])), "oracleGeneral")
    assert "record 2 (byte 24): size 0" in empty
    backwards = error_of(put(tmp_path, oracle_general([0, 9, 2], [1, 2, 3], [5, 5, 5])), "oracleGeneral")
    assert "record 3 (byte 48): time 2 is before 9" in backwards


@pytest.mark.parametrize("format", RECORD_BYTES)
def test_binary_cut_off_at_any_byte(tmp_path: Path, format: str) -> None:
    data, length = SAMPLES[format], RECORD_BYTES[format]
    for stop in range(1, len(data)):
        path = put(tmp_path, data[:stop])
        if stop % length == 0:
            assert read_trace(path, format).content.tolist() == DENSE[: stop // length]
        else:
            assert f"record {stop // length + 1} (byte {stop - stop % length}) is cut off" in error_of(path, format)


@pytest.mark.parametrize("format", ["csv", "adaptsize", "lrb"])
def test_text_cut_off_at_any_byte(tmp_path: Path, format: str) -> None:
    """Within a line it is an error, or, where the rest is a record by itself, a warning; never silence."""
    data = SAMPLES[format]
    for stop in range(1, len(data)):
        path = put(tmp_path, data[:stop])
        lines = data[:stop].count(b"\n")
        if data[:stop].endswith(b"\n"):
            assert len(read_trace(path, format)) == lines
            continue
        rest = data[:stop].rsplit(b"\n", 1)[-1].split(b"," if format == "csv" else b" ")
        if len(rest) == 3 and rest[2]:
            with pytest.warns(UserWarning, match=rf"record {lines + 1}\) has no line end"):
                assert len(read_trace(path, format)) == lines + 1
        else:
            assert f"record {lines + 1} (line {lines + 1})" in error_of(path, format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("packer", ["gzip", "xz"])
def test_compressed_cut_off_at_any_byte(tmp_path: Path, format: str, packer: str) -> None:
    packed = PACKERS[packer](SAMPLES[format])
    for stop in range(1, len(packed)):
        message = error_of(put(tmp_path, packed[:stop]), format)
        assert "truncated" in message
        assert "record" in message


@pytest.mark.parametrize("packer", ["gzip", "xz"])
def test_compressed_with_any_byte_wrong(tmp_path: Path, packer: str) -> None:
    """A wrong byte is an error, or, within what a header says about the file, without effect."""
    packed = PACKERS[packer](SAMPLES["scarab"])
    refused = 0
    for place in range(len(packed)):
        damaged = packed[:place] + bytes([packed[place] ^ 0x41]) + packed[place + 1 :]
        try:
            trace = read_trace(put(tmp_path, damaged, f"t.trace.{'gz' if packer == 'gzip' else packer}"), "scarab")
        except TraceError:
            refused += 1
        else:
            assert trace.content.tolist() == DENSE
    # Only modification time, extra flags and system of gzip's ten header bytes are free.
    assert refused >= len(packed) - (6 if packer == "gzip" else 0)


def test_garbage_after_the_stream_is_an_error(tmp_path: Path) -> None:
    for pack in (gzip.compress, lzma.compress):
        assert "damaged" in error_of(put(tmp_path, pack(SAMPLES["cache2k"]) + b"garbage!" * 8), "cache2k")
        padded = pack(SAMPLES["cache2k"]) + b"\0" * 8
        assert read_trace(put(tmp_path, padded), "cache2k").content.tolist() == DENSE


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(format=st.sampled_from([*FORMATS, None]), seed=st.integers(0, 2**32), changes=st.integers(1, 4))
def test_any_change_of_bytes_ends_in_a_trace_or_an_error(
    tmp_path: Path, format: str | None, seed: int, changes: int
) -> None:
    """Damage that nothing can tell gives a trace of whole records; the rest is an error, never another exception."""
    rng = random.Random(seed)
    original = SAMPLES[format or rng.choice(list(SAMPLES))]
    data = bytearray(original)
    for _ in range(changes):
        place = rng.randrange(len(data))
        data[place : place + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            trace = read_trace(put(tmp_path, bytes(data)), format)
        except TraceError:
            return
    assert isinstance(trace, RequestTrace)
    if format in RECORD_BYTES:
        assert len(trace) == len(data) // RECORD_BYTES[format]
    elif format is not None:
        assert len(trace) <= bytes(data).count(b"\n") + 1
