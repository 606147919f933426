"""What the data set experiment stores: which images, what was wrong with them, and what the evaluators counted.

The detections themselves are in a file beside the record, which names it by its hash. Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from npu_eval.errors import RecordError
from npu_eval.jsonio import ABSENT_BY_DEFAULT
from npu_eval.models.protocols import DetectionProtocol, check_protocol

IOU_THRESHOLDS = tuple(0.5 + 0.05 * i for i in range(10))
"""COCO's ten intersections over union, .50 to .95."""

COCO_STATS = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar1",
    "ar10",
    "ar100",
    "ar_small",
    "ar_medium",
    "ar_large",
)
"""The twelve numbers of COCO's detection evaluation, in its order; -1 stands for one that is undefined."""

UNDEFINED = -1.0
"""What COCO's evaluation writes where there is no object to find."""


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """The images that were evaluated, as the annotations (never the predictions) give them.

    ``layout`` is ``coco`` or ``labelled``; ``available`` counts the images of the annotations, ``images`` those within
    the limit, ``sha256`` is of their list: identity, file and size or label of each.
    """

    layout: str
    folder: str
    annotations: str
    annotations_sha256: str | None
    available: int
    limit: int | None
    images: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A file or an annotation that could not be used, and why. An image stays in the set, as one without a result."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What was repaired in the annotations before they were used: a kind of `coco_repair.REPAIRS`, and how often."""

    kind: str
    count: int


@dataclass(frozen=True, kw_only=True)
class EvaluatorRun:
    """The twelve numbers of one evaluator, and the seconds it took from reading its files to the last number."""

    evaluator: str
    version: str
    stats: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CategoryScore:
    """One category: its objects (without crowds), its detections, its average precision at each IoU threshold."""

    name: str
    objects: int
    detections: int
    precision: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DetectionScores:
    """The evaluation of boxes (``bbox``) or masks (``segm``); of several evaluators the last is the one that counts."""

    iou_type: str
    objects: int
    crowds: int
    runs: tuple[EvaluatorRun, ...]
    categories: tuple[CategoryScore, ...]

    @property
    def official(self) -> EvaluatorRun:
        """The run that counts: pycocotools where it ran, else the fast evaluator."""
        return self.runs[-1]


@dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """Images whose label is the best class, or among the five best; the rest of the set is wrong or unreadable."""

    classes: int
    top1: int
    top5: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Another run on the same images: its value, and the paired bootstrap's differences (this run minus the other)."""

    metric: str
    other: str
    other_sha256: str
    value: float
    other_value: float
    seed: int
    differences: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DirectRun:
    """Detections that were had without raw outputs: under which protocol, and the fewest classes that went through the
    network at once (of some networks the last bits depend on it)."""

    protocol: DetectionProtocol
    classes_at_once: int


@dataclass(frozen=True, kw_only=True)
class DatasetData:
    """What an evaluation on a data set found.

    ``missing_categories`` are those of the annotations that the model does not know: they are left out, and their
    objects counted. ``unused_classes`` are the model's that the annotations do not have; ``dropped_detections`` are of
    them. ``resumed_images`` were taken over from a run that was cut short. ``direct`` is None where the list is what
    the adapter makes of the raw outputs.
    """

    image_set: ImageSet
    unreadable: tuple[Unusable, ...]
    broken_annotations: tuple[Unusable, ...]
    missing_categories: tuple[str, ...]
    missing_objects: int
    unused_classes: tuple[str, ...]
    detections: int
    dropped_detections: int
    images_without_detections: int
    resumed_images: int
    results: str
    results_sha256: str
    detection: tuple[DetectionScores, ...]
    classification: ClassCounts | None
    comparisons: tuple[Comparison, ...]
    repairs: tuple[Repaired, ...] = field(default=(), metadata=ABSENT_BY_DEFAULT)
    direct: DirectRun | None = field(default=None, metadata=ABSENT_BY_DEFAULT)


def check_dataset(data: DatasetData, where: str) -> None:
    """Refuse numbers that no evaluation gives.

    Raises:
        RecordError: a count is impossible, or an AP is not the mean of its categories.
    """
    images = data.image_set.images
    counts = (data.detections, data.dropped_detections, data.missing_objects, data.resumed_images)
    if images < 1 or min(counts) < 0 or not len(data.unreadable) <= images <= data.image_set.available:
        raise RecordError("a count of images or detections is impossible", where=where)
    if any(repair.count < 1 for repair in data.repairs):
        raise RecordError("a repair that was not made is listed", where=f"{where}.repairs")
    if data.direct is not None:
        check_protocol(data.direct.protocol, f"{where}.direct")
        if data.direct.classes_at_once < 1 or data.classification is not None:
            raise RecordError("no detections are made that way", where=f"{where}.direct")
    if data.classification is not None:
        found = data.classification
        if not 0 <= found.top1 <= found.top5 <= images - len(data.unreadable):
            raise RecordError("more classes are right than there are images", where=f"{where}.classification")
    for i, scores in enumerate(data.detection):
        _check_scores(scores, f"{where}.detection[{i}]")
    if (data.classification is None) == (not data.detection):
        raise RecordError("holds scores of neither or of both of detection and classification", where=where)


def _check_scores(scores: DetectionScores, where: str) -> None:
    if not scores.runs or any(len(run.stats) != len(COCO_STATS) for run in scores.runs):
        raise RecordError(f"an evaluator gives {len(COCO_STATS)} numbers", where=where)
    if any(len(c.precision) != len(IOU_THRESHOLDS) for c in scores.categories):
        raise RecordError(f"a category has {len(IOU_THRESHOLDS)} precisions", where=where)
    values = [v for run in scores.runs for v in run.stats] + [v for c in scores.categories for v in c.precision]
    if any(v != UNDEFINED and not 0.0 <= v <= 1.0 for v in values):
        raise RecordError("a precision or a recall lies outside of 0 to 1", where=where)
    for name, threshold in (("ap", None), ("ap50", 0), ("ap75", 5)):
        stated = scores.official.stats[COCO_STATS.index(name)]
        if abs(stated - mean_precision(scores.categories, threshold)) > 1e-9:  # rounding of at most some 10,000 terms
            raise RecordError(f"{name} is not the mean over its categories", where=where)


def mean_precision(categories: tuple[CategoryScore, ...], threshold: int | None = None) -> float:
    """AP over the categories that have an object, at one IoU threshold (by its place) or averaged over all ten."""
    chosen = slice(None) if threshold is None else slice(threshold, threshold + 1)
    values = [v for c in categories for v in c.precision[chosen] if v != UNDEFINED]
    return math.fsum(values) / len(values) if values else UNDEFINED
