"""The three estimators: Poisson regressions whose expectation is 2 to the power of a network's output.

EWMA and the linear one are convex and solved to the optimum; the neural one is trained with Adam.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn

from edgegym.agents.forecasting.settings import ForecastSettings
from edgegym.envs.caching.forecaster import Layer
from edgegym.errors import EdgeGymError

LN2 = float(np.log(2.0))
SMALLEST_SCALE = 0.01
"""Of an input: a column that hardly moves in the training part is not blown up later."""
LARGEST_OUTPUT = 20.0
"""Forecasts stay below 2**20 requests while a fit is under way."""


class ForecastNetwork(nn.Module):
    """Log2 of the expected requests from a content's columns.

    Args:
        inputs: (samples, inputs) columns, whose mean and deviation become part of the network.
        requests: (samples,) whose mean is the first forecast.
        hidden: units of the hidden layers.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, inputs: NDArray[np.float32], requests: NDArray[np.int64], hidden: Sequence[int]) -> None:
        super().__init__()
        shift, scale = scale_of(inputs)
        self.register_buffer("shift", torch.as_tensor(shift, dtype=torch.float32))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))
        widths = (inputs.shape[1], *hidden, 1)
        self.linears = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        last: Any = self.linears[-1]
        nn.init.constant_(last.bias, float(np.log2(_positive_mean(requests))))

    def forward(self, inputs: Tensor) -> Tensor:
        """(samples, inputs) columns to (samples,) log2 of the expected requests."""
        x = (inputs - self.shift) / self.scale
        for i, linear in enumerate(self.linears):
            x = linear(torch.tanh(x) if i else x)
        return x.squeeze(-1)

    def layers(self) -> list[Layer]:
        """Weights (from, to) and biases for a :class:`~edgegym.envs.caching.forecaster.Forecaster`."""
        parts = [
            (each.weight.detach().double().numpy().T, each.bias.detach().double().numpy())
            for each in self.linears
            if isinstance(each, nn.Linear)
        ]
        return folded(parts, self.shift.double().numpy(), self.scale.double().numpy())


def scale_of(inputs: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each input, the latter at least 0.01."""
    wide = inputs.astype(np.float64)
    return wide.mean(axis=0), np.maximum(wide.std(axis=0), SMALLEST_SCALE)


def folded(
    layers: Sequence[tuple[NDArray[Any], NDArray[Any]]], shift: NDArray[np.float64], scale: NDArray[np.float64]
) -> list[Layer]:
    """Layers over standardised inputs as layers over the inputs as they are, in float32."""
    (weights, biases), *rest = layers
    first = weights / scale[:, None]
    whole = [(first, biases - shift @ first), *rest]
    return [(w.astype(np.float32), b.astype(np.float32)) for w, b in whole]


def poisson_loss(output: Tensor, requests: Tensor) -> Tensor:
    """Mean negative log-likelihood of Poisson counts with expectation 2**output, but for a constant."""
    return (torch.exp2(output) - LN2 * requests * output).mean()


def fit_neural(
    inputs: NDArray[np.float32], requests: NDArray[np.int64], settings: ForecastSettings, seed: int
) -> list[Layer]:
    """Train the neural forecaster.

    Args:
        inputs: (samples, inputs).
        requests: (samples,).
        settings: shape and training.
        seed: of initial weights and order of the samples.

    Returns:
        Its layers.
    """
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ForecastNetwork(inputs, requests, settings.hidden)
        generator = torch.Generator().manual_seed(seed)
        x, y = torch.as_tensor(inputs), torch.as_tensor(requests, dtype=torch.float32)
        optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        steps = settings.epochs * -(-len(y) // settings.batch)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for _ in range(settings.epochs):
            for chosen in torch.randperm(len(y), generator=generator).split(settings.batch):
                loss = poisson_loss(network(x[chosen]).clamp(max=LARGEST_OUTPUT), y[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return network.layers()


def fit_linear(inputs: NDArray[np.float32], requests: NDArray[np.int64], ridge: float) -> list[Layer]:
    """Solve the log-linear Poisson regression.

    Args:
        inputs: (samples, inputs).
        requests: (samples,).
        ridge: penalty on the squared weights of standardised inputs, over two; the intercept is free.

    Returns:
        Its one layer.
    """
    shift, scale = scale_of(inputs)
    x, y = (inputs - shift) / scale, requests.astype(np.float64)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, intercept = parameters[:-1], parameters[-1]
        output = np.minimum(x @ weights + intercept, LARGEST_OUTPUT * LN2)
        expected = np.exp(output)
        value = (expected - y * output).mean() + 0.5 * ridge * weights @ weights
        error = (expected - y) / len(y)
        return float(value), np.append(x.T @ error + ridge * weights, error.sum())

    start = np.append(np.zeros(x.shape[1]), np.log(_positive_mean(requests)))
    solved = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return folded([(solved.x[:-1, None] / LN2, solved.x[-1:] / LN2)], shift, scale)


def linear_output(layers: Sequence[Layer], inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """(samples,) log2 forecasts of a forecaster without hidden layers."""
    ((weights, biases),) = layers
    return inputs.astype(np.float64) @ weights[:, 0] + biases[0]


def _positive_mean(requests: NDArray[np.int64]) -> float:
    mean = float(requests.mean()) if len(requests) else 0.0
    if mean == 0.0:
        raise EdgeGymError(
            "forecast: no sampled content is requested again within the window. Take a longer forecast.window or "
            "longer training episodes."
        )
    return mean
