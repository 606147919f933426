"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.dataset.rows import rows
from npu_deliver.experiments.dataset.summary import summarize
from npu_deliver.experiments.part import Part
from npu_eval.experiments.dataset.kind import KIND

PART = Part(kind=KIND, summarize=summarize, rows=rows, pictures=("dataset_chart",))
