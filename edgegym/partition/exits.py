"""Early exit and cut together: the most accurate exit that meets a deadline.

Edgent (Li et al., Edge Intelligence: On-Demand Deep Learning Model Co-Inference with Device-Edge Synergy, MECOMM 2018)
tries the exits by falling accuracy, parts each at its fastest cut, and takes the first that is in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgegym.calibration.zoo.graph import ModelGraph
from edgegym.partition.chain import best_cut

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExitChoice:
    """Exit and cut for every row of costs.

    Attributes:
        exit: (...) index of the exit; the fastest where none is in time.
        cut: (...) index of its fastest cut.
        latency_s: (...) seconds.
        in_time: (...) whether the deadline is met.
    """

    exit: NDArray[np.intp]
    cut: NDArray[np.intp]
    latency_s: Array
    in_time: NDArray[np.bool_]


def exit_graph(graph: ModelGraph, output: str) -> ModelGraph:
    """The network up to one of its outputs, without the layers that this output does not need.

    Raises:
        SettingsError: if ``output`` is no layer.
    """
    layers = [graph.layers[place] for place in graph.needed_for((output,))]
    kept = {name: getattr(graph, name) for name in type(graph).model_fields}
    return ModelGraph.parse(kept | {"layers": tuple(layers), "outputs": (output,)}, f"{graph.name}, exit {output}")


def best_exit(latency_s: Sequence[Array], accuracy: ArrayLike, deadline_s: ArrayLike) -> ExitChoice:
    """The most accurate exit whose fastest cut meets the deadline; of equals the first.

    Args:
        latency_s: for each exit (..., cuts) seconds, as :meth:`edgegym.partition.CutCosts.latency_s` gives it.
        accuracy: (exits,) of the exits.
        deadline_s: seconds, broadcast against the rows.
    """
    cuts, times = (np.array(each) for each in zip(*(best_cut(of_exit) for of_exit in latency_s), strict=True))
    order = np.argsort(-np.asarray(accuracy, np.float64), kind="stable")
    meets = times <= np.asarray(deadline_s, np.float64)
    chosen = np.where(meets.any(axis=0), order[meets[order].argmax(axis=0)], times.argmin(axis=0))
    cut, time = (np.take_along_axis(each, chosen[None], 0)[0] for each in (cuts, times))
    return ExitChoice(chosen, cut, time, np.asarray(meets.any(axis=0)))
