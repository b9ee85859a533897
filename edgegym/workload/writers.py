"""Write request traces to files, whole or not at all, and only where the format can hold everything."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError, unknown
from edgegym.files import replaced
from edgegym.workload.compression import compress, compression_by_suffix
from edgegym.workload.formats import FORMATS, RECORDS
from edgegym.workload.trace import RequestTrace, next_uses

NO_NEXT = -1
CLOCKLESS = ("cache2k", "scarab", "adaptsize")
SIZELESS = ("cache2k", "scarab")
LARGEST_U4 = 2**32 - 1


def write_trace(path: str | os.PathLike[str], trace: RequestTrace, format: str) -> None:
    """Write a trace so that reading it gives the same requests.

    Identifiers are the dense content numbers. csv holds every trace. The others hold one node and no clients;
    oracleGeneral and lrb need whole seconds (oracleGeneral times and sizes up to 2**32 - 1), adaptsize request numbers
    as time, cache2k and scarab also unit sizes.

    Args:
        path: the file, compressed if its name ends in .gz or .xz.
        trace: the requests.
        format: a name of :data:`~edgegym.workload.formats.FORMATS`.

    Raises:
        TraceError: if the format is unknown or would lose something, or the file cannot be written; an existing file
            is then left as it was.
    """
    path = Path(path)
    if format not in FORMATS:
        raise unknown("trace format", format, FORMATS, TraceError)
    compression = compression_by_suffix(path)
    loss = _loss(trace, format)
    if loss is not None:
        other = "" if format == "csv" else "; or write csv, which holds every trace"
        raise TraceError(f"{path}: {format} cannot hold this trace: {loss}{other}.")
    packed = compress(_ENCODERS[format](trace), compression)
    try:
        with replaced(path) as aside:
            aside.write_bytes(packed)
    except OSError as error:
        raise TraceError(f"{path}: cannot be written ({error.strerror}); nothing was changed.") from error


def _loss(trace: RequestTrace, format: str) -> str | None:
    """What the format would lose, and how to avoid that; None if nothing."""
    if format == "csv":
        lost = [name for name in trace.clients if not name or "\n" in name or "\r" in name]
        return f"client {lost[0]!r} has no name on one line; rename it" if lost else None
    if trace.nodes > 1:
        return f"it has requests for {trace.nodes} nodes and the format no nodes; write one file per node"
    if trace.client is not None:
        return "it has clients and the format none; take them out (dataclasses.replace(trace, client=None))"
    if format in SIZELESS and trace.size.max() > 1:
        return f"it has sizes of up to {trace.size.max()} bytes and the format none; set the sizes to 1"
    if format in CLOCKLESS:
        if not np.array_equal(trace.time, np.arange(len(trace))):
            return "it has times and the format only the order; set the times to 0, 1, 2, ..."
        return None
    largest = trace.time[-1]
    fractions = np.flatnonzero(trace.time != np.floor(trace.time))
    if len(fractions):
        bad = int(fractions[0])
        return f"request {bad} has time {trace.time[bad]} and the format whole seconds; round the times down"
    if format == "oracleGeneral" and not 0 <= trace.time[0] <= largest <= LARGEST_U4:
        return f"its times run from {trace.time[0]} to {largest}, allowed are 0 to {LARGEST_U4}; count from the first"
    if format == "oracleGeneral" and trace.size.max() > LARGEST_U4:
        return f"it has sizes of up to {trace.size.max()} bytes, allowed are {LARGEST_U4}; scale or split the objects"
    return None


def _oracle_general(trace: RequestTrace) -> bytes:
    following = next_uses(trace.content, trace.contents)
    records = np.empty(len(trace), RECORDS["oracleGeneral"])
    records["time"] = trace.time
    records["id"] = trace.content
    records["size"] = trace.size[trace.content]
    records["next"] = np.where(following == len(trace), NO_NEXT, following)
    return records.tobytes()


def _ids_only(format: str) -> Callable[[RequestTrace], bytes]:
    return lambda trace: trace.content.astype(RECORDS[format]).tobytes()


def _csv(trace: RequestTrace) -> bytes:
    columns = {
        "time": _numbers(trace.time),
        "id": _numbers(trace.content),
        "size": _numbers(trace.size[trace.content]),
    }
    if trace.nodes > 1:
        columns["node"] = _numbers(trace.node)
    if trace.client is not None:
        columns["client"] = [_quoted(trace.clients[number]) for number in trace.client.tolist()]
    return _lines([",".join(columns), *map(",".join, zip(*columns.values(), strict=True))])


def _quoted(name: str) -> str:
    """A text field, in quotes where it has to be."""
    return '"' + name.replace('"', '""') + '"' if set(name) & set(' ,"\t') else name


def _adaptsize(trace: RequestTrace) -> bytes:
    counter = np.arange(1, len(trace) + 1)
    return _blank_separated(counter, trace.content, trace.size[trace.content])


def _lrb(trace: RequestTrace) -> bytes:
    return _blank_separated(trace.time, trace.content, trace.size[trace.content])


def _blank_separated(*columns: NDArray[np.generic]) -> bytes:
    return _lines(list(map(" ".join, zip(*map(_numbers, columns), strict=True))))


def _lines(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8")


def _numbers(column: NDArray[np.generic]) -> list[str]:
    """The shortest texts that give the same numbers back; whole ones without a fraction."""
    if column.dtype.kind == "f":
        return [text.removesuffix(".0") for text in map(repr, column.tolist())]
    return list(map(str, column.tolist()))


_ENCODERS: dict[str, Callable[[RequestTrace], bytes]] = {
    "csv": _csv,
    "oracleGeneral": _oracle_general,
    "cache2k": _ids_only("cache2k"),
    "scarab": _ids_only("scarab"),
    "adaptsize": _adaptsize,
    "lrb": _lrb,
}
