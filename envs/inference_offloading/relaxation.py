"""An upper bound of the return: every user plays alone and knows the future, and servers never make anybody wait.

For each user a dynamic programme runs over its tasks. Its state is when the device and the uplink are free; of two
states the one that is free no later and has cost no more is kept. That is exact because more waiting never makes a
result earlier: the end of an upload grows with its start. Three things are relaxed so that this holds for every reward:
energy counts an upload at the fastest rate of the episode, an upload may also fail at will, and a server's batch is as
fast as any could be. Where more states are left than there is room for, two are merged into one
that is at least as good as both.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.inference_offloading.state import Record, State
from edgegym.envs.inference_offloading.timeline import BITS, MEGABYTE, device_seconds, upload_end

LABELS = 64
"""Most states that are kept after a task."""
DEVICE_FREE, LINK_FREE, COST = 0, 1, 2


@njit(cache=True)
def least_cost(state: State, row: int) -> float:
    """A lower bound of the cost of a row's episode, which has just begun."""
    total = 0.0
    for user in range(state.users.shape[1]):
        total += _user_cost(state, row, user)
    return total


@njit(cache=True)
def _user_cost(state: State, row: int, user: int) -> float:
    plans = state.plans[state.group_of[user]]
    labels = np.zeros((LABELS, 3))
    grown = np.empty((LABELS * (len(plans) + 1), 3))
    count = 1
    fastest = state.rate[row, user].max()
    luckiest = state.tasks["server_noise"][row, : state.rows[row].tasks].min()
    for i in range(state.rows[row].tasks):
        if state.tasks[row, i].user != user:
            continue
        size = 0
        for label in range(count):
            for k in range(len(plans)):
                task, plan = state.tasks[row, i], plans[k]
                if k == 0 or (plan.exists and (plan.private if task.private else plan.public)):
                    _extend(state, row, i, plan, labels[label], grown[size], fastest, luckiest)
                    size += 1
            if state.groups[state.group_of[user]].battery_j < np.inf:
                grown[size] = labels[label]
                grown[size, COST] += lost_cost(state)
                size += 1
        count = _kept(grown, size, labels)
    return labels[:count, COST].min()


@inlined
def lost_cost(state: State) -> float:
    """Cost of a task that an empty battery loses: a failed result after the timeout."""
    rules = state.rules[0]
    return rules.latency * rules.timeout_s + rules.miss + rules.accuracy


@inlined
def _extend(
    state: State, row: int, i: int, plan: Record, label: np.ndarray, out: np.ndarray, fastest: float, luckiest: float
) -> None:
    """The state and the cost after a task by a plan."""
    task, rules = state.tasks[row, i], state.rules[0]
    group = state.groups[state.group_of[task.user]]
    left = task.ease < plan.leave_share
    seconds = device_seconds(state, row, task, plan, left)
    start = max(task.time, label[DEVICE_FREE]) if seconds > 0.0 else task.time
    finish = start + seconds
    joules, median = (plan.leave_j, plan.leave_s) if left else (plan.device_j, plan.device_s)
    energy = joules * (seconds / median) if median > 0.0 else 0.0
    out[DEVICE_FREE], out[LINK_FREE] = max(label[DEVICE_FREE], finish), label[LINK_FREE]
    out[COST] = label[COST]
    if left or (plan.server < 0 and not plan.cloud):
        out[COST] += _cost(state, group, finish - task.time, energy, plan.accuracy, 0.0, 0.0)
        return
    begin, sent = max(finish, label[LINK_FREE]), plan.up_bytes
    end = upload_end(state.rate[row, task.user], begin, sent, rules.timeout_s)
    out[LINK_FREE] = end
    energy += group.up_w * min(BITS * sent / max(fastest, 1.0), rules.timeout_s) + group.up_j_per_byte * sent
    answered, served = _served(state, task, plan, end, luckiest)
    success = _cost(state, group, answered - task.time, energy, plan.accuracy, sent, served)
    # An upload that starts later may fail where this one does not, which may cost less: that is allowed here, too.
    failure = _cost(state, group, begin + rules.timeout_s - task.time, energy, 0.0, sent, 0.0)
    out[COST] += min(success, failure)


@inlined
def _cost(
    state: State, group: Record, latency: float, energy: float, accuracy: float, sent: float, served: float
) -> float:
    """The weighted terms of a task's cost."""
    rules = state.rules[0]
    return (
        rules.latency * latency
        + rules.miss * (latency > group.deadline_s)
        + rules.energy * energy
        + rules.accuracy * (1.0 - accuracy)
        + rules.megabyte * sent / MEGABYTE
        + rules.server * served
    )


@inlined
def _served(state: State, task: Record, plan: Record, sent_at: float, luckiest: float) -> tuple[float, float]:
    """Earliest finish and least server time of what was sent; an earlier result serves whenever it could."""
    hop = state.servers[plan.server].hop_s if plan.server >= 0 else 0.0
    now = sent_at + plan.rounds * (task.rtt_s + hop) - 0.5 * (task.rtt_s + hop) + plan.protocol_s
    served = 0.0
    if not (plan.reuse and task.alike < state.rules[0].similarity):
        if plan.server >= 0:
            alone = state.servers[plan.server].largest_batch == 1
            noise = math.exp(plan.server_sigma * (task.server_noise if alone else luckiest))
            now += plan.first_s * noise
            served += plan.first_s * noise if alone else 0.0
        if plan.cloud:
            seconds = plan.cloud_s * math.exp(plan.cloud_sigma * task.server_noise)
            now += plan.backbone_s + seconds
            served += seconds
    return now + 0.5 * (task.rtt_s + hop), served


@njit(cache=True)
def _kept(grown: np.ndarray, size: int, labels: np.ndarray) -> int:
    """Write the states that no other one is at least as good as into ``labels``; return how many."""
    count = 0
    order = np.argsort(grown[:size, COST])
    for place in range(size):
        new = grown[order[place]]
        beaten = False
        for label in range(count):
            old = labels[label]
            if old[DEVICE_FREE] <= new[DEVICE_FREE] and old[LINK_FREE] <= new[LINK_FREE]:
                beaten = True
                break
        if beaten:
            continue
        if count < len(labels):
            labels[count] = new
            count += 1
        else:
            # No room: the last state takes the earlier times of both, and keeps its own cost, which is the lower.
            labels[count - 1, DEVICE_FREE] = min(labels[count - 1, DEVICE_FREE], new[DEVICE_FREE])
            labels[count - 1, LINK_FREE] = min(labels[count - 1, LINK_FREE], new[LINK_FREE])
    return count
