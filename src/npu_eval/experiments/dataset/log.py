"""The lines of a data set evaluation's log: a pure function of its record. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from npu_eval.experiments.dataset.coco_repair import REPAIRS
from npu_eval.experiments.dataset.data import (
    COCO_STATS,
    UNDEFINED,
    CategoryScore,
    DatasetData,
    DetectionScores,
    Unusable,
)
from npu_eval.experiments.dataset.data import mean_precision as mean_of
from npu_eval.experiments.dataset.statistics import interval, metric_values
from npu_eval.models.protocols import DetectionProtocol
from npu_eval.notation import units
from npu_eval.notation.tables import table

MAX_LISTED = 20
"""Unusable files and annotations that the log lists; the record has them all."""

_OVERLAP = {"bbox": "boxes", "segm": "masks"}


def dataset_lines(data: DatasetData) -> list[str]:
    """The body of the log."""
    lines = [f"{name:<24}{value}" for name, value in _facts(data)]
    for scores in data.detection:
        lines += ["", *_detection(scores)]
    if data.classification is not None:
        values = metric_values(data)
        counts = data.classification
        rows = [
            (
                "top-1",
                units.count(counts.top1),
                units.count(data.image_set.images),
                units.percent(values["top1_accuracy"]),
            ),
            (
                "top-5",
                units.count(counts.top5),
                units.count(data.image_set.images),
                units.percent(values["top5_accuracy"]),
            ),
        ]
        lines += ["", *table(("metric", "", "right", "images", "accuracy"), [(r[0], "", *r[1:]) for r in rows])]
    lines += _comparisons(data)
    lines += _listed("unreadable images (each counts as an image in which nothing was found)", data.unreadable)
    lines += _listed("broken annotations", data.broken_annotations)
    return lines


def _facts(data: DatasetData) -> list[tuple[str, str]]:
    found = data.image_set
    facts = [
        ("data set", f"{found.folder} ({found.layout} layout), labels: {found.annotations}"),
        ("", "-" if found.annotations_sha256 is None else f"sha256 {found.annotations_sha256}"),
        ("images", f"{units.count(found.images)} of {units.count(found.available)}, taken from the labels"),
        ("", f"sha256 of the list {found.sha256}"),
        ("unreadable", units.count(len(data.unreadable))),
    ]
    if data.detection:
        without = units.count(data.images_without_detections)
        missing, unused = data.missing_categories, data.unused_classes
        facts += [
            ("broken annotations", units.count(len(data.broken_annotations))),
            *(("repaired", f"{units.count(repair.count)} {REPAIRS[repair.kind]}") for repair in data.repairs),
            ("detections", f"{units.count(data.detections)}; none in {without} images"),
            (
                "categories left out",
                f"{units.count(len(missing))} that the model lacks, with "
                f"{units.count(data.missing_objects)} objects{_some(missing)}",
            ),
            (
                "classes left out",
                f"{units.count(len(unused))} that the data set lacks, with "
                f"{units.count(data.dropped_detections)} detections{_some(unused)}",
            ),
        ]
    if data.direct is not None:
        kept = data.direct.protocol
        facts += [
            ("protocol", f"{kept.name}: {_limits(kept)}"),
            ("", f"{units.count(data.direct.classes_at_once)} classes at once, masks of what is kept alone"),
        ]
    facts += [
        ("results", data.results),
        ("", f"sha256 {data.results_sha256}"),
        ("resumed", f"{units.count(data.resumed_images)} images taken over from a run that was cut short"),
    ]
    return facts


def _limits(kept: DetectionProtocol) -> str:
    limits = [f"scores from {units.ratio(kept.score_floor)} on"]
    limits += [] if kept.per_class is None else [f"the {units.count(kept.per_class)} best of an image and class"]
    limits += [] if kept.per_image is None else [f"the {units.count(kept.per_image)} best of an image"]
    return ", ".join(limits)


def _some(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f": {', '.join(names[:5])}" + (f" and {units.count(len(names) - 5)} more" if len(names) > 5 else "")


def _detection(scores: DetectionScores) -> list[str]:
    lines = [
        f"COCO AP of {_OVERLAP[scores.iou_type]} over {units.count(len(scores.categories))} categories, "
        f"{units.count(scores.objects)} objects and {units.count(scores.crowds)} crowds",
        *table(
            ("evaluator", "version", *COCO_STATS, "seconds"),
            [
                (run.evaluator, run.version, *(_score(v) for v in run.stats), units.seconds(run.seconds))
                for run in scores.runs
            ],
        ),
    ]
    if len(scores.runs) > 1:
        same = all(run.stats == scores.official.stats for run in scores.runs)
        said = "bit-identical" if same else f"they DIFFER; {scores.official.evaluator} counts"
        lines.append(
            f"the {units.count(len(scores.runs))} evaluators are {said}" if same else f"the evaluators: {said}"
        )
    else:
        lines.append("one evaluator; ask for a second with --cross-check")
    shown = sorted((c for c in scores.categories if c.objects or c.detections), key=lambda c: (-c.objects, c.name))
    lines += [
        "",
        *table(("category", "", "objects", "detections", "ap", "ap50", "ap75"), [_category(c) for c in shown]),
    ]
    return lines


def _category(c: CategoryScore) -> tuple[str, ...]:
    return (
        c.name,
        "",
        units.count(c.objects),
        units.count(c.detections),
        _score(mean_of((c,))),
        _score(mean_of((c,), 0)),
        _score(mean_of((c,), 5)),
    )


def _score(value: float) -> str:
    return "-" if value == UNDEFINED else units.ratio(value)


def _comparisons(data: DatasetData) -> list[str]:
    found = [interval(comparison) for comparison in data.comparisons]
    rows = [
        (
            i.metric,
            i.other,
            units.ratio(i.value),
            units.ratio(i.other_value),
            f"{i.difference:+.4f}",
            f"{i.low:+.4f} … {i.high:+.4f}",
            units.count(i.draws),
            "yes" if i.excludes_zero else "no",
        )
        for i in found
        if i is not None
    ]
    if not rows:
        return []
    header = ("metric", "against", "this run", "that run", "difference", "95 % interval", "draws", "differs")
    return ["", "paired bootstrap over images; an image drawn twice counts twice", *table(header, rows)]


def _listed(title: str, found: Sequence[Unusable]) -> list[str]:
    if not found:
        return []
    lines = ["", f"{title}: {units.count(len(found))}"]
    lines += [f"  {one.name}: {one.why}" for one in found[:MAX_LISTED]]
    if len(found) > MAX_LISTED:
        lines.append(f"  and {units.count(len(found) - MAX_LISTED)} more, which the record names")
    return lines
