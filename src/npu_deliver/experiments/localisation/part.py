"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.localisation.rows import rows
from npu_deliver.experiments.localisation.summary import summarize
from npu_deliver.experiments.part import Part
from npu_eval.experiments.localisation.kind import KIND

PART = Part(kind=KIND, summarize=summarize, rows=rows, pictures=("localisation_chart",), draws_record=True)
