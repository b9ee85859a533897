"""Times every operator that torch dispatches during a call.

Hooks on modules would miss functional operators and count nested modules twice; a dispatch mode sees each operator
once.
Seeing an operator costs a few microseconds of Python, almost all of it outside the time given to the operator. So the
total of an instrumented call exceeds that of a plain one, most for networks of many small operators; what a call takes
beyond its layers must therefore be told from plain calls that take turns with the instrumented ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils._python_dispatch import TorchDispatchMode

from edgegym.calibration.profiler.clock import Clock
from edgegym.calibration.zoo.operators import operator_name
from edgegym.calibration.zoo.trace import Traced
from edgegym.errors import EdgeGymError

READINGS = 101


class OperatorTimer(TorchDispatchMode):
    """Marks the clock before and after each operator."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.marks: list[Any] = []
        self.operators: list[Any] = []
        self._mark = clock.mark

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        start = self._mark()
        result = func(*args, **kwargs) if kwargs else func(*args)
        self.marks += (start, self._mark())
        self.operators.append(func)
        return result


@dataclass(frozen=True)
class LayerTimes:
    """Times of the layers in a number of instrumented calls.

    Attributes:
        layers: (calls, layers) seconds.
        totals: (calls,) seconds of the whole call, looking included.
    """

    layers: NDArray[np.float64]
    totals: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence[LayerTimes]) -> LayerTimes:
        """Several runs as one."""
        return cls(np.concatenate([part.layers for part in parts]), np.concatenate([part.totals for part in parts]))


def time_layers(run: Callable[[], object], traced: Traced, clock: Clock, repetitions: int) -> LayerTimes:
    """Time the layers of a traced model.

    Args:
        run: one call.
        traced: the model's graph and launches.
        clock: of the device.
        repetitions: calls.

    Raises:
        EdgeGymError: if a call launches other operators than the trace did.
    """
    layers = len(traced.graph)
    reading_s = _reading_s(clock)
    owner = np.array([layers if launch.layer is None else launch.layer for launch in traced.launches])
    spent = np.empty((repetitions, layers))
    totals = np.empty(repetitions)
    for call in range(repetitions):
        timer = OperatorTimer(clock)
        with timer:
            start = clock.mark()
            run()
            end = clock.mark()
        if call == 0 or len(timer.operators) != len(owner):
            _check_launches(timer.operators, traced)
        seconds = clock.seconds([start, *timer.marks, end])
        operators = np.maximum(0.0, seconds[2:-1:2] - seconds[1:-1:2] - reading_s)
        spent[call] = np.bincount(owner, operators, minlength=layers + 1)[:layers]
        totals[call] = seconds[-1]
    return LayerTimes(spent, totals)


def _reading_s(clock: Clock) -> float:
    """Seconds that pass between two marks with nothing in between."""
    return float(np.median(np.diff(clock.seconds([clock.mark() for _ in range(READINGS)]))))


def _check_launches(operators: Sequence[Any], traced: Traced) -> None:
    found = [operator_name(each) for each in operators]
    expected = [launch.operator for launch in traced.launches]
    if found != expected:
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(found, expected, strict=False)))
        raise EdgeGymError(
            f"{traced.graph.name}: its operators change from call to call (number {same + 1} of {len(expected)}); only "
            "the whole model can be timed. Pass --no-layers."
        )
