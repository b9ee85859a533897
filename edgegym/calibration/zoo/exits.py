"""Networks with early exits: Teerapittayanon, McDanel and Kung, BranchyNet, ICPR 2016; CIFAR-10, 3x32x32.

A network gives the scores of all its exits, the earliest first; an application stops at the first that is sure enough.
The trunk and the exits of AlexNet have the sizes of the authors' code. Of ResNet-110's exits the paper tells how many
convolutions they have; their widths are a choice made here.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from edgegym.calibration.zoo.blocks import Head, conv_norm


class EarlyExits(nn.Module):
    """A trunk in stages, with an exit after every stage."""

    def __init__(self, stages: list[nn.Module], exits: list[nn.Module]) -> None:
        super().__init__()
        self.stages, self.exits = nn.ModuleList(stages), nn.ModuleList(exits)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(batch, 3, 32, 32) to the scores of every exit, each (batch, classes)."""
        scores = []
        for stage, leave in zip(self.stages, self.exits, strict=True):
            x = stage(x)
            scores.append(leave(x))
        return tuple(scores)


def _pool() -> nn.Module:
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def _settle() -> list[nn.Module]:
    return [nn.ReLU(), _pool(), nn.LocalResponseNorm(3, 5e-5)]


def _conv(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)


def branchy_alexnet(classes: int = 10) -> nn.Module:
    """B-AlexNet with three exits."""
    first = [_conv(3, 32, 5), *_settle(), _conv(32, 64, 5)]
    second = [*_settle(), _conv(64, 96)]
    last = [nn.ReLU(), _conv(96, 96), nn.ReLU(), _conv(96, 64), nn.ReLU(), _pool(), nn.Flatten()]
    dense = [nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, classes)]
    early = [*_settle(), _conv(64, 32), nn.ReLU(), _conv(32, 32), nn.ReLU(), _pool()]
    middle = [*_settle(), _conv(96, 32), nn.ReLU(), _pool()]
    return EarlyExits(
        [nn.Sequential(*first), nn.Sequential(*second), nn.Sequential(*last)],
        [
            nn.Sequential(*early, nn.Flatten(), nn.Linear(512, classes)),
            nn.Sequential(*middle, nn.Flatten(), nn.Linear(128, classes)),
            nn.Sequential(*dense),
        ],
    )


class CifarBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters: every other pixel, new channels zero."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        first = conv_norm(channels_in, width, 3, stride, activation=nn.ReLU())
        self.body = nn.Sequential(first, conv_norm(width, width))
        self.added, self.stride = width - channels_in, stride

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in, side, side) to (batch, width, side / stride, side / stride)."""
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.added:
            shortcut = functional.pad(shortcut, (0, 0, 0, 0, self.added // 2, self.added // 2))
        return functional.relu(self.body(x) + shortcut)


def cifar_resnet_trunk(depth: int) -> list[nn.Module]:
    """Stem and blocks of He et al.'s ResNet for CIFAR-10; ``depth`` is 6 n + 2."""
    blocks: list[nn.Module] = [conv_norm(3, 16, activation=nn.ReLU())]
    channels = 16
    for width in (16, 32, 64):
        for place in range((depth - 2) // 6):
            blocks.append(CifarBlock(channels, width, 2 if place == 0 and width > 16 else 1))
            channels = width
    return blocks


def branchy_resnet110(classes: int = 10) -> nn.Module:
    """B-ResNet: ResNet-110 with exits after its first block and after its first stage (37 convolutions)."""
    blocks = cifar_resnet_trunk(110)
    early = [conv_norm(a, 32, 3, stride, activation=nn.ReLU()) for a, stride in ((16, 2), (32, 1), (32, 1))]
    return EarlyExits(
        [nn.Sequential(*blocks[:2]), nn.Sequential(*blocks[2:19]), nn.Sequential(*blocks[19:])],
        [
            nn.Sequential(*early, Head(32, classes)),
            nn.Sequential(CifarBlock(16, 16, 1), Head(16, classes)),
            Head(64, classes),
        ],
    )
