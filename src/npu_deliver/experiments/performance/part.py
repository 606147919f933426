"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Part
from npu_deliver.experiments.performance.rows import rows
from npu_deliver.experiments.performance.summary import summarize
from npu_eval.experiments.performance.kind import KIND

PART = Part(
    kind=KIND,
    summarize=summarize,
    rows=rows,
    pictures=("performance_chart", "batch_chart"),
    draws_record=True,
    timed=True,
)
