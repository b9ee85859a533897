"""All runs of an experiment: one after the other or side by side, with the heuristics beside them in TensorBoard."""

from __future__ import annotations

import multiprocessing
import queue
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from edgegym.agents.experiment import Experiment
from edgegym.agents.reference import write_reference
from edgegym.agents.runs import REFERENCE, RUNS, Run, run_of
from edgegym.agents.training import train_run
from edgegym.errors import EdgeGymError, SettingsError

Message = tuple[int, int, str]
"""Seed, decisions trained, how it goes."""
Say = Callable[[Message], None]


def train(experiment: Experiment, root: Path = RUNS, restart: bool = False) -> list[Run]:
    """Train every seed of an experiment.

    Runs that are finished are left alone, those that were stopped go on from their last checkpoint.

    Args:
        experiment: what to train.
        root: folder of all experiments.
        restart: delete earlier runs of these seeds first.

    Raises:
        EdgeGymError: for bad settings, runs that were started with others, or an experiment that borrows its policies.
    """
    if experiment.policies_of is not None:
        raise SettingsError(
            f"{experiment.name}: compares policies of {experiment.policies_of} (policies_of) and trains none. "
            f"Train with the config of {experiment.policies_of}, then run edgegym compare with this one."
        )
    experiment.check()
    seeds = experiment.training.seeds
    runs = [run_of(experiment, seed, root) for seed in seeds]
    for run in runs:
        if restart and run.folder.exists():
            shutil.rmtree(run.folder)
        run.start(experiment)
    _write_reference(experiment, root / experiment.name / REFERENCE)
    with _bars(experiment, runs) as say:
        if experiment.training.processes == 1 or len(seeds) == 1:
            for seed, run in zip(seeds, runs, strict=True):
                train_run(experiment, seed, run, lambda steps, text, seed=seed: say((seed, steps, text)))  # type: ignore[misc]
        else:
            _side_by_side(experiment, runs, say)
    return runs


def _write_reference(experiment: Experiment, folder: Path) -> None:
    """Play (and fit) the heuristics under a progress bar of their own."""
    with Progress(TextColumn("heuristics"), BarColumn(), TextColumn("{task.fields[text]}"), transient=True) as progress:
        bar = progress.add_task("", total=1.0, text="")
        write_reference(experiment, folder, lambda text, done: progress.update(bar, completed=done, text=text))


def _side_by_side(experiment: Experiment, runs: Sequence[Run], say: Say) -> None:
    """Train in processes of their own; the first failure lets the others come to their end and is raised then."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        messages = manager.Queue()
        with ProcessPoolExecutor(experiment.training.processes, mp_context=context) as pool:
            futures = [
                pool.submit(_train_in_process, experiment, seed, run, messages)
                for seed, run in zip(experiment.training.seeds, runs, strict=True)
            ]
            _listen(futures, messages, say)
    for future in futures:
        future.result()


def _train_in_process(experiment: Experiment, seed: int, run: Run, messages: Any) -> None:
    try:
        train_run(experiment, seed, run, lambda steps, text: messages.put((seed, steps, text)))
    except KeyboardInterrupt:
        # The checkpoint is written; the parent was interrupted too and says so.
        raise EdgeGymError(f"{run.folder}: interrupted") from None


def _listen(futures: Sequence[Future[None]], messages: Any, say: Say) -> None:
    while True:
        try:
            say(messages.get(timeout=0.2))
        except queue.Empty:
            if all(future.done() for future in futures):
                return


@contextmanager
def _bars(experiment: Experiment, runs: Sequence[Run]) -> Iterator[Say]:
    """One progress bar for each run."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns) as progress:
        tasks: dict[int, TaskID] = {
            seed: progress.add_task(run.name, total=experiment.training.steps, text="")
            for seed, run in zip(experiment.training.seeds, runs, strict=True)
        }

        def say(message: Message) -> None:
            seed, steps, text = message
            progress.update(tasks[seed], completed=min(steps, experiment.training.steps))
            if text:
                progress.update(tasks[seed], text=text)

        yield say
