"""The table rows in which the numbers of a data set may stand. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.dataset.summary import Dataset
from npu_deliver.experiments.part import Rows


def rows(found: Dataset, device: str) -> Rows:
    """Rows by evaluator, by category, by interval, and by accuracy."""
    del device
    for scores in found.scores:
        for evaluator in scores.evaluators:
            yield (scores.iou_type, evaluator.name), evaluator
        for category in scores.categories:
            yield (scores.iou_type, category.name), category
    for each in found.intervals:
        yield (each.metric, each.other), each
    if found.classes is not None:
        for k in ("top1", "top5"):
            values = (getattr(found.classes, k), getattr(found.classes, f"{k}_accuracy"), found.image_set.images)
            yield (f"{k}_accuracy",), *values
