"""What a detector found in a photo, and the geometry of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class DetectionSet:
    """The detections of one photo, best first, on the CPU.

    ``boxes`` (K, 4) x1, y1, x2, y2 in pixels of the upright photo; ``scores`` (K,); ``classes`` (K,) int64 from 0;
    ``masks`` (K, h, w) bool, or None where the model makes none. A mask covers the whole photo; its grid is coarser
    than the photo's where that has more than :data:`MAX_MASK_PIXELS`.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor | None = None

    def __len__(self) -> int:
        return len(self.scores)


MAX_MASK_PIXELS = 2**22
"""Pixels of a mask at most: a hundred of them are 400 MiB. Of a photo with 48 megapixels they would be 5 GB."""


def mask_size(height: int, width: int) -> tuple[int, int]:
    """The grid of the masks of a photo: its own, or a coarser one of the same shape (:data:`MAX_MASK_PIXELS`)."""
    scale = min(1.0, (MAX_MASK_PIXELS / (height * width)) ** 0.5)
    return max(1, int(height * scale)), max(1, int(width * scale))


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """(N, 4) and (M, 4) boxes → (N, M) intersection over union in float64; boxes without area have none with any."""
    a, b = first.double(), second.double()
    size = (torch.minimum(a[:, None, 2:], b[None, :, 2:]) - torch.maximum(a[:, None, :2], b[None, :, :2])).clamp(min=0)
    both = size.prod(dim=2)
    area_a, area_b = ((x[:, 2:] - x[:, :2]).clamp(min=0).prod(dim=1) for x in (a, b))
    union = area_a[:, None] + area_b[None, :] - both
    return torch.where(union > 0, both / union, 0.0)


def mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """(N, h, w) and (M, h, w) bool masks → (N, M) intersection over union in float64; 1 where both are empty."""
    a, b = first.flatten(1).float(), second.flatten(1).float()
    both = (a @ b.t()).double()  # sums of ones: exact in float32 up to 2^24 pixels, four times the largest mask
    union = a.sum(dim=1).double()[:, None] + b.sum(dim=1).double()[None, :] - both
    return torch.where(union > 0, both / union, 1.0)
