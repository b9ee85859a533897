"""The reference rule, and the training signal that compares decisions with its own.

The rule serves the queue with the earliest deadline, as many as wait, by the most accurate variant with which no
waiting request becomes late (accuracy scaling: S. Ahmad et al., Proteus, ASPLOS 2024); if there is none, whatever earns
most per second. It may be kept to some of the variants. With gamma 0 the signal is one step of policy iteration over
the rule by rollouts (D. Bertsekas, Rollout, Policy Iteration, and Distributed Reinforcement Learning, 2020), with the
true arrivals in place of an expectation. The rule looks at none that is to come, so its value along those arrivals is a
baseline that takes out their luck (H. Mao et al., Variance Reduction for Reinforcement Learning in Input-Driven
Environments, ICLR 2019); the larger gamma is, the more the sum of signals is the gain over the rule, but for what lies
beyond the horizon.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.envs.inference_batching.kernel import act, first_in_time, is_allowed, plan
from edgegym.envs.inference_batching.state import State


@inlined
def endangered(state: State, row: int, q: int, first_left: int, finish: float) -> int:
    """Waiting requests of a queue from ``first_left`` on that cannot be answered in time after ``finish``."""
    late = first_in_time(state, row, q, finish + state.queues[row, q].fastest)
    return max(late - first_left, 0)


@inlined
def endangered_worth(state: State, row: int, q: int, first_left: int, finish: float) -> float:
    """Worth lost, at best accuracies, if queue ``q`` begins at ``first_left`` and nothing starts till ``finish``."""
    worth = 0.0
    for other in range(state.queues.shape[1]):
        left = first_left if other == q else state.queues[row, other].head
        service = state.services[other]
        worth += service.weight * service.best_accuracy * endangered(state, row, other, left, finish)
    return worth


@inlined
def batch_worth(state: State, row: int, k: int, first: int, size: int, finish: float) -> float:
    """Weighted accuracy of the requests that a batch answers in time."""
    v = state.choices[k].variant
    q = state.variants[v].queue
    late = max(first_in_time(state, row, q, finish) - first, 0)
    return state.services[q].weight * state.variants[v].accuracy * max(size - late, 0)


@inlined
def reference_action(state: State, row: int) -> int:
    """The rule's candidate for the pending decision."""
    r, sizes = state.rows[row], (len(state.choices) - 1) // len(state.variants)
    urgent = _urgent_queue(state, row)
    best, best_safe, best_value = 0, False, -np.inf
    for v in range(len(state.variants)):
        if not state.variants[v].referred:
            continue
        q = state.variants[v].queue
        k = 1 + v * sizes + _largest(state, row, 1 + v * sizes, sizes)
        first, size, load, service = plan(state, row, k)
        if size == 0:
            continue
        finish = r.now + load + service
        worth = batch_worth(state, row, k, first, size, finish)
        passed = first > state.queues[row, q].head
        safe = q == urgent and not passed and endangered_worth(state, row, q, first + size, finish) == 0.0
        value = worth / size if safe else worth / (load + service)
        if (safe and not best_safe) or (safe == best_safe and value > best_value):
            best, best_safe, best_value = k, safe, value
    return best


@inlined
def _urgent_queue(state: State, row: int) -> int:
    """The queue whose oldest request has the earliest deadline."""
    urgent, earliest = -1, np.inf
    for q in range(state.queues.shape[1]):
        queue = state.queues[row, q]
        if queue.head < queue.tail:
            deadline = state.arrival[state.rows[row].episode, queue.head] + state.services[q].slo
            if urgent < 0 or deadline < earliest:
                urgent, earliest = q, deadline
    return urgent


@inlined
def _largest(state: State, row: int, start: int, sizes: int) -> int:
    """Place of the largest batch size that is a candidate of its own, of those that begin at candidate ``start``."""
    queue = state.queues[row, state.variants[state.choices[start].variant].queue]
    place = 0
    while place + 1 < sizes and state.choices[start + place + 1].below < queue.tail - queue.head:
        place += 1
    return place


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Take candidate ``action`` of the pending decision and run to the next one; one that is forbidden counts as 0."""
    r = state.rows[row]
    if not r.pending:
        return
    allowed = action == 0
    if 0 < action < len(state.choices):
        allowed = is_allowed(state, row, action, plan(state, row, action)[1])
    if not allowed:
        r.invalid += 1
        action = 0
    if state.rules[0].advantage:
        _advance_with_advantage(state, row, action)
    else:
        act(state, row, action)


@njit(cache=True, _nrt=False)
def _advance_with_advantage(state: State, row: int, action: int) -> None:
    """Take an action, and earn what it gains over the reference rule's."""
    r = state.rows[row]
    rule = reference_action(state, row)
    advantage = 0.0
    if action != rule:
        advantage = _rollout(state, row, action) - _rollout(state, row, rule)
    act(state, row, action)
    r.reward = advantage


@njit(cache=True, _nrt=False)
def _rollout(state: State, row: int, action: int) -> float:
    """What requests that arrive within the horizon earn after an action if the reference rule goes on."""
    scratch = len(state.rows) - 1
    trial = state.rows[scratch]
    _copy(state, row, scratch)
    trial.cut, trial.reward = trial.now + state.rules[0].horizon, 0.0
    act(state, scratch, action)
    while trial.pending and _any_before_cut(state, scratch):
        act(state, scratch, reference_action(state, scratch))
    return trial.reward


@inlined
def _copy(state: State, row: int, scratch: int) -> None:
    state.rows[scratch] = state.rows[row]
    for q in range(state.queues.shape[1]):
        state.queues[scratch, q] = state.queues[row, q]
    for v in range(state.used.shape[1]):
        state.used[scratch, v] = state.used[row, v]


@inlined
def _any_before_cut(state: State, row: int) -> bool:
    """Whether a request that arrives before the cut is still to be handled."""
    r = state.rows[row]
    for q in range(state.queues.shape[1]):
        queue = state.queues[row, q]
        if queue.head < queue.end and state.arrival[r.episode, queue.head] < r.cut:
            return True
    return False


@njit(cache=True, _nrt=False)
def play_reference(state: State, row: int) -> None:
    """Play the rest of a row's episode by the reference rule."""
    while state.rows[row].pending:
        act(state, row, reference_action(state, row))
