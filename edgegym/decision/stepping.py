"""The step of all rows, which every family compiles around its own transition and observation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import FunctionType

from edgegym.compiling import njit


# Not cached: an index of the states of all families could not be read without importing them all.
@njit(forceinline=True, _nrt=False)
def is_pending(state, row) -> bool:  # type: ignore[no-untyped-def]
    """Whether a row waits for a decision; else its episode is over."""
    return state.rows[row].pending


def _step_rows(state, actions, active, candidates, context, mask, reward, done) -> None:  # type: ignore[no-untyped-def]
    """Advance the active rows by one decision and write every row's pending decision.

    Args:
        state: the arrays of all rows.
        actions: (rows,) int64.
        active: (rows,) bool.
        candidates: written, as are all that follow; see :class:`~edgegym.decision.system.Decisions`.
        context: written.
        mask: written.
        reward: written.
        done: written.
    """
    for row in range(len(actions)):
        if active[row]:
            advance(state, row, actions[row])  # type: ignore[name-defined]  # noqa: F821
            reward[row], state.rows[row].reward = state.rows[row].reward, 0.0
        else:
            reward[row] = 0.0
        done[row] = not pending(state, row)  # type: ignore[name-defined]  # noqa: F821
        observe(state, row, candidates, context, mask)  # type: ignore[name-defined]  # noqa: F821


def stepper(
    advance: Callable[..., None], observe: Callable[..., None], pending: Callable[..., bool] = is_pending
) -> Callable[..., None]:
    """A family's ``step_rows``, compiled around its own parts.

    Numba caches no closure over compiled functions from one process to the next, so the parts take the place of three
    globals; the name of the result tells families apart in the cache.

    Args:
        advance: ``(state, row, action)``, applies an action and runs the row to its next decision.
        observe: ``(state, row, candidates, context, mask)``, writes a row's pending decision.
        pending: ``(state, row)``, whether the row waits for a decision.
    """
    parts = {**globals(), "advance": advance, "observe": observe, "pending": pending}
    function = FunctionType(_step_rows.__code__, parts, "step_rows")
    names = (f"{part.__module__}.{part.__qualname__}" for part in (advance, observe, pending))
    function.__qualname__ = f"step_rows-{hashlib.sha256('-'.join(names).encode()).hexdigest()[:16]}"
    compiled: Callable[..., None] = njit(cache=True, _nrt=False)(function)
    return compiled
