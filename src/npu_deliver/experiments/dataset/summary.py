"""The part of a summary that is about an evaluation on a data set. An undefined precision is None here, never -1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from npu_eval.asked.spec import SpecFile
from npu_eval.experiments.dataset.data import (
    COCO_STATS,
    UNDEFINED,
    DatasetData,
    DetectionScores,
    DirectRun,
    ImageSet,
    Repaired,
    mean_precision,
)
from npu_eval.experiments.dataset.statistics import Interval, interval, metric_values
from npu_eval.jsonio import ABSENT_BY_DEFAULT
from npu_eval.records.record import Record


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """One evaluator's twelve numbers by COCO's names, and its seconds."""

    name: str
    version: str
    stats: dict[str, float | None]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Category:
    """One category with an object or a detection."""

    name: str
    objects: int
    detections: int
    ap: float | None
    ap50: float | None
    ap75: float | None


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Boxes (``bbox``) or masks (``segm``). ``identical``: all evaluators gave the same bits; None where one ran.

    ``categories`` come with most objects first; ``by_threshold`` is AP at each IoU from .50 to .95.
    """

    iou_type: str
    objects: int
    crowds: int
    evaluators: tuple[Evaluator, ...]
    identical: bool | None
    category_count: int
    categories: tuple[Category, ...]
    by_threshold: tuple[float | None, ...]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Right images of a classifier, and the shares."""

    classes: int
    top1: int
    top5: int
    top1_accuracy: float
    top5_accuracy: float


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """The evaluation on a data set. The record names every unreadable image and broken annotation."""

    image_set: ImageSet
    unreadable: int
    broken_annotations: int
    repairs: tuple[Repaired, ...]
    missing_categories: int
    missing_objects: int
    unused_classes: int
    detections: int
    dropped_detections: int
    images_without_detections: int
    resumed_images: int
    results: str
    results_sha256: str
    scores: tuple[Scores, ...]
    classes: Classes | None
    intervals: tuple[Interval, ...]
    direct: DirectRun | None = field(default=None, metadata=ABSENT_BY_DEFAULT)


def summarize_dataset(data: DatasetData) -> Dataset:
    """What a record of it comes to."""
    found, values = data.classification, metric_values(data)
    return Dataset(
        image_set=data.image_set,
        unreadable=len(data.unreadable),
        broken_annotations=len(data.broken_annotations),
        repairs=data.repairs,
        missing_categories=len(data.missing_categories),
        missing_objects=data.missing_objects,
        unused_classes=len(data.unused_classes),
        detections=data.detections,
        dropped_detections=data.dropped_detections,
        images_without_detections=data.images_without_detections,
        resumed_images=data.resumed_images,
        results=data.results,
        results_sha256=data.results_sha256,
        scores=tuple(map(_scores, data.detection)),
        classes=None
        if found is None
        else Classes(
            classes=found.classes,
            top1=found.top1,
            top5=found.top5,
            top1_accuracy=values["top1_accuracy"],
            top5_accuracy=values["top5_accuracy"],
        ),
        intervals=tuple(i for i in map(interval, data.comparisons) if i is not None),
        direct=data.direct,
    )


def _scores(scores: DetectionScores) -> Scores:
    shown = sorted((c for c in scores.categories if c.objects or c.detections), key=lambda c: (-c.objects, c.name))
    return Scores(
        iou_type=scores.iou_type,
        objects=scores.objects,
        crowds=scores.crowds,
        evaluators=tuple(
            Evaluator(
                name=run.evaluator,
                version=run.version,
                seconds=run.seconds,
                stats={name: _defined(v) for name, v in zip(COCO_STATS, run.stats, strict=True)},
            )
            for run in scores.runs
        ),
        identical=all(r.stats == scores.official.stats for r in scores.runs) if len(scores.runs) > 1 else None,
        category_count=len(scores.categories),
        categories=tuple(
            Category(
                name=c.name,
                objects=c.objects,
                detections=c.detections,
                ap=_defined(mean_precision((c,))),
                ap50=_defined(mean_precision((c,), 0)),
                ap75=_defined(mean_precision((c,), 5)),
            )
            for c in shown
        ),
        by_threshold=tuple(_defined(mean_precision(scores.categories, place)) for place in range(10)),
    )


def _defined(value: float) -> float | None:
    return None if value == UNDEFINED else value


def summarize(records: Mapping[str, Record], spec_file: SpecFile) -> Dataset | None:
    """What the record of a data set comes to, if there is one."""
    del spec_file
    record = records.get("dataset")
    return summarize_dataset(record.data) if record is not None and isinstance(record.data, DatasetData) else None
