"""What a metric is: its name, unit and which way is better."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number that an episode ends with, in ``info["metrics"]``.

    Attributes:
        name: the key, snake case, a term of the field.
        unit: SI unit or ``"1"`` for a ratio or count.
        better: ``"higher"``, ``"lower"``, or ``""`` where neither is.
        description: one sentence.
    """

    name: str
    unit: str
    better: str
    description: str
