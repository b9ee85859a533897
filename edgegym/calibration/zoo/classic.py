"""Networks without shortcuts: AlexNet, VGG-16, SqueezeNet 1.1."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(channels_in, channels_out, kernel, stride, padding), nn.ReLU(inplace=True)]


def _dense_classifier(features: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(features, 4096), nn.ReLU(inplace=True)),
        *(nn.Linear(4096, 4096), nn.ReLU(inplace=True)),
        nn.Linear(4096, classes),
    )


def alexnet(classes: int = 1000) -> nn.Module:
    """AlexNet in the one-column form of Krizhevsky (2014), 3x224x224."""
    pool = lambda: nn.MaxPool2d(3, 2)  # noqa: E731
    return nn.Sequential(
        *_conv(3, 64, 11, 4, 2),
        pool(),
        *_conv(64, 192, 5, 1, 2),
        pool(),
        *_conv(192, 384, 3, 1, 1),
        *_conv(384, 256, 3, 1, 1),
        *_conv(256, 256, 3, 1, 1),
        pool(),
        _dense_classifier(256 * 6 * 6, classes),
    )


def vgg16(classes: int = 1000) -> nn.Module:
    """VGG-16, configuration D of Simonyan and Zisserman (2015), 3x224x224."""
    layers: list[nn.Module] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += _conv(channels, width, 3, 1, 1)
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, _dense_classifier(512 * 7 * 7, classes))


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1x1 and 3x3 side by side."""

    def __init__(self, channels_in: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(*_conv(channels_in, squeezed, 1))
        self.narrow = nn.Sequential(*_conv(squeezed, expanded, 1))
        self.wide = nn.Sequential(*_conv(squeezed, expanded, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) to (batch, 2 expanded, height, width)."""
        x = self.squeeze(x)
        return torch.cat([self.narrow(x), self.wide(x)], 1)


def squeezenet1_1(classes: int = 1000) -> nn.Module:
    """SqueezeNet 1.1 (Iandola et al. 2016, release of the authors with earlier pooling), 3x224x224."""
    pool = lambda: nn.MaxPool2d(3, 2, ceil_mode=True)  # noqa: E731
    return nn.Sequential(
        *_conv(3, 64, 3, 2),
        pool(),
        *(Fire(64, 16, 64), Fire(128, 16, 64)),
        pool(),
        *(Fire(128, 32, 128), Fire(256, 32, 128)),
        pool(),
        *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
        *_conv(512, classes, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
