"""What the harness hands over: the scores of one policy on every episode, and their JSON and CSV forms."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.decision.metrics import Metric
from edgegym.errors import EdgeGymError

Floats = NDArray[np.float64]
Kind = Literal["heuristic", "bound", "learned"]

RETURN = Metric("return", "1", "higher", "Sum of the rewards of an episode.")
CSV_COLUMNS = ("policy", "kind", "run", "episode", "metric", "value")
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_PREFIXED_UNITS = {"s", "B", "J", "W", "Hz", "bit", "bit/s", "B/s"}


@dataclass(frozen=True, eq=False)
class PolicyScores:
    """What one policy reached on a set of episodes that every policy played.

    Attributes:
        policy: its name.
        kind: ``"heuristic"``, ``"bound"`` (an optimum or a bound on it) or ``"learned"``.
        returns: (runs, episodes) float64, sum of rewards; NaN where a bound says nothing about it. Runs are the
            training seeds of a learned policy; a deterministic policy has one.
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
        returns = _frozen(self.returns)
        if returns.ndim != 2 or returns.size == 0:
            raise EdgeGymError(f"{self.policy}: returns have shape {returns.shape}; (runs, episodes) is needed.")
        metrics = {name: _frozen(values) for name, values in self.metrics.items()}
        for name, values in [(RETURN.name, returns), *metrics.items()]:
            if values.shape != returns.shape:
                raise EdgeGymError(
                    f"{self.policy}: {name} has shape {values.shape}, the returns {returns.shape}; make them equal."
                )
            if np.isinf(values).any():
                raise EdgeGymError(f"{self.policy}: {name} is infinite in some episode; NaN marks a missing one.")
        names = tuple(self.run_names) or tuple(str(run) for run in range(len(returns)))
        if len(names) != len(returns) or len(set(names)) != len(names):
            raise EdgeGymError(f"{self.policy}: {len(returns)} runs need as many different names, found {names}.")
        object.__setattr__(self, "returns", returns)
        object.__setattr__(self, "metrics", metrics)
        object.__setattr__(self, "run_names", names)

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


def _frozen(values: ArrayLike) -> Floats:
    """Copy to a float64 array that is read-only."""
    copy = np.array(values, dtype=np.float64)
    copy.flags.writeable = False
    return copy


def shown_unit(metric: Metric, values: ArrayLike) -> tuple[float, str]:
    """Choose an SI prefix for showing a metric.

    Args:
        metric: its unit decides whether a prefix is possible.
        values: the numbers to be shown, any shape; their median size decides.

    Returns:
        The factor to multiply by, and the unit with its prefix (empty for ``"1"``).
    """
    unit = "" if metric.unit == "1" else metric.unit
    sizes = np.abs(np.asarray(values, dtype=np.float64).ravel())
    sizes = sizes[np.isfinite(sizes) & (sizes > 0.0)]
    if unit not in _PREFIXED_UNITS or sizes.size == 0:
        return 1.0, unit
    middle = float(np.median(sizes))
    size, prefix = next(((s, p) for s, p in _PREFIXES if middle >= s), _PREFIXES[-1])
    return 1.0 / size, prefix + unit


def scores_to_json(scores: Sequence[PolicyScores]) -> list[dict[str, Any]]:
    """Turn scores into plain lists and dicts; NaN becomes None, since JSON has no NaN.

    Returns:
        One dict for each policy: ``policy``, ``kind``, ``run_names``, ``returns`` and ``metrics``, numbers as
        [run][episode].
    """
    return [
        {
            "policy": one.policy,
            "kind": one.kind,
            "run_names": list(one.run_names),
            "returns": _to_lists(one.returns),
            "metrics": {name: _to_lists(values) for name, values in one.metrics.items()},
        }
        for one in scores
    ]


def scores_from_json(value: Sequence[Mapping[str, Any]]) -> list[PolicyScores]:
    """Read what :func:`scores_to_json` made.

    Raises:
        EdgeGymError: naming the entry that is not of that form.
    """
    return [_from_mapping(index, entry) for index, entry in enumerate(value)]


def _from_mapping(index: int, entry: Mapping[str, Any]) -> PolicyScores:
    """Read one policy."""
    try:
        return PolicyScores(
            policy=str(entry["policy"]),
            kind=entry["kind"],
            returns=np.array(entry["returns"], dtype=np.float64),
            metrics={name: np.array(rows, dtype=np.float64) for name, rows in entry["metrics"].items()},
            run_names=tuple(entry["run_names"]),
        )
    except EdgeGymError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EdgeGymError(
            f"scores, entry {index}: {type(error).__name__}: {error}. Needed: policy, kind, run_names, returns "
            "and metrics, numbers as [run][episode]."
        ) from None


def _to_lists(values: Floats) -> list[list[float | None]]:
    """[run][episode], None for NaN."""
    return [[None if math.isnan(number) else number for number in row] for row in values.tolist()]


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


def scores_from_csv(text: str) -> list[PolicyScores]:
    """Read what :func:`scores_to_csv` wrote (the order of the lines of one policy's metrics does not matter).

    Raises:
        EdgeGymError: naming the line that is not of that form, or the policy with a number missing.
    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != CSV_COLUMNS:
        raise EdgeGymError(f"scores CSV: columns {reader.fieldnames}; needed: {', '.join(CSV_COLUMNS)}.")
    cells: dict[tuple[str, str], dict[str, dict[tuple[str, int], float]]] = {}
    for number, line in enumerate(reader, start=2):
        try:
            metric = cells.setdefault((line["policy"], line["kind"]), {}).setdefault(line["metric"], {})
            metric[line["run"], int(line["episode"])] = float(line["value"] or "nan")
        except (TypeError, ValueError) as error:
            raise EdgeGymError(f"scores CSV, line {number}: {error}.") from None
    return [_from_cells(policy, kind, metrics) for (policy, kind), metrics in cells.items()]


def _from_cells(policy: str, kind: str, metrics: dict[str, dict[tuple[str, int], float]]) -> PolicyScores:
    """Lay the numbers of one policy out as arrays."""
    runs = tuple(dict.fromkeys(run for cells in metrics.values() for run, _ in cells))
    episodes = 1 + max(episode for cells in metrics.values() for _, episode in cells)
    try:
        arrays = {
            name: np.array([[cells[run, episode] for episode in range(episodes)] for run in runs])
            for name, cells in metrics.items()
        }
        returns = arrays.pop(RETURN.name)
    except KeyError as error:
        raise EdgeGymError(f"scores CSV, policy {policy}: nothing for {error}; the file is cut short.") from None
    return PolicyScores(policy, cast(Kind, kind), returns, arrays, runs)
