"""Forecast errors and miss ratios of the neural, linear and EWMA forecasters on held-out requests, in Markdown.

OMP_NUM_THREADS=1 python benchmarks/forecasting.py choice web07_205 web07_2048 adaptsize_402 adaptsize_4024 \
    adaptsize_bytes scarab_2584 edge_video truth speed
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from edgegym.agents.experiment import Experiment
from edgegym.agents.forecasting.fitting import ForecastNetwork
from edgegym.agents.forecasting.results import MEASURES, differences, mean
from edgegym.agents.forecasting.scoring import Snapshot, score
from edgegym.agents.forecasting.study import INPUTS, NAMES, Judged, fit_all, judge, write_all
from edgegym.agents.policies import bounds, heuristics
from edgegym.cards import load_card
from edgegym.envs.caching.forecaster import Forecaster, ForecasterRecord, save_forecaster
from edgegym.evaluation.harness import Task, run_episodes
from edgegym.evaluation.statistics import Estimate
from edgegym.settings import merged, parse_overrides
from edgegym.workload.trace import RequestTrace

ENV = "EdgeGym/ContentCaching-v0"
FILES = {
    "web07": ("cache2k_web07.trace.xz", "cache2k"),
    "adaptsize": ("adapt_size_request.trace.xz", "adaptsize"),
    "scarab": ("scarab_scarab-recs.trace.xz", "scarab"),
}
TASKS: dict[str, tuple[str, int | str, str]] = {
    "web07_205": ("web07", 205, "objects"),
    "web07_2048": ("web07", 2048, "objects"),
    "adaptsize_402": ("adaptsize", 402, "objects"),
    "adaptsize_4024": ("adaptsize", 4024, "objects"),
    "adaptsize_bytes": ("adaptsize", "10%", "bytes"),
    "scarab_2584": ("scarab", 2584, "objects"),
    "edge_video": ("shot noise", "2%", "bytes"),
}
"""Name to workload, capacity and unit."""
CANDIDATES = 32
TRUTH_SEEDS = range(2_000_000, 2_000_010)


def experiment_of(name: str, *overrides: str) -> Experiment:
    """One of the tasks: fitted to the first half of a trace and judged on the second, or on episodes of other seeds."""
    file, capacity, unit = TASKS[name]
    settings: dict[str, Any] = {"capacity": capacity, "unit": unit, "candidates": CANDIDATES}
    values: dict[str, Any] = {"name": name, "environment": ENV, "metric": "hit_ratio", "settings": settings}
    if file in FILES:
        path, form = FILES[file]
        workload = {"kind": "trace", "path": f"$EDGEGYM_DATA/requests/caffeine/{path}", "format": form}
        values["settings"] = {**settings, "workload": workload, "warmup": 0.5}
        values["training"] = {"settings": {"workload": {"part": [0.0, 0.5]}}}
        values["evaluation"] = {"episodes": 1, "seed": 0}
    else:
        values["evaluation"] = {"episodes": 20, "seed": 1_000_000}
    return Experiment.parse(merged(values, parse_overrides(overrides)))


def quiet(text: str, done: float) -> None:
    """Progress on standard error."""
    print(f"\r{done:6.1%} {text:40}", end="", file=sys.stderr)


def fitted(experiment: Experiment, folder: str) -> dict[str, list[Path]]:
    """The folders of the forecasters of an experiment."""
    return write_all(fit_all(experiment, quiet), Path(folder))


def study(name: str) -> None:
    """Print what one task's forecasters reach, and some heuristics for comparison."""
    experiment = experiment_of(name)
    with TemporaryDirectory() as folder:
        found = judge(experiment, fitted(experiment, folder), quiet)
    print(f"### {name}\n\n{table(found)}\n")
    print(f"Miss ratios of others: {others(experiment)}.\n")


def others(experiment: Experiment) -> str:
    """Miss ratios of LRU, the best heuristic in hindsight and the bound."""
    task, seeds = experiment.task(experiment.evaluation), experiment.evaluation.seeds
    known = heuristics(task.id, task.system())
    misses = {
        one.name: 1.0 - float(np.mean([each.metrics["hit_ratio"] for each in run_episodes(task, one, seeds)]))
        for one in [*known, *bounds(task.id, task.system())[:1]]
    }
    *_, bound = misses
    best = min((one.name for one in known), key=misses.__getitem__)
    shown = {"LRU": "LRU", "S3-FIFO": "S3-FIFO", best: f"the best of {len(known)} heuristics, {best}", bound: bound}
    return ", ".join(f"{words} {misses[name]:.4f}" for name, words in shown.items())


def table(found: Sequence[Judged]) -> str:
    """Markdown of a study."""
    head = ["forecaster", *MEASURES.values(), "neural's misses minus its"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    against = {name: difference.text(signed=True, decimals=4) for name, difference in differences(found).items()}
    for one in found:
        cells = [NAMES[one.name], *(mean(one, measure).text(decimals=4) for measure in MEASURES)]
        lines.append(f"| {' | '.join([*cells, against.get(one.name, '')])} |")
    return "\n".join(lines)


def choice() -> None:
    """Print the choice of window and network: the last quarter of web07's first half, fitted to what is before it."""
    inner = ["training.settings.workload.part=[0.0, 0.375]", "forecast.seeds=[0,1,2]", "forecast.half_lives=[3.0]"]
    held = "evaluation.settings={workload: {part: [0.0, 0.5]}, warmup: 0.75}"
    print("| capacity | window | hidden | neural: deviance | misses | linear: deviance | misses |\n|" + "---|" * 7)
    for capacity in (205, 2048):
        for window, hidden in ((0.25, [16]), (0.5, [16]), (1, [16]), (2, [16]), (0.5, [16, 16]), (0.5, [4])):
            options = [*inner, held, f"forecast.window={window}", f"forecast.hidden={hidden}"]
            experiment = experiment_of(f"web07_{capacity}", *options)
            with TemporaryDirectory() as folder:
                found = {one.name: one for one in judge(experiment, fitted(experiment, folder), quiet)}
            cells = [
                mean(found[n], m).text(decimals=4) for n in ("neural", "linear") for m in ("deviance", "miss_ratio")
            ]
            print(f"| {capacity} | {window} | {hidden} | {' | '.join(cells)} |", flush=True)


class KnownShotNoise:
    """A shot-noise trace of the default workload whose laws are kept.

    Args:
        seed: of ``numpy.random.default_rng``.
        requests: its length.
        rate: requests per second.
        lifetimes: seconds.
    """

    def __init__(
        self, seed: int, requests: int = 20_000, rate: float = 10.0, lifetimes: Any = (600, 3600, 21600)
    ) -> None:
        rng, card = np.random.default_rng(seed), load_card("akamai_video", "workload")
        self.rate, stop, oldest = rate, 1.1 * requests / rate, -float(max(lifetimes))
        births = rng.poisson((stop - oldest) * rate / card.requests_per_object.mean())
        self.birth, life = rng.uniform(oldest, stop, births), rng.choice(lifetimes, births)
        volume, size = card.joint.sample(rng, births)
        self.death, self.intensity = self.birth + life, volume / life
        count = rng.poisson(volume)
        moment = np.repeat(self.birth, count) + np.repeat(life, count) * rng.random(count.sum())
        born = np.repeat(np.arange(births), count)
        order = np.argsort(moment)
        order = order[moment[order] >= 0.0][:requests]
        self.trace = RequestTrace.from_arrays(born[order], time=moment[order], size=size[born[order]])
        self.born = np.empty(self.trace.contents, np.int64)
        self.born[self.trace.content] = born[order]

    def expected(self, snapshot: Snapshot) -> NDArray[np.float64]:
        """(known,) expected requests in the next window, by the laws that the trace was drawn from."""
        known, now = self.born[snapshot.contents], self.trace.time[snapshot.position - 1]
        overlap = np.minimum(self.death[known], now + snapshot.window / self.rate) - now
        return self.intensity[known] * np.maximum(overlap, 0.0)


def truth() -> None:
    """Print recall against the true rates of shot noise, which no forecaster sees; intervals are over the traces."""
    experiment = experiment_of("edge_video")
    task, settings = experiment.task(experiment.evaluation), experiment.forecast
    traces, found = [KnownShotNoise(seed) for seed in TRUTH_SEEDS], {}
    with TemporaryDirectory() as folder:
        for name, places in fitted(experiment, folder).items():
            recalls = []
            for place in places:
                own = Task(task.id, merged(task.settings, {"forecaster": str(place)}))
                judged = partial(score, own, [0], settings.window, settings.samples)
                recalls += [
                    judged({"trace": one.trace}, value).recall for one in traces for value in (one.expected, None)
                ]
            found[name] = np.array(recalls).reshape(len(places), len(traces), 2).mean(axis=0)
    head = ["forecaster", "recall@C by true rates", "neural minus it", "by requests that came", "neural minus it"]
    print(f"### Shot noise with known rates\n\n| {' | '.join(head)} |\n" + "|---" * len(head) + "|")
    for name in NAMES:
        cells = []
        for kind in range(2):
            own, neural = found[name][:, kind], found["neural"][:, kind]
            cells += [f"{own.mean():.4f}", "" if name == "neural" else interval(neural - own)]
        print(f"| {NAMES[name]} | {' | '.join(cells)} |")
    print()


def interval(values: NDArray[np.float64]) -> str:
    """Mean with Student's 95 % interval."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return Estimate(values.mean(), values.mean() - half, values.mean() + half, "episodes").text(signed=True, decimals=4)


def speed(rows: int = 256, steps: int = 200, rounds: int = 7) -> None:
    """Print decisions per CPU second of the native vector, default workload, without and with forecasters."""
    rng = np.random.default_rng(0)
    inputs, requests = rng.random((100, len(INPUTS)), np.float32), rng.poisson(1.0, 100)
    with TemporaryDirectory() as folder:
        environments = {"none": gym.make_vec(f"edgegym:{ENV}", num_envs=rows)}
        for hidden in ((), (16,), (16, 16)):
            torch.manual_seed(0)
            layers = ForecastNetwork(inputs, requests, hidden).layers()
            place = Path(folder) / str(len(hidden))
            save_forecaster(place, Forecaster(ForecasterRecord(inputs=INPUTS, hidden=hidden, window=0.5), layers))
            made = gym.make_vec(ENV, num_envs=rows, forecaster=str(place))
            environments[f"hidden layers {list(hidden)}"] = made
    actions, best = np.arange(rows) % 4 + 1, dict.fromkeys(environments, 0.0)
    for environment in environments.values():
        environment.reset(seed=0)
    for _ in range(rounds):
        for name, environment in environments.items():
            began = time.process_time()
            for _ in range(steps):
                environment.step(actions)
            best[name] = max(best[name], rows * steps / (time.process_time() - began))
    print("### Speed\n\n| forecaster | decisions per CPU second |\n|---|---|")
    for name, value in best.items():
        print(f"| {name} | {value:,.0f} |")


def main() -> None:
    """Run the parts named on the command line."""
    parts: dict[str, Callable[[], None]] = {name: partial(study, name) for name in TASKS}
    parts |= {"choice": choice, "truth": truth, "speed": speed}
    for name in sys.argv[1:]:
        parts[name]()
        sys.stdout.flush()


if __name__ == "__main__":
    main()
