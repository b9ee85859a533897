"""CPU seconds to read a million requests, for each trace format, plain and compressed.

python benchmarks/reader_speed.py [--requests N] [--output FILE]

Every format gets the same requests: Zipf(0.9) over 100,000 contents, with sizes and whole-second times where the format
has them; csv once more with times of full double precision, which take the slow way through float(). Each file is read
once to warm up (numba compiles or loads its cache) and then ``REPEATS`` times; the smallest CPU time counts, the
rest being what neighbours on the machine add. Files are written first, once each.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np

from edgegym.files import write_text
from edgegym.workload.generators import zipf
from edgegym.workload.readers import read_trace
from edgegym.workload.trace import RequestTrace
from edgegym.workload.writers import write_trace

REPEATS = 5
SUFFIXES = {"plain": "", "gzip": ".gz", "xz": ".xz"}


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def cases(requests: int) -> list[tuple[str, str, RequestTrace]]:
    """(name, format, trace)."""
    unit = zipf(requests, 100_000, 0.9, 1)
    rng = np.random.default_rng(2)
    sized = replace(unit, size=rng.integers(1, 10**7, unit.contents))
    precise = replace(sized, time=np.sort(rng.random(requests)) * 1e6)
    timed = replace(sized, time=np.floor(precise.time))
    return [
        ("oracleGeneral", "oracleGeneral", timed),
        ("cache2k", "cache2k", unit),
        ("scarab", "scarab", unit),
        ("csv", "csv", timed),
        ("csv, 17-digit times", "csv", precise),
        ("adaptsize", "adaptsize", sized),
        ("lrb", "lrb", timed),
    ]


def measured(name: str, format: str, trace: RequestTrace, folder: Path) -> str:
    """One row of the table: MB of the plain file, then write and read seconds per million, form by form."""
    cells = []
    plain_bytes = 0
    for suffix in SUFFIXES.values():
        path = folder / f"trace{suffix}"
        written = cpu_seconds(lambda path=path: write_trace(path, trace, format))  # type: ignore[misc]
        plain_bytes = plain_bytes or path.stat().st_size
        assert np.array_equal(read_trace(path, format).content, trace.content)
        read = min(cpu_seconds(lambda path=path: read_trace(path, format)) for _ in range(REPEATS))  # type: ignore[misc]
        scale = 1e6 / len(trace)
        cells.append(f"{read * scale:.3f} / {written * scale:.2f}")
    return f"| {name} | {plain_bytes / len(trace):.1f} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "reader_speed.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measured(*case, Path(folder)) for case in cases(options.requests)]
    text = "\n".join(
        [
            "# Reading and writing traces",
            "",
            f"CPU seconds per million requests, read (smallest of {REPEATS}) / write (one run), {options.requests:,} "
            "requests, from bytes on disk to a checked trace with dense ids.",
            "",
            f"| format | bytes per request | {' | '.join(SUFFIXES)} |",
            "|---" * (2 + len(SUFFIXES)) + "|",
            *rows,
            "",
            f"Command: `OMP_NUM_THREADS=1 python benchmarks/reader_speed.py --requests {options.requests}`",
            "",
            f"Machine: {os.cpu_count()} shared cores, {platform.machine()}, Python {platform.python_version()}, numpy "
            f"{np.__version__}; {date.today():%Y-%m-%d}.",
            "",
        ]
    )
    write_text(options.output, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
