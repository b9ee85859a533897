"""Single-shot object detectors up to their raw boxes and scores; suppression of overlapping boxes is not included."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgegym.calibration.zoo.blocks import conv_norm, separable

MOBILENET_V1 = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1))
"""Channels and stride of the separable convolutions of MobileNet (Howard et al. 2017)."""
FINE = 11
"""Separable convolutions before the finest map that SSD looks at."""
EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Squeezed and final channels of the maps that SSD adds, each half the size of the one before."""


class SsdMobileNet(nn.Module):
    """SSD (Liu et al., ECCV 2016) on MobileNet-v1, 3x300x300, in the layout of TensorFlow's COCO model."""

    def __init__(self, classes: int = 91) -> None:
        super().__init__()
        self.classes = classes
        blocks: list[nn.Module] = [conv_norm(3, 32, 3, 2, activation=nn.ReLU6())]
        channels = 32
        for width, stride in MOBILENET_V1:
            blocks.append(separable(channels, width, stride, nn.ReLU6))
            channels = width
        self.fine = nn.Sequential(*blocks[: FINE + 1])
        maps: list[nn.Module] = [nn.Sequential(*blocks[FINE + 1 :])]
        for squeezed, width in EXTRA:
            maps.append(
                nn.Sequential(
                    conv_norm(channels, squeezed, 1, activation=nn.ReLU6()),
                    conv_norm(squeezed, width, 3, 2, activation=nn.ReLU6()),
                )
            )
            channels = width
        self.coarser = nn.ModuleList(maps)
        widths = (512, 1024, *(width for _, width in EXTRA))
        anchors = (3, 6, 6, 6, 6, 6)
        self.boxes = nn.ModuleList(nn.Conv2d(w, 4 * a, 1) for w, a in zip(widths, anchors, strict=True))
        self.scores = nn.ModuleList(nn.Conv2d(w, classes * a, 1) for w, a in zip(widths, anchors, strict=True))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 3, 300, 300) to boxes (batch, 1917, 4) and scores (batch, 1917, classes)."""
        maps = [self.fine(x)]
        for step in self.coarser:
            maps.append(step(maps[-1]))
        boxes = [_rows(head(each), 4) for head, each in zip(self.boxes, maps, strict=True)]
        scores = [_rows(head(each), self.classes) for head, each in zip(self.scores, maps, strict=True)]
        return torch.cat(boxes, 1), torch.cat(scores, 1)


def _rows(x: Tensor, values: int) -> Tensor:
    """(batch, anchors values, height, width) to (batch, height width anchors, values)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)


class YoloTiny(nn.Module):
    """YOLOv3-tiny (Redmon and Farhadi 2018, configuration published with the code), 3x416x416, 80 classes."""

    def __init__(self, outputs: int = 255) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            *(part for a, b in ((3, 16), (16, 32), (32, 64), (64, 128)) for part in (_leaky(a, b), nn.MaxPool2d(2))),
            _leaky(128, 256),
        )
        self.coarse = nn.Sequential(
            nn.MaxPool2d(2),
            _leaky(256, 512),
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.MaxPool2d(2, 1),
            _leaky(512, 1024),
            _leaky(1024, 256, 1),
        )
        self.coarse_head = nn.Sequential(_leaky(256, 512), nn.Conv2d(512, outputs, 1))
        self.upward = _leaky(256, 128, 1)
        self.fine_head = nn.Sequential(_leaky(128 + 256, 256), nn.Conv2d(256, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 3, 416, 416) to grids (batch, 255, 13, 13) and (batch, 255, 26, 26)."""
        fine = self.fine(x)
        coarse = self.coarse(fine)
        upward = functional.interpolate(self.upward(coarse), scale_factor=2.0)
        return self.coarse_head(coarse), self.fine_head(torch.cat([upward, fine], 1))


def _leaky(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    return conv_norm(channels_in, channels_out, kernel, activation=nn.LeakyReLU(0.1, inplace=True))


def ssd_mobilenet_v1() -> nn.Module:
    """SSD on MobileNet-v1."""
    return SsdMobileNet()


def yolov3_tiny() -> nn.Module:
    """YOLOv3-tiny."""
    return YoloTiny()
