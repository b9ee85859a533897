"""Replay speed beside libcachesim (GPL-3.0, optional, in a process of its own), in one run.

OMP_NUM_THREADS=1 python benchmarks/replay_speed.py
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np

from edgegym.envs.caching.replay import replay
from edgegym.workload.generators import zipf
from edgegym.workload.trace import next_uses
from edgegym.workload.writers import write_trace

REQUESTS, CONTENTS, ALPHA, ROUNDS = 1_000_000, 10_000, 0.9, 5
THEIRS = {"FIFO": "FIFO", "LRU": "LRU", "LFU": "LFU", "SIEVE": "Sieve", "S3-FIFO": "S3FIFO", "Belady": "Belady"}
THEIRS |= {"CLOCK": "Clock", "SLRU": "SLRU", "2Q": "TwoQ", "ARC": "ARC", "LIRS": "LIRS", "W-TinyLFU": "WTinyLFU"}


def theirs(path: str, name: str, capacity: int) -> float:
    """CPU seconds of libcachesim, best of some rounds; NaN without it."""
    try:
        import libcachesim
    except ImportError:
        return float("nan")
    best = float("inf")
    for _ in range(ROUNDS):
        reader = libcachesim.TraceReader(path, libcachesim.TraceType.ORACLE_GENERAL_TRACE)
        cache = getattr(libcachesim, name)(cache_size=capacity, hashpower=18)
        began = time.process_time()
        cache.process_trace(reader)
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Print the table."""
    trace = zipf(REQUESTS, CONTENTS, ALPHA, 42)
    ones, following = np.ones(trace.contents, np.int64), next_uses(trace.content, trace.contents)
    print("| policy | capacity | here, M requests/s | libcachesim, M requests/s | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zipf.oracleGeneral"
        write_trace(path, trace, "oracleGeneral")
        for capacity in (100, 1000):
            for name, their_name in THEIRS.items():
                best = float("inf")
                for _ in range(ROUNDS + 1):
                    began = time.process_time()
                    replay(trace.content, ones, capacity, name, next_use=following)
                    best = min(best, time.process_time() - began)
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    other = pool.apply_async(theirs, (str(path), their_name, capacity)).get(timeout=120)
                print(f"| {name} | {capacity} | {1 / best:.1f} | {1 / other:.1f} | {other / best:.1f} |", flush=True)


if __name__ == "__main__":
    main()
