"""A detector that costs nothing: one object for each bright quarter of a 32x32 image. Copied as it is, it is a
deliverable's `adapter.py`, with detections, masks and training losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

from npu_eval.models import DetectionSet, ShapesImage, photo_batch, upright_size


class TinyNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, stride=4)
        self.head = nn.Conv2d(4, 2, 4, stride=4)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.head(self.stem(batch).relu())


class TinyDetector:
    task = "instance-segmentation"
    class_names = ("cat", "dog")
    score_cutoff = 0.1
    max_detections = 4

    def build(self) -> nn.Module:
        return TinyNet().eval()

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        return photo_batch(photos, lambda image: pil_to_tensor(image.resize((32, 32))).float() / 255)

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": model(batch)}

    def detections(self, outputs: Mapping[str, torch.Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        found = []
        for logits, photo in zip(outputs["logits"], photos, strict=True):
            height, width = upright_size(photo)
            scores, classes = logits.sigmoid().max(dim=0)
            rows, columns = (scores > self.score_cutoff).nonzero(as_tuple=True)
            scores, classes = scores[rows, columns], classes[rows, columns]
            corners = torch.stack([columns, rows, columns + 1, rows + 1], dim=1)
            boxes = corners * torch.tensor([width / 2, height / 2] * 2)
            masks = torch.zeros((len(scores), height, width), dtype=torch.bool)
            for mask, (left, top, right, bottom) in zip(masks, boxes.int().tolist(), strict=True):
                mask[top:bottom, left:right] = True
            order = scores.argsort(descending=True)
            found.append(DetectionSet(boxes[order], scores[order], classes[order], masks[order]))
        return found

    def losses(self, model: nn.Module, images: Sequence[ShapesImage]) -> dict[str, torch.Tensor]:
        weight = next(model.parameters())
        batch = torch.stack([image.pixels.permute(2, 0, 1) for image in images]).to(weight) / 255
        logits = model(batch)
        wanted = torch.stack([image.masks.any(dim=0) for image in images])[:, None].to(weight)
        small = nn.functional.adaptive_avg_pool2d(wanted, logits.shape[-2:])
        fit = nn.functional.binary_cross_entropy_with_logits(logits, small.expand_as(logits))
        return {"loss_fit": fit, "loss_size": logits.square().mean() * 0.1}


def create_adapter() -> TinyDetector:
    return TinyDetector()
