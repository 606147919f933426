"""Feature pyramids: lateral 1x1 convolutions, a top-down sum, a 3x3 convolution a level, and levels above the last.

Lin et al., "Feature Pyramid Networks for Object Detection", 2017. Upsampling is nearest; the extra levels of an
FCOS pyramid are stride-2 convolutions of the finished P5.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.training.fresh import draw_caffe2_xavier, draw_xavier


class Conv(nn.Module):
    """A convolution one name deeper, as mmdet wraps it: ``conv.weight``, ``conv.bias``."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve."""
        result: Tensor = self.conv(x)
        return result


class FPN(nn.Module):
    """A pyramid with mmdet's names (``lateral_convs``, ``fpn_convs``); ``extra`` levels are convolutions on top."""

    def __init__(self, inputs: tuple[int, ...], *, channels: int = 256, extra: int = 0) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(Conv(width, channels, 1) for width in inputs)
        outputs = [Conv(channels, channels, 3) for _ in inputs]
        self.fpn_convs = nn.ModuleList(outputs + [Conv(channels, channels, 3, stride=2) for _ in range(extra)])
        draw_xavier(self)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Stage outputs, finest first → pyramid levels, finest first."""
        merged = top_down([lateral(x) for lateral, x in zip(self.lateral_convs, features, strict=True)])
        outputs = [conv(x) for conv, x in zip(self.fpn_convs, merged, strict=False)]
        for index, conv in enumerate(self.fpn_convs[len(merged) :]):
            outputs.append(conv(outputs[-1] if index == 0 else torch.relu(outputs[-1])))
        return outputs


class DetectronFPN(nn.Module):
    """The pyramid P3 to P7, or its first ``levels``, with detectron2's names; the backbone in it is ``bottom_up``."""

    def __init__(self, bottom_up: nn.Module, *, channels: int = 256, levels: int = 5) -> None:
        super().__init__()
        for stage, width in ((3, 512), (4, 1024), (5, 2048)):
            self.add_module(f"fpn_lateral{stage}", nn.Conv2d(width, channels, 1))
            self.add_module(f"fpn_output{stage}", nn.Conv2d(channels, channels, 3, padding=1))
        above = ("p6", "p7")[: levels - 3]
        self.top_block = nn.ModuleDict({name: nn.Conv2d(channels, channels, 3, stride=2, padding=1) for name in above})
        draw_caffe2_xavier(self)
        self.bottom_up = bottom_up

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Outputs of stages 3 to 5 → P3, P4, P5, and P6, P7 as far as there are levels."""
        numbered = list(enumerate(features, start=3))
        merged = top_down([self.get_submodule(f"fpn_lateral{k}")(x) for k, x in numbered])
        outputs: list[Tensor] = [self.get_submodule(f"fpn_output{k}")(x) for k, x in enumerate(merged, start=3)]
        for name, convolution in self.top_block.items():
            outputs.append(convolution(torch.relu(outputs[-1]) if name == "p7" else outputs[-1]))
        return outputs


def top_down(laterals: list[Tensor]) -> list[Tensor]:
    """Each level plus the sum above it, upsampled by nearest to the level's size."""
    merged = [laterals[-1]]
    for lateral in reversed(laterals[:-1]):
        merged.append(lateral + F.interpolate(merged[-1], size=lateral.shape[-2:], mode="nearest"))
    return merged[::-1]
