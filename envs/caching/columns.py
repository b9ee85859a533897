"""What an agent sees of a decision: the named columns, computed for one row.

Counts and times are on a logarithmic scale over [0, 1] (one octave = 1/24), since both span many orders of magnitude.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.decision.scaling import OCTAVES, log_unit, unit
from edgegym.decision.stepping import stepper
from edgegym.envs.caching.forecast_network import OWN_RATE, evaluate
from edgegym.envs.caching.kernel import LONG, SHORT, advance, capacity_in_contents, nearest_holder, retrieval_s
from edgegym.envs.caching.state import FIFO, GDSF, LFU, LRU, NEVER, State

CANDIDATE_FEATURES = (
    "age",
    "gap",
    "gap_age",
    "mean_gap",
    "count",
    "frequency",
    "residence",
    "size",
    "rate_short",
    "rate_long",
    "retrieval_cost",
    "neighbour_copy",
    "admit_nothing",
    "lru_victim",
    "fifo_victim",
    "lfu_victim",
    "gdsf_victim",
)
FORECAST = "forecast"
"""The column after the last one, where a forecaster is given."""
LOG_COLUMNS = 8
"""The first columns are written as numbers >= 1 and put on the logarithmic scale together, eight at a time."""
CONTEXT_FEATURES = (
    "capacity",
    "residents",
    "free",
    "missing",
    "recent_hits",
    "recent_new",
    "incoming_seen",
    "incoming_neighbour_copy",
)
LARGEST_GAP = np.float32(2.0**OCTAVES)
"""Stands for the gap of a content that was requested once."""
KIBIBYTE = np.float32(1.0 / 1024.0)
"""Sizes are in kibibytes on the scale: 1 KiB and below gives 0, 16 GiB gives 1."""


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
    if r.pending < 0:
        candidates[row], context[row], mask[row] = 0.0, 0.0, 0
        mask[row, 0] = 1
        return
    n = r.node
    node = state.nodes[row, n]
    contents = capacity_in_contents(state, row, n)
    short, long = np.float32(1.0 / (SHORT * contents)), np.float32(1.0 / (LONG * contents))
    for k in range(mask.shape[1]):
        content = state.choice[row, k]
        mask[row, k] = content >= 0
        if content < 0:
            candidates[row, k] = 0.0
            continue
        _write_candidate(state, row, n, content, np.int32(node.clock - 1), short, long, candidates, k)
        for f in range(LOG_COLUMNS):
            candidates[row, k, f] = log_unit(candidates[row, k, f])
    candidates[row, 0, 12] = 1.0
    if len(state.forecaster) > 0:
        _write_forecasts(state, row, n, contents, candidates, mask)
    _observe_context(state, row, n, contents, context)


@inlined
def _write_candidate(state, row, n, content, now, short, long, out, k) -> None:  # type: ignore[no-untyped-def]
    record = state.records[row, n, content]
    age = now - record.last_use
    gap = LARGEST_GAP if record.gap == NEVER else np.float32(record.gap)
    out[row, k, 0] = 1 + age
    out[row, k, 1] = gap
    out[row, k, 2] = gap + np.float32(age)
    out[row, k, 3] = np.float32(1 + now - record.first_use) / np.float32(record.count)
    out[row, k, 4] = record.count
    out[row, k, 5] = max(record.frequency, 1)
    out[row, k, 6] = 1 + now - record.inserted if record.slot > 0 else 1
    out[row, k, 7] = max(np.float32(record.bytes) * KIBIBYTE, np.float32(1.0))
    out[row, k, 8] = _rate_unit(record.rate_short - np.float32(age) * short)
    out[row, k, 9] = _rate_unit(record.rate_long - np.float32(age) * long)
    source = nearest_holder(state, row, n, content)
    milliseconds = np.float32(1e3 * retrieval_s(state.fetch_s, state.byte_s, n, source, record.bytes))
    out[row, k, 10] = log_unit(np.float32(1.0) + milliseconds)
    out[row, k, 11] = source < len(state.near)
    out[row, k, 12] = 0.0
    out[row, k, 13] = content == state.victims[row, LRU]
    out[row, k, 14] = content == state.victims[row, FIFO]
    out[row, k, 15] = content == state.victims[row, LFU]
    out[row, k, 16] = content == state.victims[row, GDSF]


@inlined
def _write_forecasts(state, row, n, contents, out, mask) -> None:  # type: ignore[no-untyped-def]
    """Evaluate the forecaster on the columns of each candidate and write its output as the last column."""
    network = state.forecaster[0]
    decay = np.float32(1.0 / (network.half_life * contents))
    for k in range(mask.shape[1]):
        if mask[row, k] == 0:
            continue
        record = state.records[row, n, state.choice[row, k]]
        age = np.float32(state.nodes[row, n].clock - 1 - record.last_use)
        for i in range(network.widths[0]):
            column = network.columns[i]
            network.units[0, i] = _rate_unit(record.rate - age * decay) if column == OWN_RATE else out[row, k, column]
        out[row, k, len(CANDIDATE_FEATURES)] = _rate_unit(evaluate(network))


@inlined
def _rate_unit(log2_rate: float) -> np.float32:
    """A rate on the scale of the rate columns: 40 octaves around 1."""
    return unit(log2_rate * np.float32(0.025) + np.float32(0.5))


@inlined
def _observe_context(state, row, n, contents, out) -> None:  # type: ignore[no-untyped-def]
    r, node, rules = state.rows[row], state.nodes[row, n], state.rules[0]
    record = state.records[row, n, r.pending]
    need = np.int64(1) if rules.count_objects else record.bytes
    out[row, 0] = log_unit(np.float32(contents))
    out[row, 1] = log_unit(np.float32(node.residents))
    out[row, 2] = unit(np.float32((r.capacity - node.used) / r.capacity))
    out[row, 3] = unit(np.float32((node.used + need - r.capacity) / need))
    out[row, 4] = node.recent_hits
    out[row, 5] = node.recent_new
    out[row, 6] = record.count > 1
    out[row, 7] = nearest_holder(state, row, n, r.pending) < len(state.near)


@inlined
def is_pending(state: State, row: int) -> bool:
    """Whether a row waits for a decision: the field is the node that asks."""
    return state.rows[row].pending >= 0


step_rows = stepper(advance, observe, is_pending)
"""Advance the active rows and write every row's pending decision: :func:`edgegym.decision.stepping.stepper`."""
