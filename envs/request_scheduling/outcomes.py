"""What requests earn: time in the system as it passes, answers, and losses."""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.request_scheduling.state import SERVED, Fleet, State

MEMORY = 1.0 / 64.0
"""Weight of the newest value in moving means."""


@inlined
def pass_time(state: State, row: int, time: float) -> None:
    """Move the clock; every request in the system costs the latency term for as long."""
    r = state.rows[row]
    r.reward -= state.rules[0].latency_reward * r.in_system * (time - r.now)
    r.now = time


@inlined
def answer(state: State, fleet: Fleet, row: int, request: int) -> None:
    """Send the answer of a request whose service has ended just now back to its origin."""
    r, rules, q = state.rows[row], state.rules[0], state.requests[row, request]
    way_back = 0.5 * fleet.rtt[q.origin, q.server]
    q.response, q.fate = r.now + way_back, SERVED
    r.in_system -= 1
    r.reward -= rules.latency_reward * way_back
    r.reward -= rules.tail_reward * max(q.response - q.arrival - rules.tail_s, 0.0)
    in_time = q.response <= q.deadline
    if in_time:
        r.reward += rules.slo_reward + rules.goodput_reward * q.weight * fleet.accuracy[q.model]
    r.in_time += MEMORY * (in_time - r.in_time)


@inlined
def lose(state: State, row: int, request: int, fate: int) -> None:
    """Let a request leave without an answer, REJECTED or DROPPED."""
    r, q = state.rows[row], state.requests[row, request]
    q.fate = fate
    r.in_system -= 1
    r.reward -= state.rules[0].reject_reward * q.weight
    r.in_time -= MEMORY * r.in_time
