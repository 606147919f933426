"""BlendMask as AdelaiDet trains it: FCOS proposals, each with an attention map that blends four bases into its mask.

Chen et al., "BlendMask: Top-Down Meets Bottom-Up for Instance Segmentation", 2020. It looks like `npu_models.fcos` and
differs in nearly every detail: distances in strides through a ReLU, centerness beside the boxes and inside the score
threshold, square-rooted scores, centre sampling, suppression before clipping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name the field uses

from npu_models.basis import BASES, BasisModule, blend
from npu_models.boxes import clip_boxes, nms_by_class, roi_align, scale_boxes
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
from npu_models.fpn import DetectronFPN
from npu_models.masks import paste_masks
from npu_models.network import Network, Preprocessing
from npu_models.points import flatten, grid, span
from npu_models.precise import precise
from npu_models.resnet import DetectronResNet
from npu_models.towers import flat_tower, initialise_head
from npu_models.training.encoded import Encoded, encoded_for
from npu_models.training.losses import cross_entropy_sum, focal_sum, giou_loss, nothing_of
from npu_models.training.mask_targets import MASK_SIDE, MaskEncoder, MaskTargets
from npu_models.training.point_targets import PointEncoder, PointTargets

CLASSES = 80
STRIDES = (8, 16, 32, 64, 128)
SIZE_BOUNDS = (-1.0, 64.0, 128.0, 256.0, 512.0, 1e8)  # SIZES_OF_INTEREST of the configuration
CENTER_RADIUS = 1.5  # POS_RADIUS, in strides
SCORE_THRESHOLD = 0.05
CANDIDATES_PER_LEVEL = 1000
NMS_IOU = 0.6
DETECTIONS = 100
ATTENTION_SIDE = 14
BASIS_SCALE = 0.25  # bases are at a quarter of the input's size
SEMANTIC_WEIGHT = 0.3

PREPROCESSING = Preprocessing(mean=(103.53, 116.28, 123.675), std=(1.0, 1.0, 1.0), rgb=False, library="pillow")


@dataclass(frozen=True)
class Variant:
    """What AdelaiDet's configurations (configs/BlendMask) change of the network.

    ``levels`` of the pyramid from P3 on; ``shared`` convolutions before both branches of the head, which then have none
    of their own; ``basis_convs`` before the bases are enlarged; ``norms_learn``: the backbone's norms are trained ones,
    and nothing of it is frozen; ``head_batch_norm``: batch norms, one a level, in place of the head's group norms;
    ``short_side`` and ``long_side`` of the resized picture.
    """

    levels: int = 5
    shared: int = 0
    basis_convs: int = 3
    norms_learn: bool = False
    head_batch_norm: bool = False
    short_side: int = 800
    long_side: int = 1333


_REAL_TIME = Variant(levels=3, shared=3, basis_convs=2, norms_learn=True, short_side=512, long_side=736)
VARIANTS: Mapping[str, Variant] = {
    "Base-BlendMask": Variant(),
    "Base-550": Variant(levels=4, shared=3, basis_convs=2, short_side=550, long_side=916),
    "RT_syncbn_shtw": _REAL_TIME,
    "RT_bn-head_syncbn_shtw": replace(_REAL_TIME, head_batch_norm=True),
}
"""By the name of the configuration that a model's own one extends, or the distinct part of its name."""


class BlendMask(Network):
    """BlendMask with a ResNet of the given depth, of one of `VARIANTS`; see `Network` for the interface.

    Raw outputs: ``res3``…``res5``, ``p3``…``p7``; for each of P3 to P7 ``logits_pN`` (N, 80, h, w), ``reg_pN``
    (N, 4, h, w) distances in strides, ``ctr_pN`` (N, 1, h, w) logits, ``top_pN`` (N, 784, h, w); ``bases``
    (N, 4, H / 4, W / 4).
    """

    def __init__(self, depth: int, variant: str = "Base-BlendMask") -> None:
        rules = VARIANTS[variant]
        self._levels = rules.levels
        super().__init__(replace(PREPROCESSING, short_side=rules.short_side, long_side=rules.long_side))
        self.backbone = DetectronFPN(DetectronResNet(depth, norms_learn=rules.norms_learn), levels=rules.levels)
        self.proposal_generator = nn.ModuleDict({"fcos_head": _Head(rules)})
        self.basis_module = BasisModule(CLASSES, convolutions=rules.basis_convs)
        self.top_layer = nn.Conv2d(256, BASES * ATTENTION_SIDE**2, 3, padding=1)
        initialise_head(self.top_layer)

    def raw_outputs(self, batch: Batch | Tensor) -> dict[str, Tensor]:
        """See the class for the names."""
        raw, towers = self._dense(as_tensor(batch))
        return raw | {f"top_p{k}": self.top_layer(x) for k, x in enumerate(towers, start=3)}

    def detect(self, images: Sequence[Tensor], resize: bool = True) -> list[Detections]:
        """As the base class; once optimised, attention maps are computed only for the detections that are kept."""
        if not self.optimised:
            return super().detect(images, resize)
        with torch.inference_mode():
            batch = self.preprocess(images, resize)
            raw, towers = self._dense(batch.tensor)
            return self._postprocess(raw, _LazyAttention(towers, self.top_layer), batch.image_sizes, batch.output_sizes)

    def postprocess(
        self, raw: dict[str, Tensor], image_sizes: Sequence[Size], output_sizes: Sequence[Size]
    ) -> list[Detections]:
        """Threshold, take the top of each level, decode, suppress, keep 100, rescale, clip, blend and paste masks."""
        return self._postprocess(raw, _DenseAttention(levels(raw, "top_p")), image_sizes, output_sizes)

    def norms_over_ranks(self) -> tuple[str, ...]:
        """All batch norms (``NORM: SyncBN``) but those of the semantic head, which are plain ones in the original."""
        norms = [name for name, module in self.named_modules() if isinstance(module, nn.BatchNorm2d | nn.SyncBatchNorm)]
        return tuple(name for name in norms if not name.startswith("basis_module.seg_head."))

    def encoder(self) -> MaskEncoder:
        """Needs boxes, classes, and masks or polygons; takes semantic maps where all targets have one."""
        strides, bounds = STRIDES[: self._levels], (*SIZE_BOUNDS[: self._levels], SIZE_BOUNDS[-1])
        return MaskEncoder(PointEncoder(strides, bounds, CLASSES, radius=CENTER_RADIUS, in_strides=True))

    def losses(
        self,
        batch: Batch | Tensor,
        targets: Sequence[Target | Mapping[str, Any]] | Encoded,
        normalisers: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """``loss_fcos_cls``, ``loss_fcos_loc``, ``loss_fcos_ctr``, ``loss_mask`` and perhaps ``loss_basis_sem``.

        Targets need boxes, classes and masks or polygons, and in training a semantic map: every configuration of the
        original has ``BASIS_MODULE.LOSS_ON``, and without that loss the semantic head has no gradient, for which a
        data-parallel training waits. In evaluation mode the loss is left out unless every target has a map.

        Raises:
            ValueError: a target lacks what the losses need.
        """
        images = as_tensor(batch)
        wanted = encoded_for(images, targets, self.encoder(), MaskTargets)
        if self.training and wanted.semantic is None:
            raise ValueError("BlendMask's semantic loss needs a semantic map in every target")
        raw = self.raw_outputs(images)
        count, central = wanted.points.divisors(normalisers)
        losses = _point_losses(raw, wanted.points, count, central)
        losses["loss_mask"] = _mask_loss(raw, wanted, central)
        if wanted.semantic is not None:
            losses["loss_basis_sem"] = self.basis_module.semantic_loss(raw["p3"], wanted.semantic, SEMANTIC_WEIGHT)
        return losses

    def _dense(self, images: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
        """All raw outputs but the attention maps, and the box towers' features that those are made from."""
        stages = self.backbone.bottom_up(images)[1:]
        pyramid = self.backbone(stages)
        raw = {f"res{k}": x for k, x in enumerate(stages, start=3)}
        raw |= {f"p{k}": x for k, x in enumerate(pyramid, start=3)}
        towers = []
        for number, features in enumerate(pyramid, start=3):
            logits, regression, center, tower = self.proposal_generator["fcos_head"](features, number - 3)
            raw |= {f"logits_p{number}": logits, f"reg_p{number}": regression, f"ctr_p{number}": center}
            towers.append(tower)
        raw["bases"] = self.basis_module(pyramid)
        return raw, towers

    def _postprocess(
        self,
        raw: dict[str, Tensor],
        attention: _DenseAttention | _LazyAttention,
        image_sizes: Sequence[Size],
        output_sizes: Sequence[Size],
    ) -> list[Detections]:
        check_sizes(len(raw["bases"]), image_sizes, output_sizes)
        found = []
        for index, (image_size, output_size) in enumerate(zip(image_sizes, output_sizes, strict=True)):
            proposals = _propose(raw, index)
            bases = raw["bases"][index : index + 1].float()
            found.append(_masked(bases, attention, index, proposals, image_size, output_size))
        return found


@dataclass(frozen=True)
class _Proposals:
    """(K, 4) boxes in pixels of the network's input; (K,) scores, classes, levels from 0, cells within the level."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    levels: Tensor
    cells: Tensor

    def __getitem__(self, index: Tensor) -> _Proposals:
        return _Proposals(
            self.boxes[index], self.scores[index], self.classes[index], self.levels[index], self.cells[index]
        )


@dataclass(frozen=True)
class _DenseAttention:
    """Attention maps looked up in dense outputs."""

    maps: list[Tensor]

    def __call__(self, image: int, level: int, cells: Tensor) -> Tensor:
        """(K,) cells of one level of one image → (K, 784)."""
        return self.maps[level][image].flatten(1)[:, cells].t().float()


@dataclass(frozen=True)
class _LazyAttention:
    """Attention maps computed where they are asked for: 3x3 neighbourhoods of the cells times the layer's weights."""

    towers: list[Tensor]
    layer: nn.Conv2d

    def __call__(self, image: int, level: int, cells: Tensor) -> Tensor:
        """(K,) cells of one level of one image → (K, 784)."""
        features = F.pad(self.towers[level][image], (1, 1, 1, 1))
        width = self.towers[level].shape[-1]
        row, column = cells // width, cells % width
        near = torch.arange(3, device=cells.device)
        patches = features[:, (row[:, None] + near)[:, :, None], (column[:, None] + near)[:, None, :]]
        weight = self.layer.weight.reshape(self.layer.weight.shape[0], -1)
        return F.linear(patches.transpose(0, 1).reshape(len(cells), -1), weight, self.layer.bias).float()


def _propose(raw: dict[str, Tensor], image: int) -> _Proposals:
    """The at most 100 (more on ties) best boxes of one image."""
    outputs = [levels(raw, prefix) for prefix in ("logits_p", "reg_p", "ctr_p")]
    heads = zip(*outputs, STRIDES[: len(outputs[0])], strict=True)
    parts = []
    for number, (logits, regression, center, stride) in enumerate(heads):
        places = grid((logits.shape[-2], logits.shape[-1]), stride, logits.float())
        score = flatten(logits)[image].float().sigmoid() * flatten(center)[image].float().sigmoid()
        cell, label = (score > SCORE_THRESHOLD).nonzero(as_tuple=True)
        best = score[cell, label]
        if len(best) > CANDIDATES_PER_LEVEL:
            best, index = best.topk(CANDIDATES_PER_LEVEL)
            cell, label = cell[index], label[index]
        boxes = span(places[cell], flatten(regression)[image][cell].float() * stride)
        parts.append(_Proposals(boxes, best.sqrt(), label, torch.full_like(cell, number), cell))
    columns = ([getattr(part, name) for part in parts] for name in ("boxes", "scores", "classes", "levels", "cells"))
    every = _Proposals(*(torch.cat(column) for column in columns))
    kept = every[nms_by_class(every.boxes, every.scores, every.classes, NMS_IOU)]
    if len(kept.scores) > DETECTIONS:
        kept = kept[(kept.scores >= kept.scores[DETECTIONS - 1]).nonzero().squeeze(1)]
    return kept


def _masked(
    bases: Tensor,
    attention: _DenseAttention | _LazyAttention,
    image: int,
    proposals: _Proposals,
    image_size: Size,
    output_size: Size,
) -> Detections:
    """Proposals of one image, rescaled and clipped, with their masks; those left without an area are dropped first."""
    x_scale, y_scale = output_size[1] / image_size[1], output_size[0] / image_size[0]
    boxes = clip_boxes(scale_boxes(proposals.boxes, x_scale, y_scale), output_size)
    solid = (boxes[:, 2:] > boxes[:, :2]).all(dim=1).nonzero().squeeze(1)
    if len(solid) == 0:
        return no_detections(boxes, output_size)
    boxes, proposals = boxes[solid], proposals[solid]
    side = BASES * ATTENTION_SIDE**2
    weights = bases.new_zeros((len(boxes), side))
    for level in proposals.levels.unique().tolist():
        members = (proposals.levels == level).nonzero().squeeze(1)
        weights[members] = attention(image, level, proposals.cells[members])
    rois = torch.cat([torch.zeros_like(proposals.scores)[:, None], proposals.boxes], dim=1)
    cut = roi_align(bases, rois, MASK_SIDE, BASIS_SCALE, 1)
    soft = blend(cut, weights).sigmoid()
    return Detections(boxes, proposals.scores, proposals.classes, paste_masks(soft, boxes, output_size))


def _rows(raw: dict[str, Tensor], prefix: str) -> Tensor:
    """(N * L, C): one output of all points, in the order of `_Positives.classes`."""
    return precise(torch.cat([flatten(x) for x in levels(raw, prefix)], dim=1)).flatten(0, 1)


def _point_losses(raw: dict[str, Tensor], wanted: PointTargets, count: Tensor, central: Tensor) -> dict[str, Tensor]:
    regression = _rows(raw, "reg_p")[wanted.positive]
    center = _rows(raw, "ctr_p")[wanted.positive, 0]
    location = (giou_loss(regression, wanted.distances) * wanted.centers).sum()
    return {
        "loss_fcos_cls": focal_sum(_rows(raw, "logits_p"), wanted.classes) / count,
        "loss_fcos_loc": location / central,
        "loss_fcos_ctr": cross_entropy_sum(center, wanted.centers) / count,
    }


def _mask_loss(raw: dict[str, Tensor], wanted: MaskTargets, central: Tensor) -> Tensor:
    """Cross-entropy of the blended masks over the objects' own boxes, weighted by centerness."""
    points, bases = wanted.points, precise(raw["bases"])
    if len(points.positive) == 0:
        return nothing_of(bases, *levels(raw, "top_p"))
    cut = roi_align(bases, wanted.rois.to(bases), MASK_SIDE, BASIS_SCALE, 1)[points.objects]
    logits = blend(cut, _rows(raw, "top_p")[points.positive])
    truth = wanted.masks.to(logits)[points.objects]
    each = F.binary_cross_entropy_with_logits(logits, truth, reduction="none").flatten(1).mean(dim=1)
    return (each * points.centers).sum() / central


class _Head(nn.Module):
    def __init__(self, rules: Variant) -> None:
        super().__init__()
        own = 0 if rules.shared else 4
        self.cls_tower = flat_tower(256, own)
        self.bbox_tower = flat_tower(256, own)
        self.share_tower = flat_tower(256, rules.shared)
        if rules.head_batch_norm:
            for index in range(1, len(self.share_tower), 3):
                self.share_tower[index] = nn.ModuleList(nn.BatchNorm2d(256) for _ in range(rules.levels))
        self.cls_logits = nn.Conv2d(256, CLASSES, 3, padding=1)
        self.bbox_pred = nn.Conv2d(256, 4, 3, padding=1)
        self.ctrness = nn.Conv2d(256, 1, 3, padding=1)
        initialise_head(self, scores=self.cls_logits)

    def forward(self, x: Tensor, level: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        for step in self.share_tower:
            x = step[level](x) if isinstance(step, nn.ModuleList) else step(x)
        of_class, of_box = self.cls_tower(x), self.bbox_tower(x)
        return self.cls_logits(of_class), torch.relu(self.bbox_pred(of_box)), self.ctrness(of_box), of_box
