"""The charts of this experiment, by their stems in the deliverable. Importing this loads matplotlib."""

from __future__ import annotations

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.training.chart import LossSeries, training_chart
from npu_deliver.experiments.training.summary import Training
from npu_eval.records.record import Record


def draw(found: Training, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """Each loss on both sides, step by step."""
    del record
    series = []
    for name in dict.fromkeys(loss.name for loss in found.losses):
        points = [loss for loss in found.losses if loss.name == name]
        errors = [p.relative_error for p in points]
        series.append(
            LossSeries(
                name=name,
                reference=tuple(p.reference for p in points),
                candidate=tuple(p.candidate for p in points),
                worst=None if None in errors else max(e for e in errors if e is not None),
            )
        )
    return {"training_chart": training_chart(series, frame)}
