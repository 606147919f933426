"""The charts of this experiment, by their stems in the deliverable. Importing this loads matplotlib."""

from __future__ import annotations

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.dataset.chart import ApSeries, dataset_chart
from npu_deliver.experiments.dataset.summary import Dataset
from npu_eval.records.record import Record


def draw(found: Dataset, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """The precision over the thresholds, and by category."""
    del record
    if not found.scores:
        return {}
    labels = frame.labels
    series = [
        ApSeries(
            name={"bbox": labels.boxes, "segm": labels.masks}[scores.iou_type],
            by_threshold=scores.by_threshold,
            by_category={c.name: c.ap for c in scores.categories if c.objects},
        )
        for scores in found.scores
    ]
    return {"dataset_chart": dataset_chart(series, frame)}
