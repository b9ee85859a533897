"""Tables of measured times: what is read, and that wrong ones are refused by column and row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgegym.calibration.tables import read_table
from edgegym.calibration.tables.tinyml import work_of_task
from edgegym.errors import TableError

from .measured_tables import changed, ncnn_table, profile, scaled, timm_table


@pytest.mark.parametrize(
    ("mend", "message"),
    [
        (changed(3, "infer_step_time", "-4"), r"column infer_step_time, row at line 5: -4 .* above 0"),
        (changed(3, "infer_step_time", "0"), "column infer_step_time, row at line 5: 0"),
        (changed(0, "infer_batch_size", ""), "column infer_batch_size, row at line 2: '' is no number"),
        (changed(7, "infer_gmacs", "-1"), "column infer_gmacs, row at line 9: -1 is negative"),
        (scaled("infer_step_time", 1e-3), "column infer_step_time, row at line 2: .*1000 times.*in milliseconds"),
        (scaled("infer_step_time", 1e3, slice(5, 6)), "column infer_step_time, row at line 7: .*in milliseconds"),
        (scaled("infer_samples_per_sec", 2, slice(4, 5)), "row at line 6: .*2 times apart"),
        (scaled("infer_gmacs", 1e3), r"column infer_gmacs.*give it in G"),
        (scaled("param_count", 1e6), r"column param_count.*give it in M"),
    ],
)
def test_a_wrong_table_is_refused_by_column_and_row(
    mend: Callable[[list[list[str]]], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(TableError, match=message):
        read_table(timm_table(tmp_path, mend=mend), "timm", "made")


def test_a_table_of_another_format_is_refused(tmp_path: Path) -> None:
    file = timm_table(tmp_path)
    with pytest.raises(TableError, match=r"column device, threads.* missing from the header.*--format"):
        read_table(file, "ncnn", "made")
    with pytest.raises(TableError, match=r"unknown table format 'tim'\. Did you mean 'timm'"):
        read_table(file, "tim", "made")
    with pytest.raises(TableError, match=r"cannot be read"):
        read_table(tmp_path / "none.csv", "timm", "made")


def test_one_setting_of_one_device_is_read(tmp_path: Path) -> None:
    file = ncnn_table(tmp_path)
    table = read_table(file, "ncnn", "board a", {"threads": "4"})
    assert (table.device, table.threads, len(table)) == ("Board A", 4, 24)
    assert table.run_sigma == pytest.approx(np.log(1.05), rel=0.01)
    for device, filters, message in (
        ("Board C", {}, r"column device.*no device is called 'Board C'.*Did you mean 'Board A'.*Board B2"),
        ("board", {}, r"'board' fits 2 devices: Board A; Board B2"),
        ("Board A", {}, r"column threads.*2 settings \(1; 4\) are mixed; choose one with --filter threads=1"),
        ("Board A", {"threads": "3"}, r"filter threads=3: no row has that value.*It has"),
        ("Board A", {"treads": "4"}, "Did you mean 'threads'"),
    ):
        with pytest.raises(TableError, match=message):
            read_table(file, "ncnn", device, filters)


def test_least_mean_and_most_in_different_units_are_seen(tmp_path: Path) -> None:
    file = ncnn_table(tmp_path)
    lines = file.read_text().splitlines()
    cells = lines[30].split(",")
    lines[30] = ",".join([*cells[:6], str(float(cells[6]) * 1e3), *cells[7:]])
    file.write_text("\n".join(lines))
    with pytest.raises(TableError, match=r"column min_ms, row at line 31: .*out of order; give all three in milli"):
        read_table(file, "ncnn", "Board A", {"threads": "4"})


def test_a_profile_without_quiet_rows_or_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"column level.*quiet machine"):
        read_table(profile(tmp_path, contended=True), "edgegym", "made")
    with pytest.raises(TableError, match=r"column macs, row at line \d+ \(model0\): empty or 0"):
        read_table(profile(tmp_path, macs=None), "edgegym", "made")
    with pytest.raises(TableError, match=r"column t_p50_s.*no device lies outside"):
        read_table(profile(tmp_path, t_p50_s=1e9, t_p90_s=None), "edgegym", "made")


def test_counts_of_the_tiny_benchmarks() -> None:
    """MACs published with MLPerf Tiny: 0.264, 12.5, 2.7 and 7.5 million."""
    for task, published in (("ad", 0.264e6), ("ic", 12.5e6), ("kws", 2.66e6), ("vww", 7.49e6)):
        assert float(work_of_task(task).macs) == pytest.approx(published, rel=0.01)
