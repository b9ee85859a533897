"""The residents of a cache in the orders of LRU, FIFO, LFU and GDSF, so that each one's victim is known at any time.

Residents occupy slots 1 .. n without holes (slot 0 is the sentinel of the lists and means "not cached"). LRU and FIFO
are circular doubly linked lists over the slots. LFU and GDSF are heaps that are lazy about hits: a hit only ever raises
a resident's key, so it leaves the heap alone, a stored key is a lower bound, and :func:`heap_victim` refreshes the top
until it is true. A hit so costs a list move, and an insertion or eviction two short sifts.
"""

from __future__ import annotations

import numpy as np

from edgegym.compiling import inlined
from edgegym.envs.caching.state import (
    CONTENT,
    FIFO_LIST,
    GDSF_HEAP,
    LFU_HEAP,
    LRU_LIST,
    PLACE,
    SLOT_COLUMNS,
    State,
)


@inlined
def enter(state: State, row: int, n: int, content: int) -> None:
    """Give a content that is being inserted the next slot and its place in every order (newest in the lists)."""
    node, slots = state.nodes[row, n], state.slots[row, n]
    slot = node.residents + 1
    node.residents = slot
    state.records[row, n, content].slot = slot
    slots[slot, CONTENT] = content
    append(slots, LRU_LIST, slot)
    append(slots, FIFO_LIST, slot)
    for which in (LFU_HEAP, GDSF_HEAP):
        entry = state.heaps[row, n, which, slot - 1]
        entry.key, entry.tie = _key(state.records[row, n, content], which)
        entry.slot = slot
        slots[slot, PLACE + which] = slot - 1
        _sift_up(state.heaps[row, n, which], slots, which, slot - 1)


@inlined
def leave(state: State, row: int, n: int, content: int) -> None:
    """Take a content that is being evicted out of every order; the last slot moves into its place."""
    node, slots, records = state.nodes[row, n], state.slots[row, n], state.records[row, n]
    slot, last = records[content].slot, node.residents
    unlink(slots, LRU_LIST, slot)
    unlink(slots, FIFO_LIST, slot)
    for which in (LFU_HEAP, GDSF_HEAP):
        _remove(state.heaps[row, n, which], slots, which, slots[slot, PLACE + which], last)
    records[content].slot = 0
    node.residents = last - 1
    if slot != last:
        for column in range(SLOT_COLUMNS):
            slots[slot, column] = slots[last, column]
        records[slots[slot, CONTENT]].slot = slot
        for base in (LRU_LIST, FIFO_LIST):
            slots[slots[slot, base], base + 1] = slot
            slots[slots[slot, base + 1], base] = slot
        for which in (LFU_HEAP, GDSF_HEAP):
            state.heaps[row, n, which, slots[slot, PLACE + which]].slot = slot


@inlined
def unlink(slots: np.ndarray, base: int, slot: int) -> None:
    """Take a slot out of the list whose links are in columns ``base`` (previous) and ``base + 1`` (next)."""
    before, after = slots[slot, base], slots[slot, base + 1]
    slots[before, base + 1] = after
    slots[after, base] = before


@inlined
def append(slots: np.ndarray, base: int, slot: int) -> None:
    """Put a slot at the end of a list, where the sentinel's previous link points."""
    tail = slots[0, base]
    slots[tail, base + 1] = slot
    slots[slot, base] = tail
    slots[slot, base + 1] = 0
    slots[0, base] = slot


@inlined
def list_victim(state: State, row: int, n: int, base: int) -> int:
    """The content at the head of a list: least recently used, or first in."""
    slots = state.slots[row, n]
    return slots[slots[0, base + 1], CONTENT]


@inlined
def heap_victim(state: State, row: int, n: int, which: int) -> int:
    """The content with the smallest (key, least recent use) in a heap; the cache must not be empty."""
    heap, slots, records = state.heaps[row, n, which], state.slots[row, n], state.records[row, n]
    while True:
        content = slots[heap[0].slot, CONTENT]
        key, tie = _key(records[content], which)
        if heap[0].key == key and heap[0].tie == tie:
            return content
        heap[0].key, heap[0].tie = key, tie
        _sift_down(heap, slots, which, 0, state.nodes[row, n].residents)


@inlined
def _key(record, which: int):  # type: ignore[no-untyped-def]  # numba Record
    """Frequency for LFU; for GDSF the priority, whose bit pattern sorts like the positive double it is."""
    key = np.int64(record.frequency) if which == LFU_HEAP else np.float64(record.priority).view(np.int64)
    return key, record.last_use


@inlined
def _less(a, b) -> bool:  # type: ignore[no-untyped-def]
    return a.key < b.key or (a.key == b.key and a.tie < b.tie)


@inlined
def _put(heap: np.ndarray, slots: np.ndarray, which: int, i: int, key: int, tie: int, slot: int) -> None:
    heap[i].key, heap[i].tie, heap[i].slot = key, tie, slot
    slots[slot, PLACE + which] = i


@inlined
def _sift_up(heap: np.ndarray, slots: np.ndarray, which: int, i: int) -> None:
    key, tie, slot = heap[i].key, heap[i].tie, heap[i].slot
    while i > 0:
        parent = heap[(i - 1) // 2]
        if parent.key < key or (parent.key == key and parent.tie < tie):
            break
        _put(heap, slots, which, i, parent.key, parent.tie, parent.slot)
        i = (i - 1) // 2
    _put(heap, slots, which, i, key, tie, slot)


@inlined
def _sift_down(heap: np.ndarray, slots: np.ndarray, which: int, i: int, size: int) -> None:
    key, tie, slot = heap[i].key, heap[i].tie, heap[i].slot
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and _less(heap[child + 1], heap[child]):
            child += 1
        if key < heap[child].key or (key == heap[child].key and tie < heap[child].tie):
            break
        _put(heap, slots, which, i, heap[child].key, heap[child].tie, heap[child].slot)
        i = child
    _put(heap, slots, which, i, key, tie, slot)


@inlined
def _remove(heap: np.ndarray, slots: np.ndarray, which: int, i: int, size: int) -> None:
    """Remove entry i: the last one takes its place and finds its level."""
    last = size - 1
    if i == last:
        return
    _put(heap, slots, which, i, heap[last].key, heap[last].tie, heap[last].slot)
    _sift_up(heap, slots, which, i)
    _sift_down(heap, slots, which, i, last)
