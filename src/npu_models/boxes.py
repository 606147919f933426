"""Boxes: suppression, RoIAlign, clipping, overlap; what an NPU has no kernel for has a way in plain PyTorch beside it.

torchvision's ``nms`` and ``roi_align`` have no NPU kernel. The functions here take torchvision's on every other device
and `plain_nms` and `plain_roi_align` on a device of type ``npu``; the two agree, which a test holds them to. Boxes are
(K, 4) x1, y1, x2, y2 in pixels, a width is x2 - x1.
"""

from __future__ import annotations

import torch
import torchvision.ops
from torch import Tensor

_WITHOUT_TORCHVISION_KERNELS = ("npu",)  # device types for which torchvision registers no kernels
_OFFSET_TRICK_COORDINATES = {
    "cpu": 4000
}  # torchvision.ops.batched_nms: coordinates up to which it shifts classes apart
_OFFSET_TRICK_COORDINATES_ELSEWHERE = 100_000  # the same on any other device, torchvision 0.29
_ROI_ROWS = 64  # RoIs that plain_roi_align gathers at once: bounds its memory to 64 x C x out^2 x samples


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that no better box overlaps by more than ``iou_threshold``, best score first."""
    if boxes.device.type in _WITHOUT_TORCHVISION_KERNELS:
        return plain_nms(boxes, scores, iou_threshold)
    kept: Tensor = torchvision.ops.nms(boxes, scores, iou_threshold)
    return kept


def plain_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """`nms` without a kernel of its own: the overlaps on the device, the sequential choice on the CPU.

    The greedy choice depends on every choice before it; done on the device it would be a kernel launch a box.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    suppresses = (box_iou(ranked, ranked) > iou_threshold).cpu()
    alive = torch.ones(len(order), dtype=torch.bool)
    for index in range(len(order)):
        if alive[index]:
            alive[index + 1 :] &= ~suppresses[index, index + 1 :]
    return order[alive.to(order.device)]


def nms_by_class(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each class, as ``torchvision.ops.batched_nms``: classes shifted apart, or one by one when many.

    Always in float32: shifted coordinates reach 80 times the image size, beyond what half precision resolves.
    """
    boxes, scores = boxes.float(), scores.float()
    limit = _OFFSET_TRICK_COORDINATES.get(boxes.device.type, _OFFSET_TRICK_COORDINATES_ELSEWHERE)
    if boxes.numel() <= limit:
        return nms_shifted(boxes, scores, classes, iou_threshold)
    keep = torch.zeros_like(scores, dtype=torch.bool)
    for label in classes.unique():
        members = (classes == label).nonzero().squeeze(1)
        keep[members[nms(boxes[members], scores[members], iou_threshold)]] = True
    kept = keep.nonzero().squeeze(1)
    return kept[scores[kept].sort(descending=True).indices]


def nms_shifted(boxes: Tensor, scores: Tensor, classes: Tensor, iou_threshold: float) -> Tensor:
    """`nms` within each class, by moving each class to a place of its own: box + class * (largest coordinate + 1)."""
    if boxes.numel() == 0:
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    boxes, scores = boxes.float(), scores.float()
    shift = classes.to(boxes) * (boxes.max() + 1)
    return nms(boxes + shift[:, None], scores, iou_threshold)


def box_area(boxes: Tensor) -> Tensor:
    """(K,) areas."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """(K, M) intersection over union; NaN where both boxes are empty, as in the kernels, so that nothing exceeds it."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    sides = (high - low).clamp(min=0)
    overlap = sides[..., 0] * sides[..., 1]
    return overlap / (box_area(first)[:, None] + box_area(second)[None, :] - overlap)


def clip_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes cut to an image of (height, width)."""
    height, width = size
    x = boxes[:, 0::2].clamp(0, width)
    y = boxes[:, 1::2].clamp(0, height)
    return torch.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], dim=1)


def scale_boxes(boxes: Tensor, x_scale: float, y_scale: float) -> Tensor:
    """Boxes with x multiplied by one factor and y by the other."""
    return boxes * boxes.new_tensor([x_scale, y_scale, x_scale, y_scale])


def roi_align(features: Tensor, rois: Tensor, size: int, scale: float, sampling_ratio: int) -> Tensor:
    """RoIAlign with half-pixel correction (``aligned=True``): (K, C, size, size).

    ``features`` (N, C, H, W); ``rois`` (K, 5) image index, x1, y1, x2, y2 in pixels, ``scale`` maps them to the feature
    map; ``sampling_ratio`` points a bin and axis, 0 for as many as the bin has pixels.
    """
    if features.device.type in _WITHOUT_TORCHVISION_KERNELS:
        return plain_roi_align(features, rois, size, scale, sampling_ratio)
    pooled: Tensor = torchvision.ops.roi_align(features, rois, size, scale, sampling_ratio, aligned=True)
    return pooled


def plain_roi_align(features: Tensor, rois: Tensor, size: int, scale: float, sampling_ratio: int) -> Tensor:
    """`roi_align` by plain gathers: bilinear samples at the centres of the sub-bins, averaged over each bin.

    With ``sampling_ratio`` 0 the number of samples differs from RoI to RoI, so those are done one at a time.
    """
    if len(rois) == 0:
        return features.new_zeros((0, features.shape[1], size, size))
    if sampling_ratio > 0:
        groups = rois.split(_ROI_ROWS)
        return torch.cat(
            [_roi_samples(features, group, size, scale, sampling_ratio, sampling_ratio) for group in groups]
        )
    out = []
    for roi in rois:
        width, height = ((roi[3:] - roi[1:3]) * scale / size).ceil().int().tolist()
        if width <= 0 or height <= 0:
            out.append(features.new_zeros((1, features.shape[1], size, size)))
        else:
            out.append(_roi_samples(features, roi[None], size, scale, height, width))
    return torch.cat(out)


def _roi_samples(features: Tensor, rois: Tensor, size: int, scale: float, per_row: int, per_column: int) -> Tensor:
    height, width = features.shape[-2:]
    corners = rois[:, 1:] * scale - 0.5
    x = _sample_positions(corners[:, 0], corners[:, 2], size, per_column)
    y = _sample_positions(corners[:, 1], corners[:, 3], size, per_row)
    x0, x1, x_weight, x_valid = _bilinear_taps(x, width)
    y0, y1, y_weight, y_valid = _bilinear_taps(y, height)
    image = rois[:, 0].long()[:, None, None]

    def rows_of(index: Tensor) -> Tensor:
        """(K, sy, sx, C): interpolated along x in the rows ``index``."""
        left = features.permute(0, 2, 3, 1)[image, index[:, :, None], x0[:, None, :]]
        right = features.permute(0, 2, 3, 1)[image, index[:, :, None], x1[:, None, :]]
        weight = x_weight[:, None, :, None]
        return left * (1 - weight) + right * weight

    weight = y_weight[:, :, None, None]
    samples = rows_of(y0) * (1 - weight) + rows_of(y1) * weight
    samples = samples * (y_valid[:, :, None, None] & x_valid[:, None, :, None])
    bins = samples.view(len(rois), size, per_row, size, per_column, -1).mean(dim=(2, 4))
    return bins.permute(0, 3, 1, 2)


def _sample_positions(start: Tensor, end: Tensor, size: int, samples: int) -> Tensor:
    """(K, size * samples) coordinates of the sub-bin centres along one axis."""
    step = torch.arange(size * samples, device=start.device, dtype=start.dtype) + 0.5
    return start[:, None] + step * ((end - start)[:, None] / (size * samples))


def _bilinear_taps(position: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lower pixel, upper pixel, the upper one's weight, and whether the point counts (within one pixel of the map)."""
    valid = (position >= -1.0) & (position <= length)
    clamped = position.clamp(0, length - 1)
    lower = clamped.floor()
    return lower.long(), (lower.long() + 1).clamp(max=length - 1), clamped - lower, valid
