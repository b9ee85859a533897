"""What the harness hands over: the scores of one policy on every episode, and their JSON and CSV forms."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.decision.metrics import Metric
from edgegym.decision.policy import EpisodeResult, Kind
from edgegym.errors import EdgeGymError

Floats = NDArray[np.float64]

RETURN = Metric("return", "1", "higher", "Sum of the rewards of an episode.")
CSV_COLUMNS = ("policy", "kind", "run", "episode", "metric", "value")


@dataclass(frozen=True, eq=False)
class PolicyScores:
    """What one policy reached on a set of episodes that every policy played.

    Attributes:
        policy: its name.
        kind: ``"heuristic"``, ``"bound"`` (an optimum or a bound on it) or ``"learned"``.
        returns: (runs, episodes) float64, sum of rewards; NaN where a bound says nothing about it. Runs are the
            training seeds of a learned policy; any other policy has one.
        metrics: each (runs, episodes) float64, in the metric's unit; NaN where an episode (or a bound) has no such
            number.
        run_names: one for each run, for example ``"PPO_0"``; numbered where left out.

    Raises:
        EdgeGymError: for shapes that do not match, infinite scores or a wrong kind.
    """

    policy: str
    kind: Kind
    returns: Floats
    metrics: dict[str, Floats] = field(default_factory=dict)
    run_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes and keep copies that nobody writes to."""
        if self.kind not in get_args(Kind):
            raise EdgeGymError(f"{self.policy}: kind {self.kind!r}; allowed: {', '.join(get_args(Kind))}.")
        if RETURN.name in self.metrics:
            raise EdgeGymError(f"{self.policy}: the metric name {RETURN.name!r} is taken by the returns.")
        object.__setattr__(self, "returns", _frozen(self.returns))
        object.__setattr__(self, "metrics", {name: _frozen(values) for name, values in self.metrics.items()})
        object.__setattr__(self, "run_names", tuple(self.run_names) or tuple(map(str, range(len(self.returns)))))
        self._check()

    def _check(self) -> None:
        shape = self.returns.shape
        if len(shape) != 2 or self.returns.size == 0:
            raise EdgeGymError(f"{self.policy}: returns have shape {shape}; (runs, episodes) is needed.")
        for name, values in [(RETURN.name, self.returns), *self.metrics.items()]:
            if values.shape != shape:
                raise EdgeGymError(
                    f"{self.policy}: {name} has shape {values.shape}, the returns {shape}; make them equal."
                )
            if np.isinf(values).any():
                raise EdgeGymError(f"{self.policy}: {name} is infinite in some episode; NaN marks a missing one.")
        if len(self.run_names) != self.runs or len(set(self.run_names)) != self.runs:
            raise EdgeGymError(f"{self.policy}: {self.runs} runs need as many different names, found {self.run_names}.")

    @classmethod
    def of(
        cls, policy: str, kind: Kind, runs: Sequence[Sequence[EpisodeResult]], run_names: Sequence[str] = ()
    ) -> Self:
        """Gather the results of :func:`~edgegym.evaluation.harness.run_episodes`.

        Args:
            policy: its name.
            kind: what it is.
            runs: the results of each run (one per training seed), one per episode, in the same order in every run.
            run_names: one for each run.

        Raises:
            EdgeGymError: if the runs played different numbers of episodes.
        """
        counts = {len(run) for run in runs}
        if len(counts) != 1:
            raise EdgeGymError(f"{policy}: every run must play the same episodes; found the numbers {sorted(counts)}.")
        names = dict.fromkeys(name for run in runs for result in run for name in result.metrics)
        return cls(
            policy,
            kind,
            np.array([[result.total for result in run] for run in runs]),
            {n: np.array([[result.metrics.get(n, math.nan) for result in run] for run in runs]) for n in names},
            tuple(run_names),
        )

    @property
    def runs(self) -> int:
        """Number of runs."""
        return int(self.returns.shape[0])

    @property
    def episodes(self) -> int:
        """Number of episodes."""
        return int(self.returns.shape[1])

    def values(self, name: str) -> Floats:
        """Scores of a metric (or ``"return"``), (runs, episodes); all NaN where the policy has no such metric."""
        if name == RETURN.name:
            return self.returns
        return self.metrics.get(name, np.full(self.returns.shape, np.nan))

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dicts: the fields of the class, numbers as [run][episode], NaN where one is missing."""
        return {
            "policy": self.policy,
            "kind": self.kind,
            "run_names": list(self.run_names),
            "returns": self.returns.tolist(),
            "metrics": {name: values.tolist() for name, values in self.metrics.items()},
        }


def _frozen(values: ArrayLike) -> Floats:
    """Copy to a float64 array that is read-only."""
    copy = np.array(values, dtype=np.float64)
    copy.flags.writeable = False
    return copy


def scores_to_csv(scores: Sequence[PolicyScores]) -> str:
    """Write tidy CSV: policy, kind, run, episode, metric, value; one line a number, empty for NaN."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for one in scores:
        for name in (RETURN.name, *one.metrics):
            for run, row in zip(one.run_names, one.values(name).tolist(), strict=True):
                writer.writerows(
                    (one.policy, one.kind, run, episode, name, "" if math.isnan(number) else repr(number))
                    for episode, number in enumerate(row)
                )
    return text.getvalue()
