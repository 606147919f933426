"""FCOS as mmdet trains it: ResNet in caffe style, P3 to P7, group-norm towers, centerness beside the classes.

Tian et al., "FCOS: Fully Convolutional One-Stage Object Detection", 2019; the version without the later improvements
(no centre sampling, centerness from the classification tower, distances in pixels through an exponential).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from npu_models.boxes import clip_boxes, nms_shifted, scale_boxes
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
from npu_models.network import Network, Preprocessing
from npu_models.points import flatten, grid, span
from npu_models.precise import precise
from npu_models.resnet import ResNet
from npu_models.towers import climb, initialise_head, tower
from npu_models.training.encoded import Encoded, encoded_for
from npu_models.training.losses import cross_entropy_sum, focal_sum, iou_loss
from npu_models.training.point_targets import PointEncoder, PointTargets

CLASSES = 80
STRIDES = (8, 16, 32, 64, 128)
SIZE_BOUNDS = (-1.0, 64.0, 128.0, 256.0, 512.0, 1e8)  # regress_ranges of the configuration
SCORE_THRESHOLD = 0.05
CANDIDATES_PER_LEVEL = 1000
NMS_IOU = 0.5
DETECTIONS = 100

PREPROCESSING = Preprocessing(
    mean=(102.9801, 115.9465, 122.7717), std=(1.0, 1.0, 1.0), rgb=False, library="opencv"
)  # the caffe ResNets' BGR mean


class FCOS(Network):
    """FCOS with a ResNet of the given depth; see `Network` for the interface.

    Raw outputs: ``res2``…``res5``, ``p3``…``p7``; for each of P3 to P7 ``logits_pN`` (N, 80, h, w), ``reg_pN``
    (N, 4, h, w) distances in pixels, ``ctr_pN`` (N, 1, h, w) logits.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(PREPROCESSING)
        self.backbone = ResNet(depth, caffe_style=True, frozen_stages=1, trainable_norms=False)
        self.neck = FPN((512, 1024, 2048), extra=2)
        self.bbox_head = _Head()

    def raw_outputs(self, batch: Batch | Tensor) -> dict[str, Tensor]:
        """See the class for the names."""
        stages = self.backbone(as_tensor(batch))
        pyramid = self.neck(stages[1:])
        raw = {f"res{k}": x for k, x in enumerate(stages, start=2)}
        raw |= {f"p{k}": x for k, x in enumerate(pyramid, start=3)}
        for number, (features, scale) in enumerate(zip(pyramid, self.bbox_head.scales, strict=True), start=3):
            logits, regression, center = self.bbox_head(features, scale)
            raw |= {f"logits_p{number}": logits, f"reg_p{number}": regression, f"ctr_p{number}": center}
        return raw

    def postprocess(
        self, raw: dict[str, Tensor], image_sizes: Sequence[Size], output_sizes: Sequence[Size]
    ) -> list[Detections]:
        """Threshold the class alone, decode, clip, rescale, then suppress by class times centerness: in this order."""
        heads = [[flatten(x).float() for x in levels(raw, prefix)] for prefix in ("logits_p", "reg_p", "ctr_p")]
        points = _points(levels(raw, "logits_p"), heads[0][0])
        check_sizes(len(heads[0][0]), image_sizes, output_sizes)
        found = []
        for index, (image_size, output_size) in enumerate(zip(image_sizes, output_sizes, strict=True)):
            one = [[level[index] for level in head] for head in heads]
            found.append(_select(one, points, image_size, output_size))
        return found

    def encoder(self) -> PointEncoder:
        """Needs boxes and classes."""
        return PointEncoder(STRIDES, SIZE_BOUNDS, CLASSES)

    def losses(
        self,
        batch: Batch | Tensor,
        targets: Sequence[Target | Mapping[str, Any]] | Encoded,
        normalisers: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """``loss_cls`` focal, ``loss_bbox`` -log IoU, ``loss_centerness``; targets need boxes and classes."""
        images = as_tensor(batch)
        wanted = encoded_for(images, targets, self.encoder(), PointTargets)
        raw = self.raw_outputs(images)
        logits, regression, center = (
            precise(torch.cat([flatten(x) for x in levels(raw, prefix)], dim=1))
            for prefix in ("logits_p", "reg_p", "ctr_p")
        )
        return fcos_losses(logits, regression, center, wanted, normalisers)


def fcos_losses(
    logits: Tensor, regression: Tensor, center: Tensor, wanted: PointTargets, normalisers: Tensor | None = None
) -> dict[str, Tensor]:
    """The losses of (N, L, 80), (N, L, 4) and (N, L, 1) predictions; without an object those of boxes are 0."""
    predicted = regression.reshape(-1, 4)[wanted.positive]
    predicted_center = center.reshape(-1)[wanted.positive]
    count, central = wanted.divisors(normalisers)
    location = (iou_loss(predicted, wanted.distances) * wanted.centers).sum()
    return {
        "loss_cls": focal_sum(logits.reshape(-1, CLASSES), wanted.classes) / count,
        "loss_bbox": location / central,
        "loss_centerness": cross_entropy_sum(predicted_center, wanted.centers) / count,
    }


def _points(maps: list[Tensor], like: Tensor) -> list[Tensor]:
    return [grid((x.shape[-2], x.shape[-1]), stride, like) for x, stride in zip(maps, STRIDES, strict=True)]


def _select(heads: list[list[Tensor]], points: list[Tensor], image_size: Size, output_size: Size) -> Detections:
    """The detections of one image from its (L, 80), (L, 4) and (L, 1) tensors of each level."""
    boxes, scores, classes = [], [], []
    for logits, regression, center, places in zip(*heads, points, strict=True):
        probability = logits.sigmoid()
        place, label = (probability > SCORE_THRESHOLD).nonzero(as_tuple=True)
        candidate = probability[place, label]
        candidate, best = candidate.topk(min(CANDIDATES_PER_LEVEL, len(candidate)))
        place = place[best]
        boxes.append(span(places[place], regression[place]))
        scores.append(candidate * center[place, 0].sigmoid())
        classes.append(label[best])
    x_scale, y_scale = image_size[1] / output_size[1], image_size[0] / output_size[0]
    box = scale_boxes(clip_boxes(torch.cat(boxes), image_size), 1 / x_scale, 1 / y_scale)
    score, label = torch.cat(scores), torch.cat(classes)
    solid = ((box[:, 2:] > box[:, :2]).all(dim=1)).nonzero().squeeze(1)
    if len(solid) == 0:
        return no_detections(score)
    box, score, label = box[solid], score[solid], label[solid]
    keep = nms_shifted(box, score, label, NMS_IOU)[:DETECTIONS]
    return Detections(box[keep], score[keep], label[keep])


class _Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_convs = tower(256, 256, 4)
        self.reg_convs = tower(256, 256, 4)
        self.conv_cls = nn.Conv2d(256, CLASSES, 3, padding=1)
        self.conv_reg = nn.Conv2d(256, 4, 3, padding=1)
        self.conv_centerness = nn.Conv2d(256, 1, 3, padding=1)
        self.scales = nn.ModuleList(_Scale() for _ in STRIDES)
        initialise_head(self, scores=self.conv_cls)

    def forward(self, x: Tensor, scale: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
        of_class, of_box = climb(self.cls_convs, x), climb(self.reg_convs, x)
        distances = precise(scale(self.conv_reg(of_box))).exp()  # the largest float16 is the exponential of 11.09
        return self.conv_cls(of_class), distances, self.conv_centerness(of_class)


class _Scale(nn.Module):
    """One learnt factor a level."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale
