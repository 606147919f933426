"""The charts of this experiment, by their stems in the deliverable. Importing this loads matplotlib."""

from __future__ import annotations

from pathlib import PurePosixPath

from npu_deliver.drawing.labels import Frame
from npu_deliver.experiments.precision.chart import ErrorPoint, precision_chart
from npu_deliver.experiments.precision.summary import Precision
from npu_eval.asked.criteria import CONTEST_ERROR
from npu_eval.records.record import Record


def draw(found: Precision, record: Record | None, frame: Frame) -> dict[str, bytes]:
    """The error of each output, beside what a repeat differs by and the bound."""
    del record
    repeats: dict[tuple[str, str], float] = {}
    for again in found.repeats:
        key = (again.input, again.output)
        repeats[key] = max(again.relative_l2, repeats.get(key, 0.0))
    # where a spec fixes no criterion on the relative L2 error, the contest's rule is drawn
    rules = [c.threshold for c in frame.criteria if c.metric == "relative_l2"]
    outputs = {a.output for a in found.agreements}
    points = [
        ErrorPoint(
            label=PurePosixPath(a.input).name + (f" · {a.output}" if len(outputs) > 1 else ""),
            relative_l2=a.relative_l2,
            repeat_relative_l2=repeats.get((a.input, a.output)),
        )
        for a in found.agreements
    ]
    threshold = min(rules, default=CONTEST_ERROR)
    return {"precision_chart": precision_chart(points, threshold=threshold, frame=frame)}
