"""The request trace: what every reader and generator makes and every caching system runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.compiling import njit
from edgegym.errors import TraceError


@dataclass(frozen=True)
class RequestTrace:
    """A stream of requests for contents, in order.

    Contents are dense integers in order of first appearance, so that per-content state fits plain arrays. An object
    that changes its size under one identifier is a new content: a cache cannot serve the old bytes.

    Attributes:
        time: (requests,) float64, seconds, non-decreasing; the request number where the source has no clock.
        content: (requests,) int32, 0 .. contents - 1.
        size: (contents,) int64, bytes, at least 1; all 1 where the source knows no sizes.
        node: (requests,) int32, the edge node that the request reaches, 0 .. nodes - 1.
        source: where the trace came from, for tables and error texts.
        client: (requests,) int32, who asked, an index into ``clients``; None where the source does not say.
        clients: names of the clients, as the source writes them.
    """

    time: NDArray[np.float64]
    content: NDArray[np.int32]
    size: NDArray[np.int64]
    node: NDArray[np.int32]
    source: str = "in memory"
    client: NDArray[np.int32] | None = None
    clients: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check shapes and ranges once, so that the kernels need not."""
        requests = len(self.content)
        if len(self.time) != requests or len(self.node) != requests:
            raise TraceError(
                f"{self.source}: time, content and node have {len(self.time)}, {requests} and {len(self.node)} "
                "entries; they need one each per request."
            )
        if requests == 0:
            raise TraceError(f"{self.source}: holds no request; at least one is needed.")
        if not np.all(np.isfinite(self.time)):
            bad = int(np.flatnonzero(~np.isfinite(self.time))[0])
            raise TraceError(f"{self.source}: request {bad}: time {self.time[bad]} is not a finite number.")
        backwards = np.flatnonzero(np.diff(self.time) < 0)
        if len(backwards):
            bad = int(backwards[0]) + 1
            raise TraceError(
                f"{self.source}: request {bad}: time {self.time[bad]} is before {self.time[bad - 1]}; "
                "sort the requests by time."
            )
        if self.content.min() < 0 or self.content.max() >= len(self.size):
            raise TraceError(f"{self.source}: content ids must lie in 0 .. {len(self.size) - 1}.")
        if self.size.min() < 1:
            bad = int(np.argmin(self.size))
            raise TraceError(f"{self.source}: content {bad} has {self.size[bad]} bytes; at least 1 is needed.")
        if self.node.min() < 0:
            raise TraceError(f"{self.source}: node numbers must not be negative.")
        if self.client is not None and (
            len(self.client) != requests or self.client.min() < 0 or self.client.max() >= len(self.clients)
        ):
            raise TraceError(
                f"{self.source}: client needs one number per request, an index into clients, in 0 .. "
                f"{len(self.clients) - 1}."
            )

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.content)

    @property
    def contents(self) -> int:
        """Number of distinct contents."""
        return len(self.size)

    @property
    def nodes(self) -> int:
        """Number of edge nodes that requests reach (highest node number + 1)."""
        return int(self.node.max()) + 1

    @classmethod
    def from_arrays(
        cls,
        ids: NDArray[Any],
        *,
        time: NDArray[Any] | None = None,
        size: NDArray[Any] | None = None,
        node: NDArray[Any] | None = None,
        source: str = "in memory",
        client: NDArray[Any] | None = None,
    ) -> RequestTrace:
        """Build a trace from any integer identifiers.

        Args:
            ids: (requests,) integers of any range.
            time: (requests,) seconds; the request number if left out.
            size: (requests,) bytes of the requested object; 1 if left out.
            node: (requests,) edge node; 0 if left out.
            source: where the requests came from.
            client: (requests,) who asked, integers or text; unknown if left out.

        Raises:
            TraceError: if the arrays do not fit together.
        """
        ids = np.asarray(ids)
        requests = len(ids)
        sizes = np.ones(requests, np.int64) if size is None else np.asarray(size, np.int64)
        if len(sizes) != requests:
            raise TraceError(f"{source}: {requests} ids but {len(sizes)} sizes; one each is needed.")
        key = dense_ids(ids)
        if size is not None and requests:
            # The pair (id, size) names the object: fold the size's rank into the key.
            rank = dense_ids(sizes)
            key = dense_ids(key.astype(np.int64) * (int(rank.max()) + 1) + rank)
        contents = int(key.max()) + 1 if requests else 0
        content_size = np.ones(contents, np.int64)
        content_size[key] = sizes
        number, names = (None, ()) if client is None else _numbered_names(np.asarray(client))
        return cls(
            time=np.arange(requests, dtype=np.float64) if time is None else np.asarray(time, np.float64),
            content=key,
            size=content_size,
            node=np.zeros(requests, np.int32) if node is None else np.asarray(node, np.int32),
            source=source,
            client=number,
            clients=names,
        )

    def part(self, start: int, stop: int) -> RequestTrace:
        """Return requests ``start`` to ``stop`` (exclusive) as a trace of its own, with its own dense ids."""
        window = slice(start, stop)
        kept = self.content[window]
        content = dense_ids(kept)
        size = np.ones(int(content.max()) + 1 if len(content) else 0, np.int64)
        size[content] = self.size[kept]
        client = None if self.client is None else self.client[window]
        source = f"{self.source}[{start}:{stop}]"
        return RequestTrace(self.time[window], content, size, self.node[window], source, client, self.clients)


def dense_ids(ids: NDArray[Any]) -> NDArray[np.int32]:
    """Number distinct values 0, 1, ... in order of first appearance.

    Args:
        ids: (n,) integers.

    Returns:
        (n,) int32.

    Raises:
        TraceError: if the ids are no integers.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind not in "iub" and len(ids):
        raise TraceError(f"ids have type {ids.dtype}; integers are needed, number other values first.")
    # Equal values have equal bits within one integer type, so unsigned ids may be read as signed ones.
    bits = np.ascontiguousarray(ids, np.uint64 if ids.dtype.kind == "u" else np.int64).view(np.int64)
    dense = np.empty(len(bits), np.int32)
    table = np.full(1 << (2 * len(bits)).bit_length(), -1, np.int32)
    number_by_value(bits, dense, table, np.empty(len(bits), np.int64))
    return dense


def _numbered_names(values: NDArray[Any]) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Numbers of integers or texts in order of first appearance, (n,) int32, and what each stands for."""
    names, first, place = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    return number[place], tuple(map(str, names[order].tolist()))


@njit(cache=True)
def number_by_value(
    ids: NDArray[np.int64], dense: NDArray[np.int32], table: NDArray[np.int32], value: NDArray[np.int64]
) -> None:
    """Fill ``dense`` with the numbers of ``ids`` by a hash table with linear probing.

    Args:
        ids: (n,).
        dense: (n,) filled.
        table: (power of two above n,) of -1, scratch.
        value: (n,) scratch, the value that each number stands for.
    """
    known = 0
    for i in range(len(ids)):
        code = np.uint64(ids[i])
        # The finishing steps of MurmurHash3: ids may agree in their low bits.
        code = (code ^ (code >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        code = (code ^ (code >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        slot = np.int64((code ^ (code >> np.uint64(33))) & np.uint64(len(table) - 1))
        while table[slot] >= 0 and value[table[slot]] != ids[i]:
            slot = (slot + 1) & (len(table) - 1)
        if table[slot] < 0:
            table[slot] = known
            value[known] = ids[i]
            known += 1
        dense[i] = table[slot]


def next_uses(content: NDArray[np.int32], contents: int) -> NDArray[np.int32]:
    """Index of the next request for the same content, the number of requests where there is none.

    Args:
        content: (requests,) dense ids.
        contents: number of distinct contents.

    Returns:
        (requests,) int32.
    """
    requests = len(content)
    result = np.full(requests, requests, np.int32)
    order = np.argsort(content, kind="stable")
    same = content[order[1:]] == content[order[:-1]]
    result[order[:-1][same]] = order[1:][same]
    return result
