"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.inference.rows import rows
from npu_deliver.experiments.inference.summary import summarize
from npu_deliver.experiments.part import Part
from npu_eval.experiments.inference.kind import KIND

PART = Part(kind=KIND, summarize=summarize, rows=rows)
