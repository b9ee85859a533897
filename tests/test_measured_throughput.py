"""Reading measured throughput: equal steps, units, and what a damaged file says."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from edgegym.errors import EdgeGymError, TraceError
from edgegym.network.measured import equal_steps, read_throughput


def test_equal_steps_hold_the_last_value() -> None:
    time_s, values = np.array([3.0, 3.5, 4.0, 4.0, 7.0]), np.array([1.0, 2.0, 3.0, 9.0, 4.0])
    # The last value holds for the median step, .5 s; of two samples at once the first counts.
    np.testing.assert_array_equal(equal_steps(time_s, values, 1.0), [1, 3, 3, 3, 4])
    np.testing.assert_array_equal(equal_steps(np.array([5.0]), np.array([8.0]), 1.0), [8])


def test_measured_throughput_is_read_with_its_unit(tmp_path: Path) -> None:
    file = tmp_path / "traces.csv"
    file.write_text("trace,t_s,down_mbps,radio\na,0,1,\na,1,2.5,\nb,0,0,4G\n")
    packed = tmp_path / "traces.csv.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    for path in (file, packed):
        runs = read_throughput(path)
        assert {name: rate.tolist() for name, rate in runs.items()} == {"a": [1e6, 2.5e6], "b": [0]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trace,t_s,down_mbps\na,0,1\na,1,x\n", r"traces\.csv: line 3: .*'x'"),
        ("trace,t_s,down_mbps\na,0,1\na,1\n", r"traces\.csv: line 3: "),
        ("trace,t_s,up\na,0,1\n", "it has no column 'down_mbps'; columns trace, t_s and down_mbps are needed"),
        ("trace,t_s,down_mbps\na,0,1\na,1,-2\n", "trace a: row 2 of the trace: throughput is -2"),
        ("trace,t_s,down_mbps\na,0,nan\n", "trace a: row 1 of the trace: throughput is nan"),
        ("trace,t_s,down_mbps\na,2,1\na,1,2\n", "trace a: row 2 of the trace: t_s is 1; .*never fall"),
        ("trace,t_s,down_mbps\n", "has no rows"),
    ],
)
def test_damaged_throughput_names_file_and_place(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "traces.csv"
    file.write_text(text)
    with pytest.raises(TraceError, match=message) as caught:
        read_throughput(file)
    assert str(file) in str(caught.value)


def test_reading_refuses_what_is_no_throughput(tmp_path: Path) -> None:
    with pytest.raises(EdgeGymError, match="column 'rtt_ms' is no column of throughput"):
        read_throughput(tmp_path / "traces.csv", "rtt_ms")
    with pytest.raises(EdgeGymError, match="step_s is 0"):
        read_throughput(tmp_path / "traces.csv", step_s=0)
    with pytest.raises(TraceError, match="cannot be read"):
        read_throughput(tmp_path / "traces.csv")
