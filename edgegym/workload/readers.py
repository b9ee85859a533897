"""Read request traces from files of several formats, plain or compressed.

A file is read whole or refused: the first record that is damaged ends in an error with its number, what stood there and
how to mend it. No record is skipped and none is repaired.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError, unknown
from edgegym.workload import tokens
from edgegym.workload.compression import compression_of, decompress
from edgegym.workload.formats import (
    BYTE_ORDER_MARK,
    COLUMNS,
    FORMATS,
    HEADER_WORDS,
    LOGS,
    RECORDS,
    columns_of,
    format_by_content,
    format_by_name,
    is_header,
)
from edgegym.workload.trace import RequestTrace
from edgegym.workload.youtube import read_youtube

__all__ = ["FORMATS", "read_trace"]

MOST_REQUESTS = 2**31 - 2
SHOWN_CHARACTERS = 60
COLUMNS_SHOWN = {"adaptsize": "n id size", "lrb": "time id size"}


class Layout(NamedTuple):
    """Which fields a text record has.

    Attributes:
        columns: names of the fields, in order.
        header: header lines above the first record, 0 or 1.
    """

    columns: tuple[str, ...]
    header: int

    def place(self, column: str) -> int:
        """Place of a column among the fields; NO_COLUMN if it is not there."""
        return self.columns.index(column) if column in self.columns else tokens.NO_COLUMN


def read_trace(path: str | os.PathLike[str], format: str | None = None) -> RequestTrace:
    """Read a trace file.

    Contents are numbered in order of first appearance; one identifier with two sizes is two contents. Text identifiers
    are compared as they are written. Formats without a clock (cache2k, scarab, adaptsize) get the request number as
    time, formats without sizes get size 1. The next-request index of oracleGeneral is not used: it is wrong in any
    excerpt.

    Args:
        path: the file, plain or compressed with gzip or xz, which its first bytes tell.
        format: a name of :data:`FORMATS` or :data:`~edgegym.workload.formats.LOGS`; taken from the name's ending or the
            content where that is certain if left out.

    Returns:
        The requests in the order of the file.

    Raises:
        TraceError: if the file cannot be read, is damaged or truncated, is not of the format, or the format is unknown
            or uncertain; the text names the file, the record (counted from 1) and its line or byte.

    Warns:
        UserWarning: if the last line of a plain text file has no line end, since the file may be cut off there.
    """
    path = Path(path)
    if format is not None and format not in FORMATS | LOGS:
        raise unknown("trace format", format, FORMATS | LOGS, TraceError)
    data = _bytes_of(path)
    format = format or format_by_name(path)
    compression = compression_of(path, data)
    if compression is not None:
        data, damage = decompress(data, compression)
        if damage is not None:
            raise TraceError(f"{path}: {damage}, {_progress(data, format)}; get the file again from its source.")
    if not data:
        raise TraceError(f"{path}: is empty; a trace needs at least one record.")
    format = format or format_by_content(path, data)
    if format in LOGS:
        return read_youtube(path, data)
    if format in RECORDS:
        return _read_binary(path, data, format)
    return _read_text(path, data, format, plain=compression is None)


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise TraceError(f"{path}: is a directory; give the path of a trace file.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file; check the path.") from None
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions.") from error


def _progress(data: bytes, format: str | None) -> str:
    """Up to where in the trace a compressed stream could be unpacked."""
    if format is None:
        return f"{len(data)} bytes into the trace"
    if format in RECORDS:
        return f"at record {len(data) // RECORDS[format].itemsize + 1}"
    lines = data.count(b"\n")
    return f"at record {lines + 1 - int(lines > 0 and is_header(data.splitlines()[0]))} (line {lines + 1})"


def _check_count(path: Path, records: int) -> None:
    if records > MOST_REQUESTS:
        raise TraceError(f"{path}: has {records} records, at most {MOST_REQUESTS} can be read; split the file.")


def _check_order(path: Path, time: NDArray[np.float64], where: Callable[[int], str], shown: str = "time") -> None:
    """Times must be finite and must not go backwards."""
    wrong = np.flatnonzero(~np.isfinite(time))
    if len(wrong):
        raise TraceError(
            f"{path}: record {wrong[0] + 1} ({where(int(wrong[0]))}): {shown} is beyond the range of a double; "
            "correct it."
        )
    wrong = np.flatnonzero(time[1:] < time[:-1]) + 1
    if len(wrong):
        bad = int(wrong[0])
        raise TraceError(
            f"{path}: record {bad + 1} ({where(bad)}): {shown} {time[bad]:.15g} is before {time[bad - 1]:.15g} of the "
            f"record above it; sort the records by {shown}, or give another --format if this file is not of this one."
        )


def _read_binary(path: Path, data: bytes, format: str) -> RequestTrace:
    record = RECORDS[format]
    whole, rest = divmod(len(data), record.itemsize)
    if rest:
        raise TraceError(
            f"{path}: record {whole + 1} (byte {whole * record.itemsize}) is cut off: found {rest} bytes of "
            f"{record.itemsize}. The file is truncated or not {format}; get it again, or give another --format."
        )
    _check_count(path, whole)
    records = np.frombuffer(data, record)
    if format != "oracleGeneral":
        return RequestTrace.from_arrays(records.astype(record.newbyteorder("=")), source=str(path))
    empty = np.flatnonzero(records["size"] == 0)
    if len(empty):
        raise TraceError(
            f"{path}: record {empty[0] + 1} (byte {empty[0] * record.itemsize}): size 0; an object has at least "
            "1 byte. Remove such records, write size 1 for unit sizes, or give another --format if this file is not "
            "oracleGeneral."
        )
    time = records["time"].astype(np.float64)
    _check_order(path, time, lambda k: f"byte {k * record.itemsize}")
    return RequestTrace.from_arrays(records["id"].copy(), time=time, size=records["size"], source=str(path))


def _read_text(path: Path, data: bytes, format: str, plain: bool) -> RequestTrace:
    text = data.rstrip()
    begin = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    layout = Layout(COLUMNS[:3], header=0)
    if format == "csv" and begin < len(text):
        begin, layout = _csv_layout(path, text, begin)
    if begin >= len(text):
        raise TraceError(f"{path}: has no record{' after the header' * layout.header}; a trace needs at least one.")
    trace = _parse(path, text, format, begin, layout)
    if plain and b"\n" not in data[len(text) :]:
        warnings.warn(
            f"{path}: the last line (record {len(trace)}) has no line end; if the file is cut off there, its size "
            "is wrong. End the file with a line end if it is complete.",
            stacklevel=3,
        )
    return trace


def _csv_layout(path: Path, text: bytes, begin: int) -> tuple[int, Layout]:
    """Where the first record begins, and which fields the records have.

    A header tells; where it names neither node nor client, a fourth field of the first record is a node.
    """
    stop = text.find(b"\n", begin)
    stop = len(text) if stop < 0 else stop
    line = text[begin:stop]
    columns = columns_of(line)
    if not columns and not any(byte in b"0123456789" for byte in line.split(b",")[0]):
        names = "; ".join("/".join(sorted(words)) for words in HEADER_WORDS)
        raise TraceError(
            f"{path}: line 1: {_shown(line)} is neither a record nor a header; a header names the columns "
            f"time,id,size[,node][,client] in this order (known names by column: {names})."
        )
    header = int(bool(columns))
    begin = stop + 1 if columns else begin
    if "client" not in columns:
        columns = COLUMNS[: _field_count(text, begin)]
    return begin, Layout(columns, header)


def _field_count(text: bytes, begin: int) -> int:
    """Fields of the first record, which all others must have: 4 if it has a node, else 3."""
    stop = text.find(b"\n", begin)
    line = np.frombuffer(text[begin:] if stop < 0 else text[begin:stop], np.uint8)
    bounds = np.empty((tokens.MOST_FIELDS, 2), np.int64)
    return 4 if tokens.split_line(line, 0, len(line), True, bounds) == 4 else 3


def _parse(path: Path, text: bytes, format: str, begin: int, layout: Layout) -> RequestTrace:
    """The requests of the records from byte ``begin`` on."""
    records = text.count(b"\n", begin) + 1
    _check_count(path, records)
    time, size = np.empty(records), np.empty(records, np.int64)
    content, node = np.empty(records, np.int32), np.empty(records, np.int32)
    unread, bounds = np.empty((records, 2), np.int64), np.zeros((tokens.MOST_FIELDS, 2), np.int64)
    node_column, client_column = layout.place("node"), layout.place("client")
    named = records if client_column != tokens.NO_COLUMN else 0
    client = np.empty(named, np.int32)
    (table, first), (client_table, client_first) = _table(records), _table(named)
    buffer = np.frombuffer(text, np.uint8)
    comma, integers, fields = format == "csv", format != "csv", len(layout.columns)
    problem, bad, start, stop = tokens.parse_records(
        buffer, begin, comma, fields, node_column, client_column, integers, time, unread, content, size, node, client,
        table, first, client_table, client_first, bounds,
    )  # fmt: skip
    if problem != tokens.OK:
        found = [text[a:b] for a, b in bounds.tolist()]
        shown = COLUMNS_SHOWN.get(format, ",".join(layout.columns))
        what = _explained(problem, found, text[start:stop], layout, shown)
        raise TraceError(f"{path}: record {bad + 1} (line {bad + 1 + layout.header}): {what}")
    inexact = np.flatnonzero(np.isnan(time))
    time[inexact] = [float(text[a:b]) for a, b in unread[inexact].tolist()]
    counted = format == "adaptsize"
    _check_order(path, time, lambda k: f"line {k + 1 + layout.header}", "counter n" if counted else "time")
    trace = RequestTrace.from_arrays(
        content,
        time=None if counted else time,
        size=size,
        node=node if node_column != tokens.NO_COLUMN else None,
        source=str(path),
    )
    if not named:
        return trace
    names = (text[a:b].decode("utf-8", "replace") for a, b in client_first[: client.max() + 1].tolist())
    return replace(trace, client=client, clients=tuple(name.replace('""', '"') for name in names))


def _table(records: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """An empty hash table for the identifiers of so many records, and where each will first have stood."""
    return np.full(1 << (2 * records).bit_length(), -1, np.int32), np.empty((records, 2), np.int64)


def _explained(problem: int, found: list[bytes], line: bytes, layout: Layout, columns: str) -> str:
    """What was found in a record, what is allowed and how to mend it."""
    time, identifier, size = (_shown(field) for field in found[:3])
    node = _shown(found[layout.place("node")])
    first = columns.replace(",", " ").split()[0]
    wide = "needs an integer of 64 bits; renumber the ids, or write the trace as csv, where ids may be any text."
    texts = {
        tokens.BAD_COUNT: f"found {_shown(line)}, expected the fields {columns}; complete or remove the line, or "
        "get the file again if it is cut off here.",
        tokens.BAD_QUOTE: f"found {_shown(line)} with a quote that is not closed; close it or double it inside text.",
        tokens.BAD_TIME: f"{first} {time} is not a finite number; write it like 12 or 12.5.",
        tokens.BAD_ID: f"id {identifier} {wide if found[1] else 'is empty; give every object an identifier.'}",
        tokens.BAD_ID_RANGE: f"id {identifier} {wide}",
        tokens.BAD_SIZE: f"size {size} is not an integer of at least 1; write bytes, or 1 for unit sizes.",
        tokens.BAD_SIZE_RANGE: f"size {size} does not fit 63 bits; write it in bytes.",
        tokens.BAD_NODE: f"node {node} is not an integer from 0 to 2147483646; number the edge nodes from 0.",
        tokens.BAD_CLIENT: f"found {_shown(line)} without a client; name the client of every request.",
    }
    return texts[problem]


def _shown(field: bytes) -> str:
    text = field.decode("utf-8", "replace")
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "...")
