"""The transitions of inference offloading, scalar code for one row.

Tasks are decided in the order of their arrival. A decision settles what happens on the device and its uplink; the job
then waits in its server's queue, in order of arrival there. Before a decision all servers move up to its time: what a
server takes up before then can no longer change, since jobs decided later arrive later. A server that is free takes the
job at the head and, up to its largest batch, the jobs behind it that run the same part of the same network.
"""

from __future__ import annotations

import math

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.inference_offloading.state import Record, State
from edgegym.envs.inference_offloading.timeline import begin_task, cost, finish_task

FALLBACK = 0
LOAD_S = 10.0
"""Seconds over which a server's load decays by a factor e."""
MOST_LOAD = 0.95


@njit(cache=True, _nrt=False)
def begin(state: State, row: int, tasks: int) -> None:
    """Empty the queues of a row whose tasks and rates are loaded and go to its first decision."""
    r = state.rows[row]
    r.task, r.tasks, r.pending, r.invalid, r.reward = -1, tasks, False, 0, 0.0
    for u in range(state.users.shape[1]):
        user = state.users[row, u]
        user.device_free, user.link_free, user.last_upload, user.spent_j = 0.0, 0.0, -1, 0.0
    for s in range(state.queues.shape[1]):
        queue = state.queues[row, s]
        queue.head, queue.tail, queue.free, queue.backlog_s, queue.busy_s = 0, 0, 0.0, 0.0, 0.0
        queue.load, queue.job_rate, queue.decayed_at = 0.0, 0.0, 0.0
    state.seen_at[row] = -np.inf
    for i in range(tasks):
        entry = state.log[row, i]
        entry.plan, entry.finish, entry.failed, entry.hopeless = -1, np.nan, False, False
        entry.bytes, entry.energy_j, entry.server_s = 0.0, 0.0, 0.0
    _next_decision(state, row)


@inlined
def _next_decision(state: State, row: int) -> None:
    """Go to the next task of a device that has energy left; tasks of the others are lost. At the end serve all jobs."""
    r, rules = state.rows[row], state.rules[0]
    r.pending = False
    while not r.pending and r.task + 1 < r.tasks:
        r.task += 1
        task = state.tasks[row, r.task]
        group = state.groups[state.group_of[task.user]]
        spent = state.users[row, task.user].spent_j + group.idle_w * task.time
        r.pending = spent < group.battery_j
        if not r.pending:
            state.log[row, r.task].failed = True
            r.reward -= rules.latency * rules.timeout_s + rules.miss + rules.accuracy
    now = state.tasks[row, r.task].time if r.pending else np.inf
    for s in range(state.queues.shape[1]):
        _serve_until(state, row, s, now)


@inlined
def _serve_until(state: State, row: int, s: int, now: float) -> None:
    """Let a server take up all batches that start by ``now``."""
    queue, jobs = state.queues[row, s], state.jobs[row, s]
    while queue.head < queue.tail:
        head = state.log[row, jobs[queue.head]]
        start = max(queue.free, head.arrive)
        if start > now:
            break
        size = _batch_size(state, row, s, start)
        plan = _plan_of(state, row, jobs[queue.head])
        noise = math.exp(plan.server_sigma * state.tasks[row, jobs[queue.head]].server_noise)
        seconds = (plan.first_s + plan.each_s * (size - 1)) * noise
        _decay(queue, start)
        queue.load += seconds / LOAD_S
        queue.job_rate += size / LOAD_S
        queue.free = start + seconds
        queue.busy_s += seconds
        for place in range(queue.head, queue.head + size):
            _complete(state, row, s, jobs[place], start, seconds, size)
        queue.head += size
    if now < np.inf:
        _decay(queue, now)


@inlined
def _batch_size(state: State, row: int, s: int, start: float) -> int:
    """How many jobs from the head on have arrived and run the same part of the same network."""
    queue, jobs = state.queues[row, s], state.jobs[row, s]
    kind = _plan_of(state, row, jobs[queue.head]).job
    most = min(state.servers[s].largest_batch, queue.tail - queue.head)
    size = 1
    while size < most:
        other = jobs[queue.head + size]
        if state.log[row, other].arrive > start or _plan_of(state, row, other).job != kind:
            break
        size += 1
    return size


@inlined
def _complete(state: State, row: int, s: int, i: int, start: float, seconds: float, size: int) -> None:
    """Settle a job of a batch, and pay for it."""
    plan, entry, task = _plan_of(state, row, i), state.log[row, i], state.tasks[row, i]
    entry.serve, entry.served = start, start + seconds
    entry.server_s += seconds / size
    finish_task(state, row, i, plan, entry)
    state.queues[row, s].backlog_s -= work(state, s, plan)
    if plan.answers:
        state.seen_at[row, s, task.scene] = entry.served
    if not state.rules[0].regret:
        state.rows[row].reward -= cost(state, state.groups[state.group_of[task.user]], entry, task.time)


@inlined
def work(state: State, s: int, plan: Record) -> float:
    """Server time that a waiting job stands for: alone, or where batches form what it adds to one."""
    return plan.first_s if state.servers[s].largest_batch == 1 else plan.each_s


@inlined
def _plan_of(state: State, row: int, i: int) -> Record:
    return state.plans[state.group_of[state.tasks[row, i].user], state.log[row, i].plan]


@inlined
def _decay(queue: Record, now: float) -> None:
    """Bring the moving averages of a server up to date."""
    factor = math.exp(-max(now - queue.decayed_at, 0.0) / LOAD_S)
    queue.load *= factor
    queue.job_rate *= factor
    queue.decayed_at = max(now, queue.decayed_at)


@inlined
def is_open(state: State, row: int, k: int) -> bool:
    """Whether candidate ``k`` may be chosen for the pending task; the fallback always may."""
    task = state.tasks[row, state.rows[row].task]
    plan = state.plans[state.group_of[task.user], k]
    return k == FALLBACK or (plan.exists and (plan.private if task.private else plan.public))


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Run the pending task by plan ``action`` and go to the next decision."""
    r = state.rows[row]
    if not r.pending:
        return
    if action < 0 or action >= state.plans.shape[1] or not is_open(state, row, action):
        r.invalid += 1
        action = FALLBACK
    task = state.tasks[row, r.task]
    if state.rules[0].regret:
        r.reward -= regret(state, row, action)
    _commit(state, row, r.task, task, action)
    _next_decision(state, row)


@inlined
def _commit(state: State, row: int, i: int, task: Record, action: int) -> None:
    """Begin a task by a plan: occupy the device and the uplink, and join the server's queue."""
    g = state.group_of[task.user]
    plan, entry, user, group = state.plans[g, action], state.log[row, i], state.users[row, task.user], state.groups[g]
    begin_task(state, row, i, plan, entry)
    entry.plan, entry.previous = action, -1
    entry.hopeless = group.hopeless_private if task.private else group.hopeless_public
    user.device_free = max(user.device_free, entry.device_end)
    user.spent_j += entry.energy_j
    if entry.bytes > 0.0:
        user.link_free, entry.previous, user.last_upload = entry.sent, user.last_upload, i
    if entry.bytes > 0.0 and plan.server >= 0 and not entry.failed and not entry.reused:
        _enqueue(state, row, plan.server, i)
        state.queues[row, plan.server].backlog_s += work(state, plan.server, plan)
        entry.finish = np.nan
    elif not state.rules[0].regret:
        state.rows[row].reward -= cost(state, group, entry, task.time)


@inlined
def _enqueue(state: State, row: int, s: int, i: int) -> None:
    """Insert a job into a server's queue in the order of arrival; equals keep the order of the decisions."""
    queue, jobs = state.queues[row, s], state.jobs[row, s]
    place = queue.tail
    while place > queue.head and state.log[row, jobs[place - 1]].arrive > state.log[row, i].arrive:
        jobs[place] = jobs[place - 1]
        place -= 1
    jobs[place] = i
    queue.tail += 1


@inlined
def foreseen_cost(state: State, row: int, k: int, entry: Record) -> float:
    """Cost of candidate ``k`` for the pending task if nobody came later: future throughput and noise are known.

    The job runs after those that are in the server's queue now, in a batch of its own. Added is the delay that it
    causes later tasks: a queue with arrival rate l and load r that takes x seconds of work with w before it delays
    l (w + x) / (1 - r) jobs by x.
    """
    r, rules = state.rows[row], state.rules[0]
    task = state.tasks[row, r.task]
    g = state.group_of[task.user]
    plan, group = state.plans[g, k], state.groups[g]
    begin_task(state, row, r.task, plan, entry)
    busy = entry.device_end - entry.device_start
    sending = entry.sent - entry.send
    later = group.task_rate * busy * (entry.device_end - task.time)
    later += group.task_rate * sending * max(entry.sent - task.time, 0.0)
    if entry.bytes > 0.0 and plan.server >= 0 and not entry.failed and not entry.reused:
        queue = state.queues[row, plan.server]
        entry.serve = max(entry.arrive, max(queue.free, task.time) + queue.backlog_s)
        seconds = plan.first_s * math.exp(plan.server_sigma * task.server_noise)
        entry.served = entry.serve + seconds
        entry.server_s = seconds
        finish_task(state, row, r.task, plan, entry)
        after = entry.served - entry.arrive
        later += queue.job_rate * work(state, plan.server, plan) * after / (1.0 - min(queue.load, MOST_LOAD))
    return cost(state, group, entry, task.time) + rules.latency * rules.externality * later


@inlined
def best_foreseen(state: State, row: int) -> int:
    """The open candidate of least foreseen cost."""
    best, least = FALLBACK, np.inf
    entry = state.trial[row]
    for k in range(state.plans.shape[1]):
        if is_open(state, row, k):
            value = foreseen_cost(state, row, k, entry)
            if value < least:
                best, least = k, value
    return best


@inlined
def regret(state: State, row: int, action: int) -> float:
    """What a plan costs in excess of the best one, foreseen."""
    entry = state.trial[row]
    chosen = foreseen_cost(state, row, action, entry)
    return chosen - foreseen_cost(state, row, best_foreseen(state, row), entry)


@njit(cache=True, _nrt=False)
def play_foreseen(state: State, row: int) -> None:
    """Play the rest of an episode by the plans of least foreseen cost."""
    while state.rows[row].pending:
        advance(state, row, best_foreseen(state, row))
