"""Which part of an experiment forecasters are fitted to, and that it is none of what they are judged on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgegym.agents.experiment import Experiment
from edgegym.agents.models import first_workload_seed
from edgegym.envs.caching.system import CachingSystem
from edgegym.errors import EdgeGymError, SettingsError
from edgegym.evaluation.harness import Task, environment_class
from edgegym.settings import merged
from edgegym.workload.sources import TraceSettings


def unequipped(experiment: Experiment) -> Experiment:
    """The experiment without the forecaster that its settings may name, which need not be there yet.

    Raises:
        EdgeGymError: if its environment is no content caching.
    """
    if not issubclass(environment_class(experiment.environment).system_class, CachingSystem):
        raise EdgeGymError(
            f"environment {experiment.environment}: forecasts are for content caching and user migration; take one "
            "of their configs, for example edge_video or city."
        )
    return experiment.model_copy(update={"settings": {**experiment.settings, "forecaster": None}})


def training_part(experiment: Experiment) -> tuple[Task, Sequence[int]]:
    """The task whose episodes forecasters are fitted to, and their workload seeds.

    The workload is that of the training, a trace's part in one piece; an experiment that takes its policies from
    another has none, and that of its validation stands in. All else is as in the evaluation, since a forecaster is for
    one capacity.

    Raises:
        SettingsError: if that part of a trace holds requests that the evaluation counts.
    """
    fitting = experiment.training if experiment.policies_of is None else experiment.validation
    workload = {key: value for key, value in fitting.settings.items() if key == "workload"}
    shared = merged(experiment.settings, experiment.evaluation.settings)
    task = Task(experiment.environment, merged(shared, {**workload, "warmup": 0.0}))
    if not isinstance(_workload(task), TraceSettings):
        first = first_workload_seed(experiment.training.seeds[0])
        return task, range(first, first + experiment.forecast.episodes)
    _check_apart(task, experiment.task(experiment.evaluation))
    return Task(task.id, merged(task.settings, {"workload": {"requests": None}})), range(1)


def _check_apart(training: Task, evaluation: Task) -> None:
    fitted, judged = _workload(training), _workload(evaluation)
    if not isinstance(fitted, TraceSettings) or not isinstance(judged, TraceSettings) or fitted.path != judged.path:
        return
    start, stop = judged.part
    if judged.requests is None:
        system = _system(evaluation)
        requests = len(system.episode(0, {}).trace)
        start += (stop - start) * system.count_from(requests) / requests
    if fitted.part[0] < stop and fitted.part[1] > start + ROUNDING:
        raise SettingsError(
            f"training.settings.workload.part: {list(fitted.part)} of {fitted.path} overlaps what the evaluation "
            f"counts, {start:.3g} to {stop:.3g}. Give a part before it, for example [0.0, {start:.3g}]."
        )


ROUNDING = 1e-3
"""Of a part's ends to whole requests."""


def _workload(task: Task) -> Any:
    return _system(task).params.workload


def _system(task: Task) -> CachingSystem:
    system = task.system()
    assert isinstance(system, CachingSystem)
    return system
