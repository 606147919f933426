"""The towers of convolution, group norm and ReLU that every head here is made of, and the coordinates SOLO adds."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_GROUPS = 32  # groups of every group norm in FCOS, BlendMask and SOLOv2
_PRIOR = 0.01  # probability that a fresh head gives every class everywhere


class ConvGroupNorm(nn.Module):
    """Convolution without bias, group norm, ReLU, with mmdet's names ``conv`` and ``gn``."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.gn = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) → (N, outputs, H, W)."""
        return torch.relu_(self.gn(self.conv(x)))


def tower(inputs: int, channels: int, count: int) -> nn.ModuleList:
    """A list of ``count`` `ConvGroupNorm` blocks; run it with `climb`."""
    return nn.ModuleList(ConvGroupNorm(inputs if k == 0 else channels, channels) for k in range(count))


def climb(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    """Run a tower."""
    for block in blocks:
        x = block(x)
    return x


def flat_tower(channels: int, count: int) -> nn.Sequential:
    """The same tower flat and with a bias in the convolutions, as AdelaiDet numbers it: 0 conv, 1 norm, 2 ReLU, …"""
    steps: list[nn.Module] = []
    for _ in range(count):
        steps += [nn.Conv2d(channels, channels, 3, padding=1), nn.GroupNorm(_GROUPS, channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*steps)


def with_coordinates(x: Tensor) -> Tensor:
    """Two channels more: x, then y, each from -1 at the first pixel centre to 1 at the last."""
    rows = torch.linspace(-1, 1, x.shape[-2], device=x.device, dtype=x.dtype)
    columns = torch.linspace(-1, 1, x.shape[-1], device=x.device, dtype=x.dtype)
    shape = (x.shape[0], 1, x.shape[-2], x.shape[-1])
    return torch.cat([x, columns.expand(shape), rows[:, None].expand(shape)], dim=1)


def initialise_head(head: nn.Module, scores: nn.Conv2d | None = None) -> None:
    """Fresh weights for training: normal with deviation 0.01, biases 0, and ``scores`` such that all start at 1 %.

    The prior keeps the many background cells from drowning the first steps: Lin et al., "Focal Loss for Dense Object
    Detection", 2017, section 4.1.
    """
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if scores is not None and scores.bias is not None:
        nn.init.constant_(scores.bias, -math.log((1 - _PRIOR) / _PRIOR))
