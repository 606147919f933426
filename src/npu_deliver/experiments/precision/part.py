"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.part import Part
from npu_deliver.experiments.precision.rows import rows
from npu_deliver.experiments.precision.summary import summarize
from npu_eval.experiments.precision.kind import KIND

PART = Part(kind=KIND, summarize=summarize, rows=rows, pictures=("precision_chart",), of_summary=True)
