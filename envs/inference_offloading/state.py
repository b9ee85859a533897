"""The arrays of the offloading system: plans and servers are shared by all rows, the rest has a leading row axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Record = Any
"""An element of a structured array, for annotations."""

HISTORY_S = 20
"""Seconds of throughput that are known before an episode begins."""

# One execution plan of a group of users: everything that the timeline of a task needs, counted before the first task.
PLAN = np.dtype(
    [
        ("device_s", np.float64),  # on the device before anything is sent, median
        ("device_j", np.float64),  # energy of that
        ("device_sigma", np.float64),  # spread of the log of that time from call to call
        ("leave_share", np.float64),  # share of the tasks that an early exit on the device answers
        ("leave_s", np.float64),  # device time of these
        ("leave_j", np.float64),  # energy of these
        ("workers", np.int64),  # devices that share the rows of the layers; 1 is the device alone
        ("exchange_s", np.float64),  # halos and results between them, and layers that are not shared
        ("up_bytes", np.float64),  # sent over the access link
        ("rounds", np.float64),  # round trips, more than one only for interactive protocols
        ("protocol_s", np.float64),  # time that a protocol adds to the transfer
        ("server", np.int64),  # edge server that takes part; -1: none
        ("job", np.int64),  # jobs of one number can share a batch on their server
        ("first_s", np.float64),  # server time of a batch of one, median
        ("each_s", np.float64),  # what each further sample of a batch adds
        ("server_sigma", np.float64),
        ("cloud", np.bool_),  # the cloud takes part
        ("backbone_s", np.float64),  # transfer to the cloud and back
        ("cloud_s", np.float64),  # computing there
        ("cloud_sigma", np.float64),
        ("accuracy", np.float64),
        ("reuse", np.bool_),  # the server may answer with an earlier result
        ("answers", np.bool_),  # the server ends up with a result that others can reuse
        ("noisy", np.bool_),  # features carry noise against reconstruction
        ("secure", np.bool_),  # two-party inference
        ("public", np.bool_),  # open to tasks that may be seen by servers
        ("private", np.bool_),  # open to tasks whose input must not leave the device
        ("exists", np.bool_),  # False pads the table
    ]
)

SERVER = np.dtype([("largest_batch", np.int64), ("hop_s", np.float64)])
"""Most samples in a batch; round trip between the access network and the server."""

GROUP = np.dtype(
    [
        ("deadline_s", np.float64),  # infinite without one
        ("rtt_s", np.float64),  # median round trip of the access link
        ("up_j_per_byte", np.float64),
        ("up_w", np.float64),  # while sending
        ("idle_w", np.float64),  # while nothing runs; counts against a battery only
        ("task_rate", np.float64),  # mean tasks per second of a user
        ("battery_j", np.float64),  # infinite without one
        ("replan", np.bool_),  # row shares follow the helpers' last seen speeds
        ("hopeless_public", np.bool_),  # no plan meets deadline and accuracy: only the fallback is left
        ("hopeless_private", np.bool_),
    ]
)

RULES = np.dtype(
    [
        ("timeout_s", np.float64),  # an upload that takes longer fails
        ("similarity", np.float64),  # chance that an earlier result of the same scene serves, at age 0
        ("similarity_s", np.float64),  # how long it takes to fall by a factor e
        ("reused_accuracy", np.float64),  # accuracy of a reused result over that of a computed one
        ("latency", np.float64),  # weights of the reward's terms
        ("miss", np.float64),
        ("energy", np.float64),
        ("accuracy", np.float64),
        ("megabyte", np.float64),
        ("server", np.float64),
        ("regret", np.bool_),  # pay the regret signal instead
        ("externality", np.float64),  # weight of the delay that a task causes later ones, in the regret signal
    ]
)

TASK = np.dtype(
    [
        ("time", np.float64),  # arrival, seconds since the episode began
        ("user", np.int64),
        ("private", np.bool_),
        ("scene", np.int64),  # what is seen: tasks of one scene have similar inputs
        ("rtt_s", np.float64),  # round trip of the access link
        ("device_noise", np.float64),  # standard normal
        ("server_noise", np.float64),  # standard normal
        ("ease", np.float64),  # uniform in [0, 1): early exits answer the tasks of low ease
        ("alike", np.float64),  # uniform in [0, 1): below the chance, an earlier result serves
    ]
)

LOG = np.dtype(
    [
        ("plan", np.int64),  # -1 while undecided and for tasks that an empty battery lost
        ("device_start", np.float64),
        ("device_end", np.float64),
        ("send", np.float64),  # upload begins
        ("sent", np.float64),  # upload ends
        ("arrive", np.float64),  # at the server
        ("serve", np.float64),  # the server takes it up
        ("served", np.float64),
        ("finish", np.float64),  # the result is with the user; NaN while it is not
        ("energy_j", np.float64),  # of the device
        ("server_s", np.float64),  # time of an edge server or the cloud, shared within a batch
        ("bytes", np.float64),  # sent over the access link
        ("accuracy", np.float64),
        ("failed", np.bool_),  # timed out, or lost to an empty battery
        ("left", np.bool_),  # an early exit on the device answered
        ("reused", np.bool_),  # an earlier result served
        ("hopeless", np.bool_),  # no plan could have met its demands
        ("previous", np.int64),  # the user's upload before this one; -1: none
    ]
)

ROW = np.dtype(
    [
        ("task", np.int64),  # the one that is asked for
        ("tasks", np.int64),
        ("pending", np.bool_),
        ("invalid", np.int64),
        ("reward", np.float64),  # earned since the last action
    ]
)

USER = np.dtype(
    [
        ("device_free", np.float64),  # when its device has done what it has begun or queued
        ("link_free", np.float64),  # when its uplink has sent what is queued
        ("last_upload", np.int64),  # latest task that sends; -1: none
        ("spent_j", np.float64),  # beyond idling
    ]
)

QUEUE = np.dtype(
    [
        ("head", np.int64),  # first job not yet taken up
        ("tail", np.int64),  # one behind the last job
        ("free", np.float64),  # when the server has done what it has taken up
        ("backlog_s", np.float64),  # work of the jobs not yet taken up
        ("busy_s", np.float64),  # so far
        ("load", np.float64),  # share of the time busy, decayed
        ("job_rate", np.float64),  # jobs per second, decayed
        ("decayed_at", np.float64),  # when both were brought up to date
    ]
)


class State(NamedTuple):
    """Everything that the kernel reads and writes.

    Attributes:
        rules: (1,) RULES.
        groups: (groups,) GROUP.
        plans: (groups, candidates) PLAN.
        static: (groups, candidates, columns) float32: columns that never change, 0 elsewhere.
        servers: (servers,) SERVER.
        group_of: (users,) int64.
        rows: (rows,) ROW.
        users: (rows, users) USER.
        queues: (rows, servers) QUEUE.
        jobs: (rows, servers, tasks) int32, tasks in order of their arrival at the server.
        seen_at: (rows, servers, scenes) float64, when the last result of a scene was made; -inf: never.
        tasks: (rows, tasks) TASK.
        log: (rows, tasks) LOG.
        trial: (rows,) LOG, a task's course under a plan that is only thought of.
        rate: (rows, users, HISTORY_S + seconds) float64, uplink in bit/s, constant within a second; the last holds on.
        helper: (rows, users, helpers, HISTORY_S + seconds) float64, speed of each helper device against its card's.
        scratch: (rows, 4, candidates) float64, predictions that columns share.
    """

    rules: NDArray[Any]
    groups: NDArray[Any]
    plans: NDArray[Any]
    static: NDArray[np.float32]
    servers: NDArray[Any]
    group_of: NDArray[np.int64]
    rows: NDArray[Any]
    users: NDArray[Any]
    queues: NDArray[Any]
    jobs: NDArray[np.int32]
    seen_at: NDArray[np.float64]
    tasks: NDArray[Any]
    log: NDArray[Any]
    trial: NDArray[Any]
    rate: NDArray[np.float64]
    helper: NDArray[np.float64]
    scratch: NDArray[np.float64]


SHARED = 6
"""How many of the arrays are shared by all rows."""
