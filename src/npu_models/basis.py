"""BlendMask's basis module: a few image-sized maps that every instance mask is blended from.

Chen et al., "BlendMask: Top-Down Meets Bottom-Up for Instance Segmentation", 2020; the ProtoNet variant of AdelaiDet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.precise import precise
from npu_models.training.fresh import draw_caffe2_xavier

BASES = 4
_CHANNELS = 128
_REFINED_LEVELS = 3  # P3 to P5


class BasisModule(nn.Module):
    """P3, P4 and P5 → 4 maps at a quarter of the input's size, and in training semantic logits at an eighth."""

    def __init__(self, classes: int, *, convolutions: int = 3) -> None:
        super().__init__()
        self.refine = nn.ModuleList(_block(256, _CHANNELS) for _ in range(_REFINED_LEVELS))
        self.tower = nn.Sequential(
            *(_block(_CHANNELS, _CHANNELS) for _ in range(convolutions)),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            _block(_CHANNELS, _CHANNELS),
            nn.Conv2d(_CHANNELS, BASES, 1),
        )
        draw_caffe2_xavier(self.refine)
        draw_caffe2_xavier(self.tower[:-1])  # the last convolution and the head below keep torch's draw, as there
        first, second = _block(256, _CHANNELS), _block(_CHANNELS, _CHANNELS)
        self.seg_head = nn.Sequential(*first, *second, nn.Conv2d(_CHANNELS, classes + 1, 1))

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        """(N, 256, h, w) of each of P3, P4, P5, … → (N, 4, 2h, 2w) of P3's h and w."""
        refined = [block(x) for block, x in zip(self.refine, pyramid, strict=False)]
        size = refined[0].shape[-2:]
        total = refined[0]
        for x in refined[1:]:
            total = total + F.interpolate(x, size=size, mode="bilinear", align_corners=False)
        bases: Tensor = self.tower(total)
        return bases

    def semantic_loss(self, p3: Tensor, truth: Tensor, weight: float) -> Tensor:
        """Cross-entropy of the semantic head on P3 against (N, h, w) int64 labels of its size (`at_eighths`)."""
        return F.cross_entropy(precise(self.seg_head(p3)), truth) * weight


def at_eighths(labels: Tensor) -> Tensor:
    """(…, H, W) labels at every eighth pixel, as nearest interpolation picks them: the size of P3."""
    return labels[..., ::8, ::8]


def blend(bases: Tensor, attention: Tensor) -> Tensor:
    """(K, 4, s, s) bases cut out by the boxes and (K, 4 * a * a) attention → (K, s, s) mask logits."""
    side = int((attention.shape[1] / BASES) ** 0.5)
    maps = attention.reshape(-1, BASES, side, side)
    maps = F.interpolate(maps, size=bases.shape[-2:], mode="bilinear", align_corners=False)
    return (bases * torch.softmax(maps, dim=1)).sum(dim=1)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )
