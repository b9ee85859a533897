"""Residual networks: He et al., Deep Residual Learning for Image Recognition, CVPR 2016."""

from __future__ import annotations

from torch import Tensor, nn

from edgegym.calibration.zoo.blocks import Head, conv_norm


class Basic(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    expansion = 1

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(channels_in, width, 3, stride, activation=nn.ReLU(inplace=True)), conv_norm(width, width)
        )
        self.shortcut = _projection(channels_in, width, stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) to (batch, width, height / stride, width / stride)."""
        result: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return result


class Bottleneck(nn.Module):
    """1x1 down, 3x3 (with the stride, as in version 1.5), 1x1 up to four times the width, beside a shortcut."""

    expansion = 4

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(channels_in, width, 1, activation=nn.ReLU(inplace=True)),
            conv_norm(width, width, 3, stride, activation=nn.ReLU(inplace=True)),
            conv_norm(width, 4 * width, 1),
        )
        self.shortcut = _projection(channels_in, 4 * width, stride)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) to (batch, 4 width, height / stride, width / stride)."""
        result: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return result


def _projection(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return conv_norm(channels_in, channels_out, 1, stride)


def _resnet(block: type[Basic] | type[Bottleneck], depths: tuple[int, ...], classes: int) -> nn.Module:
    stages: list[nn.Module] = []
    channels = 64
    for width, depth in zip((64, 128, 256, 512), depths, strict=True):
        for place in range(depth):
            stages.append(block(channels, width, stride=2 if place == 0 and width > 64 else 1))
            channels = width * block.expansion
    stem = conv_norm(3, 64, 7, 2, activation=nn.ReLU(inplace=True))
    return nn.Sequential(stem, nn.MaxPool2d(3, 2, 1), *stages, Head(channels, classes))


def resnet18(classes: int = 1000) -> nn.Module:
    """ResNet-18, 3x224x224."""
    return _resnet(Basic, (2, 2, 2, 2), classes)


def resnet50(classes: int = 1000) -> nn.Module:
    """ResNet-50, 3x224x224."""
    return _resnet(Bottleneck, (3, 4, 6, 3), classes)
