"""Pieces that several networks of the zoo are built from."""

from __future__ import annotations

from torch import Tensor, nn


def conv_norm(
    channels_in: int,
    channels_out: int,
    kernel: int | tuple[int, int] = 3,
    stride: int | tuple[int, int] = 1,
    groups: int = 1,
    activation: nn.Module | None = None,
    bias: bool = False,
) -> nn.Sequential:
    """Convolution, batch normalisation, activation if one is given; a stride of 1 keeps the size."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (sides[0] // 2, sides[1] // 2)
    convolution = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=bias)
    parts: list[nn.Module] = [convolution, nn.BatchNorm2d(channels_out)]
    return nn.Sequential(*parts, *([] if activation is None else [activation]))


def separable(
    channels_in: int, channels_out: int, stride: int, activation: type[nn.Module], bias: bool = False
) -> nn.Sequential:
    """Depthwise-separable convolution of MobileNet (Howard et al. 2017): 3x3 per channel, then 1x1 across channels."""
    return nn.Sequential(
        conv_norm(channels_in, channels_in, 3, stride, groups=channels_in, activation=activation(), bias=bias),
        conv_norm(channels_in, channels_out, 1, activation=activation(), bias=bias),
    )


def to_multiple(channels: float, divisor: int = 8) -> int:
    """Round channels to a multiple of 8 without losing more than a tenth, as the MobileNets do."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class Head(nn.Module):
    """Mean over the image, then a dense layer to the classes."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dense = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to (batch, classes)."""
        scores: Tensor = self.dense(self.pool(x).flatten(1))
        return scores
