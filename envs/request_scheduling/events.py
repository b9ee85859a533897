"""Events of a row: a binary heap by time, then by code, so that equal times have one order."""

from __future__ import annotations

from edgegym.compiling import inlined
from edgegym.envs.request_scheduling.state import State

DONE, READY, WINDOW, RELEASE = 0, 1, 2, 3
"""A batch ends; a request reaches its server; a batching window closes; a request is held back no longer."""
KINDS = 4


@inlined
def push(state: State, row: int, time: float, kind: int, index: int) -> None:
    """Add an event; ``index`` is the request's, the server's, or that of server and slot."""
    events, r = state.events[row], state.rows[row]
    code = index * KINDS + kind
    place = r.events
    r.events += 1
    while place > 0:
        parent = (place - 1) // 2
        if not _before(time, code, events[parent].time, events[parent].code):
            break
        events[place].time, events[place].code = events[parent].time, events[parent].code
        place = parent
    events[place].time, events[place].code = time, code


@inlined
def pop(state: State, row: int) -> None:
    """Remove the first event, ``events[0]``."""
    events, r = state.events[row], state.rows[row]
    r.events -= 1
    count = r.events
    time, code, place = events[count].time, events[count].code, 0
    while True:
        child = 2 * place + 1
        if child >= count:
            break
        other = child + 1
        if other < count and _before(events[other].time, events[other].code, events[child].time, events[child].code):
            child = other
        if not _before(events[child].time, events[child].code, time, code):
            break
        events[place].time, events[place].code = events[child].time, events[child].code
        place = child
    events[place].time, events[place].code = time, code


@inlined
def _before(time: float, code: int, other_time: float, other_code: int) -> bool:
    return time < other_time or (time == other_time and code < other_code)
