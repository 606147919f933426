"""What the evaluation on a data set finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from npu_eval.asked.spec import EvalSpec
from npu_eval.experiments.dataset import data as coco
from npu_eval.records.record import Record
from samples.recorded import record


def image_set(**changes: Any) -> coco.ImageSet:
    found = coco.ImageSet(
        layout="coco",
        folder="coco2017",
        annotations="instances_val2017.json",
        annotations_sha256="a770" * 16,
        available=5000,
        limit=400,
        images=400,
        sha256="5e75" * 16,
    )
    return replace(found, **changes)


def detection_scores(iou_type: str = "bbox", lower: float = 0.0) -> coco.DetectionScores:
    """Three categories, the last without an object; AP falls with the IoU threshold."""
    falling = tuple(round(0.75 - lower - 0.05 * i, 4) for i in range(10))
    categories = (
        coco.CategoryScore(name="person", objects=900, detections=1200, precision=falling),
        coco.CategoryScore(name="traffic light", objects=40, detections=90, precision=tuple(v / 2 for v in falling)),
        coco.CategoryScore(name="虎", objects=0, detections=2, precision=(-1.0,) * 10),
    )
    means = [coco.mean_precision(categories, place) for place in (None, 0, 5)]
    stats = (*means, 0.1125, 0.3875, -1.0, 0.2, 0.41, 0.44, 0.15, 0.4625, -1.0)
    runs = tuple(
        coco.EvaluatorRun(evaluator=name, version=version, stats=stats, seconds=seconds)
        for name, version, seconds in (("hotcoco", "1.3.0", 0.08), ("pycocotools", "2.0.11", 2.5))
    )
    return coco.DetectionScores(iou_type=iou_type, objects=940, crowds=12, runs=runs, categories=categories)


def comparison(**changes: Any) -> coco.Comparison:
    found = coco.Comparison(
        metric="box_ap",
        other="blendmask on cuda:0 (A100)",
        other_sha256="07e4" * 16,
        value=0.39375,
        other_value=0.395,
        seed=0,
        differences=tuple(round(-0.00125 + 0.00001 * ((i * 37) % 200 - 100), 8) for i in range(1000)),
    )
    return replace(found, **changes)


def dataset_data(**changes: Any) -> coco.DatasetData:
    found = coco.DatasetData(
        image_set=image_set(),
        unreadable=(coco.Unusable(name="000000000139.jpg", why="is no image"),),
        broken_annotations=(
            coco.Unusable(name="annotation 7 of 000000000285.jpg", why="left out of the masks: it has no polygon"),
        ),
        repairs=(coco.Repaired(kind="number-as-text", count=12), coco.Repaired(kind="annotation-of-no-image", count=3)),
        missing_categories=("toothbrush",),
        missing_objects=3,
        unused_classes=("unicorn",),
        detections=1292,
        dropped_detections=17,
        images_without_detections=11,
        resumed_images=0,
        results="evaluation/results/dataset.jsonl",
        results_sha256="11ae" * 16,
        detection=(detection_scores(), detection_scores("segm", 0.05)),
        classification=None,
        comparisons=(comparison(),),
    )
    return replace(found, **changes)


def class_data(**changes: Any) -> coco.DatasetData:
    found = dataset_data(
        image_set=image_set(layout="labelled", folder="imagenet", annotations="labels.csv", images=20, available=20,
                            limit=None),
        broken_annotations=(), missing_categories=(), missing_objects=0, unused_classes=(), detections=0,
        dropped_detections=0, images_without_detections=0, detection=(), comparisons=(),
        classification=coco.ClassCounts(classes=1000, top1=15, top5=19),
    )  # fmt: skip
    return replace(found, **changes)


def dataset_record(*, spec: EvalSpec | None = None, data: coco.DatasetData | None = None, **changes: Any) -> Record:
    command = ("python", "evaluation/eval_dataset.py", "--limit", "400", "--save", "evaluation")
    return record(data or dataset_data(), command, spec=spec, **changes)
