"""Charts of a summary's numbers as PNG: agreement, latency, batch scaling, training and localisation.

Nothing is computed here that the summary does not hold, and nothing is hidden: a value that is exactly zero, off the
scale or not measured is drawn at the edge with a marker of its own and said in words. Colours are Okabe and Ito's,
which every common kind of colour vision tells apart, and shape repeats what colour says. The same arguments give the
same bytes with the same matplotlib; no pyplot state is touched.

Importing this loads matplotlib: import it where something is drawn.
"""

from npu_deliver.drawing.labels import CHART_LABELS, ChartLabels
from npu_deliver.experiments.dataset.chart import ApSeries, dataset_chart
from npu_deliver.experiments.localisation.chart import StripPoint, strip_chart
from npu_deliver.experiments.optimisation.chart import (
    BarPoint,
    EffectPoint,
    Frame,
    StagePoint,
    bars_chart,
    effects_chart,
    sweep_chart,
    waterfall_chart,
)
from npu_deliver.experiments.performance.chart import BatchPoint, LatencySeries, batch_chart, latency_chart
from npu_deliver.experiments.precision.chart import ErrorPoint, precision_chart
from npu_deliver.experiments.training.chart import LossSeries, training_chart

__all__ = [
    "CHART_LABELS",
    "ApSeries",
    "BarPoint",
    "BatchPoint",
    "ChartLabels",
    "EffectPoint",
    "ErrorPoint",
    "Frame",
    "LatencySeries",
    "LossSeries",
    "StagePoint",
    "StripPoint",
    "bars_chart",
    "batch_chart",
    "dataset_chart",
    "effects_chart",
    "latency_chart",
    "precision_chart",
    "strip_chart",
    "sweep_chart",
    "training_chart",
    "waterfall_chart",
]
