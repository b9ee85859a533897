"""Small networks of sensors and middleboxes: keywords, intrusions, traffic classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgegym.calibration.zoo.blocks import Head, separable


def ds_cnn(width: int = 64, classes: int = 12) -> nn.Module:
    """DS-CNN (Zhang et al., Hello Edge, 2017) in the size of MLPerf Tiny: 1x49x10 cepstral coefficients.

    The padding is that of TensorFlow's ``SAME``: the odd row and column at the end.
    """
    stem = (nn.Conv2d(1, width, (10, 4), 2), nn.BatchNorm2d(width), nn.ReLU(inplace=True))
    blocks = (separable(width, width, 1, nn.ReLU, bias=True) for _ in range(4))
    return nn.Sequential(nn.ZeroPad2d((1, 1, 4, 5)), *stem, *blocks, Head(width, classes))


class Autoencoder(nn.Module):
    """Tied sigmoid autoencoder that tells its reconstruction error."""

    def __init__(self, features: int, ratio: float) -> None:
        super().__init__()
        hidden = math.ceil(features * ratio)
        self.weight = nn.Parameter(torch.empty(hidden, features).uniform_(-1 / features, 1 / features))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.visible_bias = nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) to root mean square errors (batch, 1)."""
        hidden = torch.sigmoid(functional.linear(x, self.weight, self.hidden_bias))
        rebuilt = torch.sigmoid(functional.linear(hidden, self.weight.t(), self.visible_bias))
        return (rebuilt - x).square().mean(1, keepdim=True).sqrt()


class KitNet(nn.Module):
    """Ensemble of autoencoders for intrusion detection: Mirsky et al., Kitsune, NDSS 2018.

    Args:
        features: statistics of a packet; Kitsune's extractor makes 115.
        largest: most features an autoencoder takes; 10 in the published code. Kitsune clusters features by their
            correlation; here neighbours go together, which costs the same.
        ratio: hidden units per feature.
    """

    def __init__(self, features: int = 115, largest: int = 10, ratio: float = 0.75) -> None:
        super().__init__()
        sizes = [min(largest, features - start) for start in range(0, features, largest)]
        self.sizes = sizes
        self.lowest: Tensor
        self.span: Tensor
        self.register_buffer("lowest", torch.zeros(features))
        self.register_buffer("span", torch.ones(features))
        self.ensemble = nn.ModuleList(Autoencoder(size, ratio) for size in sizes)
        self.output = Autoencoder(len(sizes), ratio)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) to anomaly scores (batch, 1)."""
        parts = ((x - self.lowest) / self.span).split(self.sizes, 1)
        errors = [encoder(part) for encoder, part in zip(self.ensemble, parts, strict=True)]
        score: Tensor = self.output(torch.cat(errors, 1))
        return score


def kitnet() -> nn.Module:
    """Kitsune's ensemble of autoencoders."""
    return KitNet()


def traffic_cnn(classes: int = 12) -> nn.Module:
    """1-D CNN over the first 784 bytes of a flow: Wang et al., End-to-end encrypted classification, ISI 2017."""
    return nn.Sequential(
        nn.Conv1d(1, 32, 25, padding=12),
        nn.ReLU(inplace=True),
        nn.MaxPool1d(3, ceil_mode=True),
        nn.Conv1d(32, 64, 25, padding=12),
        nn.ReLU(inplace=True),
        nn.MaxPool1d(3, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(64 * 88, 1024),
        nn.ReLU(inplace=True),
        nn.Linear(1024, classes),
    )
