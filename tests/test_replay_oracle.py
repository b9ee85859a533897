"""Replay kernels against libCacheSim, an independent simulator, as a black box in a child process.

libcachesim is GPL-3.0 software: it is never imported by the package, only by the child that these tests start.
"""

from __future__ import annotations

import importlib.util
import json
import lzma
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgegym.envs.caching.replay import replay
from edgegym.workload.trace import RequestTrace, next_uses

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("libcachesim") is None,
    reason="libcachesim is not installed: pip install 'edgegym[oracle]' to compare with it",
)

ORACLE = {"FIFO": "FIFO", "LRU": "LRU", "LFU": "LFU", "Belady": "Belady", "SIEVE": "Sieve", "S3-FIFO": "S3FIFO"}
ORACLE |= {"CLOCK": "Clock", "SLRU": "SLRU", "2Q": "TwoQ"}
UNIT_ORACLE = {"ARC": "ARC"}
"""Equal on unit sizes only: with sizes, the oracle's ARC moves its target by what is nothing in bytes."""
NEAR_ORACLE = {"LIRS": "LIRS", "W-TinyLFU": "WTinyLFU"}
"""Not equal, for the reasons that their modules give."""

# Reads jobs {trace, policy, capacity, steps} from a file and prints a JSON list: per job the miss ratios by request and
# by byte, or, with steps, the hits as a string of 0 and 1.
CHILD = """
import json, sys
import libcachesim as lc
answers = []
for job in json.load(open(sys.argv[1])):
    reader = lc.TraceReader(
        job["trace"], lc.TraceType.ORACLE_GENERAL_TRACE, lc.ReaderInitParam(ignore_obj_size=False)
    )
    cache = getattr(lc, job["policy"])(cache_size=job["capacity"], hashpower=18)
    if job["steps"]:
        answers.append("".join("1" if cache.get(request) else "0" for request in reader))
    else:
        answers.append(cache.process_trace(reader, start_req=0, max_req=-1))
json.dump(answers, open(sys.argv[2], "w"))
"""


def write_oracle_general(path: Path, trace: RequestTrace) -> None:
    """Write 24-byte records: time, id, size, index of the next request (-1 for none)."""
    again = next_uses(trace.content, trace.contents)
    record = np.zeros(len(trace), np.dtype([("time", "<u4"), ("id", "<u8"), ("size", "<u4"), ("next", "<i8")]))
    record["time"] = np.arange(len(trace))
    record["id"] = trace.content
    record["size"] = trace.size[trace.content]
    record["next"] = np.where(again == len(trace), -1, again)
    record.tofile(path)


def ask(folder: Path, jobs: list[tuple[RequestTrace, int, str]], steps: bool) -> list[Any]:
    """Let a child replay (trace, capacity, policy) jobs; ``policy`` in the oracle's spelling."""
    paths: dict[int, str] = {}
    for trace, _, _ in jobs:
        if id(trace) not in paths:
            paths[id(trace)] = str(folder / f"{len(paths)}.oracleGeneral")
            write_oracle_general(Path(paths[id(trace)]), trace)
    orders = [
        {"trace": paths[id(trace)], "policy": policy, "capacity": capacity, "steps": steps}
        for trace, capacity, policy in jobs
    ]
    (folder / "jobs.json").write_text(json.dumps(orders))
    command = [sys.executable, "-c", CHILD, str(folder / "jobs.json"), str(folder / "answers.json")]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    answers: list[Any] = json.loads((folder / "answers.json").read_text())
    return answers


def zipf(rng: np.random.Generator, contents: int, skew: float, requests: int) -> np.ndarray:
    weight = np.arange(1, contents + 1) ** -skew
    return rng.choice(contents, requests, p=weight / weight.sum())


def streams(rng: np.random.Generator, requests: int = 6000) -> Iterator[tuple[str, np.ndarray]]:
    """Uniform, Zipf, looping, scan-mixed and drifting requests with drawn parameters."""
    yield "uniform", rng.integers(0, rng.integers(50, 1500), requests)
    yield "zipf", zipf(rng, int(rng.integers(50, 3000)), rng.uniform(0.4, 1.3), requests)
    yield "loop", np.arange(requests) % rng.integers(30, 900)
    mixed = zipf(rng, 600, 0.9, requests)
    length = int(rng.integers(50, 600))
    for start in range(0, requests - length, 4 * length):
        mixed[start : start + length] = np.arange(length) + 1000 + (start if rng.random() < 0.5 else 0)
    yield "scans", mixed
    yield "drift", zipf(rng, 500, 0.9, requests) + np.arange(requests) // 500 * rng.integers(1, 50)


def cases(rng: np.random.Generator, sized: bool) -> Iterator[tuple[str, RequestTrace, int]]:
    """(kind, trace, capacity): capacities from 20 objects to all, or from 1 % to 60 % of all bytes."""
    for kind, ids in streams(rng):
        trace = RequestTrace.from_arrays(ids)
        if sized:
            heavy = (100 * rng.pareto(1.2, trace.contents) + rng.integers(1, 1000)).astype(np.int64)
            trace = RequestTrace.from_arrays(trace.content, size=heavy[trace.content])
            yield kind, trace, int(trace.size.sum() * rng.uniform(0.01, 0.6))
        else:
            yield f"{kind} small", trace, int(rng.integers(20, 40))
            yield kind, trace, int(rng.integers(20, trace.contents + 2))


@pytest.mark.parametrize("sized", [False, True], ids=["unit", "sized"])
def test_each_request_meets_what_the_oracle_says(tmp_path: Path, sized: bool) -> None:
    rng = np.random.default_rng(20 + sized)
    spelt = ORACLE | UNIT_ORACLE
    jobs = [
        (kind, trace, capacity, policy)
        for _ in range(3)
        for kind, trace, capacity in cases(rng, sized)
        for policy in (ORACLE if sized else spelt)
    ]
    answers = ask(tmp_path, [(trace, capacity, spelt[policy]) for _, trace, capacity, policy in jobs], steps=True)
    for (kind, trace, capacity, policy), answer in zip(jobs, answers, strict=True):
        hit = replay(trace.content, trace.size, capacity, policy).hit
        expected = np.frombuffer(answer.encode(), np.uint8) == ord("1")
        assert np.array_equal(hit, expected), f"{policy} on {kind}, capacity {capacity}"


def test_lirs_comes_near_the_oracle(tmp_path: Path) -> None:
    rng = np.random.default_rng(24)
    traces = [RequestTrace.from_arrays(ids) for _, ids in streams(rng, 40_000)]
    jobs = [(trace, capacity, "LIRS") for trace in traces for capacity in (3, 10, 30, 100, 400)]
    for (trace, capacity, policy), (by_request, _) in zip(jobs, ask(tmp_path, jobs, steps=False), strict=True):
        assert replay(trace.content, trace.size, capacity, policy).miss_ratio == pytest.approx(by_request, abs=0.004)


def test_the_oracles_lirs_holds_more_than_fits(tmp_path: Path) -> None:
    """Why small caches differ: after these requests four objects would hit in a cache of three."""
    before = [0, 1, 2, 3, 2, 3, 1, 0]
    traces = [RequestTrace.from_arrays(np.array([*before, x])) for x in range(4)]
    answers = ask(tmp_path, [(trace, 3, "LIRS") for trace in traces], steps=True)
    assert [answer[-1] for answer in answers] == ["1"] * 4
    assert sum(replay(trace.content, trace.size, 3, "LIRS").hit[-1] for trace in traces) == 3


def test_w_tinylfu_meets_the_oracle_hit_by_hit_while_the_sketches_count_exactly(tmp_path: Path) -> None:
    """Few contents share all their counters, but the oracle hashes otherwise: a trace or two may differ."""
    rng = np.random.default_rng(23)
    traces = [RequestTrace.from_arrays(zipf(rng, 120, rng.uniform(0.3, 1.2), 6000)) for _ in range(10)]
    answers = ask(tmp_path, [(trace, 100, "WTinyLFU") for trace in traces], steps=True)
    expected = [np.frombuffer(answer.encode(), np.uint8) == ord("1") for answer in answers]
    hits = [replay(trace.content, trace.size, 100, "W-TinyLFU").hit for trace in traces]
    assert sum(np.array_equal(ours, theirs) for ours, theirs in zip(hits, expected, strict=True)) >= 8


def test_w_tinylfu_meets_the_oracle_on_average(tmp_path: Path) -> None:
    """Other ids are hashed to other counters: on loops that alone moves the oracle's miss ratio by .1."""
    rng = np.random.default_rng(25)
    for kind, ids in streams(rng, 20_000):
        trace = RequestTrace.from_arrays(ids)
        names = [rng.permutation(trace.contents).astype(np.int32) for _ in range(12)]
        jobs = [(replace(trace, content=name[trace.content]), 100, "WTinyLFU") for name in names]
        theirs = np.array([by_request for by_request, _ in ask(tmp_path, jobs, steps=False)])
        ours = np.array([replay(name[trace.content], trace.size, 100, "W-TinyLFU").miss_ratio for name in names])
        error = np.hypot(theirs.std(), ours.std()) / np.sqrt(len(jobs))
        assert abs(ours.mean() - theirs.mean()) <= 0.002 + 3 * error, kind


def test_policies_that_draw_come_near_the_oracle(tmp_path: Path) -> None:
    """Within .01, as draws differ. The oracle's Hyperbolic ignores sizes: only LeCaR is compared with them."""
    rng = np.random.default_rng(22)
    jobs: list[tuple[RequestTrace, int, str]] = []
    for _, ids in streams(rng, 40_000):
        trace = RequestTrace.from_arrays(ids)
        heavy = (100 * rng.pareto(1.2, trace.contents) + rng.integers(1, 1000)).astype(np.int64)
        sized = RequestTrace.from_arrays(trace.content, size=heavy[trace.content])
        for share in (0.03, 0.1, 0.3):
            capacity = max(20, round(share * trace.contents))
            jobs += [(trace, capacity, "Hyperbolic"), (trace, capacity, "LeCaR")]
            jobs.append((sized, round(share * int(sized.size.sum())), "LeCaR"))
    for (trace, capacity, policy), (by_request, _) in zip(jobs, ask(tmp_path, jobs, steps=False), strict=True):
        result = replay(trace.content, trace.size, capacity, policy)
        assert result.miss_ratio == pytest.approx(by_request, abs=0.01), f"{policy}, capacity {capacity}"


def real_traces(folder: Path) -> dict[str, RequestTrace]:
    with lzma.open(folder / "cache2k_web07.trace.xz") as web, lzma.open(folder / "scarab_scarab-recs.trace.xz") as recs:
        web07 = np.frombuffer(web.read(), ">i4").astype(np.int64)
        scarab = np.frombuffer(recs.read(), ">i8").astype(np.int64)
    with lzma.open(folder / "adapt_size_request.trace.xz") as lines:
        rows = np.loadtxt(lines, np.int64)
    adaptsize = RequestTrace.from_arrays(rows[:, 1], size=rows[:, 2])
    return {
        "web07": RequestTrace.from_arrays(web07),
        "scarab": RequestTrace.from_arrays(scarab[:400_000]),
        "adaptsize": RequestTrace.from_arrays(adaptsize.content),
        "adaptsize bytes": adaptsize,
    }


def test_miss_ratios_on_real_traces(data_folder: Path, tmp_path: Path) -> None:
    spelt = ORACLE | UNIT_ORACLE | NEAR_ORACLE
    jobs = [
        (name, trace, round(share * int(trace.size.sum())), policy)
        for name, trace in real_traces(data_folder / "requests" / "caffeine").items()
        for share in (0.01, 0.1)
        for policy in spelt
    ]
    answers = ask(tmp_path, [(trace, capacity, spelt[policy]) for _, trace, capacity, policy in jobs], steps=False)
    for (name, trace, capacity, policy), (by_request, by_byte) in zip(jobs, answers, strict=True):
        result = replay(trace.content, trace.size, capacity, policy)
        where = f"{policy} on {name}, capacity {capacity}"
        equal = policy in ORACLE or (policy in UNIT_ORACLE and name != "adaptsize bytes")
        assert result.miss_ratio == pytest.approx(by_request, abs=1e-6 if equal else 0.005), where
        missed = 1 - result.byte_hit_ratio(trace.size[trace.content])
        assert missed == pytest.approx(by_byte, abs=1e-6 if equal else 0.01), where
