"""The arrays of the batching system: what a row remembers, and the constants of its variants and candidates."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Record = Any
"""An element of a structured array, for annotations."""
NOT_LOADED = -1
DROPPED = -1
"""Variant that served a request which none did."""

ROW = np.dtype(
    [
        ("now", np.float64),  # s since the episode's start
        ("episode", np.int64),  # row of the arrays that holds its arrivals
        ("pending", np.bool_),  # a decision is pending
        ("clock", np.int64),  # batches so far, for the order of use of variants
        ("memory", np.float64),  # B that loaded variants take
        ("cut", np.float64),  # requests that arrive later pay no reward
        ("reward", np.float64),  # earned since the last action
        ("energy", np.float64),  # J
        ("busy", np.float64),  # s spent loading and serving
        ("loads", np.int64),  # variants loaded
        ("invalid", np.int64),
        ("last_arrival", np.float64),
    ]
)

# Requests of a queue lie side by side in order of arrival: begin <= head <= tail <= end.
QUEUE = np.dtype(
    [
        ("begin", np.int64),  # first request of the episode
        ("head", np.int64),  # oldest that waits
        ("tail", np.int64),  # first that has not arrived
        ("end", np.int64),
        ("fastest", np.float64),  # s for a batch of one by the quickest variant, loading included
        ("short", np.float64),  # decayed counts of arrivals
        ("long", np.float64),
        ("updated", np.float64),  # when they were
    ]
)

SERVICE = np.dtype(
    [
        ("slo", np.float64),  # s; infinite for no deadline
        ("scale", np.float64),  # s that times are compared with: the SLO, or 1 s without one
        ("weight", np.float64),
        ("best_accuracy", np.float64),
        ("item", np.float64),  # least s per request of any variant and batch
    ]
)

VARIANT = np.dtype(
    [
        ("queue", np.int64),
        ("accuracy", np.float64),
        ("bytes", np.float64),
        ("load", np.float64),  # s
        ("item", np.float64),  # least s per request of any batch
        ("referred", np.bool_),  # the reference rule may use it
    ]
)

CANDIDATE = np.dtype(
    [
        ("variant", np.int64),
        ("size", np.int64),  # most requests in the batch
        ("below", np.int64),  # next smaller size; with no more than that waiting this candidate would be the same
    ]
)

RULES = np.dtype(
    [
        ("drop_expired", np.bool_),
        ("drop_late", np.bool_),
        ("wait", np.float64),  # s, may be infinite
        ("memory", np.float64),  # B, may be infinite
        ("goodput_reward", np.float64),
        ("shortfall_reward", np.float64),
        ("latency_reward", np.float64),
        ("energy_reward", np.float64),
        ("drop_reward", np.float64),
        ("advantage", np.bool_),  # pay the advantage signal instead of the terms
        ("horizon", np.float64),  # s
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes; the last row is scratch for the advantage signal.

    Attributes:
        rules: (1,) RULES.
        services: (queues,) SERVICE.
        variants: (variants,) VARIANT, those of a queue side by side, and the queues in order.
        choices: (candidates,) CANDIDATE; the first, waiting, is unused.
        latency: (variants, largest batch + 1) s of a batch.
        joules: (variants, largest batch + 1) J of a batch.
        rows: (rows + 1,) ROW.
        queues: (rows + 1, queues) QUEUE.
        used: (rows + 1, variants) int64, clock of the last use of a loaded variant, or NOT_LOADED.
        arrival: (rows, requests) s, sorted by queue and time.
        finish: (rows + 1, requests) s at which a request was answered; NaN if dropped or not yet.
        served_by: (rows + 1, requests) int16 variant, or DROPPED.
    """

    rules: NDArray[Any]
    services: NDArray[Any]
    variants: NDArray[Any]
    choices: NDArray[Any]
    latency: NDArray[np.float64]
    joules: NDArray[np.float64]
    rows: NDArray[Any]
    queues: NDArray[Any]
    used: NDArray[np.int64]
    arrival: NDArray[np.float64]
    finish: NDArray[np.float64]
    served_by: NDArray[np.int16]


class Tables(NamedTuple):
    """The constants of a system: the first six fields of :class:`State`."""

    rules: NDArray[Any]
    services: NDArray[Any]
    variants: NDArray[Any]
    choices: NDArray[Any]
    latency: NDArray[np.float64]
    joules: NDArray[np.float64]


def allocate(rows: int, requests: int, tables: Tables) -> State:
    """Allocate the arrays of ``rows`` rows of up to ``requests`` requests, and the scratch row."""
    return State(
        *tables,
        rows=np.zeros(rows + 1, ROW),
        queues=np.zeros((rows + 1, len(tables.services)), QUEUE),
        used=np.full((rows + 1, len(tables.variants)), NOT_LOADED, np.int64),
        arrival=np.zeros((rows, requests)),
        finish=np.full((rows + 1, requests), np.nan),
        served_by=np.full((rows + 1, requests), DROPPED, np.int16),
    )
