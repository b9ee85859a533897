"""What an agent sees of a decision: the named columns, computed for one row.

Predictions use what is known when a task arrives: throughput of the seconds that are over, queues as announced, medians
of round trips and computing times. ``at_last`` predictions send at the rate of the last second, ``at_mean`` ones at the
harmonic mean of the last five.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import fast_log2, unit
from edgegym.decision.stepping import stepper
from edgegym.envs.inference_offloading.kernel import FALLBACK, advance, is_open, work
from edgegym.envs.inference_offloading.state import HISTORY_S, Record, State
from edgegym.envs.inference_offloading.timeline import (
    BITS,
    MEGABYTE,
    reuse_chance,
    shared_seconds,
    unsent_bytes,
)

STATIC_FEATURES = (
    "device_time",
    "server_time",
    "bytes",
    "energy",
    "accuracy",
    "leave_share",
    "workers",
    "on_device",
    "on_edge",
    "on_cloud",
    "split",
    "hides_input",
)
"""Columns that never change, first in the table."""
CANDIDATE_FEATURES = (
    *STATIC_FEATURES,
    "upload_at_last",
    "server_wait",
    "server_load",
    "hit_chance",
    "latency_at_last",
    "latency_at_mean",
    "slack",
    "in_time",
    "cost_at_last",
    "cost_at_mean",
    "gain_at_last",
    "best_at_last",
    "best_at_mean",
)
CONTEXT_FEATURES = (
    "rate_1",
    "rate_2",
    "rate_3",
    "rate_4",
    "rate_5",
    "rate_mean_5",
    "rate_mean_20",
    "rate_least_20",
    "rate_spread_20",
    "second",
    "device_wait",
    "unsent",
    "deadline",
    "private",
    "battery",
    "task_rate",
    "server_wait_mean",
    "server_load_mean",
)
SQUASH_S = 0.1
"""Times are shown as x / (x + .1 s), energies as x / (x + 1 J)."""
LEAST_RATE = 1e4
"""Rates below, in bit/s, are shown and used as this."""
RECENT = 5
ENERGY = STATIC_FEATURES.index("energy")
"""The one of these columns that the rate changes: its fixed part is the computing."""
LATENCY_LAST, LATENCY_MEAN, COST_LAST, COST_MEAN = 0, 1, 2, 3
"""Rows of the scratch array."""


@inlined
def squash(x: float, half: float) -> np.float32:
    """A number from 0 on as x / (x + half)."""
    return np.float32(1.0) if x == np.inf else unit(x / (x + half))


@inlined
def rate_unit(x: float) -> np.float32:
    """A rate on a logarithmic scale: 10 kbit/s gives 0, 10 Gbit/s 1."""
    return unit(fast_log2(max(x, LEAST_RATE) / LEAST_RATE) * np.float32(1.0 / 19.931569))


@inlined
def observe(state: State, row: int, candidates: np.ndarray, context: np.ndarray, mask: np.ndarray) -> None:
    """Write the pending decision; without one, zeros and only the fallback allowed.

    Args:
        state: the arrays of all rows.
        row: which one.
        candidates: (rows, candidates, candidate features) float32; this row is written.
        context: (rows, context features) float32; likewise.
        mask: (rows, candidates) int8; likewise.
    """
    r = state.rows[row]
    mask[row] = 0
    mask[row, FALLBACK] = 1
    candidates[row] = 0.0
    context[row] = 0.0
    if not r.pending:
        return
    task = state.tasks[row, r.task]
    unsent = unsent_bytes(state, row, task.user, task.time)
    last, mean = _context(state, row, task, context[row], unsent)
    device_wait = max(state.users[row, task.user].device_free - task.time, 0.0)
    for k in range(len(mask[row])):
        mask[row, k] = is_open(state, row, k)
        if mask[row, k]:
            _candidate(state, row, task, k, candidates[row, k], last, mean, unsent, device_wait)
    _comparisons(state, row, candidates[row], mask[row])


@inlined
def _context(state: State, row: int, task: Record, out: np.ndarray, unsent: float) -> tuple[float, float]:
    """Write the context; return the rate of the last second and the harmonic mean of the last five."""
    g = state.group_of[task.user]
    group, user, rate = state.groups[g], state.users[row, task.user], state.rate[row, task.user]
    second = min(int(task.time) + HISTORY_S, len(rate) - 1)
    inverse, total, square, least = 0.0, 0.0, 0.0, np.inf
    last = max(rate[second - 1], LEAST_RATE)
    for back in range(1, HISTORY_S + 1):
        x = max(rate[second - back], LEAST_RATE)
        level = rate_unit(x)
        if back <= RECENT:
            inverse += 1.0 / x
            out[back - 1] = level
        total += level
        square += level * level
        least = min(least, x)
    mean = RECENT / inverse
    out[5], out[6], out[7] = rate_unit(mean), unit(total / HISTORY_S), rate_unit(least)
    out[8] = unit(4.0 * math.sqrt(max(square / HISTORY_S - (total / HISTORY_S) ** 2, 0.0)))
    out[9] = unit(task.time - math.floor(task.time))
    out[10] = squash(max(user.device_free - task.time, 0.0), SQUASH_S)
    out[11] = squash(BITS * unsent / last, SQUASH_S)
    out[12] = squash(group.deadline_s, SQUASH_S)
    out[13] = np.float32(task.private)
    out[14] = np.float32(1.0)
    if group.battery_j < np.inf:
        out[14] = unit(1.0 - (user.spent_j + group.idle_w * task.time) / group.battery_j)
    out[15] = squash(group.task_rate, 10.0)
    servers = state.queues.shape[1]
    for s in range(servers):
        out[16] += squash(server_wait_s(state, row, s, task.time), SQUASH_S) / servers
        out[17] += unit(state.queues[row, s].load) / servers
    return last, mean


@inlined
def server_wait_s(state: State, row: int, s: int, at: float) -> float:
    """How long a job would wait at a server at a time, by the work that is announced."""
    queue = state.queues[row, s]
    return max(queue.free - at, 0.0) + max(queue.backlog_s, 0.0)


@inlined
def _candidate(
    state: State, row: int, task: Record, k: int, out: np.ndarray, last: float, mean: float, unsent: float, wait: float
) -> None:
    """Write the columns of one plan that do not compare it with others, and keep its predictions."""
    g = state.group_of[task.user]
    plan, group, static = state.plans[g, k], state.groups[g], state.static[g, k]
    first = len(static)
    for column in range(first):
        out[column] = static[column]
    stay, scratch = 1.0 - plan.leave_share, state.scratch[row]
    median = plan.device_s
    if plan.workers > 1:
        median = shared_seconds(state, row, task, plan, int(task.time) + HISTORY_S - 1)
    computing = plan.leave_share * plan.leave_s + stay * median
    device = computing + (wait if computing > 0.0 else 0.0)
    joules = plan.leave_share * plan.leave_j + stay * plan.device_j * (median / max(plan.device_s, 1e-12))
    sends, hop, tail, chance, server_wait, load = plan.server >= 0 or plan.cloud, 0.0, 0.0, 0.0, 0.0, 0.0
    for which in range(2):
        rate = last if which == 0 else mean
        queued, own, latency = BITS * unsent / rate, 0.0, device
        if sends:
            own = BITS * plan.up_bytes / rate
            hop = state.servers[plan.server].hop_s if plan.server >= 0 else 0.0
            travel = max(device, queued) + own + plan.rounds * (group.rtt_s + hop) + plan.protocol_s
            tail = plan.backbone_s + plan.cloud_s
            if plan.server >= 0:
                server_wait = max(server_wait_s(state, row, plan.server, task.time) - travel, 0.0)
                load = state.queues[row, plan.server].load
                tail += server_wait + plan.first_s
                chance = reuse_chance(state, row, task, plan, task.time + travel) if plan.reuse else 0.0
            latency = device + stay * (travel - device + (1.0 - chance) * tail)
        scratch[LATENCY_LAST + which, k] = latency
        if which == 0:
            energy = joules + stay * (group.up_w * own + group.up_j_per_byte * (plan.up_bytes if sends else 0.0))
            out[ENERGY] = squash(energy, 1.0)
        scratch[COST_LAST + which, k] = _price(state, plan, group, latency, joules, own, chance)
        if which == 0:
            out[first] = squash(queued + own if sends else 0.0, SQUASH_S)
    out[first + 1] = squash(server_wait, SQUASH_S)
    out[first + 2] = unit(load)
    out[first + 3] = unit(chance)
    out[first + 4] = squash(scratch[LATENCY_LAST, k], SQUASH_S)
    out[first + 5] = squash(scratch[LATENCY_MEAN, k], SQUASH_S)
    slack = np.float32(1.0)
    if group.deadline_s < np.inf:
        slack = unit(group.deadline_s / (group.deadline_s + scratch[LATENCY_LAST, k]))
    out[first + 6] = slack
    out[first + 7] = np.float32(scratch[LATENCY_LAST, k] <= group.deadline_s)


@inlined
def _price(
    state: State, plan: Record, group: Record, latency: float, joules: float, upload: float, chance: float
) -> float:
    """Predicted cost of a task: the reward's terms at a predicted latency and chance of a reused result."""
    rules, stay = state.rules[0], 1.0 - plan.leave_share
    served = plan.cloud_s + (work(state, plan.server, plan) if plan.server >= 0 else 0.0)
    return (
        rules.latency * latency
        + rules.miss * (latency > group.deadline_s)
        + rules.energy * (joules + stay * (group.up_w * upload + group.up_j_per_byte * plan.up_bytes))
        + rules.accuracy * (1.0 - plan.accuracy * (1.0 - chance * (1.0 - rules.reused_accuracy)))
        + rules.megabyte * stay * plan.up_bytes / MEGABYTE
        + rules.server * stay * (1.0 - chance) * served
    )


@inlined
def _comparisons(state: State, row: int, out: np.ndarray, mask: np.ndarray) -> None:
    """Write the columns that compare the plans: costs against the least, gain over the fallback, the best ones."""
    scratch, first = state.scratch[row], out.shape[1] - 5
    for which in range(2):
        costs = scratch[COST_LAST + which]
        best = FALLBACK
        for k in range(len(mask)):
            if mask[k] and costs[k] < costs[best]:
                best = k
        for k in range(len(mask)):
            if mask[k]:
                out[k, first + which] = squash(costs[k] - costs[best], SQUASH_S)
                if which == 0:
                    difference = costs[FALLBACK] - costs[k]
                    out[k, first + 2] = unit(0.5 + 0.5 * difference / (abs(difference) + SQUASH_S))
        out[best, first + 3 + which] = 1.0


step_rows = stepper(advance, observe)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
