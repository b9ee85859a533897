"""The trace formats: what their records hold, and how a file's format is recognised where that is certain."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError

FORMATS: dict[str, str] = {
    "csv": "text lines time,id,size[,node][,client]; a header line is needed for clients; ids are integers or text",
    "oracleGeneral": "libCacheSim binary, 24-byte little-endian records: u4 time, u8 id, u4 size, i8 next request",
    "cache2k": "binary, big-endian 4-byte integer ids in order, without time and size",
    "scarab": "binary, big-endian 8-byte integer ids in order, without time and size",
    "adaptsize": "text lines n id size, n counts the requests",
    "lrb": "text lines time id size",
}
"""Trace formats by name, with a one-line summary of each."""

LOGS: dict[str, str] = {
    "youtube": "UMass YouTube log: text lines time server client verb video; what requests no video is left out",
}
"""Logs that hold more than requests, which are read but not written, by name with a one-line summary of each."""

RECORDS: dict[str, np.dtype] = {
    "oracleGeneral": np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]),
    "cache2k": np.dtype(">i4"),
    "scarab": np.dtype(">i8"),
}
"""Layout of one record of the binary formats."""

HEADER_WORDS: tuple[frozenset[str], ...] = (
    frozenset({"time", "timestamp", "ts", "time_s", "t"}),
    frozenset({"id", "obj_id", "object_id", "object", "obj", "content", "content_id", "key"}),
    frozenset({"size", "bytes", "obj_size", "object_size", "size_bytes"}),
    frozenset({"node", "node_id", "edge", "cache"}),
    frozenset({"client", "client_id", "client_ip", "user", "user_id"}),
)
"""Names that the header of a CSV file may give its columns time, id, size, node and client; the last two may lack."""
COLUMNS = ("time", "id", "size", "node", "client")

_NAME_ENDINGS = {".csv": "csv", ".oraclegeneral": "oracleGeneral", ".oraclegeneral.bin": "oracleGeneral"}
_PACKED = re.compile(r"\.(gz|xz)$", re.IGNORECASE)
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CSV_LINE = re.compile(rb'\s*%b\s*,(?:[^,\r\n"]+|\s*"[^\r\n]*"\s*),\s*\d+\s*(?:,\s*\d+\s*)?\Z' % _NUMBER)
_BLANK_LINE = re.compile(rb"\s*%b\s+-?\d+\s+\d+\s*\Z" % _NUMBER)
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def summary() -> str:
    """The formats with their summaries in one line, for error texts."""
    return "; ".join(f"{name} ({what})" for name, what in (FORMATS | LOGS).items())


def header_fields(line: bytes) -> list[str]:
    """The words of a would-be header line."""
    return [word.strip().strip('"').strip().lower() for word in line.decode("utf-8", "replace").split(",")]


def columns_of(line: bytes) -> tuple[str, ...]:
    """The columns that a CSV header names, some of :data:`COLUMNS` in their order; empty if it is no header."""
    words = header_fields(line)
    found = [next((name for name, known in zip(COLUMNS, HEADER_WORDS, strict=True) if w in known), "") for w in words]
    allowed = (COLUMNS[:3], COLUMNS[:4], COLUMNS, (*COLUMNS[:3], "client"))
    return tuple(found) if tuple(found) in allowed else ()


def is_header(line: bytes) -> bool:
    """Whether the line names the columns of a CSV trace, in their order."""
    return bool(columns_of(line))


def format_by_name(path: Path) -> str | None:
    """The format that the file's name ends in, compression aside; None where it says nothing."""
    name = _PACKED.sub("", path.name).lower()
    return next((found for ending, found in _NAME_ENDINGS.items() if name.endswith(ending)), None)


def format_by_content(path: Path, data: bytes) -> str:
    """The only format that the bytes can be.

    Args:
        path: for the error text.
        data: the unpacked file.

    Raises:
        TraceError: where that is not certain, with the formats to choose from.
    """
    lines = data[:4096].removeprefix(BYTE_ORDER_MARK).splitlines()
    # The last of several lines may be cut off by the limit.
    lines = lines[:-1] if len(data) > 4096 and len(lines) > 1 else lines
    if lines and (is_header(lines[0]) or all(_CSV_LINE.match(line) for line in lines if line.strip())):
        return "csv"
    if lines and all(_BLANK_LINE.match(line) for line in lines if line.strip()):
        found = "lines of three numbers, which adaptsize and lrb both have"
    elif _links_match(data):
        return "oracleGeneral"
    else:
        found = f"{len(data)} bytes that no single format explains"
    raise TraceError(
        f"{path}: the format cannot be told from the name or the content ({found}); "
        f"give it with --format, one of: {summary()}."
    )


def _links_match(data: bytes) -> bool:
    """Whether every record's next-request index leads to a later record of the same id: no chance does that."""
    if not data or len(data) % RECORDS["oracleGeneral"].itemsize:
        return False
    records = np.frombuffer(data, RECORDS["oracleGeneral"])
    following: NDArray[np.int64] = records["next"]
    later = following > np.arange(len(records))
    inside = later & (following < len(records))
    ids = records["id"]
    return bool(np.all(later | (following == -1)) and np.array_equal(ids[following[inside]], ids[inside]))
