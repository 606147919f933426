"""What a data set record says of a metric. Standard library only."""

from __future__ import annotations

from npu_eval.experiments.dataset.data import DatasetData
from npu_eval.experiments.dataset.statistics import metric_values
from npu_eval.notation.phrases import NOTHING, said
from npu_eval.records.kind import Value


def values(data: DatasetData, metric: str) -> list[Value]:
    """What the data say of a metric: of the set as a whole, or beside another run."""
    if metric == "task_metric_ratio":
        return _ratios(data)
    if metric in (found := metric_values(data)):
        return [Value(data.image_set.layout, said("all-images"), found[metric], data.image_set.images)]
    return []


def _ratios(data: DatasetData) -> list[Value]:
    """Each metric over that of the run it was compared with, on the same images."""
    return [
        Value(
            c.metric,
            said("against", metric=c.metric, other=c.other),
            c.value / c.other_value if c.other_value > 0 else 0.0,
            data.image_set.images,
            NOTHING if c.other_value > 0 else said("other-lacks-metric", metric=c.metric),
        )
        for c in data.comparisons
    ] or [Value("*", said("all-images"), 0.0, missing=said("no-reference-run"))]
