"""A policy that adapts online against the same policy frozen, on traces with and without a phase change.

python benchmarks/adaptation.py --trace phase_change.csv    # only write the trace of configs/phase_change.yaml
python benchmarks/adaptation.py FOLDER > tables.md          # train what is not trained yet, play, print and draw

The two real traces need EDGEGYM_DATA. Everything is kept in FOLDER; cases after it restrict the run to these.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from edgegym.agents.adapting import AdaptingPolicy
from edgegym.agents.experiment import Experiment, load_experiment
from edgegym.agents.learned import LearnedPolicy
from edgegym.agents.policies import heuristics
from edgegym.agents.reference import fitted_on_validation
from edgegym.agents.runs import run_of
from edgegym.agents.store import load_policy
from edgegym.agents.training import train_run
from edgegym.decision.policy import PlayingPolicy, Policy
from edgegym.evaluation.drawing import GREYS, LEARNED, LOSS, MUTED, End, label_line_ends, new_figure, rendered, styled
from edgegym.evaluation.harness import run_episodes
from edgegym.files import write_json
from edgegym.workload.readers import read_trace
from edgegym.workload.sources import DriftingSettings, ShotNoiseSettings, Source, resolve_path
from edgegym.workload.trace import RequestTrace
from edgegym.workload.writers import write_trace

FIGURE = Path(__file__).parent / "results" / "adaptation.png"
CAFFEINE = "$EDGEGYM_DATA/requests/caffeine"
DRAWN_HEURISTICS = ("GDSF", "S3-FIFO", "LRU")
OUR_POLICIES = ("PPO frozen", "PPO adapting")
Floats = NDArray[np.float64]


def joined(traces: Sequence[RequestTrace]) -> RequestTrace:
    """One trace after the other; no content of one is a content of another. Time is the request number."""
    first = np.cumsum([0, *(trace.contents for trace in traces)])
    ids = np.concatenate([trace.content + offset for trace, offset in zip(traces, first, strict=False)])
    return RequestTrace.from_arrays(ids, size=np.concatenate([trace.size[trace.content] for trace in traces]))


def catalogue(requests: int) -> RequestTrace:
    """A video catalogue with Zipf popularity whose ranks drift."""
    law = DriftingSettings(requests=requests, contents=10_000, alpha=0.8, card="akamai_video")
    return Source(law).episode(1).trace


def bursts(requests: int) -> RequestTrace:
    """Small media objects that are asked for during an hour at most."""
    law = ShotNoiseSettings(requests=requests, card="akamai_media", lifetime_s=(600.0, 3600.0))
    return Source(law).episode(2).trace


def real(name: str, format: str, start: int, stop: int) -> RequestTrace:
    """A part of a trace of the data folder."""
    return read_trace(resolve_path(f"{CAFFEINE}/{name}"), format).part(start, stop)


def web07(start: int, stop: int) -> RequestTrace:
    """A part of the e-commerce trace."""
    return real("cache2k_web07.trace.xz", "cache2k", start, stop)


def scarab(start: int, stop: int) -> RequestTrace:
    """A part of the recommendation trace."""
    return real("scarab_scarab-recs.trace.xz", "scarab", start, stop)


@dataclass(frozen=True)
class Case:
    """One trace and the task on it.

    Attributes:
        title: heading.
        trace: makes it.
        change: point of the curve (of 40) at which the law changes, if it does.
        changes: whether it does.
        overrides: laid over ``configs/phase_change.yaml``.
    """

    title: str
    trace: Callable[[], RequestTrace]
    change: int
    changes: bool
    overrides: tuple[str, ...] = ()


def parts(train: int, whole: int, warmup: int) -> tuple[str, ...]:
    """A cache of 205 objects; the first requests for training and validation, the others for the comparison."""
    first, rest = f"{{workload: {{part: [0.0, {train / whole}]}}", f"{{workload: {{part: [{train / whole}, 1.0]}}"
    return (
        "settings.capacity=205",
        "settings.unit=objects",
        f"training.settings.workload.part=[0.0, {train / whole}]",
        f"validation.settings={first}}}",
        f"evaluation.settings={rest}, warmup: {warmup}}}",
    )


CASES = {
    "phase_change": Case(
        "Video catalogue, then bursts of media", lambda: joined([catalogue(83_000), bursts(45_000)]), 10, True
    ),
    "no_change": Case("Video catalogue throughout", lambda: catalogue(128_000), 10, False),
    "web07_scarab": Case(
        "web07, then scarab",
        lambda: joined([web07(0, 50_000), scarab(0, 36_000)]),
        8,
        True,
        parts(38_000, 86_000, 3_000),
    ),
    "web07": Case("web07 throughout", lambda: web07(0, 76_000), 8, False, parts(38_000, 76_000, 3_000)),
}


def experiment_of(name: str, folder: Path) -> Experiment:
    """The experiment of a case, whose trace is written if it is not there."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_trace(path, CASES[name].trace(), "csv")
    return load_experiment("phase_change", [f"name={name}", f"settings.workload.path={path}", *CASES[name].overrides])


def say(line: str) -> None:
    """Show progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Train and play one case.

    Returns:
        ``curves``: policy to [run][point] hit ratios; ``rounds``: [run][round] of the adapting policy; ``frozen_cpu_s``
        and ``adapting_cpu_s``: [run] CPU seconds of the episode.
    """
    experiment = experiment_of(name, folder)
    assert experiment.adaptation is not None
    task, seeds = experiment.task(experiment.evaluation), experiment.evaluation.seeds

    def play(policy: Policy) -> tuple[list[float], float]:
        began = time.process_time()
        result = run_episodes(task, policy, seeds)[0]
        return result.series["hit_ratio"].tolist(), time.process_time() - began

    fitted = fitted_on_validation(experiment, folder / "runs" / name / "reference")
    online = [*heuristics(task.id, task.system()), *fitted]
    found: dict[str, Any] = {"curves": {one.name: [play(one)[0]] for one in online}}
    frozen, adapting, rounds, cost = [], [], [], []
    for seed in experiment.training.seeds:
        run = run_of(experiment, seed, folder / "runs")
        train_run(experiment, seed, run, lambda steps, text: None)
        stored = load_policy(run.folder)
        policy = AdaptingPolicy(stored, experiment, experiment.adaptation)
        assert isinstance(policy, PlayingPolicy)
        curve, frozen_s = play(LearnedPolicy(stored))
        frozen.append(curve)
        curve, adapting_s = play(policy)
        adapting.append(curve)
        rounds.append([vars(each) for each in policy.rounds])
        cost.append([frozen_s, adapting_s])
        say(f"{name} seed {seed}: frozen {np.mean(frozen[-1]):.4f}, adapting {np.mean(adapting[-1]):.4f}")
    found["curves"] |= dict(zip(OUR_POLICIES, (frozen, adapting), strict=True))
    return found | {"rounds": rounds, "cpu_s": cost}


def interval(values: Floats, sign: str = "") -> str:
    """Mean over the runs with Student's 95 % interval, where there are several."""
    mean = f"{values.mean():{sign}.4f}"
    if len(values) == 1:
        return mean
    half = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.4f}"


def spans(case: Case, points: int) -> dict[str, slice]:
    """The parts of the curve that the tables show."""
    cuts = (0, case.change, case.change + (points - case.change) // 3, points)
    names = ("before the change", "after it, first third", "after it, rest")
    if not case.changes:
        names = tuple(f"{first / points:.0%} to {last / points:.0%}" for first, last in pairwise(cuts))
    return {name: slice(first, last) for name, (first, last) in zip(names, pairwise(cuts), strict=True)}


def table(name: str, found: dict[str, Any]) -> str:
    """Markdown of one case."""
    curves = {policy: np.array(runs) for policy, runs in found["curves"].items()}
    shown = spans(CASES[name], len(curves["LRU"][0]))
    lines = [f"## {CASES[name].title}\n", f"| policy | {' | '.join(shown)} |", f"|---|{'---|' * len(shown)}"]
    for policy, runs in sorted(curves.items(), key=lambda each: each[1].mean()):
        lines.append(f"| {policy} | {' | '.join(interval(runs[:, span].mean(axis=1)) for span in shown.values())} |")
    gain = curves["PPO adapting"] - curves["PPO frozen"]
    cells = (interval(gain[:, span].mean(axis=1), "+") for span in shown.values())
    lines.append(f"| *adapting minus frozen, paired* | {' | '.join(cells)} |\n")
    rounds = [each for run in found["rounds"] for each in run]
    seconds = np.array([each["cpu_s"] for each in rounds])
    acts = np.mean([each["adapted_acts"] for each in rounds])
    frozen_s, adapting_s = np.mean(found["cpu_s"], axis=0)
    lines.append(
        f"{len(rounds) // len(found['rounds'])} rounds an episode, {seconds.mean():.2f} s of CPU each (largest "
        f"{seconds.max():.2f}); the adapted policy was chosen in {acts:.0%} of them. CPU of an episode: frozen "
        f"{frozen_s:.1f} s, adapting {adapting_s:.1f} s.\n"
    )
    return "\n".join(lines)


def figure(results: dict[str, dict[str, Any]]) -> bytes:
    """Hit ratio over time, one panel a case; bands are 95 % intervals of the mean over the runs."""
    with styled():
        drawing = new_figure(7.2, 2.7 * len(results))
        for panel, (name, found) in zip(
            drawing.subplots(len(results), 1, squeeze=False)[:, 0], results.items(), strict=True
        ):
            curves = {policy: np.array(runs) for policy, runs in found["curves"].items()}
            x = np.arange(len(curves["LRU"][0])) + 0.5
            ends = []
            for number, policy in enumerate(DRAWN_HEURISTICS):
                panel.plot(x, curves[policy][0], color=GREYS[number], linewidth=1.0)
                ends.append(End(policy, curves[policy][0, -1], GREYS[number]))
            for policy, colour in zip(OUR_POLICIES, (LOSS, LEARNED), strict=True):
                runs = curves[policy]
                mean = runs.mean(axis=0)
                half = student.ppf(0.975, len(runs) - 1) * runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
                panel.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
                panel.plot(x, mean, color=colour, linewidth=2.0)
                ends.append(End(policy, mean[-1], colour, bold=True))
            if CASES[name].changes:
                panel.axvline(CASES[name].change, color=MUTED, linewidth=1.0, linestyle=":")
            panel.set(title=CASES[name].title, ylabel="hit ratio", xlim=(0, len(x)))
            panel.grid(True, axis="y")
            label_line_ends(panel, ends)
        panel.set_xlabel("counted part of the episode, fortieths; dotted: the law of the requests changes")
        return rendered(drawing, "png")


def main() -> None:
    """Write a trace, or run the cases and print their tables."""
    if sys.argv[1] == "--trace":
        write_trace(sys.argv[2], CASES["phase_change"].trace(), "csv")
        return
    folder, results = Path(sys.argv[1]), {}
    for name in sys.argv[2:] or CASES:
        kept = folder / f"{name}.json"
        if not kept.is_file():
            write_json(kept, measure(name, folder))
        results[name] = json.loads(kept.read_text(encoding="utf-8"))
        print(table(name, results[name]))
    print(f"{platform.platform()}, Python {platform.python_version()}, one core; {date.today().isoformat()}.")
    FIGURE.write_bytes(figure(results))


if __name__ == "__main__":
    main()
