"""What a training leaves on disk, and how it is found again.

``runs/<experiment>/<algorithm>_<seed>/`` holds ``config.json`` (the resolved experiment), ``policy.json`` and its
weights (the best policy on the validation episodes), ``evaluation.csv`` (every validation), ``checkpoints/``,
TensorBoard events, and ``finished.json`` once all steps are done. ``runs/<experiment>/reference/`` holds the heuristics
and the bound on the same validation episodes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgegym.agents.experiment import Experiment, as_mapping
from edgegym.errors import RunError, SettingsError
from edgegym.files import write_json, write_text

RUNS = Path("runs")
"""Where runs land unless the user says otherwise."""
CONFIG, FINISHED, EVALUATION, CHECKPOINTS = "config.json", "finished.json", "evaluation.csv", "checkpoints"
REFERENCE = "reference"


@dataclass(frozen=True)
class Run:
    """One training run on disk.

    Attributes:
        folder: where it lies.
    """

    folder: Path

    @property
    def name(self) -> str:
        """For example ``PPO_0``."""
        return self.folder.name

    @property
    def started(self) -> bool:
        """Whether a training has begun here."""
        return (self.folder / CONFIG).is_file()

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return (self.folder / FINISHED).is_file()

    @property
    def checkpoints(self) -> Path:
        """The folder of its checkpoints."""
        return self.folder / CHECKPOINTS

    def start(self, experiment: Experiment) -> None:
        """Keep the resolved experiment, or check that the one kept here trains the same.

        Raises:
            RunError: if the run was started with other settings.
        """
        wanted = _training_part(experiment)
        if not self.started:
            write_json(self.folder / CONFIG, as_mapping(experiment))
            return
        differing = _differences(_training_part(self.experiment()), wanted)
        if differing:
            raise RunError(
                f"{self.folder}: was started with other settings ({', '.join(differing)}). Give this experiment "
                "another name with name=..., or start over with --restart, which deletes that run."
            )

    def experiment(self) -> Experiment:
        """The experiment it was started with.

        Raises:
            RunError: if the folder holds no run, or the file is damaged.
        """
        source = self.folder / CONFIG
        try:
            values = json.loads(source.read_text(encoding="utf-8"))
            return Experiment.parse(values if isinstance(values, dict) else {}, str(source))
        except FileNotFoundError:
            raise RunError(
                f"{self.folder}: holds no run ({CONFIG} is missing). Train first: edgegym train CONFIG."
            ) from None
        except SettingsError as error:
            raise RunError(f"{error} The file is damaged or of another version: train again.") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{source}: cannot be read ({error}). Restore the file or train again.") from None

    def write_evaluation(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the table of validations: ``steps`` and every metric, a row each."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.folder / EVALUATION, text.getvalue())

    def evaluation(self) -> list[dict[str, float]]:
        """The table of validations; empty before the first."""
        source = self.folder / EVALUATION
        if not source.is_file():
            return []
        with source.open(encoding="utf-8", newline="") as file:
            try:
                return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
            except (TypeError, ValueError) as error:
                raise RunError(f"{source}: damaged ({error}). Delete it, or train again.") from None


def run_of(experiment: Experiment, seed: int, root: Path = RUNS) -> Run:
    """The run of one training seed."""
    return Run(root / experiment.name / f"{experiment.training.algorithm}_{seed}")


def _training_part(experiment: Experiment) -> dict[str, Any]:
    """What must not change between the start of a run and its end; more steps or seeds may be asked for."""
    whole = dict(as_mapping(experiment))
    free = {"seeds", "processes", "steps"}
    training = {key: value for key, value in whole["training"].items() if key not in free}
    return {**{key: whole[key] for key in ("environment", "settings", "metric", "validation")}, "training": training}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> list[str]:
    """Dotted names of the entries that differ."""
    found: list[str] = []
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{path}{key}.")
        elif old != new:
            found.append(f"{path}{key}: {old!r} before, {new!r} now")
    return found
