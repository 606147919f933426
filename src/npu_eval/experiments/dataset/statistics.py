"""Metrics of a data set record: pure functions, standard library only, so that a verifier can derive them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from npu_eval.experiments.dataset.data import COCO_STATS, UNDEFINED, Comparison, DatasetData

PREFIX = {"bbox": "box", "segm": "mask"}
"""COCO's kinds of overlap → how the metrics are called."""

CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The difference to another run, and where 95 % of the bootstrap's differences lie.

    ``excludes_zero``: the runs differ by more than the choice of images explains.
    """

    metric: str
    other: str
    value: float
    other_value: float
    difference: float
    low: float
    high: float
    draws: int
    excludes_zero: bool


def metric_values(data: DatasetData) -> dict[str, float]:
    """Every metric that the record holds, by its name (``box_ap50``, ``top1_accuracy``); undefined ones are absent."""
    values = {}
    for scores in data.detection:
        for name, value in zip(COCO_STATS, scores.official.stats, strict=True):
            if value != UNDEFINED:
                values[f"{PREFIX[scores.iou_type]}_{name}"] = value
    if data.classification is not None:
        values["top1_accuracy"] = data.classification.top1 / data.image_set.images
        values["top5_accuracy"] = data.classification.top5 / data.image_set.images
    return values


def interval(comparison: Comparison) -> Interval | None:
    """The percentile interval of a comparison (Efron & Tibshirani 1993, chapter 13); None without enough draws."""
    low, high = (_quantile(comparison.differences, q) for q in ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    if low is None or high is None:
        return None
    return Interval(
        metric=comparison.metric,
        other=comparison.other,
        value=comparison.value,
        other_value=comparison.other_value,
        difference=comparison.value - comparison.other_value,
        low=low,
        high=high,
        draws=len(comparison.differences),
        excludes_zero=not low <= 0.0 <= high,
    )


def _quantile(samples: Sequence[float], share: float) -> float | None:
    """A quantile by linear interpolation (Hyndman & Fan's type 7); None of fewer than 40 samples, one in each tail."""
    if len(samples) < 40:
        return None
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
