"""How far generated footprint traces are from the measured ones: LRU's miss-ratio curve, popularity, other policies.

OMP_NUM_THREADS=1 EDGEGYM_DATA=FOLDER python benchmarks/footprint_fidelity.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgegym.calibration.workload_footprint import (
    footprint_card_of,
    miss_ratio_difference,
    one_hit_share,
    top_percent_share,
)
from edgegym.cards import Provenance, WorkloadCard, load_card
from edgegym.envs.caching.replay import replay
from edgegym.workload.footprint import footprint
from edgegym.workload.generators import shot_noise, zipf
from edgegym.workload.readers import read_trace
from edgegym.workload.trace import RequestTrace

FOLDER = Path(os.environ.get("EDGEGYM_DATA", ".")) / "requests" / "caffeine"
SEEDS = range(1, 6)
POLICIES = ("FIFO", "LFU", "SIEVE", "S3-FIFO", "GDSF", "Belady")
CAPACITIES = (0.01, 0.1)


def akamai(requests: int) -> RequestTrace:
    """Shot noise with popularity and sizes of the card akamai_video, the default workload."""
    card = load_card("akamai_video", "workload")
    births = 10.0 / card.requests_per_object.mean()
    lives = (600.0, 3600.0, 21600.0)
    return shot_noise(requests, birth_rate=births, lifetimes=lives, seed=3, joint=card.joint.sample)


TRACES: dict[str, Callable[[], RequestTrace]] = {
    "web07": lambda: read_trace(FOLDER / "cache2k_web07.trace.xz", "cache2k"),
    "scarab": lambda: read_trace(FOLDER / "scarab_scarab-recs.trace.xz", "scarab"),
    "adaptsize": lambda: read_trace(FOLDER / "adapt_size_request.trace.xz", "adaptsize"),
    "shot noise": lambda: akamai(200_000),
    "Zipf(.9)": lambda: zipf(200_000, 20_000, 0.9, 1),
    "loop of 5000": lambda: RequestTrace.from_arrays(np.arange(200_000) % 5000),
}


def differences(trace: RequestTrace, card: WorkloadCard) -> str:
    """A row of the first table: the worst of some seeds for each difference, and the speed."""
    worst = np.zeros(5)
    began = time.process_time()
    drawn = [footprint(len(trace), card, seed) for seed in SEEDS]
    rate = len(trace) * len(drawn) / (time.process_time() - began)
    for one in drawn:
        found = [
            miss_ratio_difference(trace, one),
            miss_ratio_difference(trace, one, in_bytes=True),
            miss_ratio_difference(trace, one, in_bytes=True, weighted=True),
            abs(top_percent_share(trace) - top_percent_share(one)),
            abs(one_hit_share(trace) - one_hit_share(one)),
        ]
        worst = np.maximum(worst, found)
    curve, by_bytes, weighted, top, once = worst
    sized = f"{by_bytes:.4f} | {weighted:.3f}" if trace.size.max() > 1 else "- | -"
    return (
        f"| {curve:.4f} | {sized} | {top_percent_share(trace):.3f}, {top:.3f} | {one_hit_share(trace):.3f}, {once:.3f} "
        f"| {rate / 1e6:.1f} |"
    )


def miss_ratios(trace: RequestTrace, card: WorkloadCard) -> str:
    """Cells of the second table: measured / generated miss ratio of other policies, objects of one size."""
    one = footprint(len(trace), card, seed=1)
    cells = []
    for policy in POLICIES:
        pairs = []
        for share in CAPACITIES:
            capacity = round(share * trace.contents)
            ratios = [replay(t.content, np.ones_like(t.size), capacity, policy).miss_ratio for t in (trace, one)]
            pairs.append(" / ".join(f"{ratio:.3f}" for ratio in ratios))
        cells.append(", ".join(pairs))
    return " | ".join(cells)


def main() -> None:
    """Print both tables."""
    footprint(100, load_card("web07", "workload"), seed=0)
    rows = []
    print("| trace | requests | curve | curve over bytes | byte miss ratio | top 1 % | one-hit | M requests/s |")
    print("|---|---|---|---|---|---|---|---|")
    for name, read in TRACES.items():
        trace = read()
        card = footprint_card_of(trace, name, Provenance(source="benchmark"))
        print(f"| {name} | {len(trace):,} {differences(trace, card)}", flush=True)
        rows.append(f"| {name} | {miss_ratios(trace, card)} |")
    print(f"\n| trace | {' | '.join(POLICIES)} |\n|---|{'---|' * len(POLICIES)}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
