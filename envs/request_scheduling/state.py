"""The arrays of the request scheduling system: what a row remembers, and the tables that all rows share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NONE = -1
"""No request, no model, no slot."""
WAITING, SERVED, REJECTED, DROPPED = 0, 1, 2, 3
"""What became of a request; those not yet decided are waiting."""
FCFS, EDF, STRICT, WEIGHTED = 0, 1, 2, 3
"""Disciplines."""
TYPICAL_WAIT_S = 0.03
"""Wait at which the bend of accuracy scaling's charge changes nothing."""

REQUEST = np.dtype(
    [
        ("arrival", np.float64),  # s, at its origin
        ("size", np.float64),  # multiple of the model's service time
        ("deadline", np.float64),  # s after the episode's start; inf without one
        ("payload", np.float64),  # bytes to send to the server
        ("weight", np.float64),  # of its priority class
        ("priority", np.int32),  # class, 0 is the highest
        ("task", np.int32),
        ("origin", np.int32),  # site
        ("stream", np.int32),
        ("server", np.int32),  # where it was sent
        ("model", np.int32),  # variant that it was sent to
        ("work", np.float64),  # s that it adds to the server's backlog
        ("ready", np.float64),  # s, at the server
        ("response", np.float64),  # s, back at its origin
        ("fate", np.int32),
        ("holds", np.int32),  # times that it was held back
        ("next", np.int32),  # the one behind it in the server's queue, or in its batch
    ]
)

SERVER = np.dtype(
    [
        ("running", np.int32),  # batches in service
        ("assigned", np.int32),  # requests sent to it and not finished, those on the way included
        ("coming", np.int32),  # requests on the way to it
        ("waiting", np.int32),  # requests in its queue
        ("head", np.int32),
        ("tail", np.int32),
        ("backlog", np.float64),  # s of work not yet begun
        ("until", np.float64),  # s, when all that was sent there is expected to be finished
        ("timer", np.float64),  # s, when the batching window that it waits for closes; inf for none
        ("busy", np.float64),  # s of slots in service so far
        ("energy", np.float64),  # J so far
        ("loads", np.int32),  # models loaded so far
    ]
)

SLOT = np.dtype([("finish", np.float64), ("first", np.int32), ("model", np.int32)])

ROW = np.dtype(
    [
        ("now", np.float64),
        ("requests", np.int64),
        ("next", np.int64),  # next arrival
        ("pending", np.int64),  # request whose decision is pending, or NONE
        ("events", np.int64),  # in the heap
        ("in_system", np.int64),  # requests that have arrived and not yet left
        ("gap", np.float64),  # s, moving mean of the gaps between arrivals
        ("in_time", np.float64),  # moving mean: share of requests that ended in time
        ("log_size", np.float64),  # moving mean of log2 of the sizes
        ("invalid", np.int64),
        ("reward", np.float64),  # terms earned since the last action
        ("signal", np.float64),  # of the last action, in their place (regret signal only)
    ]
)

EVENT = np.dtype([("time", np.float64), ("code", np.int64)])

RULES = np.dtype(
    [
        ("discipline", np.int32),
        ("batch", np.int32),  # largest
        ("window", np.float64),  # s
        ("drop_late", np.bool_),
        ("whole", np.bool_),  # durations are truncated to whole seconds
        ("reject", np.bool_),  # candidate 0 rejects
        ("hold", np.float64),  # s; 0 where requests cannot be held back
        ("most_holds", np.int32),
        ("most_queued", np.int32),
        ("variants", np.int32),  # most variants of a task
        ("latency_reward", np.float64),
        ("slo_reward", np.float64),
        ("goodput_reward", np.float64),
        ("tail_reward", np.float64),
        ("tail_s", np.float64),
        ("energy_reward", np.float64),
        ("reject_reward", np.float64),
        ("horizon", np.int32),  # requests that the regret signal looks ahead; 0 without it
        ("clip", np.float64),  # largest regret
        ("charge", np.float64),  # of the rule behind the regret, as are the next three
        ("bend", np.float64),
        ("margin", np.float64),
        ("favour", np.float64, (3,)),  # by class: what its reward counts
    ]
)


class Fleet(NamedTuple):
    """Constant tables of servers (S), models (M), tasks and sites.

    Attributes:
        rate: (S, M, batch) calls a second with 1, 2, ... requests of size 1; 0 where the model does not fit.
        load: (S, M) s to load a model into memory.
        memory: (S, M) bytes that it takes there.
        capacity: (S,) bytes.
        power: (S,) W while a slot is in service.
        slots: (S,) int32, batches that run side by side.
        co_runner: (S,) slow-down by each batch that runs already.
        resident: (S, M) int8, models in memory at the start.
        accuracy: (M,) top-1, in [0, 1].
        variant: (tasks, variants) int32, models that a task may use, NONE where there are fewer.
        rtt: (sites, S) s, round trip from an origin to a server.
        byte: (sites, S) s per byte on that way.
    """

    rate: NDArray[np.float64]
    load: NDArray[np.float64]
    memory: NDArray[np.float64]
    capacity: NDArray[np.float64]
    power: NDArray[np.float64]
    slots: NDArray[np.int32]
    co_runner: NDArray[np.float64]
    resident: NDArray[np.int8]
    accuracy: NDArray[np.float64]
    variant: NDArray[np.int32]
    rtt: NDArray[np.float64]
    byte: NDArray[np.float64]


class State(NamedTuple):
    """Arrays that the kernel reads and writes; all but the rules have the row as leading axis.

    Attributes:
        rules: (1,) RULES.
        rows: (rows,) ROW.
        requests: (rows, requests) REQUEST, the trace and what became of it.
        servers: (rows, S) SERVER.
        slots: (rows, S, slots) SLOT.
        forming: (rows, S, M) int32, waiting requests by model.
        used: (rows, S, M) float64, s when a model in memory was last used; -1 where it is not in memory.
        events: (rows, events) EVENT, a heap.
        free: (rows, 2, S) float64, s, scratch of the regret signal.
    """

    rules: NDArray[Any]
    rows: NDArray[Any]
    requests: NDArray[Any]
    servers: NDArray[Any]
    slots: NDArray[Any]
    forming: NDArray[np.int32]
    used: NDArray[np.float64]
    events: NDArray[Any]
    free: NDArray[np.float64]


def allocate(rows: int, requests: int, fleet: Fleet, rules: NDArray[Any]) -> State:
    """Allocate the arrays of ``rows`` rows for episodes of up to ``requests`` requests."""
    servers, models = fleet.load.shape
    slots = int(fleet.slots.max())
    return State(
        rules=rules,
        rows=np.zeros(rows, ROW),
        requests=np.zeros((rows, requests), REQUEST),
        servers=np.zeros((rows, servers), SERVER),
        slots=np.zeros((rows, servers, slots), SLOT),
        forming=np.zeros((rows, servers, models), np.int32),
        used=np.zeros((rows, servers, models)),
        # Each request has at most one event (on the way, or held back), each slot one and each server a window.
        events=np.zeros((rows, requests + servers * (slots + 1)), EVENT),
        free=np.zeros((rows, 2, servers)),
    )
