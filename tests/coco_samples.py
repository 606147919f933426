"""Small generated data sets in COCO's layout: coloured rectangles on noise, and a detector that looks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from npu_eval.models.adapter import PhotoDetector
from npu_eval.models.detections import DetectionSet
from npu_eval.models.photos import open_upright
from npu_eval.models.protocols import DetectionProtocol

CATEGORIES = {"square": 3, "bar": 7, "dot": 11}
COLOURS = {"square": (250, 10, 10), "bar": (10, 250, 10), "dot": (10, 10, 250)}
HEIGHT, WIDTH = 40, 60


def objects_of(number: int) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Name and x, y, width, height of the objects of one image: one in each third, so that none overlap."""
    generator = np.random.default_rng(number)
    found = []
    for third, name in enumerate(sorted(CATEGORIES)):
        if generator.random() < 0.8:
            w, h = (int(n) for n in generator.integers(6, 16, 2))
            x = third * 20 + int(generator.integers(0, 20 - w))
            found.append((name, (x, int(generator.integers(0, HEIGHT - h)), w, h)))
    return found


def write_set(folder: Path, count: int, *, first_id: int = 1, **changes: Any) -> Path:
    """``count`` photos below val2017/ and their annotations; ``changes`` replace top-level keys of the file."""
    (folder / "val2017").mkdir(parents=True, exist_ok=True)
    (folder / "annotations").mkdir(exist_ok=True)
    entries, annotations = [], []
    for number in range(count):
        noise = np.random.default_rng(number).integers(90, 110, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        file = f"{number + 1:012d}.png"
        entries.append({"id": number + 1, "file_name": file, "height": HEIGHT, "width": WIDTH})
        for name, (x, y, w, h) in objects_of(number):
            noise[y : y + h, x : x + w] = COLOURS[name]
            annotations.append(annotation(first_id + len(annotations), number + 1, name, (x, y, w, h)))
        Image.fromarray(noise).save(folder / "val2017" / file)
    categories = [{"id": number, "name": name} for name, number in CATEGORIES.items()]
    content = {"images": entries, "annotations": annotations, "categories": categories, **changes}
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def annotation(number: int, image: int, name: str, box: Sequence[int], **changes: Any) -> dict[str, Any]:
    x, y, w, h = box
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    entry = {"id": number, "image_id": image, "category_id": CATEGORIES[name], "bbox": list(box), "area": w * h,
             "iscrowd": 0, "segmentation": [ring]}  # fmt: skip
    return {**entry, **changes}


def change_annotations(folder: Path, **changes: Any) -> None:
    path = folder / "annotations" / "instances_val2017.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


class Rectangles:
    """Finds the coloured rectangles, all but those that it misses on purpose, and a false one in each image."""

    task = "instance-segmentation"
    class_names = ("Bar", "dot", "square", "unicorn")
    score_cutoff = 0.0
    max_detections = 100
    false_ones = True
    masks = True
    score = 0.9

    def build(self) -> nn.Module:
        return nn.Identity().eval()

    def preprocess(self, photos: Sequence[Path]) -> torch.Tensor:
        pixels = [torch.from_numpy(np.array(open_upright(photo))) for photo in photos]
        return torch.stack(pixels).permute(0, 3, 1, 2).float()

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pixels": model(batch)}

    def detections(self, outputs: Mapping[str, torch.Tensor], photos: Sequence[Path]) -> list[DetectionSet]:
        return [self.one(pixels) for pixels in outputs["pixels"]]

    def one(self, pixels: torch.Tensor) -> DetectionSet:
        masks, classes, scores = [], [], []
        for number, name in enumerate(self.class_names):
            if name.lower() not in COLOURS:
                continue
            colour = torch.tensor(COLOURS[name.lower()]).view(3, 1, 1)
            mask = ((pixels - colour).abs() < 30).all(dim=0)
            if mask.any() and self.wanted(mask):
                masks.append(mask)
                classes.append(number)
                scores.append(self.score + float(mask.sum()) / 1e4)
        if self.false_ones:
            wrong = torch.zeros(pixels.shape[1:], dtype=torch.bool)
            wrong[2:30, 5:50] = True
            masks += [wrong, wrong]
            classes += [0, len(self.class_names) - 1]  # of a category, and of a class that the data set does not have
            scores += [0.3, 0.2]
        stacked = torch.stack(masks) if masks else torch.zeros(0, *pixels.shape[1:], dtype=torch.bool)
        boxes = torch.tensor([corners(mask) for mask in masks]).view(-1, 4)
        return DetectionSet(boxes, torch.tensor(scores), torch.tensor(classes, dtype=torch.int64),
                            stacked if self.masks else None)  # fmt: skip

    def wanted(self, mask: torch.Tensor) -> bool:
        return True


class DirectRectangles(Rectangles):
    """The same, class by class. ``takes``: how many classes its memory holds; ``asked``: what it was asked."""

    takes = 100

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def forward(self, model: nn.Module, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        raise AssertionError("raw outputs are not wanted")

    def detector(self, model: nn.Module, protocol: DetectionProtocol) -> PhotoDetector:
        def detect(batch: torch.Tensor, size: tuple[int, int], classes_at_once: int) -> Iterator[DetectionSet]:
            self.asked.append((protocol.name, classes_at_once))
            found = self.one(model(batch)[0])
            for start in range(0, len(self.class_names), classes_at_once):
                here = (found.classes >= start) & (found.classes < start + classes_at_once)
                masks = None if found.masks is None else found.masks[here]
                yield DetectionSet(found.boxes[here], found.scores[here], found.classes[here], masks)
                if classes_at_once > self.takes:
                    raise torch.OutOfMemoryError("out of memory")

        return detect


def corners(mask: torch.Tensor) -> list[float]:
    rows, columns = (torch.nonzero(mask.any(dim=d)).flatten() for d in (1, 0))
    return [float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1]
