"""Detections of photos without the raw outputs: part by part, as many classes at once as the device's memory takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from npu_eval.device.device import is_out_of_memory
from npu_eval.errors import AdapterError
from npu_eval.experiments.dataset import mask_codes
from npu_eval.models.adapter import PhotoDetector
from npu_eval.models.detections import DetectionSet

CLASSES_AT_ONCE = 16
"""Where a run begins; halved until a photo fits. Of SAM 3 it is a batch of 83,000 image tokens."""


@dataclass(frozen=True)
class Gathered:
    """The detections of one photo on the CPU, best first: masks as ends of the runs down its columns, None without."""

    boxes: torch.Tensor
    scores: torch.Tensor
    classes: torch.Tensor
    masks: list[mask_codes.Ends] | None


def gathered(parts: Iterable[DetectionSet], size: tuple[int, int]) -> Gathered:
    """The parts of a photo of (height, width) as one list. Of each part's masks only the runs leave the device.

    Of equal scores the one that came first is first.
    """
    found: list[DetectionSet] = []
    masks: list[mask_codes.Ends] | None = None
    for part in parts:
        if part.masks is not None:
            masks = [*(masks or []), *mask_codes.run_ends(mask_codes.by_columns(part.masks, size))]
        found.append(DetectionSet(part.boxes.double().cpu(), part.scores.double().cpu(), part.classes.cpu()))
    if not found:
        return Gathered(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64), None)
    scores = torch.cat([one.scores for one in found])
    order = scores.argsort(descending=True, stable=True)
    boxes, classes = torch.cat([one.boxes for one in found]), torch.cat([one.classes for one in found])
    in_order = None if masks is None else [masks[i] for i in order.tolist()]
    return Gathered(boxes[order], scores[order], classes[order], in_order)


class DirectLook:
    """A detector of photos with as many classes at once as fit: half of them after each time that memory was full."""

    def __init__(self, detect: PhotoDetector, say: Callable[[str], None], classes_at_once: int) -> None:
        self._detect, self._say = detect, say
        self.classes_at_once = classes_at_once

    def __call__(self, batch: torch.Tensor, size: tuple[int, int]) -> Gathered:
        """What is found in a photo.

        Raises:
            AdapterError: the adapter raised, or a single class does not fit.
        """
        while True:
            try:
                return gathered(self._detect(batch, size, self.classes_at_once), size)
            except (AdapterError, RuntimeError, MemoryError) as error:
                if self.classes_at_once == 1 or not is_out_of_memory(error):
                    raise
            self.classes_at_once //= 2
            self._say(f"[dataset] memory is full: {self.classes_at_once} classes at once from here on")
