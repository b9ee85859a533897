"""The experiment: one YAML file that says everything about a training and the comparison after it.

A file of ``configs/`` is named without its ending; any other file by its path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, field_validator, model_validator

from edgegym.agents.adaptation_settings import AdaptationSettings
from edgegym.agents.forecasting.settings import ForecastSettings
from edgegym.agents.next_cell.settings import NextCellSettings
from edgegym.agents.past import past_class
from edgegym.errors import SettingsError, unknown
from edgegym.evaluation.harness import Task, environment_class
from edgegym.evaluation.scores import RETURN
from edgegym.settings import Settings, merged, parse_overrides, parse_yaml, read_yaml

SUFFIX = ".yaml"


class EpisodeSettings(Settings):
    """Episodes on which policies are judged: episode i has workload seed ``seed + i``."""

    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Laid over the experiment's environment settings."""
    episodes: int = Field(10, ge=1)
    """How many."""
    seed: int = Field(1_000_000, ge=0)
    """Workload seed of the first."""

    @property
    def seeds(self) -> range:
        """The workload seeds."""
        return range(self.seed, self.seed + self.episodes)


class TrainingSettings(Settings):
    """How the policies are trained."""

    algorithm: Literal["PPO", "A2C", "DQN", "MaskablePPO"] = "PPO"
    """Algorithm of Stable-Baselines3 or sb3-contrib."""
    policy: Literal["CandidatePolicy", "MultiInputPolicy", "MlpPolicy"] = "CandidatePolicy"
    """``CandidatePolicy`` scores candidates with shared weights; the others are Stable-Baselines3's own."""
    policy_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the policy class, for the candidate policy the fields of ``NetworkSettings``."""
    hyperparameters: dict[str, JsonValue] = Field(default_factory=dict)
    """Arguments of the algorithm; ``lin_3.0e-4`` falls linearly from that value to 0."""
    seeds: tuple[int, ...] = Field((0, 1, 2, 3, 4), min_length=1)
    """One run each."""
    steps: int = Field(200_000, ge=1)
    """Decisions that a run trains for."""
    environments: int = Field(16, ge=1)
    """Rows of the vector environment."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Laid over the experiment's environment settings, for training alone."""
    validate_every: int = Field(20_000, ge=1)
    """Decisions between two validations; each also writes a checkpoint."""
    processes: int = Field(1, ge=1)
    """Runs that train side by side, each with one thread of torch."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("names a seed twice; each run needs its own")
        return seeds


class SweepSettings(Settings):
    """One setting varied over the evaluation episodes, for the comparison's picture of it."""

    setting: str
    """Name of an environment setting, for example ``capacity``; dots lead into nested ones."""
    values: tuple[JsonValue, ...] = Field(min_length=2)
    """Its values."""


class Experiment(Settings):
    """Environment, training, validation, evaluation: nothing else decides a result but the code's version."""

    name: str = Field(pattern=r"^[\w][\w.-]*$")
    """Results land in ``runs/<name>/``."""
    description: str = ""
    """One line for ``edgegym list``."""
    environment: str
    """A registered id."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Environment settings (and ``preset``) that training, validation and evaluation share."""
    metric: str = "return"
    """Metric that decides: which policy is kept as the best, and who wins the comparison."""
    training: TrainingSettings = TrainingSettings()
    """How policies are trained."""
    policies_of: str | None = None
    """Name of another experiment whose trained policies are compared here, without training them anew."""
    validation: EpisodeSettings = EpisodeSettings(seed=500_000)
    """Episodes that choose the best policy of a run; they must not be those of the evaluation."""
    evaluation: EpisodeSettings = EpisodeSettings()
    """Held-out episodes of the comparison."""
    sweep: SweepSettings | None = None
    """A setting to vary."""
    adaptation: AdaptationSettings | None = None
    """Show each trained policy a second time in the comparison, adapting online; not if left out."""
    forecast: ForecastSettings = ForecastSettings()
    """How ``edgegym forecast`` fits popularity forecasters for content caching."""
    next_cell: NextCellSettings = NextCellSettings()
    """How ``edgegym forecast`` fits next-cell predictors for user migration."""

    @model_validator(mode="after")
    def _known(self) -> Experiment:
        system = environment_class(self.environment).system_class
        names = [RETURN.name, *(metric.name for metric in system.metrics)]
        if self.metric not in names:
            raise ValueError(str(unknown("metric", self.metric, names)))
        return self

    def task(self, part: EpisodeSettings) -> Task:
        """The task of the validation or the evaluation."""
        return Task(self.environment, merged(self.settings, part.settings))

    def training_settings(self) -> dict[str, Any]:
        """Environment settings for training."""
        return merged(self.settings, self.training.settings)

    def check(self) -> None:
        """Build the environments of training, validation and evaluation, so that mistakes show before hours pass.

        Raises:
            EdgeGymError: for bad environment settings, a missing trace, or an environment without online adaptation.
        """
        if self.adaptation is not None:
            past_class(self.environment)
        Task(self.environment, self.training_settings()).system()
        self.task(self.validation).system()
        self.task(self.evaluation).system()


def experiment_names() -> list[str]:
    """Names of the experiments that come with EdgeGym."""
    found = (entry.name for entry in files("edgegym.configs").iterdir())
    return sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX))


def load_experiment(config: str, overrides: Iterable[str] = ()) -> Experiment:
    """Read an experiment.

    Args:
        config: a name of :func:`experiment_names` or the path of a YAML file. The experiment is called after the file
            unless it says otherwise.
        overrides: ``key=value`` pairs laid over the file, dots for nested keys.

    Raises:
        SettingsError: for a missing file, a misspelt key or a bad value.
    """
    values, source = _read(config)
    values.setdefault("name", Path(source).stem)
    return Experiment.parse(merged(values, parse_overrides(overrides)), source)


def _read(config: str) -> tuple[dict[str, Any], str]:
    """Contents and name of a config; a file of that path goes before the experiment of that name."""
    path = Path(config)
    if path.suffix in (SUFFIX, ".yml") or path.is_file():
        if path.is_file():
            return read_yaml(path), str(path)
        # "configs/demo.yaml" means the packaged file wherever the command is run.
        if str(path.parent) not in ("configs", "."):
            raise SettingsError(f"config {config}: no such file. Give a path, or one of {_names()}.")
    if path.stem not in experiment_names():
        raise unknown("config", config, experiment_names(), SettingsError)
    name = f"{path.stem}{SUFFIX}"
    return parse_yaml(files("edgegym.configs").joinpath(name).read_text(encoding="utf-8"), name), name


def _names() -> str:
    return ", ".join(experiment_names())


def as_mapping(experiment: Experiment) -> Mapping[str, Any]:
    """The experiment as plain JSON values, defaults included."""
    return experiment.model_dump(mode="json")
