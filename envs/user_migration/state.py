"""The arrays of the user migration system. Those of a row have the row as leading axis; the others are shared."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1
"""Place of a user that is away, or of a candidate that does not exist."""
CELL, MOTION, PREDICTION = 0, 1, 2
"""What is known of a user."""

RULES = np.dtype(
    [
        ("plane", np.bool_),  # places are packed cells of the hexagonal plane, tables go by hops
        ("reach", np.int64),  # hops from which on a service cannot stay; very many without such a rule
        ("full", np.float64),  # share of a site's servers that may be busy
        ("observe", np.int64),
        ("learned", np.bool_),  # next cells and outlook are those predicted for the episode, not the chain's
        ("handover", np.float64),
        ("handover_s", np.float64),
        ("discount", np.float64),
        ("budget", np.float64),  # migration cost per slot beyond which the virtual queue grows
        ("tightest", np.float64),  # shortest deadline, s
        ("regret", np.bool_),
        ("migration", np.float64),  # weight of migrations in the regret
    ]
)
ROW = np.dtype(
    [
        ("slot", np.int64),
        ("slots", np.int64),
        ("users", np.int64),
        ("user", np.int64),  # who is asked
        ("pending", np.bool_),
        ("invalid", np.int64),
        ("reward", np.float64),
        ("factor", np.float64),  # discount of the present slot
        ("discounted", np.float64),
    ]
)
USER = np.dtype(
    [
        ("kind", np.int64),  # service
        ("cell", np.int64),  # NOWHERE while away
        ("before", np.int64),  # the last other cell, at first the same
        ("site", np.int64),  # where the service runs
        ("in_cell", np.int64),  # slots since the cell changed
        ("at_site", np.int64),  # slots since the last migration
        ("handed", np.bool_),  # the cell changed in this slot
        ("queue", np.float64),  # virtual queue of the migration cost beyond the budget
        ("paid", np.float64),  # migration and handover cost of this slot
    ]
)
SITE = np.dtype([("load", np.float64), ("work", np.float64)])  # busy servers; cost of their service times if alone
LOG = np.dtype(
    [
        ("cost", np.float64),
        ("users", np.int64),
        ("latency", np.float64),  # sum over users, s
        ("misses", np.int64),
        ("tight", np.int64),  # users of the service with the shortest deadline
        ("tight_misses", np.int64),
        ("migrations", np.int64),
        ("sent", np.float64),
        ("downtime", np.float64),
        ("energy", np.float64),  # J
        ("balance", np.float64),  # Jain's index of the utilisations
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes; the shared tables are those of ``costs`` and of the chain."""

    rules: NDArray[Any]
    near: NDArray[np.float64]
    move: NDArray[np.float64]
    work: NDArray[np.float64]
    seconds: NDArray[np.float64]
    load: NDArray[np.float64]
    capacity: NDArray[np.float64]
    latency: NDArray[np.float64]
    downtime: NDArray[np.float64]
    sent: NDArray[np.float64]
    energy: NDArray[np.float64]
    move_energy: NDArray[np.float64]
    deadline: NDArray[np.float64]
    hops: NDArray[np.int64]
    xy: NDArray[np.float64]
    nearest: NDArray[np.int32]  # (sites, sites) by distance, the site itself first
    chain: NDArray[np.int32]  # (sites, sites) state of (cell before, cell)
    next_cell: NDArray[np.float32]  # (states, sites)
    outlook: NDArray[np.float32]  # (services, states, sites) cost to go by the chain
    rows: NDArray[Any]
    users: NDArray[Any]  # (rows, users) USER
    sites: NDArray[Any]  # (rows, sites) SITE
    place: NDArray[np.int32]  # (rows, slots, users)
    future: NDArray[np.float32]  # (rows, slots, users, sites) cost of the known later slots; regret only
    predicted_cell: NDArray[np.float32]  # (rows, slots, users, sites) probability in the next slot; learned only
    predicted_cost: NDArray[np.float32]  # (rows, slots, users, sites) cost to go; learned only
    nominees: NDArray[np.int32]  # (rows, candidates) places of the pending decision
    log: NDArray[Any]  # (rows, slots) LOG
    delays: NDArray[np.float32]  # (rows, slots, users) seconds, NaN while away


ROW_ARRAYS = (
    "rows",
    "users",
    "sites",
    "place",
    "future",
    "predicted_cell",
    "predicted_cost",
    "nominees",
    "log",
    "delays",
)


def row_arrays(
    rows: int, slots: int, users: int, sites: int, candidates: int, regret: bool, learned: bool
) -> dict[str, Any]:
    """Empty arrays of the rows, by name."""
    wide, none = (rows, slots, users, sites), (1, 1, 1, 1)
    return {
        "rows": np.zeros(rows, ROW),
        "users": np.zeros((rows, users), USER),
        "sites": np.zeros((rows, sites), SITE),
        "place": np.full((rows, slots, users), NOWHERE, np.int32),
        "future": np.zeros(wide if regret else none, np.float32),
        "predicted_cell": np.zeros(wide if learned else none, np.float32),
        "predicted_cost": np.zeros(wide if learned else none, np.float32),
        "nominees": np.full((rows, candidates), NOWHERE, np.int32),
        "log": np.zeros((rows, slots), LOG),
        "delays": np.full((rows, slots, users), np.nan, np.float32),
    }
