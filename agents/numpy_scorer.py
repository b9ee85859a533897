"""Greedy actions of a trained candidate policy in plain numpy, where torch's overhead would dominate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor, nn

from edgegym.agents.networks import InputScale, Observation, ScoreNetwork

NUMPY_ACTIVATIONS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "tanh": lambda x: np.tanh(x, out=x),
    "relu": lambda x: np.maximum(x, 0.0, out=x),
    "elu": lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    "silu": lambda x: np.multiply(x, expit(x), out=x),
}
"""The twins of ``networks.ACTIVATIONS``; most overwrite their argument."""


class NumpyScorer:
    """Scores of a trained score network in plain numpy.

    The input scale is folded into the first layer. The weights are copied: later training does not show here.

    Args:
        inputs: the fitted input scale.
        network: the score network (actor or Q).
    """

    def __init__(self, inputs: InputScale, network: ScoreNetwork) -> None:
        parts = network.first.parts()
        own, context, mean = _array(parts[0]), _array(parts[1]), None if parts[2] is None else _array(parts[2])
        scale, context_scale = _array(inputs.candidate_scale), _array(inputs.context_scale)
        shift = _array(inputs.candidate_shift) / scale
        bias = (
            _array(network.first.linear.bias) - own @ shift - context @ (_array(inputs.context_shift) / context_scale)
        )
        if mean is not None:
            bias -= mean @ shift
        self._own, self._context, self._bias = (
            _single((own / scale).T),
            _single((context / context_scale).T),
            _single(bias),
        )
        self._mean = None if mean is None else _single((mean / scale).T)
        self._rest = [(_single(_array(each.weight).T), _single(_array(each.bias))) for each in _linears(network)]
        self._activate = NUMPY_ACTIVATIONS[network.activation]

    def scores(self, observation: Observation) -> NDArray[np.float32]:
        """Scores of a single (K,) or batched (B, K) observation of any K; minus infinity where forbidden."""
        candidates, mask = observation["candidates"], observation["mask"] > 0
        row = observation["context"] @ self._context + self._bias
        if self._mean is not None:
            weights = mask / np.maximum(mask.sum(axis=-1, keepdims=True), 1)
            row += (weights[..., None, :].astype(np.float32) @ candidates)[..., 0, :] @ self._mean
        # One product over all rows: numpy would run a three-dimensional one row by row.
        x = candidates.reshape(-1, candidates.shape[-1]) @ self._own
        x.reshape(*mask.shape, -1)[...] += row[..., None, :]
        for weight, bias in self._rest:
            x = self._activate(x) @ weight
            x += bias
        return np.where(mask, x.reshape(mask.shape), np.float32(-np.inf))

    def act(self, observation: Observation) -> NDArray[np.int64]:
        """Best allowed action: a 0-dimensional array for a single observation, (B,) for a batch."""
        return np.asarray(self.scores(observation).argmax(axis=-1))


def _linears(network: ScoreNetwork) -> list[nn.Linear]:
    return [each for each in network.rest if isinstance(each, nn.Linear)]


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(values, dtype=np.float32)
