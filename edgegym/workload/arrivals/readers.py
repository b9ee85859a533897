"""Read arrival traces from CSV files; the header tells the layout.

- Azure LLM inference traces: ``TIMESTAMP,ContextTokens,GeneratedTokens``. P. Patel et al., "Splitwise: Efficient
  generative LLM inference using phase splitting", ISCA 2024.
- Azure Functions 2021: ``app,func,end_timestamp,duration``, in order of nothing; a call arrives at its end less its
  duration. Y. Zhang et al., "Faster and cheaper serverless computing on harvested resources", SOSP 2021.
- Azure Functions 2019: ``HashOwner,HashApp,HashFunction,Trigger,1,...,1440``, calls a minute. M. Shahrad et al.,
  "Serverless in the wild", USENIX ATC 2020. Where in the minute a call comes is not known; it is placed uniformly, the
  same at every reading.
- BurstGPT: ``Timestamp,Model,Request tokens,Response tokens,...``, in its second release with an ``Elapsed time``.
  Y. Wang et al., "BurstGPT: A real-world workload dataset to optimize LLM serving systems", KDD 2025. Failed requests
  are kept; they generated 0 tokens.
- Any other: a column of seconds under one of :data:`TIME_NAMES`; columns named like a mark are read as such.

All are sorted by time and count it from their first arrival. A file is read whole or refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgegym.errors import TraceError
from edgegym.workload.arrivals.stream import Arrivals
from edgegym.workload.arrivals.table import CsvTable, read_table

TIME_NAMES = ("time_s", "arrival_s", "time", "timestamp", "seconds", "t")
"""Names, in any case, for the column of seconds of a plain CSV file."""
MINUTE_S = 60.0
MINUTES = tuple(str(minute) for minute in range(1, 1441))
PLACING_SEED = 0

Columns = tuple[NDArray[np.float64], dict[str, NDArray[Any]]]
"""Times in seconds from any origin and in any order, and marks."""


def read_arrivals(path: str | os.PathLike[str]) -> Arrivals:
    """Read an arrival trace.

    Args:
        path: the CSV file, plain or compressed with gzip or xz.

    Returns:
        The arrivals in order of time, the first at 0, with the marks that the layout has.

    Raises:
        TraceError: if the file cannot be read, is damaged or of no known layout; the text names file and line.
    """
    table = read_table(Path(path))
    time_s, marks = _layout(table)(table)
    if not len(time_s):
        raise TraceError(f"{path}: holds no arrival; at least one is needed.")
    order = np.argsort(time_s, kind="stable")
    return Arrivals(time_s[order] - time_s[order[0]], {name: mark[order] for name, mark in marks.items()})


def _layout(table: CsvTable) -> Callable[[CsvTable], Columns]:
    header = set(table.header)
    for columns, read in LAYOUTS.items():
        if header.issuperset(columns):
            return read
    if _time_column(table) is not None:
        return _plain
    known = "; ".join(",".join(columns[:5]) + (",...,1440" if len(columns) > 5 else "") for columns in LAYOUTS)
    raise TraceError(
        f"{table.path}: line 1: found the columns {', '.join(table.header)}; a header with a column of seconds named "
        f"{', '.join(TIME_NAMES)} is needed, or the columns of one of: {known}."
    )


def _azure_llm(table: CsvTable) -> Columns:
    marks = {"context_tokens": table.counts("ContextTokens"), "generated_tokens": table.counts("GeneratedTokens")}
    return table.dates_s("TIMESTAMP"), marks


def _azure_functions_2021(table: CsvTable) -> Columns:
    duration_s = table.numbers("duration", least=0.0)
    time_s = table.numbers("end_timestamp") - duration_s
    names = list(zip(table.texts("app"), table.texts("func"), strict=True))
    return time_s, {"duration_s": duration_s, "function": _numbered(names, time_s)}


def _azure_functions_2019(table: CsvTable) -> Columns:
    calls = np.stack([table.counts(minute) for minute in MINUTES], axis=1)
    function, minute = (np.repeat(index.ravel(), calls.ravel()) for index in np.indices(calls.shape))
    within = np.random.default_rng(PLACING_SEED).random(len(minute))
    time_s = MINUTE_S * (minute + within)
    return time_s, {"function": _numbered(function.tolist(), time_s)}


def _burst_gpt(table: CsvTable) -> Columns:
    marks: dict[str, NDArray[Any]] = {
        "context_tokens": table.counts("Request tokens"),
        "generated_tokens": table.counts("Response tokens"),
    }
    if "Elapsed time" in table.header:
        marks["duration_s"] = table.numbers("Elapsed time", least=0.0)
    return table.numbers("Timestamp"), marks


def _plain(table: CsvTable) -> Columns:
    time = _time_column(table)
    assert time is not None
    marks: dict[str, NDArray[Any]] = {
        name: table.counts(name) for name in ("context_tokens", "generated_tokens", "function") if name in table.header
    }
    if "duration_s" in table.header:
        marks["duration_s"] = table.numbers("duration_s", least=0.0)
    return table.numbers(time), marks


LAYOUTS: Mapping[tuple[str, ...], Callable[[CsvTable], Columns]] = {
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"): _azure_llm,
    ("app", "func", "end_timestamp", "duration"): _azure_functions_2021,
    ("HashApp", "HashFunction", *MINUTES): _azure_functions_2019,
    ("Timestamp", "Request tokens", "Response tokens"): _burst_gpt,
}
"""Readers of the published traces, by the columns that tell them."""


def _time_column(table: CsvTable) -> str | None:
    by_name = {name.lower(): name for name in reversed(table.header)}
    return next((by_name[name] for name in TIME_NAMES if name in by_name), None)


def _numbered(names: list[Any], time_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Numbers from 0 for names, by first arrival."""
    numbers: dict[Any, int] = {}
    for place in np.argsort(time_s, kind="stable"):
        numbers.setdefault(names[place], len(numbers))
    return np.array([numbers[name] for name in names], np.int64)
