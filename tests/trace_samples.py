"""The same five requests in every trace format, for the reader tests."""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from edgegym.errors import TraceError
from edgegym.workload.readers import read_trace

IDS = [5, 2**40, 5, 9, 2**40]
DENSE = [0, 1, 0, 2, 1]
SIZES = [10, 300, 10, 7, 300]
TIMES = [0, 0, 3, 4, 1000]


def oracle_general(time: list[int], ids: list[int], size: list[int]) -> bytes:
    return b"".join(struct.pack("<IQIq", t, i, s, -1) for t, i, s in zip(time, ids, size, strict=True))


SAMPLES: dict[str, bytes] = {
    "csv": "".join(f"{t},{i},{s}\n" for t, i, s in zip(TIMES, IDS, SIZES, strict=True)).encode(),
    "oracleGeneral": oracle_general(TIMES, IDS, SIZES),
    "cache2k": struct.pack(">5i", 5, -8, 5, 9, -8),
    "scarab": struct.pack(">5q", 5, -(2**40), 5, 9, -(2**40)),
    "adaptsize": "".join(f"{n} {i} {s}\n" for n, i, s in zip(range(1, 6), IDS, SIZES, strict=True)).encode(),
    "lrb": "".join(f"{t} {i} {s}\n" for t, i, s in zip(TIMES, IDS, SIZES, strict=True)).encode(),
}
RECORD_BYTES = {"oracleGeneral": 24, "cache2k": 4, "scarab": 8}
PACKERS: dict[str, Callable[[bytes], bytes]] = {"plain": bytes, "gzip": gzip.compress, "xz": lzma.compress}


def put(folder: Path, data: bytes, name: str = "t.trace") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def error_of(path: Path, format: str | None) -> str:
    """The error's text, which must name the file."""
    with pytest.raises(TraceError) as caught:
        read_trace(path, format)
    assert str(path) in str(caught.value)
    return str(caught.value)
