"""Made-up tables of measured times in the formats that calibration reads."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgegym.calibration.profile_table import ProfileRow, ProfileTable, write_profile
from edgegym.cards import load_card

TIMM_HEADER = (
    "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count,infer_gmacs,infer_macts"
)


def timm_table(folder: Path, rows: int = 90, mend: Callable[[list[list[str]]], None] | None = None) -> Path:
    """A benchmark file in timm's format that follows the additive form with 2 % noise."""
    rng = np.random.default_rng(1)
    lines = []
    for place in range(rows):
        gmacs, macts, params = np.exp(rng.normal(np.log([4.0, 10.0, 25.0]), 0.8))
        batch = int(rng.choice([64, 256]))
        seconds = 1e-3 + batch * (1e9 * gmacs / 4e13 + 1e6 * macts / 5e10) + 1e6 * params / 3e10
        seconds *= np.exp(rng.normal(0, 0.02))
        name = f"{'abcdefghijklmnopqrstu'[place % 21] * 3}net_{place}"
        fields = (224, batch / seconds, 1e3 * seconds, batch, params, gmacs, macts)
        lines.append([name, *(f"{value:.5g}" for value in fields)])
    if mend:
        mend(lines)
    file = folder / "made.csv.gz"
    file.write_bytes(gzip.compress("\n".join([TIMM_HEADER, *(",".join(line) for line in lines)]).encode()))
    return file


def changed(row: int, column: str, value: str) -> Callable[[list[list[str]]], None]:
    def mend(lines: list[list[str]]) -> None:
        lines[row][TIMM_HEADER.split(",").index(column)] = value

    return mend


def scaled(column: str, factor: float, rows: slice = slice(None)) -> Callable[[list[list[str]]], None]:
    def mend(lines: list[list[str]]) -> None:
        place = TIMM_HEADER.split(",").index(column)
        for line in lines[rows]:
            line[place] = f"{float(line[place]) * factor:.6g}"

    return mend


def ncnn_table(folder: Path, log_times: np.ndarray | None = None) -> Path:
    """Two boards in ncnn's format, with the models of the shipped prior."""
    models = load_card("ncnn_cpu", "prior").models
    rng = np.random.default_rng(2)
    lines = ["device,threads,powersave,gpu_device,loops,model,min_ms,max_ms,avg_ms"]
    for board, level in (("Board A", 30.0), ("Board B2", 90.0)):
        for threads in (1, 4):
            for place, model in enumerate(models):
                least = level / threads * np.exp(rng.normal(0, 0.8) if log_times is None else log_times[place])
                lines.append(f"{board},{threads},0,-1,8,{model},{least:.4f},{least * 1.2:.4f},{least * 1.05:.4f}")
    counts = ["model,macs,macs_dw,params,act_conv,n_layers"]
    counts += [f"{m},{1e8 * (i + 1)},{1e7},{1e6 * (i + 2)},{1e6 * (i + 1)},{20 + i}" for i, m in enumerate(models)]
    (folder / "model_features.csv").write_text("\n".join(counts))
    file = folder / "bench.csv"
    file.write_text("\n".join(lines))
    return file


def profile(folder: Path, **changes: Any) -> Path:
    """A table as the profiler writes it: 12 models in 6 families at 4 batches, two layers each, additive times."""
    rng = np.random.default_rng(7)
    rows = []
    base = {"device": "made", "runtime": "torch", "threads": 2, "dtype": "float32", "input": "3x224x224"}
    for place in range(12):
        outer, inner = int(2 ** rng.integers(4, 8)), int(2 ** rng.integers(4, 8))
        side = int(2 ** rng.integers(3, 6))
        conv = {
            "macs": 9 * inner * outer * side**2,
            "params": 9 * inner * outer,
            "act_elements": outer * side**2,
            "input_elements": inner * side**2,
            "channels_in": inner,
            "channels_out": outer,
        }
        norm = {"macs": 0, "params": 2 * outer, "act_elements": outer * side**2, "input_elements": outer * side**2}
        name = {**base, "model": f"model{place}", "family": f"family{place % 6}"}
        for batch in (1, 2, 8, 32):
            conv_s, norm_s = (
                (1e-5 + batch * (c["macs"] / 2e10 + c["act_elements"] / 5e8)) * np.exp(rng.normal(0, 0.02))
                for c in (conv, norm)
            )
            whole = {key: conv.get(key, 0) + norm.get(key, 0) for key in ("macs", "params", "act_elements")}
            total = conv_s + norm_s
            rows.append(
                {**name, **whole, "batch": batch, "layers": 2, "level": "model", "t_p50_s": total,
                 "t_p90_s": 1.1 * total, "energy_j": 12.0 * total,
                 "peak_memory_bytes": int(1e6 + 4 * whole["params"] + 4 * batch * conv["act_elements"]), **changes}
            )  # fmt: skip
            for layer, kind, counts, seconds in (("c", "conv", conv, conv_s), ("n", "norm", norm, norm_s)):
                rows.append(
                    {
                        **name,
                        **counts,
                        "batch": batch,
                        "level": "layer",
                        "layer": layer,
                        "kind": kind,
                        "t_p50_s": seconds,
                    }
                )
    file = folder / "profile.csv"
    write_profile(ProfileTable(tuple(ProfileRow.parse(row) for row in rows), {"machine": "made"}), file)
    return file
