"""The transitions of the caching system, scalar code for one row.

The story of a request: :func:`_serve` finds the content in the node's cache, at a neighbour or at the origin and logs
outcome and latency. A missing content that fits is inserted; one that does not waits while the agent evicts one of the
nominated residents after another until it fits, or refuses it.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined, njit
from edgegym.decision.draws import below
from edgegym.decision.scaling import fast_exp2, fast_log2
from edgegym.envs.caching.orders import append, enter, heap_victim, leave, list_victim, unlink
from edgegym.envs.caching.state import (
    CONTENT,
    FIFO,
    FIFO_LIST,
    GDSF,
    GDSF_HEAP,
    HIT,
    LFU,
    LFU_HEAP,
    LRU,
    LRU_LIST,
    MARKED,
    NEIGHBOUR,
    NEVER,
    ORDERS,
    ORIGIN,
    REFUSED,
    State,
)

SHORT, LONG = 2.0, 20.0
"""Half-lives of the two request rates, in cache capacities (contents) of requests."""
RECENT = 1.0 / 256.0
"""Step of the moving averages that describe the recent request stream."""
MEGABYTE = 1e6


@njit(cache=True, _nrt=False)
def begin(state: State, row: int, seed: int, requests: int, decide_from: int, count_from: int) -> None:
    """Empty the caches of a row whose trace and content sizes are loaded, and run it to its first decision."""
    r = state.rows[row]
    r.position, r.requests, r.seed = 0, requests, seed
    r.decide_from, r.count_from = decide_from, count_from
    r.pending, r.node = -1, 0
    r.decisions, r.evictions, r.invalid, r.reward = 0, 0, 0, 0.0
    state.holders[row] = 0
    for n in range(state.nodes.shape[1]):
        node = state.nodes[row, n]
        node.clock, node.used, node.residents, node.inflation = 0, 0, 0, 0.0
        node.seen, node.seen_occupancy, node.recent_hits, node.recent_new = 0, 0, 0.0, 0.0
        state.slots[row, n, :, MARKED] = -1
        state.slots[row, n, 0] = 0
        for c in range(state.records.shape[2]):
            record = state.records[row, n, c]
            record.first_use, record.slot, record.count, record.frequency = -1, 0, 0, 0
    # What is earned before the first decision is paid with it, so that a return covers the whole episode.
    _run(state, row)


@inlined
def advance(state: State, row: int, action: int) -> None:
    """Take candidate ``action`` of the pending decision and run to the next one; rewards add up until they are paid."""
    r = state.rows[row]
    if r.pending < 0:
        return
    if action < 0 or action >= state.choice.shape[1] or state.choice[row, action] < 0:
        r.invalid += 1
        action = 0
    regret = _regret(state, row, action) if state.rules[0].clairvoyant else 0.0
    r.decisions += 1
    if action == 0:
        state.outcome[row, r.position - 1] |= REFUSED
        r.pending = -1
        _run(state, row)
    else:
        _evict(state, row, r.node, state.choice[row, action])
        _make_room(state, row)
    if state.rules[0].clairvoyant:
        r.reward = -regret


@inlined
def _run(state: State, row: int) -> None:
    """Serve requests until one needs a decision or the trace is exhausted."""
    r = state.rows[row]
    while r.pending < 0 and r.position < r.requests:
        _serve(state, row)


@inlined
def _make_room(state: State, row: int) -> None:
    """Insert the waiting content if it fits now and go on; otherwise nominate candidates again."""
    r = state.rows[row]
    need = _occupancy(state, state.records[row, r.node, r.pending].bytes)
    if state.nodes[row, r.node].used + need > state.rows[row].capacity:
        _nominate(state, row)
    else:
        _insert(state, row, r.node, r.pending)
        r.pending = -1
        _run(state, row)


@inlined
def _serve(state: State, row: int) -> None:
    """Serve the next request; a miss that does not fit is left pending."""
    r, rules = state.rows[row], state.rules[0]
    i = r.position
    content, n = state.content[row, i], state.node[row, i]
    record, node = state.records[row, n, content], state.nodes[row, n]
    _touch(state, row, n, content)
    if state.next_use.shape[1] > 0:
        record.next_use = state.next_use[row, i]
    hit = record.slot > 0
    source = n if hit else nearest_holder(state, row, n, content)
    fetch = retrieval_s(state.fetch_s, state.byte_s, n, source, record.bytes)
    state.latency_s[row, i] = rules.access_s + fetch
    r.position = i + 1
    node.recent_hits += RECENT * ((1.0 if hit else 0.0) - node.recent_hits)
    local = source < state.fetch_s.shape[1] - 1
    state.outcome[row, i] = HIT if hit else (NEIGHBOUR if local else ORIGIN)
    saved = retrieval_s(state.fetch_s, state.byte_s, n, state.fetch_s.shape[1] - 1, record.bytes) - fetch
    r.reward += rules.latency_saved * saved
    if local:
        r.reward += rules.backhaul_saved * record.bytes / MEGABYTE
    if hit:
        r.reward += rules.hit + rules.byte_hit * record.bytes / MEGABYTE
        unlink(state.slots[row, n], LRU_LIST, record.slot)
        append(state.slots[row, n], LRU_LIST, record.slot)
        record.frequency += 1
        record.priority = node.inflation + record.frequency / _occupancy(state, record.bytes)
    elif _occupancy(state, record.bytes) > state.rows[row].capacity:
        state.outcome[row, i] |= REFUSED
    else:
        r.pending, r.node = content, n
        if node.used + _occupancy(state, record.bytes) <= state.rows[row].capacity:
            _insert(state, row, n, content)
            r.pending = -1
        elif i >= r.decide_from:
            _nominate(state, row)
        else:
            _make_room_lru(state, row)


@inlined
def _make_room_lru(state: State, row: int) -> None:
    """Warm-up: evict by LRU until the waiting content fits, then insert it."""
    r = state.rows[row]
    need = _occupancy(state, state.records[row, r.node, r.pending].bytes)
    while state.nodes[row, r.node].used + need > state.rows[row].capacity:
        _find_victims(state, row)
        _evict(state, row, r.node, state.victims[row, LRU])
    _insert(state, row, r.node, r.pending)
    r.pending = -1


@inlined
def _touch(state: State, row: int, n: int, content: int) -> None:
    """Update what the node knows of a content that is requested now."""
    record, node = state.records[row, n, content], state.nodes[row, n]
    now = node.clock
    node.clock = now + 1
    node.recent_new -= RECENT * node.recent_new
    if record.first_use < 0:
        record.first_use, record.gap, record.count = now, NEVER, 1
        record.rate_short, record.rate_long, record.rate = 0.0, 0.0, 0.0
        node.seen += 1
        node.seen_occupancy += _occupancy(state, record.bytes)
        node.recent_new += RECENT
    else:
        gap = now - record.last_use
        contents = capacity_in_contents(state, row, n)
        record.gap, record.count = gap, record.count + 1
        record.rate_short = _renewed(record.rate_short - gap / (SHORT * contents))
        record.rate_long = _renewed(record.rate_long - gap / (LONG * contents))
        if len(state.forecaster) > 0:
            record.rate = _renewed(record.rate - gap / (state.forecaster[0].half_life * contents))
    record.last_use = now


@inlined
def _renewed(log_rate: float) -> float:
    """log2(1 + 2**log_rate): one more request on top of a decayed count."""
    return fast_log2(np.float32(1.0) + fast_exp2(np.float32(log_rate)))


@inlined
def capacity_in_contents(state: State, row: int, n: int) -> float:
    """How many contents of the mean size seen so far the cache holds."""
    node = state.nodes[row, n]
    return state.rows[row].capacity * node.seen / node.seen_occupancy


@inlined
def nearest_holder(state: State, row: int, n: int, content: int) -> int:
    """The nearest other node that caches a content; the number of nodes, which stands for the origin, if none does."""
    if state.near.shape[1] == 0:
        return len(state.near)
    return nearest_of(state.holders[row, content], state.near, n)


@inlined
def nearest_of(holders: int, near: np.ndarray, n: int) -> int:
    """The nearest other node whose bit is set in ``holders``; the number of nodes if there is none."""
    for k in range(near.shape[1]):
        if holders >> near[n, k] & 1:
            return near[n, k]
    return len(near)


@inlined
def retrieval_s(fetch_s: np.ndarray, byte_s: np.ndarray, n: int, source: int, size: int) -> float:
    """Seconds to fetch ``size`` bytes to node ``n``: round trip plus transmission; 0 from the own cache."""
    return 0.0 if source == n else fetch_s[n, source] + byte_s[n, source] * size


@inlined
def _occupancy(state: State, size: int) -> int:
    return 1 if state.rules[0].count_objects else size


@inlined
def _insert(state: State, row: int, n: int, content: int) -> None:
    record, node = state.records[row, n, content], state.nodes[row, n]
    size = _occupancy(state, record.bytes)
    node.used += size
    record.inserted, record.frequency = record.last_use, 1
    record.priority = node.inflation + 1.0 / size
    enter(state, row, n, content)
    if state.near.shape[1] > 0:
        state.holders[row, content] |= np.int64(1) << n


@inlined
def _evict(state: State, row: int, n: int, content: int) -> None:
    """Remove a resident; GDSF's inflation rises to the priority of its own victim, whoever is evicted."""
    record, node = state.records[row, n, content], state.nodes[row, n]
    node.inflation = max(node.inflation, state.records[row, n, state.victims[row, GDSF]].priority)
    node.used -= _occupancy(state, record.bytes)
    leave(state, row, n, content)
    record.frequency = 0
    if state.near.shape[1] > 0:
        state.holders[row, content] &= ~(np.int64(1) << n)
    if state.rows[row].position > state.rows[row].count_from:
        state.rows[row].evictions += 1


@inlined
def _find_victims(state: State, row: int) -> None:
    n = state.rows[row].node
    state.victims[row, LRU] = list_victim(state, row, n, LRU_LIST)
    state.victims[row, FIFO] = list_victim(state, row, n, FIFO_LIST)
    state.victims[row, LFU] = heap_victim(state, row, n, LFU_HEAP)
    state.victims[row, GDSF] = heap_victim(state, row, n, GDSF_HEAP)


@inlined
def _nominate(state: State, row: int) -> None:
    """Fill the candidate list: the waiting content, the four victims, then residents drawn without repetition."""
    r = state.rows[row]
    n, wanted = r.node, state.choice.shape[1]
    _find_victims(state, row)
    state.choice[row, 0] = r.pending
    filled = 1
    for order in range(ORDERS):
        slot = state.records[row, n, state.victims[row, order]].slot
        filled = _nominate_slot(state, row, slot, filled)
    residents = state.nodes[row, n].residents
    if residents < wanted:
        for slot in range(1, residents + 1):
            filled = _nominate_slot(state, row, slot, filled)
    else:
        tries = 4 * wanted
        for draw in range(tries):
            if filled == wanted:
                break
            slot = 1 + below(r.seed, r.decisions * tries + draw, residents)
            filled = _nominate_slot(state, row, slot, filled)
    state.choice[row, filled:] = -1


@inlined
def _nominate_slot(state: State, row: int, slot: int, filled: int) -> int:
    """Append a resident unless this decision has it already; return the new length."""
    r = state.rows[row]
    if state.slots[row, r.node, slot, MARKED] == r.decisions:
        return filled
    state.slots[row, r.node, slot, MARKED] = r.decisions
    state.choice[row, filled] = state.slots[row, r.node, slot, CONTENT]
    return filled + 1


@inlined
def _regret(state: State, row: int, action: int) -> float:
    """Clairvoyant cost of a choice: value lost per occupied capacity, above the least that any candidate loses."""
    chosen, least = 0.0, np.inf
    for k in range(state.choice.shape[1]):
        if state.choice[row, k] >= 0:
            value = _keep_value(state, row, state.choice[row, k])
            least = min(least, value)
            if k == action:
                chosen = value
    return chosen - least


@inlined
def _keep_value(state: State, row: int, content: int) -> float:
    """Value of holding a content until its next uses, per share of the capacity it occupies.

    A use in d requests is worth 1 / (1 + d / horizon) of one now, and a copy is worth what it saves against the source
    that would serve without it: at its own node, and at the others, which may fetch it from here.
    """
    r, rules = state.rows[row], state.rules[0]
    n = r.node
    contents = capacity_in_contents(state, row, n)
    others = state.holders[row, content] & ~(np.int64(1) << n)
    size = state.records[row, n, content].bytes
    value = 0.0
    for m in range(state.nodes.shape[1]):
        record = state.records[row, m, content]
        if record.first_use < 0 or record.next_use == NEVER or others >> m & 1:
            continue
        without = nearest_of(others, state.near, m)
        source = n if m == n else nearest_of(others | (np.int64(1) << n), state.near, m)
        saved_s = retrieval_s(state.fetch_s, state.byte_s, m, without, size)
        saved_s -= retrieval_s(state.fetch_s, state.byte_s, m, source, size)
        worth = rules.latency_saved * saved_s
        if without == len(state.near):
            worth += rules.backhaul_saved * size / MEGABYTE
        if m == n:
            worth += rules.hit + rules.byte_hit * size / MEGABYTE
        distance = record.next_use - state.nodes[row, m].clock + 1
        value += worth / (1.0 + distance / (rules.horizon * contents))
    return value / (_occupancy(state, size) * contents / r.capacity)
