"""What a plan would do to a task: times, bytes and energy, scalar code for one row.

The device and its uplink serve in the order of the decisions; what happens there is known as soon as a plan is chosen,
because throughput, round trips and noise are part of the episode. A server's queue is shared, so service there is
settled later, in :mod:`~edgegym.envs.inference_offloading.kernel`.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.inference_offloading.state import HISTORY_S, Record, State

BITS = 8.0
MEGABYTE = 1e6
LEAST_SPEED = 1e-3
"""Helpers that stand still are this slow, so that times stay finite."""


@inlined
def upload_end(rate: np.ndarray, start: float, sent_bytes: float, timeout_s: float) -> float:
    """When the last byte is sent, by integrating the throughput second by second; ``start + timeout_s`` if it fails.

    Args:
        rate: (seconds,) bit/s from ``HISTORY_S`` seconds before time 0 on; the last holds on.
        start: seconds, not negative.
        sent_bytes: to send.
        timeout_s: most seconds.
    """
    left, now, limit = BITS * sent_bytes, start, start + timeout_s
    last = len(rate) - 1
    while left > 0.0 and now < limit:
        second = min(int(now) + HISTORY_S, last)
        until = limit if second == last else min(float(int(now) + 1), limit)
        capacity = rate[second] * (until - now)
        if capacity >= left:
            now += left / rate[second]
            left = 0.0
        else:
            left -= capacity
            now = until
    return min(now, limit)


@inlined
def sent_bytes(rate: np.ndarray, start: float, now: float) -> float:
    """Bytes that the uplink carries between two times."""
    total, at, last = 0.0, start, len(rate) - 1
    while at < now:
        until = min(float(int(at) + 1), now)
        total += rate[min(int(at) + HISTORY_S, last)] * (until - at)
        at = until
    return total / BITS


@inlined
def unsent_bytes(state: State, row: int, user: int, now: float) -> float:
    """Bytes in the device's send buffer: what it has been told to send and has not sent yet."""
    total = 0.0
    task = state.users[row, user].last_upload
    while task >= 0 and state.log[row, task].sent > now:
        entry = state.log[row, task]
        gone = sent_bytes(state.rate[row, user], entry.send, now) if entry.send < now else 0.0
        total += max(entry.bytes - gone, 0.0)
        task = entry.previous
    return total


@inlined
def device_seconds(state: State, row: int, task: Record, plan: Record, left: bool) -> float:
    """Time that the device, alone or with its helpers, computes for a task."""
    median = plan.leave_s if left else plan.device_s
    if plan.workers > 1:
        median = shared_seconds(state, row, task, plan, int(task.time) + HISTORY_S)
    return median * math.exp(plan.device_sigma * task.device_noise)


@inlined
def shared_seconds(state: State, row: int, task: Record, plan: Record, second: int) -> float:
    """Rows split over the device and its helpers: all wait for the slowest, then exchange halos.

    A share is what a helper could do by the speed it showed in the last second, or equal for all. The device has
    speed 1.

    Args:
        state: the arrays of all rows.
        row: which one.
        task: the task.
        plan: one with helpers.
        second: whose speeds the helpers have, an index of ``state.helper``.
    """
    replan = state.groups[state.group_of[task.user]].replan
    end = state.helper.shape[3] - 1
    last, second = min(int(task.time) + HISTORY_S - 1, end), min(second, end)
    total = 1.0
    for h in range(plan.workers - 1):
        total += state.helper[row, task.user, h, last] if replan else 1.0
    slowest = 1.0 / total
    for h in range(plan.workers - 1):
        share = (state.helper[row, task.user, h, last] if replan else 1.0) / total
        slowest = max(slowest, share / max(state.helper[row, task.user, h, second], LEAST_SPEED))
    return plan.device_s * slowest + plan.exchange_s


@inlined
def reuse_chance(state: State, row: int, task: Record, plan: Record, at: float) -> float:
    """Chance that an earlier result serves: similarity * exp(-age / similarity_s), 0 without one."""
    rules = state.rules[0]
    age = at - state.seen_at[row, plan.server, task.scene]
    if age < 0.0 or age == np.inf:
        return 0.0
    return rules.similarity * math.exp(-age / rules.similarity_s)


@inlined
def begin_task(state: State, row: int, i: int, plan: Record, entry: Record) -> None:
    """Write into ``entry`` what a plan would do up to the arrival at a server, or to the end without one."""
    task = state.tasks[row, i]
    user, group = state.users[row, task.user], state.groups[state.group_of[task.user]]
    left = task.ease < plan.leave_share
    entry.left, entry.reused, entry.failed = left, False, False
    entry.accuracy, entry.server_s, entry.bytes = plan.accuracy, 0.0, 0.0
    seconds = device_seconds(state, row, task, plan, left)
    # What is sent raw need not wait for the processor.
    entry.device_start = max(task.time, user.device_free) if seconds > 0.0 else task.time
    entry.device_end = entry.device_start + seconds
    joules, median = (plan.leave_j, plan.leave_s) if left else (plan.device_j, plan.device_s)
    entry.energy_j = joules * (seconds / median) if median > 0.0 else 0.0
    entry.send = entry.sent = entry.arrive = entry.serve = entry.served = entry.finish = entry.device_end
    if left or (plan.server < 0 and not plan.cloud):
        return
    entry.bytes = plan.up_bytes
    entry.send = max(entry.device_end, user.link_free)
    entry.sent = upload_end(state.rate[row, task.user], entry.send, plan.up_bytes, state.rules[0].timeout_s)
    entry.failed = entry.sent >= entry.send + state.rules[0].timeout_s
    entry.energy_j += group.up_w * (entry.sent - entry.send) + group.up_j_per_byte * plan.up_bytes
    hop = state.servers[plan.server].hop_s if plan.server >= 0 else 0.0
    entry.arrive = entry.sent + plan.rounds * (task.rtt_s + hop) - 0.5 * (task.rtt_s + hop) + plan.protocol_s
    entry.serve = entry.served = entry.finish = entry.arrive
    if entry.failed:
        entry.finish = entry.sent
    elif plan.server < 0:
        finish_task(state, row, i, plan, entry)
    elif plan.reuse and task.alike < reuse_chance(state, row, task, plan, entry.arrive):
        entry.reused = True
        entry.accuracy *= state.rules[0].reused_accuracy
        finish_task(state, row, i, plan, entry)


@inlined
def finish_task(state: State, row: int, i: int, plan: Record, entry: Record) -> None:
    """Write what follows after an edge server is done: the cloud's part and the way back."""
    task = state.tasks[row, i]
    now = entry.served
    if plan.cloud and not entry.reused:
        seconds = plan.cloud_s * math.exp(plan.cloud_sigma * task.server_noise)
        entry.server_s += seconds
        now += plan.backbone_s + seconds
    hop = state.servers[plan.server].hop_s if plan.server >= 0 else 0.0
    entry.finish = now + 0.5 * (task.rtt_s + hop)


@inlined
def cost(state: State, group: Record, entry: Record, arrival: float) -> float:
    """Minus the reward of a finished task: weighted latency, miss, energy, inaccuracy, bytes and server time."""
    rules = state.rules[0]
    latency = entry.finish - arrival
    missed = entry.failed or latency > group.deadline_s
    return (
        rules.latency * latency
        + rules.miss * missed
        + rules.energy * entry.energy_j
        + rules.accuracy * (1.0 - (0.0 if entry.failed else entry.accuracy))
        + rules.megabyte * entry.bytes / MEGABYTE
        + rules.server * entry.server_s
    )
