"""The table of measured times: it survives being written, and faults are named by line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgegym.calibration.profile_table import (
    COLUMNS,
    ProfileRow,
    ProfileTable,
    parse_profile,
    profile_text,
    read_profile,
    write_profile,
)
from edgegym.errors import TableError

ROW = ProfileRow(
    device="cpu, model 1",
    runtime="pytorch 2",
    threads=2,
    dtype="float32",
    model="net",
    family="nets",
    batch=4,
    input="3x8x8",
    macs=10,
    level="model",
    t_p50_s=2e-3,
    t_p90_s=3e-3,
    t_min_s=1e-3,
)


def replace_row(**changes: Any) -> ProfileRow:
    return ProfileRow.model_validate(ROW.model_dump() | changes)


def test_table_round_trip(tmp_path: Path) -> None:
    layer = replace_row(level="layer", layer="0.conv2d", kind="conv", contended=True, t_p50_s=0.0, t_min_s=0.0)
    table = ProfileTable((ROW, layer), {"device": "cpu, model 1", "note": "a: b"})
    write_profile(table, tmp_path / "t.csv")
    assert read_profile(tmp_path / "t.csv") == table
    header = next(line for line in (tmp_path / "t.csv").read_text().splitlines() if not line.startswith("#"))
    assert header.split(",") == list(COLUMNS)


def test_empty_cells_stay_empty() -> None:
    table = parse_profile(profile_text(ProfileTable((ROW,))), "t.csv")
    assert table.rows[0].energy_j is None
    assert table.rows[0].peak_memory_bytes is None
    assert np.isnan(table.column("energy_j")).all()
    assert table.column("t_p50_s").tolist() == [2e-3]
    assert table.column("family").tolist() == ["nets"]


@given(st.floats(1e-7, 1e4), st.integers(1, 10**6), st.booleans())
def test_any_row_survives(p50: float, batch: int, contended: bool) -> None:
    p50 = float(f"{p50:.6g}")
    row = ROW.model_copy(update={"t_p50_s": p50, "t_p90_s": None, "t_min_s": None, "batch": batch})
    row = row.model_copy(update={"contended": contended})
    assert parse_profile(profile_text(ProfileTable((row,))), "t.csv").rows == (row,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("t_p50_s", "t_p50_ms", r"t\.csv: column t_p50_s missing"),
        ("t_p90_s", "t_p90", r"unknown column 't_p90'\. Did you mean 't_p90_s'"),
        (",0.002,", ",-0.002,", r"line 2: column t_p50_s: .* greater than or equal to 0 \(found '-0.002'\)"),
        (",0.002,", ",fast,", r"line 2: column t_p50_s: .* valid number"),
        (",0.002,", ",,", r"line 2: column t_p50_s: empty"),
        (",0.002,", ",0,", r"line 2: t_min_s = 0.001 exceeds t_p50_s = 0|t_p50_s is 0"),
        (",0.003,", ",0.0003,", r"line 2: t_p50_s = 0.002 exceeds t_p90_s = 0.0003"),
        (",net,", ",net,extra,", rf"line 2: {len(COLUMNS) + 1} cells under {len(COLUMNS)} columns"),
        (",,model,", ",,layer,", r"line 2: layer is '' at level 'layer'"),
        (",,model,", ",,whole,", r"line 2: column level: .*'model', 'layer' or 'remainder'"),
    ],
)
def test_bad_tables_name_line_and_column(old: str, new: str, message: str) -> None:
    text = profile_text(ProfileTable((ROW,)))
    assert old in text
    with pytest.raises(TableError, match=message):
        parse_profile(text.replace(old, new), "t.csv")


def test_tables_without_rows_or_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no measurements"):
        parse_profile(",".join(COLUMNS) + "\n", "t.csv")
    with pytest.raises(TableError, match="cannot be read"):
        read_profile(tmp_path / "missing.csv")
    with pytest.raises(TableError, match="column device"):
        parse_profile("", "t.csv")
