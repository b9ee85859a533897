"""The small network that forecasts a content's requests, in one fixed-size record that the kernel evaluates.

Up to two hidden layers of up to 16 tanh units and a linear output; without hidden layers it is log-linear.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgegym.compiling import njit
from edgegym.decision.scaling import fast_exp2

WIDTH = 16
"""Most inputs, and most units of a hidden layer."""
HIDDEN = 2
"""Most hidden layers."""
OWN_RATE = -1
"""Stands among the inputs' columns for the decayed count that the forecaster keeps itself."""

NETWORK = np.dtype(
    [
        ("half_life", np.float64),  # of the forecaster's own decayed count, in cache capacities; inf: plain count
        ("hidden", np.int64),  # hidden layers
        ("widths", np.int64, (HIDDEN + 1,)),  # inputs, then units of each hidden layer
        ("columns", np.int64, (WIDTH,)),  # candidate column of each input, or OWN_RATE
        ("weights", np.float32, (HIDDEN + 1, WIDTH, WIDTH)),  # [layer, from, to]
        ("biases", np.float32, (HIDDEN + 1, WIDTH)),
        ("units", np.float32, (2, WIDTH)),  # scratch: a layer's input and its sums
    ]
)

part = njit(cache=True, forceinline=True, _nrt=False, error_model="numpy")
"""As :data:`~edgegym.compiling.inlined`, but a division by 0 does not raise: the check kept loops scalar."""
SATURATED = np.float32(16.0)
"""tanh of more is 1 in float32."""
TWO_OVER_LN2 = np.float32(2.0 / np.log(2.0))


@part
def tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent in float32, absolute error below 4e-6: 1 - 2 / (1 + e^2x)."""
    return np.float32(1.0) - np.float32(2.0) / (np.float32(1.0) + fast_exp2(TWO_OVER_LN2 * min(x, SATURATED)))


@part
def evaluate(network: Any) -> np.float32:
    """Output for the inputs that the caller has put into ``units[0]``; they are overwritten."""
    units, sums = network.units[0], network.units[1]
    width = network.widths[0]
    for layer in range(network.hidden):
        # Summing input by input, with the units innermost, runs over eight units at once.
        following = network.widths[layer + 1]
        for j in range(following):
            sums[j] = network.biases[layer, j]
        for i in range(width):
            x = units[i]
            for j in range(following):
                sums[j] += x * network.weights[layer, i, j]
        for j in range(following):
            units[j] = tanh(sums[j])
        width = following
    output = network.biases[network.hidden, 0]
    for i in range(width):
        output += units[i] * network.weights[network.hidden, i, 0]
    return output
