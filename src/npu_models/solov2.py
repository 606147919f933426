"""SOLOv2 as mmdet has it: a grid cell an instance, whose predicted kernel turns one feature map into its mask.

Wang et al., "SOLOv2: Dynamic and Fast Instance Segmentation", 2020. There are no boxes; those of the detections are the
tight ones around the masks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.detections import (
    Batch,
    Detections,
    Size,
    Target,
    as_tensor,
    check_sizes,
    levels,
    no_detections,
)
from npu_models.fpn import FPN
from npu_models.masks import boxes_of_masks
from npu_models.matrix_nms import decayed_scores
from npu_models.network import DIVISOR, Network, Preprocessing
from npu_models.points import flatten
from npu_models.precise import precise
from npu_models.resnet import ResNet
from npu_models.towers import ConvGroupNorm, climb, initialise_head, tower, with_coordinates
from npu_models.training.encoded import Encoded, encoded_for
from npu_models.training.grid_targets import GridEncoder, GridTargets
from npu_models.training.losses import dice_loss, focal_sum, nothing_of

CLASSES = 80
STRIDES = (8, 8, 16, 32, 32)
GRIDS = (40, 36, 24, 16, 12)
MASK_STRIDE = 4
MASK_FEATURE_WIDTH = 128
SCORE_THRESHOLD = 0.1
MASK_THRESHOLD = 0.5
KEEP_THRESHOLD = 0.05  # filter_thr (update_thr): what matrix NMS must leave of a score
CANDIDATES = 500
DETECTIONS = 100
MASK_WEIGHT = 3.0
_CELLS_AT_ONCE = 128  # masks drawn in one product: 20 MB of them at 800 x 800

MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Configuration:
    """What differs between the SOLOv2 models.

    ``stacked`` convolutions of ``width`` channels in each branch of the head, ``mask_channels`` of the kernels and the
    mask features; ``scale_ranges`` the square roots of the box areas that each grid takes.
    """

    stacked: int = 4
    width: int = 512
    mask_channels: int = 256
    scale_ranges: tuple[tuple[float, float], ...] = ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
    short_side: int = 800
    long_side: int = 1333


_LIGHT = Configuration(
    stacked=2,
    width=256,
    mask_channels=128,
    scale_ranges=((1, 56), (28, 112), (56, 224), (112, 448), (224, 896)),
    short_side=448,
    long_side=768,
)

CONFIGURATIONS = {"full": Configuration(), "light": _LIGHT}


class SOLOv2(Network):
    """SOLOv2 with a ResNet of the given depth; see `Network` for the interface.

    Raw outputs: ``res2``…``res5``, ``p2``…``p6``; for each of the five grids ``kernel_i`` (N, 256, S, S) and ``cls_i``
    (N, 80, S, S) logits; ``mask_feats`` (N, 256, H / 4, W / 4).

    ``mask_divisor`` is what the mask loss is divided by: the distinct positive cells, as in mmdet, or the assigned
    masks, as in WXinlong/SOLO, where a cell that two objects share counts twice.
    """

    mask_divisor: Literal["cells", "masks"] = "cells"

    def __init__(self, depth: int, variant: str = "full") -> None:
        configuration = CONFIGURATIONS[variant]
        sides = (configuration.short_side, configuration.long_side)
        super().__init__(Preprocessing(MEAN_RGB, STD_RGB, True, "opencv", *sides))  # noqa: FBT003 - rgb
        self.configuration = configuration
        self.backbone = ResNet(depth, caffe_style=False, frozen_stages=1, trainable_norms=True)
        self.neck = FPN((256, 512, 1024, 2048))
        self.mask_head = _Head(configuration)

    def raw_outputs(self, batch: Batch | Tensor) -> dict[str, Tensor]:
        """See the class for the names. Raises ValueError for a size that is no multiple of 32."""
        images = as_tensor(batch)
        if images.shape[-2] % DIVISOR or images.shape[-1] % DIVISOR:
            raise ValueError(
                f"SOLOv2 takes sizes that are multiples of {DIVISOR}, not {images.shape[-2]} x {images.shape[-1]}; "
                "preprocess pads to one"
            )
        stages = self.backbone(images)
        pyramid = self.neck(stages)
        pyramid.append(F.max_pool2d(pyramid[-1], 1, stride=2))
        raw = {f"res{k}": x for k, x in enumerate(stages, start=2)}
        raw |= {f"p{k}": x for k, x in enumerate(pyramid, start=2)}
        kernels, logits, raw["mask_feats"] = self.mask_head(pyramid)
        raw |= {f"kernel_{k}": x for k, x in enumerate(kernels)}
        raw |= {f"cls_{k}": x for k, x in enumerate(logits)}
        return raw

    def postprocess(
        self, raw: dict[str, Tensor], image_sizes: Sequence[Size], output_sizes: Sequence[Size]
    ) -> list[Detections]:
        """Point NMS, threshold, one mask a cell, rescoring by mask quality, matrix NMS, upsampling, threshold."""
        logits, kernels, features = levels(raw, "cls_"), levels(raw, "kernel_"), raw["mask_feats"].float()
        check_sizes(len(features), image_sizes, output_sizes)
        scores = torch.cat([flatten(_local_maxima(x.float().sigmoid())) for x in logits], dim=1)
        kernel = torch.cat([flatten(x).float() for x in kernels], dim=1)
        sides = zip(logits, STRIDES, strict=True)
        smallest = torch.cat([scores.new_full((x.shape[-2] * x.shape[-1],), stride) for x, stride in sides])
        return [
            _select(scores[index], kernel[index], smallest, features[index], image_size, output_size)
            for index, (image_size, output_size) in enumerate(zip(image_sizes, output_sizes, strict=True))
        ]

    def encoder(self) -> GridEncoder:
        """Needs boxes, classes and masks."""
        return GridEncoder(GRIDS, self.configuration.scale_ranges, CLASSES)

    def losses(
        self,
        batch: Batch | Tensor,
        targets: Sequence[Target | Mapping[str, Any]] | Encoded,
        normalisers: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """``loss_mask`` Dice, divided as ``mask_divisor`` says, and ``loss_cls`` focal.

        Targets need boxes, classes and masks.

        Both originals divide by the positive cells of each rank's own images: ``normalisers`` are not used.
        """
        del normalisers
        images = as_tensor(batch)
        wanted = encoded_for(images, targets, self.encoder(), GridTargets)
        raw = self.raw_outputs(images)
        divisor = wanted.positives if self.mask_divisor == "cells" else _masks(wanted)
        focal = [
            focal_sum(flatten(x)[index], image.grids[level].classes)
            for level, x in enumerate(levels(raw, "cls_"))
            for index, image in enumerate(wanted.images)
        ]
        return {
            "loss_mask": _mask_loss(levels(raw, "kernel_"), raw["mask_feats"], wanted) / max(divisor, 1),
            "loss_cls": torch.stack(focal).sum() / (wanted.positives + 1),
        }


def _masks(wanted: GridTargets) -> int:
    """How many masks are assigned."""
    return sum(len(grid.cells) for image in wanted.images for grid in image.grids)


def _mask_loss(kernels: list[Tensor], features: Tensor, wanted: GridTargets) -> Tensor:
    """The weighted sum of Dice over all assigned masks."""
    if wanted.positives == 0:
        return nothing_of(features, *kernels)
    total = precise(features.new_zeros(()))
    for index, image in enumerate(wanted.images):
        for level, grid in enumerate(image.grids):
            if len(grid.cells) > 0:
                masks = _draw(flatten(kernels[level])[index][grid.cells], features[index])
                total = total + dice_loss(masks, image.masks[grid.objects].flatten(1)).sum()
    return total * MASK_WEIGHT


def _local_maxima(scores: Tensor) -> Tensor:
    """Scores that their left, upper and upper-left neighbours do not exceed; the others 0."""
    best = F.max_pool2d(scores, 2, stride=1, padding=1)[:, :, :-1, :-1]
    return scores * (best == scores)


def _draw(kernels: Tensor, features: Tensor) -> Tensor:
    """(K, C) kernels on (C, h, w) features → (K, h * w) mask probabilities."""
    return precise(kernels @ features.flatten(1)).sigmoid()


@dataclass(frozen=True)
class _CellMasks:
    """The masks of some cells: (K, P) bool, their (K,) areas, and the mean probability inside."""

    inside: Tensor
    areas: Tensor
    quality: Tensor


def _draw_cells(kernels: Tensor, features: Tensor) -> _CellMasks:
    inside, areas, quality = [], [], []
    for part in kernels.split(_CELLS_AT_ONCE):
        soft = _draw(part, features)
        hard = soft > MASK_THRESHOLD
        area = hard.sum(dim=1).float()
        inside.append(hard)
        areas.append(area)
        quality.append((soft * hard).sum(dim=1) / area)  # NaN for an empty mask, which its area rules out
    return _CellMasks(torch.cat(inside), torch.cat(areas), torch.cat(quality))


def _select(
    scores: Tensor, kernels: Tensor, smallest: Tensor, features: Tensor, image_size: Size, output_size: Size
) -> Detections:
    """The detections of one image: (L, 80) scores, (L, C) kernels, (L,) smallest areas, (C, h, w) mask features.

    A cell may be a candidate for several classes; its mask is drawn once.
    """
    cell, label = (scores > SCORE_THRESHOLD).nonzero(as_tuple=True)
    if len(cell) == 0:
        return no_detections(scores, output_size)
    cells, which = cell.unique(return_inverse=True)
    drawn = _draw_cells(kernels[cells], features)
    large = (drawn.areas > smallest[cells])[which].nonzero().squeeze(1)
    if len(large) == 0:
        return no_detections(scores, output_size)
    cell, label, which = cell[large], label[large], which[large]
    score, order = (scores[cell, label] * drawn.quality[which]).sort(descending=True)
    score, order = score[:CANDIDATES], order[:CANDIDATES]
    cell, label, which = cell[order], label[order], which[order]
    score = decayed_scores(drawn.inside[which], drawn.areas[which], label, score)
    left = (score >= KEEP_THRESHOLD).nonzero().squeeze(1)
    score, order = score[left].sort(descending=True)
    left, score = left[order[:DETECTIONS]], score[:DETECTIONS]
    if len(left) == 0:
        return no_detections(scores, output_size)
    soft = _draw(kernels[cell[left]], features).view(-1, *features.shape[-2:])
    masks = _upsampled(soft, image_size, output_size)
    return Detections(boxes_of_masks(masks), score, label[left], masks)


def _upsampled(soft: Tensor, image_size: Size, output_size: Size) -> Tensor:
    """(K, h, w) probabilities → (K, H, W) bool: up to the input's size, cut to the image, resized to the output."""
    full = (soft.shape[-2] * MASK_STRIDE, soft.shape[-1] * MASK_STRIDE)
    masks = torch.empty((len(soft), *output_size), dtype=torch.bool, device=soft.device)
    for index in range(len(soft)):
        one = F.interpolate(soft[None, index : index + 1], size=full, mode="bilinear", align_corners=False)
        one = one[:, :, : image_size[0], : image_size[1]]
        if image_size != output_size:  # bilinear at the same size copies
            one = F.interpolate(one, size=output_size, mode="bilinear", align_corners=False)
        torch.gt(one[0, 0], MASK_THRESHOLD, out=masks[index])
    return masks


class _Head(nn.Module):
    def __init__(self, configuration: Configuration) -> None:
        super().__init__()
        width, stacked = configuration.width, configuration.stacked
        self.cls_convs = tower(256, width, stacked)
        self.kernel_convs = tower(256 + 2, width, stacked)
        self.conv_cls = nn.Conv2d(width, CLASSES, 3, padding=1)
        self.conv_kernel = nn.Conv2d(width, configuration.mask_channels, 3, padding=1)
        self.mask_feature_head = _MaskFeatures(configuration.mask_channels)
        initialise_head(self, scores=self.conv_cls)

    def forward(self, pyramid: list[Tensor]) -> tuple[list[Tensor], list[Tensor], Tensor]:
        kernels, logits = [], []
        for x, side in zip(_resized_ends(pyramid), GRIDS, strict=True):
            x = F.interpolate(with_coordinates(x), size=(side, side), mode="bilinear", align_corners=False)
            kernels.append(self.conv_kernel(climb(self.kernel_convs, x)))
            logits.append(self.conv_cls(climb(self.cls_convs, x[:, :-2])))
        return kernels, logits, self.mask_feature_head(pyramid)


class _MaskFeatures(nn.Module):
    """P2 to P5, each brought to a quarter of the input's size by convolutions and doublings, summed and mixed."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs_all_levels = nn.ModuleList()
        for level in range(4):
            blocks = nn.ModuleDict()
            for step in range(max(level, 1)):
                inputs = MASK_FEATURE_WIDTH if step > 0 else 256 + (2 if level == 3 else 0)
                blocks[f"conv{step}"] = ConvGroupNorm(inputs, MASK_FEATURE_WIDTH)
            self.convs_all_levels.append(blocks)
        self.conv_pred = ConvGroupNorm(MASK_FEATURE_WIDTH, channels, kernel=1)

    def forward(self, pyramid: list[Tensor]) -> Tensor:
        total: Tensor | None = None
        for level in range(4):
            x = with_coordinates(pyramid[level]) if level == 3 else pyramid[level]
            for block in self.convs_all_levels.get_submodule(str(level)).children():
                x = block(x)
                if level > 0:
                    x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            total = x if total is None else total + x
        mixed: Tensor = self.conv_pred(total)
        return mixed


def _resized_ends(pyramid: list[Tensor]) -> list[Tensor]:
    """P2 at half its size and P6 at P5's; both through bilinear resampling."""
    first = F.interpolate(pyramid[0], scale_factor=0.5, mode="bilinear", align_corners=False)
    last = F.interpolate(pyramid[-1], size=pyramid[-2].shape[-2:], mode="bilinear", align_corners=False)
    return [first, *pyramid[1:-1], last]
