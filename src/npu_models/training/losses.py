"""The loss functions, as sums or per element; who calls them knows what to divide by.

All of them compute in float32 at least, whatever they are given: see `npu_models.precise`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.precise import precise

_IOU_FLOOR = 1e-6  # mmdet's IoULoss clamps the overlap here before the logarithm
_DICE_FLOOR = 2e-3  # SOLOv2 adds 1e-3 to each of the two squared sums


def focal_sum(logits: Tensor, classes: Tensor, *, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss, summed. ``logits`` (L, C); ``classes`` (L,), any value outside 0 … C-1 is background.

    Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 5.
    """
    logits = precise(logits)
    truth = (classes[:, None] == torch.arange(logits.shape[1], device=logits.device)).to(logits.dtype)
    probability = logits.sigmoid()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    wrong = probability * (1 - truth) + (1 - probability) * truth
    balance = alpha * truth + (1 - alpha) * (1 - truth)
    return (balance * cross_entropy * wrong**gamma).sum()


def iou_of_distances(predicted: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Overlap, union and enclosing area of boxes given as (K, 4) distances left, top, right, bottom from one point."""
    predicted, wanted = precise(predicted), precise(wanted)
    low = torch.minimum(predicted, wanted)
    high = torch.maximum(predicted, wanted)
    overlap = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    union = _area(predicted) + _area(wanted) - overlap
    enclosing = (high[:, 0] + high[:, 2]) * (high[:, 1] + high[:, 3])
    return overlap, union, enclosing


def iou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """(K,) -log IoU of boxes given as distances, as in FCOS."""
    overlap, union, _ = iou_of_distances(predicted, wanted)
    return -(overlap / union.clamp(min=_IOU_FLOOR)).clamp(min=_IOU_FLOOR).log()


def giou_loss(predicted: Tensor, wanted: Tensor) -> Tensor:
    """(K,) 1 - GIoU of boxes given as distances; AdelaiDet adds 1 above and below in the IoU part of it."""
    overlap, union, enclosing = iou_of_distances(predicted, wanted)
    return 1 - ((overlap + 1) / (union + 1) - (enclosing - union) / enclosing)


def centerness(distances: Tensor) -> Tensor:
    """(K,) how central a point is: the root of the product of the two ratios of opposite distances."""
    distances = precise(distances)
    horizontal, vertical = distances[:, 0::2], distances[:, 1::2]
    ratios = (side.amin(dim=1) / side.amax(dim=1) for side in (horizontal, vertical))
    return torch.sqrt(next(ratios) * next(ratios))


def dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """(K,) 1 - Dice coefficient of (K, …) soft masks with squared denominators, as in SOLO."""
    predicted = precise(probability).flatten(1)
    wanted = truth.flatten(1).to(predicted.dtype)
    both = (predicted * wanted).sum(1)
    return 1 - 2 * both / ((predicted**2).sum(1) + (wanted**2).sum(1) + _DICE_FLOOR)


def cross_entropy_sum(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of logits against ``truth`` in 0 … 1 of the same shape, summed."""
    logits = precise(logits)
    return F.binary_cross_entropy_with_logits(logits, truth.to(logits.dtype), reduction="sum")


def nothing_of(*outputs: Tensor) -> Tensor:
    """A zero that depends on every one of ``outputs`` (N, …): gradients of zero for what has nothing to learn here.

    A parameter without any gradient stops a data-parallel training, whose ranks wait for it. Nothing of the outputs is
    read, so that the zero stays one where a half-precision output has overflowed.
    """
    return torch.stack([precise(output[:0]).sum() for output in outputs]).sum()


def _area(distances: Tensor) -> Tensor:
    return (distances[:, 0] + distances[:, 2]) * (distances[:, 1] + distances[:, 3])
