"""Networks for phones: MobileNetV2 (Sandler et al., CVPR 2018) and EfficientNet-B0 (Tan and Le, ICML 2019).

Both stack inverted residuals: 1x1 up, depthwise, 1x1 down, with a shortcut where the shape stays. EfficientNet's have
squeeze-and-excitation between depthwise and down.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgegym.calibration.zoo.blocks import Head, conv_norm, to_multiple

MOBILENET_V2 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 3, 2, 32, 3),
    (6, 3, 2, 64, 4),
    (6, 3, 1, 96, 3),
    (6, 3, 2, 160, 3),
    (6, 3, 1, 320, 1),
)
EFFICIENTNET_B0 = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Stages: expansion, kernel, stride of the first block, channels, blocks."""


class SqueezeExcite(nn.Module):
    """Scale the channels by gates computed from their means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.SiLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width), same shape out."""
        result: Tensor = self.gate(x) * x
        return result


class InvertedResidual(nn.Module):
    """1x1 up, depthwise, 1x1 down."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        expansion: int,
        kernel: int,
        stride: int,
        activation: type[nn.Module],
        excite: bool,
    ) -> None:
        super().__init__()
        wide = channels_in * expansion
        parts: list[nn.Module] = []
        if expansion > 1:
            parts.append(conv_norm(channels_in, wide, 1, activation=activation(inplace=True)))
        parts.append(conv_norm(wide, wide, kernel, stride, groups=wide, activation=activation(inplace=True)))
        if excite:
            parts.append(SqueezeExcite(wide, max(1, channels_in // 4)))
        parts.append(conv_norm(wide, channels_out, 1))
        self.body = nn.Sequential(*parts)
        self.has_shortcut = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, height, width) to (batch, out, height / stride, width / stride)."""
        result: Tensor = self.body(x)
        return result + x if self.has_shortcut else result


def _stacked(
    stages: tuple[tuple[int, ...], ...], width: float, activation: type[nn.Module], excite: bool, classes: int
) -> nn.Module:
    channels = to_multiple(32 * width)
    blocks: list[nn.Module] = [conv_norm(3, channels, 3, 2, activation=activation(inplace=True))]
    for expansion, kernel, first_stride, base, depth in stages:
        channels_out = to_multiple(base * width)
        for place in range(depth):
            stride = first_stride if place == 0 else 1
            blocks.append(InvertedResidual(channels, channels_out, expansion, kernel, stride, activation, excite))
            channels = channels_out
    last = to_multiple(1280 * max(1.0, width))
    blocks.append(conv_norm(channels, last, 1, activation=activation(inplace=True)))
    return nn.Sequential(*blocks, Head(last, classes))


def mobilenet_v2(width: float = 1.0, classes: int = 1000) -> nn.Module:
    """MobileNetV2 with a width multiplier, 3x224x224."""
    return _stacked(MOBILENET_V2, width, nn.ReLU6, False, classes)


def mobilenet_v2_050() -> nn.Module:
    """MobileNetV2 of half width, 3x224x224."""
    return mobilenet_v2(0.5)


def efficientnet_b0(classes: int = 1000) -> nn.Module:
    """EfficientNet-B0, 3x224x224."""
    return _stacked(EFFICIENTNET_B0, 1.0, nn.SiLU, True, classes)
