"""The networks behind every candidate policy: no parameter depends on the number of candidates K.

Shapes: B rows of a batch, K candidates, F candidate columns, G context columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from edgegym.errors import EdgeGymError
from edgegym.settings import Settings

Width = Annotated[int, Field(ge=1, le=4096)]
Observation = Mapping[str, NDArray[Any]]

MASKED = -1e8
"""Score of a forbidden candidate: its probability is exactly 0 in float32, and no NaN arises as with infinity."""

CONSTANT = 1e-6
SMALLEST_SCALE = 0.01


class NetworkSettings(Settings):
    """Shape of a candidate policy's networks."""

    score_layers: tuple[Width, ...] = (32, 32)
    """Hidden widths of the network that scores one candidate; empty for a linear score."""
    value_layers: tuple[Width, ...] = (32,)
    """Hidden widths of the critic after the pooling over candidates."""
    embedding: Width = 32
    """Width of the critic's embedding of one candidate, which is pooled."""
    activation: Literal["relu", "elu", "silu", "tanh"] = "relu"
    """Non-linearity between the layers (relu is by far the fastest on a CPU)."""
    interactions: bool = False
    """Also show each candidate how its columns differ from the mean over the allowed candidates."""


class Sizes(NamedTuple):
    """Sizes of a candidate observation."""

    candidates: int
    features: int
    context: int


class Batch(NamedTuple):
    """Standardised inputs: candidates (B, K, F), context (B, G), mask (B, K) bool."""

    candidates: Tensor
    context: Tensor
    mask: Tensor


def observation_sizes(space: spaces.Space[Any]) -> Sizes:
    """Read K, F and G off a candidate observation space.

    Raises:
        EdgeGymError: if the space is not a Dict of ``candidates`` (K, F), ``context`` (G,) and ``mask`` (K,).
    """
    parts = space.spaces if isinstance(space, spaces.Dict) else {}
    shapes = {key: parts[key].shape for key in ("candidates", "context", "mask") if key in parts}
    match shapes:
        case {"candidates": (int(k), int(f)), "context": (int(g),), "mask": (int(m),)} if k == m:
            return Sizes(k, f, g)
    raise EdgeGymError(
        f"observation space {space}: a candidate policy needs a Dict with candidates (K, F), context (G,) and "
        'mask (K,). Make the environment with observation="dict", or take "MlpPolicy" for flat observations.'
    )


class InputScale(nn.Module):
    """Shift and scale of every input column: part of the weights, fitted once, not trained."""

    candidate_shift: Tensor
    candidate_scale: Tensor
    context_shift: Tensor
    context_scale: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        for name, width in (("candidate", sizes.features), ("context", sizes.context)):
            self.register_buffer(f"{name}_shift", torch.zeros(width))
            self.register_buffer(f"{name}_scale", torch.ones(width))

    def forward(self, observation: Mapping[str, Tensor]) -> Batch:
        """Standardise an observation with tensors of any K."""
        candidates = (observation["candidates"] - self.candidate_shift) / self.candidate_scale
        context = (observation["context"] - self.context_shift) / self.context_scale
        return Batch(candidates, context, observation["mask"] > 0)

    def fit(self, observations: Observation) -> None:
        """Take mean and standard deviation of each column; candidates count where allowed.

        A constant column keeps scale 1. No other scale falls below 0.01, so that a column in [0, 1] that hardly
        moved at first stays below 100 in magnitude when it moves later.

        Args:
            observations: candidates (B, K, F), context (B, G), mask (B, K).
        """
        allowed = np.asarray(observations["mask"]) > 0
        columns = {"candidate": observations["candidates"][allowed], "context": observations["context"]}
        for name, values in columns.items():
            deviation = values.std(axis=0, dtype=np.float64)
            scale = np.where(deviation < CONSTANT, 1.0, np.maximum(deviation, SMALLEST_SCALE))
            getattr(self, f"{name}_shift").copy_(torch.as_tensor(values.mean(axis=0, dtype=np.float64)))
            getattr(self, f"{name}_scale").copy_(torch.as_tensor(scale))


class CandidateLayer(nn.Module):
    """One affine map of [candidate columns, context], shared by all candidates.

    The context's share of the product is computed once per row and broadcast, not once per candidate. With
    ``interactions`` the input also holds d = x - mean(x) over the allowed candidates; since the map is linear,
    W x + V d = (W + V) x - V mean(x), which again costs one small product per row.
    """

    def __init__(self, sizes: Sizes, width: int, interactions: bool) -> None:
        super().__init__()
        self.features, self.interactions = sizes.features, interactions
        self.linear = nn.Linear(sizes.features * (2 if interactions else 1) + sizes.context, width)

    def parts(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Weights of the candidate columns, of the context, and of the allowed candidates' mean (or None)."""
        weight, f = self.linear.weight, self.features
        if not self.interactions:
            return weight[:, :f], weight[:, f:], None
        return weight[:, :f] + weight[:, f : 2 * f], weight[:, 2 * f :], -weight[:, f : 2 * f]

    def forward(self, batch: Batch) -> Tensor:
        """(B, K, width)."""
        own, context, mean = self.parts()
        row = functional.linear(batch.context, context, self.linear.bias)
        if mean is not None:
            weights = allowed_weights(batch.mask, row.dtype).unsqueeze(1)
            row = row + functional.linear(torch.bmm(weights, batch.candidates).squeeze(1), mean)
        return functional.linear(batch.candidates, own) + row.unsqueeze(1)


class ScoreNetwork(nn.Module):
    """Score of each candidate from its own columns and the context: the order of the candidates does not matter."""

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        widths = (*settings.score_layers, 1)
        self.first = CandidateLayer(sizes, widths[0], settings.interactions)
        self.rest = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.activation = settings.activation
        orthogonal(self, last_gain=0.01)

    def forward(self, batch: Batch) -> Tensor:
        """(B, K) scores, the forbidden candidates' included."""
        x = self.first(batch)
        for layer in self.rest:
            x = layer(ACTIVATIONS[self.activation](x))
        return x.squeeze(-1)


class ValueNetwork(nn.Module):
    """Value of a state from mean and maximum of an embedding over the allowed candidates, and the context."""

    def __init__(self, sizes: Sizes, settings: NetworkSettings) -> None:
        super().__init__()
        self.first = CandidateLayer(sizes, settings.embedding, settings.interactions)
        widths = (2 * settings.embedding + sizes.context, *settings.value_layers, 1)
        self.rest = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.activation = settings.activation
        orthogonal(self, last_gain=1.0)

    def forward(self, batch: Batch) -> Tensor:
        """(B, 1)."""
        activate = ACTIVATIONS[self.activation]
        embedded = activate(self.first(batch))
        x = torch.cat([*MeanAndMax.apply(embedded, batch.mask), batch.context], dim=1)
        for i, layer in enumerate(self.rest):
            x = layer(activate(x) if i else x)
        return x


class MeanAndMax(torch.autograd.Function):
    """Mean and maximum over the allowed candidates, (B, K, W) and (B, K) -> two of (B, W).

    The gradient is written out because that makes a whole training step a tenth faster than autograd's. Ties share
    the maximum's gradient evenly, as with ``amax``.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool; a forbidden candidate is lowered until it cannot be the maximum."""
        weights = allowed_weights(mask, values.dtype)
        lowered = values + torch.where(mask, 0.0, MASKED).to(values.dtype).unsqueeze(-1)
        highest = lowered.amax(dim=1)
        ctx.save_for_backward(weights, lowered, highest)
        return torch.bmm(weights.unsqueeze(1), values).squeeze(1), highest

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """Gradient with respect to the values."""
        weights, lowered, highest = ctx.saved_tensors
        of_mean, of_max = grads
        result = torch.eq(lowered, highest.unsqueeze(1), out=torch.empty_like(lowered))
        result *= (of_max / result.sum(dim=1)).unsqueeze(1)
        return result.addcmul_(weights.unsqueeze(-1), of_mean.unsqueeze(1)), None


def allowed_weights(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, K) weights that average over the allowed candidates."""
    weights = mask.to(dtype)
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1.0)


def orthogonal(module: nn.Module, last_gain: float) -> None:
    """Initialise as Stable-Baselines3 does: orthogonal with gain sqrt(2), zero biases, a gain of its own at the end."""
    linears = [each for each in module.modules() if isinstance(each, nn.Linear)]
    for linear in linears:
        nn.init.orthogonal_(linear.weight, gain=last_gain if linear is linears[-1] else 2**0.5)
        nn.init.zeros_(linear.bias)


def sigmoid_tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent through the sigmoid, which torch computes several times faster on a CPU."""
    return 2.0 * torch.sigmoid(2.0 * x) - 1.0


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": sigmoid_tanh,
    "relu": functional.relu,
    "elu": functional.elu,
    "silu": functional.silu,
}
