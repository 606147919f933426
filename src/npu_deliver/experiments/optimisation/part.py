"""What the host makes of this experiment. Standard library only."""

from __future__ import annotations

from npu_deliver.experiments.optimisation.rows import rows
from npu_deliver.experiments.optimisation.summary import summarize
from npu_deliver.experiments.part import Part
from npu_eval.experiments.optimisation.kind import KIND

PART = Part(
    kind=KIND,
    summarize=summarize,
    rows=rows,
    pictures=("optimisation_chart", "waterfall_chart", "large_batch_report", "dual_npu_report", "operators_chart"),
    timed=True,
)
