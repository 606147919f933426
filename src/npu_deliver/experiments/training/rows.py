"""The table rows in which the numbers of training steps may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Rows
from npu_deliver.experiments.training.summary import Training


def rows(found: Training, device: str) -> Rows:
    """Rows by step and loss, and by part of the gradients."""
    del device
    for loss in found.losses:
        yield (str(loss.step), loss.name), loss
    for gradient in found.gradients:
        yield (gradient.part,), gradient
